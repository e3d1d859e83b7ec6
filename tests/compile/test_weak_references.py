"""What serves a request goes with its last reference; the collector finds nothing to do."""

from __future__ import annotations

import asyncio
import gc
import linecache
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import pytest

from hesper import Hesper, Provide, Request, Response, WebSocket, get, post, websocket
from hesper._types import Scope
from hesper.exceptions import NotFoundException
from hesper.response import Stream
from tests.compile.driver import JSON, http_scope, serve


class Book(msgspec.Struct):
    title: str


class FailureError(Exception):
    pass


async def session() -> AsyncIterator[int]:
    try:
        yield 1
    finally:
        pass


def in_thread() -> Iterator[int]:
    yield 2


@contextmanager
def direct() -> Iterator[int]:
    yield 3


async def chunks(*, fail: bool) -> AsyncIterator[str]:
    yield "one"
    if fail:
        raise FailureError


@get("/hello")
async def hello() -> str:
    return "hello"


@post("/books", dependencies={"session": session})
async def add(data: Book, session: int, page: int = 1) -> Book:
    return data


@get(
    "/fail",
    dependencies={
        "session": session,
        "aside": in_thread,
        "here": Provide(direct, sync_to_thread=False),
    },
)
async def fail(session: int, aside: int, here: int, request: Request) -> str:
    raise FailureError


@get("/fail-in-thread")
def fail_in_thread(request: Request) -> str:
    raise FailureError


@get("/missing")
async def missing() -> str:
    raise NotFoundException


async def hand_on(request: Request, error: Exception) -> None:
    raise KeyError("again") from error


async def answer(request: Request, error: Exception) -> Response[str]:
    return Response(type(error).__name__)


@get("/handled", exception_handlers={FailureError: hand_on})
async def handled(request: Request) -> str:
    raise FailureError


@get("/unsendable")
async def unsendable() -> Any:
    return object()


@get("/stream", dependencies={"session": session})
async def stream(session: int, fail: bool = False) -> Stream:
    return Stream(chunks(fail=fail))


@get("/many", dependencies={f"part{n}": session for n in range(9)})
async def many(
    part0: int,
    part1: int,
    part2: int,
    part3: int,
    part4: int,
    part5: int,
    part6: int,
    part7: int,
    part8: int,
) -> str:
    raise FailureError


@websocket("/live", dependencies={"session": session})
async def live(socket: WebSocket, session: int, fail: bool = False) -> None:
    await socket.accept()
    if fail:
        raise FailureError
    async for text in socket.iter_text():
        await socket.send_text(text)


HANDLERS: list[Any] = [
    hello,
    add,
    fail,
    fail_in_thread,
    missing,
    handled,
    unsendable,
    stream,
    many,
    live,
]

REQUESTS: dict[str, Callable[[], tuple[Scope, list[bytes]]]] = {
    "success": lambda: (http_scope("GET", "/hello"), [b""]),
    "body": lambda: (http_scope("POST", "/books", headers=JSON), [b'{"title":"A"}']),
    "wrong body": lambda: (http_scope("POST", "/books", headers=JSON), [b"[", b"]"]),
    "wrong media type": lambda: (http_scope("POST", "/books"), [b"{}"]),
    "wrong query": lambda: (
        http_scope("POST", "/books", headers=JSON, query="page=x"),
        [b'{"title":"A"}'],
    ),
    "failure": lambda: (http_scope("GET", "/fail"), [b""]),
    "failure in a thread": lambda: (http_scope("GET", "/fail-in-thread"), [b""]),
    "failure among many": lambda: (http_scope("GET", "/many"), [b""]),
    "refusal": lambda: (http_scope("GET", "/missing"), [b""]),
    "failing exception handler": lambda: (http_scope("GET", "/handled"), [b""]),
    "unsendable": lambda: (http_scope("GET", "/unsendable"), [b""]),
    "stream": lambda: (http_scope("GET", "/stream"), [b""]),
    "broken stream": lambda: (http_scope("GET", "/stream", query="fail=1"), [b""]),
    "no route": lambda: (http_scope("GET", "/nowhere"), [b""]),
    "no method": lambda: (http_scope("PUT", "/hello"), [b""]),
    "head": lambda: (http_scope("HEAD", "/hello"), [b""]),
    "websocket": lambda: (socket_scope(b""), [b""]),
    "failing websocket": lambda: (socket_scope(b"fail=1"), [b""]),
    "refused websocket": lambda: (socket_scope(b"fail=x"), [b""]),
}


def socket_scope(query: bytes) -> Scope:
    return {
        "type": "websocket",
        "path": "/live",
        "query_string": query,
        "headers": [],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }


async def converse(app: Hesper, scope: Scope) -> None:
    waiting: list[Any] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "a"},
    ]

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "websocket.disconnect", "code": 1001}

    async def send(message: Any) -> None:
        pass

    await app(scope, receive, send)


async def serve_one(app: Hesper, name: str) -> None:
    scope, body = REQUESTS[name]()
    if scope["type"] == "websocket":
        await converse(app, scope)
    else:
        sent = await serve(app, scope, body)
        sent.error = None


T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what *work* does, on a loop whose threads have ended, too."""
    result = asyncio.run(work)
    for thread in threading.enumerate():
        if thread.name.startswith("AnyIO"):
            thread.join(10)
    return result


def endpoints() -> set[str]:
    """Return the names of the endpoints that there are."""
    return {name for name in linecache.cache if name.startswith("<hesper ")}


@pytest.fixture
def _no_collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Pytest keeps what is logged, and the exceptions with it.
    monkeypatch.setattr(logging.getLogger("hesper"), "disabled", True)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def ours() -> list[str]:
    """Return what the collector has found of Hesper's, or of what it was given."""
    gc.collect()
    found = [
        f"{type(thing).__module__}.{type(thing).__qualname__}: {thing!r:.100}"
        for thing in gc.garbage
        if type(thing).__module__.startswith(("hesper", "tests.")) or isinstance(thing, Exception)
    ]
    gc.garbage.clear()
    return found


async def _warm(name: str) -> None:
    """Let everything be imported and cached that the first use of a library makes."""
    await serve_one(Hesper(HANDLERS, exception_handlers={KeyError: answer}), name)


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.usefixtures("_no_collector")
def test_an_app_goes_with_its_last_reference_after_a_request(name: str) -> None:
    run(_warm(name))
    gc.collect()
    gc.garbage.clear()
    before = endpoints()

    async def use() -> list[weakref.ref[Any]]:
        app = Hesper(HANDLERS, exception_handlers={KeyError: answer})
        for _ in range(3):
            await serve_one(app, name)
        return [weakref.ref(app), *map(weakref.ref, app._lifespans)]

    references = run(use())
    assert [reference() for reference in references if reference() is not None] == []
    assert endpoints() <= before
    assert ours() == []


@pytest.mark.usefixtures("_no_collector")
def test_an_exception_goes_with_its_response() -> None:
    raised: list[weakref.ref[Exception]] = []

    async def broken() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise OSError

    @get("/", dependencies={"broken": broken})
    async def handler(broken: int) -> str:
        raise FailureError

    async def keep(error: Exception, scope: Scope) -> None:
        raised.append(weakref.ref(error))

    async def use() -> None:
        app = Hesper([handler], after_exception=keep)
        await serve(app, http_scope("GET", "/"))

    run(use())
    assert len(raised) == 1
    assert raised[0]() is None


@pytest.mark.usefixtures("_no_collector")
def test_a_scope_goes_with_its_request() -> None:
    class Watched(dict[str, Any]):
        pass

    async def use(name: str) -> weakref.ref[Watched]:
        app = Hesper(HANDLERS)
        scope, body = REQUESTS[name]()
        watched = Watched(scope)
        sent = await serve(app, watched, body)
        sent.error = None
        return weakref.ref(watched)

    for name in REQUESTS:
        if "websocket" not in name:
            assert run(use(name))() is None, name
