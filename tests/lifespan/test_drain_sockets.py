"""How websockets end when their lifespan turns to closing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hesper import Hesper, Lifespan, WebSocket, websocket
from hesper._types import Message
from hesper.exceptions import WebSocketDisconnect
from tests.lifespan.exchange import Exchange
from tests.lifespan.journal import Journal

pytestmark = pytest.mark.anyio

CLOSED = {"type": "websocket.close", "code": 1012, "reason": "service restart"}

Handler = Callable[[WebSocket], Awaitable[None]]


def talking(handle: Handler) -> Hesper:
    @websocket("/")
    async def handler(socket: WebSocket) -> None:
        await handle(socket)

    return Hesper([handler])


@pytest.mark.parametrize(
    "receive",
    [
        WebSocket.receive_text,
        WebSocket.receive_bytes,
        WebSocket.receive_json,
        WebSocket.receive_msgpack,
    ],
)
async def test_one_that_waits_for_its_client_is_closed(
    receive: Callable[[WebSocket], Awaitable[object]],
) -> None:
    journal = Journal()

    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await receive(socket)
        except WebSocketDisconnect as gone:
            journal.append(f"closed with {gone.code}")
            raise
        finally:
            await asyncio.sleep(0)
            journal.append("exited")

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        lifespan.begin_closing()
        assert await exchange.rest() == [CLOSED]
        assert exchange.task.cancelling() == 0
        assert journal == ["closed with 1012", "exited"]


async def test_an_iteration_over_messages_ends() -> None:
    seen: list[str] = []
    heard = asyncio.Event()

    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            seen.append(text)
            heard.set()
        seen.append("ended")

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        exchange.incoming.put_nowait({"type": "websocket.receive", "text": "one"})
        await heard.wait()
        lifespan.begin_closing()
        assert await exchange.rest() == [CLOSED]
        assert seen == ["one", "ended"]


async def test_what_is_received_by_hand_is_a_disconnection() -> None:
    seen: list[Message] = []

    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        seen.append(await socket.receive())

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        lifespan.begin_closing()
        await exchange.rest()
    assert seen == [{"type": "websocket.disconnect", "code": 1012, "reason": "service restart"}]


async def test_one_that_waits_for_something_else_is_closed_and_told_when_it_sends() -> None:
    news: asyncio.Queue[str] = asyncio.Queue()
    codes: list[int] = []

    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await news.get())
        except WebSocketDisconnect as gone:
            codes.append(gone.code)

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        news.put_nowait("one")
        await exchange.message("websocket.send")
        lifespan.begin_closing()
        assert await exchange.sent.get() == CLOSED
        news.put_nowait("two")
        assert await exchange.rest() == []
    assert codes == [1012]


async def test_the_close_is_on_its_way_before_the_handler_goes_on() -> None:
    sending, go_on = asyncio.Event(), asyncio.Event()
    told: list[int] = []

    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        sending.set()
        await go_on.wait()
        try:
            await socket.receive_text()
        except WebSocketDisconnect as gone:
            told.append(gone.code)

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket", ahead=1) as exchange,
    ):
        await sending.wait()
        lifespan.begin_closing()
        for _ in range(5):  # the close waits behind the accept that nobody has read
            await asyncio.sleep(0)
        go_on.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert told == []
        await exchange.message("websocket.accept")
        assert await exchange.sent.get() == CLOSED
        await exchange.task
        assert told == [1012]


async def test_one_that_is_accepted_while_closing_is_closed() -> None:
    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()

    async with talking(handle).lifespan() as lifespan:
        lifespan.begin_closing()
        async with Exchange(lifespan, "/", "websocket") as exchange:
            await exchange.message("websocket.accept")
            assert await exchange.rest() == [CLOSED]


async def test_one_that_is_not_accepted_yet_is_not_closed() -> None:
    begun = asyncio.Event()

    async def handle(socket: WebSocket) -> None:
        begun.set()
        await socket.app.state.go_on.wait()
        await socket.close(4000)

    app = talking(handle)
    async with app.lifespan() as lifespan:
        lifespan.state.go_on = asyncio.Event()
        async with Exchange(lifespan, "/", "websocket") as exchange:
            await begun.wait()
            lifespan.begin_closing()
            lifespan.state.go_on.set()
            assert [message["code"] for message in await exchange.rest()] == [4000]


async def test_one_that_its_handler_closes_just_then_is_closed_once() -> None:
    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        await lifespan.closing
        await socket.close(4000)

    lifespan: Lifespan
    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        lifespan.begin_closing()
        assert [message["type"] for message in await exchange.rest()] == ["websocket.close"]


async def test_closing_one_whose_client_has_gone_is_no_error() -> None:
    codes: list[int] = []
    accepted = asyncio.Event()

    async def handle(socket: WebSocket) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "websocket.close":
                raise OSError("the client has gone")

        other = WebSocket(socket.scope, socket.receive, send)
        await other.accept()
        accepted.set()
        try:
            await other.receive_text()
        except WebSocketDisconnect as gone:
            codes.append(gone.code)

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await accepted.wait()
        lifespan.begin_closing()
        await exchange.rest()
    assert codes == [1012]
