"""Apps with something of everything going on when the server is told to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from hesper import Hesper, Lifespan, WebSocket, get, websocket
from hesper.datastructures import State
from hesper.exceptions import WebSocketDisconnect
from hesper.response import ServerSentEvent, Stream
from tests.servers.saying import say

CHUNK = "x" * 65536


class Ends:
    """What has ended in one lifespan."""

    def __init__(self) -> None:
        self.stream = asyncio.Event()
        self.socket = asyncio.Event()
        self.handler = asyncio.Event()


@asynccontextmanager
async def manager(app: Hesper) -> AsyncIterator[None]:
    app.state.ends = Ends()
    try:
        yield
    finally:
        say("the manager is exited")


def log_the_end() -> None:
    say("the shutdown hook runs")


@get("/")
async def index() -> str:
    return "served"


@get("/events")
async def events(state: State) -> ServerSentEvent:
    ends: Ends = state.ends

    async def hello() -> AsyncIterator[str]:
        try:
            yield "hello"
            await asyncio.Event().wait()
        finally:
            say("the stream is closed")
            ends.stream.set()

    return ServerSentEvent(hello())


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    try:
        await socket.receive_text()
    except WebSocketDisconnect as gone:
        say(f"the websocket is closed with {gone.code}")
        raise
    finally:
        app.state.ends.socket.set()


@get("/slow")
async def slow(lifespan: Lifespan) -> str:
    say("the slow handler begins")
    await lifespan.closing
    await app.state.ends.stream.wait()
    await app.state.ends.socket.wait()
    app.state.ends.handler.set()
    say("the slow handler ends")
    return "finished"


async def work(lifespan: Lifespan) -> None:
    await lifespan.closing
    await app.state.ends.handler.wait()
    say("the task ends")


def start_work(lifespan: Lifespan) -> None:
    _ = lifespan.tasks.start(work, lifespan)


@get("/stuck")
async def stuck() -> None:
    say("the stuck handler begins")
    try:
        await asyncio.Event().wait()
    finally:
        say("the stuck handler is cancelled")


@get("/stuck-stream")
async def stuck_stream() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        yield "hello"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            say("the stuck stream goes on")
        try:
            await asyncio.Event().wait()
        finally:
            say("the stuck stream is cancelled")

    return Stream(chunks())


@get("/flood")
async def flood() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        try:
            while True:
                yield CHUNK
        finally:
            say("the flood is closed")

    return Stream(chunks())


@get("/large")
async def large() -> str:
    return CHUNK * 500


async def never_end() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        say("the stuck task is cancelled")


def start_stuck_work(lifespan: Lifespan) -> None:
    _ = lifespan.tasks.start(never_end)


async def ignore_the_end() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@get("/deaf")
async def deaf_handler() -> None:
    say("the deaf handler begins")
    await ignore_the_end()


@get("/blocked", sync_to_thread=True)
def block_a_thread() -> None:
    say("the blocking handler begins")
    _ = threading.Event().wait()


def start_deaf_work(lifespan: Lifespan) -> None:
    _ = lifespan.tasks.start(ignore_the_end)


async def start_for_ever() -> None:
    say("the start begins")
    await asyncio.Event().wait()


app = Hesper(
    [index, events, socket, slow],
    lifespan=manager,
    on_startup=start_work,
    on_shutdown=log_the_end,
    drain_timeout=20,
)
"""All of it ends by itself."""

streams = Hesper(
    [index, events, large], lifespan=manager, on_shutdown=log_the_end, drain_timeout=20
)
"""One stream, or one large response."""

sticky = Hesper(
    [index, stuck, stuck_stream, flood],
    lifespan=manager,
    on_startup=start_stuck_work,
    on_shutdown=log_the_end,
    drain_timeout=0.3,
)
"""None of it does."""

deaf = Hesper(
    [index, deaf_handler, block_a_thread],
    lifespan=manager,
    on_startup=start_deaf_work,
    on_shutdown=log_the_end,
    drain_timeout=0.2,
)
"""None of it even ends when it is cancelled."""

never_ready = Hesper(
    lifespan=manager, on_startup=start_for_ever, on_shutdown=log_the_end, drain_timeout=0.2
)
"""A start that never ends."""

patient = Hesper([index, stuck], lifespan=manager, on_shutdown=log_the_end, drain_timeout=600)
"""A handler that is stuck, and more time than a test has."""
