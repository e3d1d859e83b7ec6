"""`client_for`: the cached client of an app."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hesper import Hesper, WebSocket, get, websocket
from hesper.datastructures import State
from hesper.exceptions import LifespanNotStarted
from hesper.testing import client_for

pytestmark = pytest.mark.anyio


@get("/")
async def index() -> str:
    return "served"


@get("/number")
async def number(state: State) -> int:
    found: int = state.number
    return found


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


@asynccontextmanager
async def manager(app: Hesper) -> AsyncIterator[None]:
    app.state.number = 42
    yield


async def test_it_asks_the_app() -> None:
    app = Hesper([index, echo])
    assert (await client_for(app).get("/")).text == "served"
    async with client_for(app).websocket_connect("/echo") as session:
        await session.send_text("hello")
        assert await session.receive_text() == "hello"


async def test_an_app_has_one_client_and_another_app_another() -> None:
    one, two = Hesper([index]), Hesper([index])
    assert client_for(one) is client_for(one)
    assert client_for(one) is not client_for(two)


async def test_the_client_is_gone_when_the_app_is() -> None:
    gc.disable()
    try:
        app = Hesper([index])
        await client_for(app).get("/")
        gone = weakref.ref(app), weakref.ref(client_for(app))
        del app
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


async def test_a_client_that_is_kept_longer_than_its_app_says_so() -> None:
    app = Hesper([index])
    client = client_for(app)
    del app
    with pytest.raises(ReferenceError, match="the app of this client is gone"):
        await client.get("/")


async def test_its_block_runs_the_lifespan_as_often_as_it_is_entered() -> None:
    app = Hesper([number], lifespan=[manager])
    for _ in range(2):
        async with client_for(app) as client:
            assert client is client_for(app)
            assert (await client.get("/number")).json() == 42


async def test_it_serves_in_the_lifespan_that_is_running() -> None:
    app = Hesper([number], lifespan=[manager])
    with pytest.raises(LifespanNotStarted):
        await client_for(app).get("/number")
    async with app.lifespan():
        assert (await client_for(app).get("/number")).json() == 42


async def test_after_it_was_closed_there_is_a_new_one() -> None:
    app = Hesper([index])
    first = client_for(app)
    await first.aclose()
    second = client_for(app)
    assert second is not first
    assert (await second.get("/")).text == "served"
