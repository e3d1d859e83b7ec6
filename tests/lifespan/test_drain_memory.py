"""With the collector of cycles off, nothing is left of what a drain has ended."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest

from hesper import Hesper, Lifespan, WebSocket, get, websocket
from hesper.response import Stream
from tests.lifespan.exchange import Exchange
from tests.lifespan.journal import forever

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@get("/stream")
async def stream(lifespan: Lifespan) -> Stream:
    async def chunks() -> AsyncIterator[str]:
        async for number in lifespan.until_closing(numbers()):
            yield str(number)

    return Stream(chunks())


async def numbers() -> AsyncIterator[int]:
    yield 1
    await forever()


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.receive_text()


@get("/stuck")
async def stuck() -> None:
    await forever()


async def one_run(app: Hesper) -> list[weakref.ref[object]]:
    lifespan = app.lifespan()
    await lifespan.start()
    _ = lifespan.tasks.start(forever)
    async with (
        Exchange(lifespan, "/stream") as first,
        Exchange(lifespan, "/socket", "websocket") as second,
        Exchange(lifespan, "/stuck") as third,
    ):
        assert await first.body() == b"1"
        await second.message("websocket.accept")
        lifespan.begin_closing(within=0.01)
        await asyncio.wait({first.task, second.task, third.task})
        assert third.task.cancelled()
    await lifespan.stop()
    return [weakref.ref(thing) for thing in (lifespan, lifespan.turn, lifespan.tasks, app)]


async def test_connections_that_were_ended_leave_nothing() -> None:
    references = await one_run(Hesper([stream, socket, stuck]))
    # An interruption inside of another is looked at once more, a moment later.
    await asyncio.sleep(0.05)
    assert [reference() for reference in references] == [None] * 4


async def test_what_has_ended_is_told_no_more() -> None:
    async with Hesper([stream, socket]).lifespan() as lifespan:
        for _ in range(3):
            async with Exchange(lifespan, "/stream") as exchange:
                assert await exchange.body() == b"1"
                exchange.incoming.put_nowait({"type": "http.disconnect"})
                await exchange.task
            async with Exchange(lifespan, "/socket", "websocket") as exchange:
                await exchange.message("websocket.accept")
                assert len(lifespan.turn._listeners) == 1
                exchange.incoming.put_nowait({"type": "websocket.disconnect"})
                await exchange.task
        assert len(lifespan.turn._listeners) == 0


async def test_nothing_is_kept_of_who_was_interrupted() -> None:
    async with (
        Hesper([stream, socket]).lifespan() as lifespan,
        Exchange(lifespan, "/stream") as first,
        Exchange(lifespan, "/socket", "websocket") as second,
    ):
        assert await first.body() == b"1"
        await second.message("websocket.accept")
        lifespan.begin_closing()
        await asyncio.wait({first.task, second.task})
        assert lifespan.turn._interrupted == {}
