"""An app in which a handler can end in every way, and clients that make it."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx2
import pytest

from hesper import (
    Controller,
    Hesper,
    Lifespan,
    Provide,
    Request,
    Response,
    Router,
    WebSocket,
    get,
    mount,
    post,
    websocket,
)
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from hesper.datastructures import State
from hesper.exceptions import NotAuthorizedException, NotFoundException, WebSocketDisconnect
from hesper.response import Stream
from hesper.testing import AsyncTestClient, WebSocketDeniedError
from hesper.testing.errors import LifespanError


class Marker:
    """Something local to a frame, to see whether the frame is gone."""


markers: list[weakref.ref[Marker]] = []


def mark() -> Marker:
    marker = Marker()
    markers.append(weakref.ref(marker))
    return marker


async def session(state: State) -> AsyncIterator[int]:
    marker = mark()
    try:
        yield state.number
    finally:
        del marker


def thread_session(state: State) -> Iterator[int]:
    yield state.number


def allow(connection: object, route_handler: object) -> None: ...


def refuse(connection: object, route_handler: object) -> None:
    marker = mark()
    raise NotAuthorizedException(str(marker))


async def before(request: Request) -> None: ...


def translate(request: Request, error: LookupError) -> Response[str]:
    return Response(str(error), status_code=418)


class Books(Controller):
    """Every way in which a handler can end."""

    path = "/books"
    dependencies = {"db": Provide(session), "slow": Provide(thread_session)}
    guards = [allow]
    before_request = before
    exception_handlers = {LookupError: translate}

    @get("/one")
    async def one(self, db: int) -> int:
        return db

    @get("/request")
    async def request(self, request: Request) -> str:
        return str(request.url)

    @get("/thread")
    def thread(self, slow: int) -> int:
        return slow

    @get("/boom")
    async def boom(self, db: int) -> None:
        marker = mark()
        raise ValueError(str(marker))

    @get("/boom-in-a-thread")
    def boom_in_a_thread(self, slow: int) -> None:
        marker = mark()
        raise ValueError(str(marker))

    @get("/translated")
    async def translated(self) -> None:
        marker = mark()
        raise LookupError(str(marker))

    @get("/missing")
    async def missing(self, db: int) -> None:
        marker = mark()
        raise NotFoundException(str(marker))

    @get("/refused", guards=[refuse])
    async def refused(self) -> None: ...

    @get("/stream")
    async def stream(self) -> Stream:
        async def numbers() -> AsyncIterator[str]:
            for number in range(3):
                yield str(number)

        return Stream(numbers())

    @get("/broken-stream")
    async def broken_stream(self) -> Stream:
        async def numbers() -> AsyncIterator[str]:
            marker = mark()
            yield "1"
            raise ValueError(str(marker))

        return Stream(numbers())

    @get("/background")
    async def background(self) -> Response[str]:
        return Response("ok", background=BackgroundTask(allow, 1, 2))

    @post("/add")
    async def add(self, data: dict[str, int]) -> dict[str, int]:
        return data


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


@websocket("/refused-socket", guards=[refuse])
async def refused_socket(socket: WebSocket) -> None: ...


@websocket("/broken-socket")
async def broken_socket(socket: WebSocket) -> None:
    await socket.accept()
    marker = mark()
    raise ValueError(str(marker))


class Passing:
    """A middleware that does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "lifespan":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"raw"})


@asynccontextmanager
async def manager(app: Hesper) -> AsyncIterator[dict[str, int]]:
    app.state.numbers = []
    yield {"number": 1}


async def start(app: Hesper, lifespan: Lifespan) -> None:
    app.state.numbers.append(1)


def stop(state: State) -> None:
    state.numbers.append(2)


async def fail() -> None:
    marker = mark()
    raise ConnectionError(str(marker))


def make(**options: Any) -> Hesper:
    return Hesper(
        [
            Router("/api", [Books, echo, refused_socket, broken_socket], middleware=[Passing]),
            mount("/raw", raw),
            mount("/inner", Hesper([Router("/", [Books])], lifespan=[manager])),
        ],
        middleware=[Passing],
        lifespan=[manager],
        state={"initial": 1},
        **{"on_startup": [start], "on_shutdown": [stop], **options},
    )


Client: TypeAlias = AsyncTestClient[Hesper]
Use: TypeAlias = Callable[[Client], Awaitable[object]]


def asking(path: str, status: int) -> Use:
    async def use(client: Client) -> None:
        assert (await client.get(path)).status_code == status

    return use


async def adding(client: Client) -> None:
    assert (await client.post("/api/books/add", json={"a": 1})).status_code == 201
    assert (await client.post("/api/books/add", json={"a": "x"})).status_code == 400
    assert (await client.post("/api/books/add", content=b"{")).status_code == 415


async def streaming(client: Client) -> None:
    async with client.stream("GET", "/api/books/stream") as response:
        assert await response.aread() == b"012"


async def breaking_a_stream(client: Client) -> None:
    with pytest.raises(httpx2.HTTPError):
        await client.get("/api/books/broken-stream")


async def talking(client: Client) -> None:
    async with client.websocket_connect("/api/echo") as session:
        await session.send_text("hello")
        assert await session.receive_text() == "hello"


async def being_refused(client: Client) -> None:
    with pytest.raises((WebSocketDisconnect, WebSocketDeniedError)):
        async with client.websocket_connect("/api/refused-socket"):
            raise AssertionError("accepted")


async def breaking_a_socket(client: Client) -> None:
    async with client.websocket_connect("/api/broken-socket") as session:
        with pytest.raises(WebSocketDisconnect):
            await session.receive_text()


USES: dict[str, Use] = {
    "answer": asking("/api/books/one", 200),
    "request object": asking("/api/books/request", 200),
    "thread": asking("/api/books/thread", 200),
    "error": asking("/api/books/boom", 500),
    "error in a thread": asking("/api/books/boom-in-a-thread", 500),
    "translated error": asking("/api/books/translated", 418),
    "HTTP error": asking("/api/books/missing", 404),
    "refused by a guard": asking("/api/books/refused", 401),
    "no route": asking("/nowhere", 404),
    "wrong method": asking("/api/books/add", 405),
    "raw mount": asking("/raw/", 200),
    "mounted app": asking("/inner/books/one", 200),
    "background": asking("/api/books/background", 200),
    "body": adding,
    "stream": streaming,
    "broken stream": breaking_a_stream,
    "websocket": talking,
    "refused websocket": being_refused,
    "broken websocket": breaking_a_socket,
}


def used(use: Use, app: Hesper) -> Coroutine[Any, Any, None]:
    async def main() -> None:
        async with AsyncTestClient(app, raise_server_exceptions=False) as client:
            await use(client)

    return main()


def failing(app: Hesper) -> Coroutine[Any, Any, bool]:
    """Use *app*, and return whether its lifespan failed.

    The error is caught here: `asyncio.run` and `pytest.raises` would keep it in cycles of theirs.
    """

    async def main() -> bool:
        try:
            await used(USES["answer"], app)
        except LifespanError:
            return True
        return False

    return main()
