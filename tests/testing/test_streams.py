"""Streams and server-sent events of an app, in both clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count

import httpx2
import pytest

from hesper import Hesper, get
from hesper.response import ServerSentEvent, ServerSentEventMessage, Stream
from hesper.testing import AsyncTestClient, TestClient

ENDED: list[str] = []


@get("/numbers")
async def numbers() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        try:
            for number in count():
                yield f"{number} "
        finally:
            ENDED.append("numbers")

    return Stream(chunks())


@get("/events")
async def events() -> ServerSentEvent:
    async def messages() -> AsyncIterator[ServerSentEventMessage]:
        yield ServerSentEventMessage(comment="hello", data=None)
        yield ServerSentEventMessage("two\nlines", event="greeting", id=7, retry=100)
        yield ServerSentEventMessage('{"a": 1}')

    return ServerSentEvent(messages())


@get("/ticks")
async def ticks() -> ServerSentEvent:
    async def endless() -> AsyncIterator[int]:
        try:
            for number in count():
                yield number
        finally:
            ENDED.append("ticks")

    return ServerSentEvent(endless())


@get("/silence")
async def silence() -> ServerSentEvent:
    async def nothing() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            ENDED.append("silence")

    return ServerSentEvent(nothing())


app = Hesper([numbers, events, ticks, silence])

EVENTS = [
    httpx2.ServerSentEvent(event="greeting", data="two\nlines", id="7", retry=100),
    httpx2.ServerSentEvent(event="message", data='{"a": 1}', id="7"),
]


@pytest.fixture(autouse=True)
def _nothing_has_ended() -> None:
    ENDED.clear()


def taken(chunk: Callable[[], str]) -> str:
    """Read on until a few numbers are there."""
    text = ""
    while len(text.split()) < 4:
        text += chunk()
    return text


def test_a_sync_client_reads_a_stream_and_ends_it_by_leaving() -> None:
    with TestClient(app) as client:
        with client.stream("GET", "/numbers") as response:
            text = response.iter_text()
            assert taken(lambda: next(text)).startswith("0 1 2 ")
        assert ENDED == ["numbers"]


@pytest.mark.anyio
async def test_an_async_client_reads_a_stream_and_ends_it_by_leaving() -> None:
    async with AsyncTestClient(app) as client:
        async with client.stream("GET", "/numbers") as response:
            read = ""
            async for text in response.aiter_text():
                read += text
                if len(read) > 10:
                    break
        assert read.startswith("0 1 2 ")
        assert ENDED == ["numbers"]


def test_a_sync_client_iterates_over_events() -> None:
    with TestClient(app) as client, client.sse("/events") as source:
        found = list(source)
    assert found == EVENTS
    assert found[1].json() == {"a": 1}


@pytest.mark.anyio
async def test_an_async_client_iterates_over_events() -> None:
    async with AsyncTestClient(app) as client, client.sse("/events") as source:
        assert [event async for event in source] == EVENTS


def test_events_without_end_end_when_a_sync_client_leaves() -> None:
    with TestClient(app) as client:
        with client.sse("/ticks") as source:
            assert next(iter(source)).data == "0"
        assert ENDED == ["ticks"]


@pytest.mark.anyio
async def test_events_without_end_end_when_an_async_client_leaves() -> None:
    async with AsyncTestClient(app) as client:
        async with client.sse("/ticks") as source:
            async for event in source:
                if event.data == "3":
                    break
        assert ENDED == ["ticks"]


def test_a_source_that_says_nothing_ends_when_it_is_left() -> None:
    with TestClient(app) as client:
        with client.sse("/silence") as source:
            assert source.response.headers["content-type"].startswith("text/event-stream")
        assert ENDED == ["silence"]


def test_a_response_that_is_no_source_of_events_is_an_error() -> None:
    with (
        TestClient(app) as client,
        client.sse("/nowhere") as source,
        pytest.raises(httpx2.SSEError, match="text/event-stream"),
    ):
        next(iter(source))
