"""The record of what happens to a connection, in order, outcome by outcome.

An app notes everything that happens in it. The tests compare what it notes with the record, and
the documentation's page about the order of events is made from the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from hesper import Hesper, Request, Response, Router, WebSocket, get, websocket
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from hesper.exceptions import PermissionDeniedException
from hesper.response import Stream
from tests.compile.driver import Sent, http_scope

Events = list[str]


class OddError(Exception):
    """What the record's app raises, and has exception handlers for."""


@dataclass(frozen=True)
class Case:
    """One outcome."""

    title: str
    text: str
    """What leads to it, for the documentation."""
    events: tuple[str, ...]
    """What happens, in order."""
    answer: str
    """What the client gets: a status, or what becomes of a websocket."""
    fails: tuple[str, ...] = ()
    """The events at which something is raised."""
    method: str = "GET"
    path: str = "/1"
    query: str = "size=1"
    short: bool = False
    """Whether `before_request` answers."""
    streams: bool = False
    leaves: bool = False
    """Whether the client goes once it has the beginning of the response."""


def middleware(events: Events, name: str) -> Callable[[ASGIApp], ASGIApp]:
    def wrap(app: ASGIApp) -> ASGIApp:
        async def around(scope: Scope, receive: Receive, send: Send) -> None:
            events.append(f"{name} middleware in")
            try:
                await app(scope, receive, send)
            finally:
                events.append(f"{name} middleware out")

        return around

    return wrap


def app_of(case: Case, events: Events) -> Hesper:
    """Return an app that does what *case* says, and notes everything in *events*."""

    def happens(name: str) -> None:
        events.append(name)
        if name in case.fails:
            raise PermissionDeniedException("no") if name == "guard" else OddError(name)

    async def session() -> AsyncIterator[str]:
        happens("dependency entered")
        try:
            yield "session"
        finally:
            happens("dependency exited")

    def guard(connection: Any, handler: Any) -> None:
        happens("guard")

    async def before_request(request: Request) -> str | None:
        happens("before_request")
        return "short" if case.short else None

    async def after_request(response: Response[Any]) -> Response[Any]:
        happens("after_request")
        return response

    async def after_response(request: Request) -> None:
        happens("after_response")

    async def background() -> None:
        happens("background work")

    async def chunks() -> AsyncIterator[str]:
        happens("stream begins")
        try:
            yield "a"
            happens("stream goes on")
            if case.leaves:
                await asyncio.Event().wait()
        finally:
            events.append("stream ends")

    async def before_send(message: Message, scope: Scope) -> None:
        happens(f"before_send {message['type'].partition('.')[2]}")

    async def after_exception(error: Exception, scope: Scope) -> None:
        events.append(f"after_exception {type(error).__name__}")

    async def recover_inside(request: Any, error: Exception) -> Response[str]:
        happens("exception handler")
        return Response("recovered", status_code=500)

    async def recover_outside(request: Any, error: Exception) -> Response[str]:
        happens("application's exception handler")
        return Response("recovered outside", status_code=500)

    @get(
        "/{page:int}",
        dependencies={"session": session},
        guards=[guard],
        before_request=before_request,
        after_request=after_request,
        middleware=[middleware(events, "handler")],
        background=BackgroundTask(background),
        exception_handlers={OddError: recover_inside},
    )
    async def handler(page: int, size: int, session: str) -> Any:
        happens("handler")
        return Stream(chunks) if case.streams else "result"

    @websocket(
        "/socket",
        dependencies={"session": session},
        guards=[guard],
        middleware=[middleware(events, "handler")],
    )
    async def on_socket(socket: WebSocket, session: str) -> None:
        happens("handler")
        await socket.accept()

    router = Router("/", [handler, on_socket], middleware=[middleware(events, "router")])
    return Hesper(
        [router],
        middleware=[middleware(events, "application")],
        exception_handlers={OddError: recover_outside},
        after_response=after_response,
        before_send=before_send,
        after_exception=after_exception,
    )


def happening(case: Case) -> tuple[Events, str]:
    """Return what happens in *case*, and what the client gets."""
    events: Events = []
    app = app_of(case, events)
    serve = _socket if case.method == "WEBSOCKET" else _request
    return events, asyncio.run(serve(app, case))


async def _request(app: ASGIApp, case: Case) -> str:
    sent, has_begun = Sent(), asyncio.Event()

    async def receive() -> Message:
        if not sent.messages:
            return {"type": "http.request", "body": b"", "more_body": False}
        await has_begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.take(message)
        if case.leaves and message["type"] == "http.response.body":
            has_begun.set()

    scope = http_scope(case.method, case.path, query=case.query)
    try:
        await app(scope, receive, send)
    except OddError:
        return f"{sent.status}, and the connection breaks"
    return str(sent.status) if sent.complete else f"{sent.status}, and the client is gone"


async def _socket(app: ASGIApp, case: Case) -> str:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = http_scope("", "/socket")
    del scope["method"]
    extensions: dict[str, object] = {"websocket.http.response": {}}
    await app({**scope, "type": "websocket", "extensions": extensions}, receive, send)
    if sent[0]["type"] == "websocket.accept":
        return f"accepted, then closed with {sent[1]['code']}"
    return f"refused with {sent[0]['status']}"


_IN: Final = ("application middleware in", "router middleware in", "handler middleware in")
_OUT: Final = ("handler middleware out", "router middleware out", "application middleware out")
_SENT: Final = ("before_send response.start", "before_send response.body")
_END: Final = ("after_response", "background work", *_OUT)

CASES: Final = {
    "success": Case(
        "Success",
        "The handler returns a value. The dependency is exited before anything is sent.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "handler",
            "after_request",
            "dependency exited",
            *_SENT,
            *_END,
        ),
        "200",
    ),
    "before_request": Case(
        "`before_request` answers",
        "It returns a value, which is answered in the handler's place.",
        (*_IN, "guard", "before_request", "after_request", *_SENT, *_END),
        "200",
        short=True,
    ),
    "validation error": Case(
        "A value of the request does not fit",
        "Nothing is entered, and the handler is not called.",
        (*_IN, "guard", "before_request", "after_exception ValidationException", *_SENT, *_END),
        "400",
        query="size=x",
    ),
    "guard refusal": Case(
        "A guard refuses",
        "It raises `PermissionDeniedException`.",
        (*_IN, "guard", "after_exception PermissionDeniedException", *_SENT, *_END),
        "403",
        fails=("guard",),
    ),
    "dependency error": Case(
        "A dependency cannot be entered",
        "Its provider raises, and the handler is not called.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "after_exception OddError",
            "exception handler",
            *_SENT,
            *_END,
        ),
        "500",
        fails=("dependency entered",),
    ),
    "handler error": Case(
        "The handler raises",
        "The dependency sees the exception, and is exited before the exception is answered.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "handler",
            "dependency exited",
            "after_exception OddError",
            "exception handler",
            *_SENT,
            *_END,
        ),
        "500",
        fails=("handler",),
    ),
    "exit error": Case(
        "A dependency cannot be exited",
        "A commit fails, for example. Nothing has been sent yet, so the client learns of it.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "handler",
            "after_request",
            "dependency exited",
            "after_exception OddError",
            "exception handler",
            *_SENT,
            *_END,
        ),
        "500",
        fails=("dependency exited",),
    ),
    "exception handler error": Case(
        "An exception handler raises",
        "The next layer out is asked: here the application.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "handler",
            "dependency exited",
            "after_exception OddError",
            "exception handler",
            "after_exception OddError",
            "application's exception handler",
            *_SENT,
            *_END,
        ),
        "500",
        fails=("handler", "exception handler"),
    ),
    "404": Case(
        "No route has the path",
        "The application's middleware is around routing, and so are its exception handlers.",
        (
            _IN[0],
            "after_exception NotFoundException",
            *_SENT,
            "after_response",
            _OUT[-1],
        ),
        "404",
        path="/missing",
    ),
    "405": Case(
        "No route of the path has the method",
        "The same, but for the exception.",
        (
            _IN[0],
            "after_exception MethodNotAllowedException",
            *_SENT,
            "after_response",
            _OUT[-1],
        ),
        "405",
        method="POST",
    ),
    "stream": Case(
        "A stream",
        "The dependency stays open until the stream has ended.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "handler",
            "after_request",
            "before_send response.start",
            "stream begins",
            "before_send response.body",
            "stream goes on",
            "stream ends",
            "before_send response.body",
            "dependency exited",
            *_END,
        ),
        "200",
        streams=True,
    ),
    "stream, client gone": Case(
        "A stream whose client goes",
        "The stream is ended where it stands, and then everything is left as if it had come to "
        "its end.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "handler",
            "after_request",
            "before_send response.start",
            "stream begins",
            "before_send response.body",
            "stream goes on",
            "stream ends",
            "dependency exited",
            *_END,
        ),
        "200, and the client is gone",
        streams=True,
        leaves=True,
    ),
    "stream error": Case(
        "A stream raises",
        "The response has started, so nothing can be answered: the connection breaks.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "handler",
            "after_request",
            "before_send response.start",
            "stream begins",
            "before_send response.body",
            "stream goes on",
            "stream ends",
            "dependency exited",
            *_END,
            "after_exception OddError",
        ),
        "200, and the connection breaks",
        fails=("stream goes on",),
        streams=True,
    ),
    "after_response error": Case(
        "An `after_response` hook raises",
        "It is logged. The response is sent already, and all the rest is done.",
        (
            *_IN,
            "guard",
            "before_request",
            "dependency entered",
            "handler",
            "after_request",
            "dependency exited",
            *_SENT,
            *_END,
        ),
        "200",
        fails=("after_response",),
    ),
    "websocket accepted": Case(
        "A websocket is accepted",
        "It is closed when its handler returns, unless the handler has closed it.",
        (
            *_IN,
            "guard",
            "dependency entered",
            "handler",
            "before_send accept",
            "dependency exited",
            "before_send close",
            *_OUT,
        ),
        "accepted, then closed with 1000",
        method="WEBSOCKET",
    ),
    "websocket refused": Case(
        "A guard refuses a websocket",
        "The client gets an HTTP response, where the server can send one.",
        (
            *_IN,
            "guard",
            "after_exception PermissionDeniedException",
            "before_send http.response.start",
            "before_send http.response.body",
            *_OUT,
        ),
        "refused with 403",
        fails=("guard",),
        method="WEBSOCKET",
    ),
}
"""What happens, by outcome."""
