"""What happens to a request, in order: the diagram of the documentation, outcome by outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hesper import Hesper, Request, Response, Router, get
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from hesper.exceptions import PermissionDeniedException
from hesper.response import Stream
from tests.compile.driver import Sent, request

Events = list[str]


class OddError(Exception):
    pass


def middleware(events: Events, name: str) -> Callable[[ASGIApp], ASGIApp]:
    def wrap(app: ASGIApp) -> ASGIApp:
        async def around(scope: Scope, receive: Receive, send: Send) -> None:
            events.append(f"{name} middleware in")
            await app(scope, receive, send)
            events.append(f"{name} middleware out")

        return around

    return wrap


def app_of(events: Events, fails: str = "", short: bool = False, streams: bool = False) -> Hesper:
    """Return an app of which everything that happens is appended to *events*.

    Args:
        events: Where it is appended.
        fails: Where something is raised.
        short: Whether `before_request` answers.
        streams: Whether the handler returns a stream.
    """

    def happens(name: str) -> None:
        events.append(name)
        if fails == name:
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
        return "short" if short else None

    async def after_request(response: Response[Any]) -> Response[Any]:
        happens("after_request")
        return response

    async def after_response(request: Request) -> None:
        happens("after_response")

    async def background() -> None:
        happens("background work")

    async def chunks() -> AsyncIterator[str]:
        happens("stream begins")
        yield "a"
        happens("stream ends")

    async def before_send(message: Message, scope: Scope) -> None:
        happens(f"before_send {message['type'].removeprefix('http.response.')}")

    async def after_exception(error: Exception, scope: Scope) -> None:
        events.append(f"after_exception {type(error).__name__}")

    async def recover_inside(request: Request, error: Exception) -> Response[str]:
        happens("inner exception handler")
        return Response("recovered", status_code=500)

    async def recover_outside(request: Request, error: Exception) -> Response[str]:
        happens("outer exception handler")
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
        return Stream(chunks) if streams else "result"

    router = Router("/", [handler], middleware=[middleware(events, "router")])
    return Hesper(
        [router],
        middleware=[middleware(events, "app")],
        exception_handlers={OddError: recover_outside},
        after_response=after_response,
        before_send=before_send,
        after_exception=after_exception,
    )


def happening(
    path: str = "/1", query: str = "size=1", method: str = "GET", **options: Any
) -> tuple[Events, Sent]:
    """Return what happens to one request, and what is sent."""
    events: Events = []
    sent = asyncio.run(request(app_of(events, **options), method, path, query=query))
    return events, sent


BEGIN = [
    "app middleware in",
    "router middleware in",
    "handler middleware in",
    "guard",
    "before_request",
]
SENT = ["before_send start", "before_send body"]
END = [
    "after_response",
    "background work",
    "handler middleware out",
    "router middleware out",
    "app middleware out",
]


def test_success() -> None:
    events, sent = happening()
    assert sent.body == b"result"
    assert events == [
        *BEGIN,
        "dependency entered",
        "handler",
        "after_request",
        "dependency exited",
        *SENT,
        *END,
    ]


def test_before_request_answers() -> None:
    events, sent = happening(short=True)
    assert sent.body == b"short"
    assert events == [*BEGIN, "after_request", *SENT, *END]


def test_a_stream_keeps_dependencies_until_it_ends() -> None:
    events, sent = happening(streams=True)
    assert sent.body == b"a"
    assert events == [
        *BEGIN,
        "dependency entered",
        "handler",
        "after_request",
        "before_send start",
        "stream begins",
        "before_send body",
        "stream ends",
        "before_send body",
        "dependency exited",
        *END,
    ]


def test_a_guard_refuses() -> None:
    events, sent = happening(fails="guard")
    assert sent.status == 403
    assert events == [*BEGIN[:-1], "after_exception PermissionDeniedException", *SENT, *END]


def test_a_value_does_not_fit() -> None:
    events, sent = happening(query="size=x")
    assert sent.status == 400
    assert events == [*BEGIN, "after_exception ValidationException", *SENT, *END]


def test_a_dependency_cannot_be_entered() -> None:
    events, sent = happening(fails="dependency entered")
    assert sent.body == b"recovered"
    assert events == [
        *BEGIN,
        "dependency entered",
        "after_exception OddError",
        "inner exception handler",
        *SENT,
        *END,
    ]


def test_the_handler_fails() -> None:
    events, sent = happening(fails="handler")
    assert sent.body == b"recovered"
    assert events == [
        *BEGIN,
        "dependency entered",
        "handler",
        "dependency exited",
        "after_exception OddError",
        "inner exception handler",
        *SENT,
        *END,
    ]


def test_a_dependency_cannot_be_exited_so_nothing_was_sent() -> None:
    events, sent = happening(fails="dependency exited")
    assert sent.body == b"recovered"
    assert events == [
        *BEGIN,
        "dependency entered",
        "handler",
        "after_request",
        "dependency exited",
        "after_exception OddError",
        "inner exception handler",
        *SENT,
        *END,
    ]


def test_an_exception_handler_fails_and_the_next_layer_out_answers() -> None:
    events: Events = []

    def fail(connection: Any, handler: Any) -> None:
        raise OddError("first")

    app = app_of(events, fails="inner exception handler")
    route = app.route_handlers[0]
    assert isinstance(route, Router)
    guarded = Router("/", [Router("/", route.route_handlers, guards=[fail])])
    outer = Hesper(
        [guarded],
        exception_handlers=app.exception_handlers,
        after_response=app.after_response,
        before_send=app.before_send,
        after_exception=app.after_exception,
    )
    sent = asyncio.run(request(outer, "GET", "/1", query="size=1"))
    assert sent.body == b"recovered outside"
    assert events == [
        "handler middleware in",
        "after_exception OddError",
        "inner exception handler",
        "after_exception OddError",
        "outer exception handler",
        *SENT,
        "after_response",
        "background work",
        "handler middleware out",
    ]


def test_the_last_exception_handler_fails() -> None:
    events: Events = []

    async def fail(request: Request, error: Exception) -> None:
        events.append("exception handler")
        raise OddError("again")

    @get("/", exception_handlers={Exception: fail})
    async def handler() -> str:
        raise OddError("first")

    async def after_response(request: Request) -> None:
        events.append("after_response")

    sent = asyncio.run(request(Hesper([handler], after_response=after_response), "GET", "/"))
    assert sent.status == 500
    assert sent.json() == {"status_code": 500, "detail": "Internal Server Error"}
    assert events == ["exception handler", "after_response"]


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/missing", 404, "NotFoundException"),
        ("POST", "/1", 405, "MethodNotAllowedException"),
    ],
)
def test_no_route_is_found(method: str, path: str, status: int, error: str) -> None:
    events, sent = happening(path, method=method)
    assert sent.status == status
    assert events == [
        "app middleware in",
        f"after_exception {error}",
        *SENT,
        "after_response",
        "app middleware out",
    ]


def test_a_stream_fails_amid_the_response() -> None:
    events, sent = happening(streams=True, fails="stream ends")
    assert isinstance(sent.error, OddError)
    assert not sent.complete
    assert events == [
        *BEGIN,
        "dependency entered",
        "handler",
        "after_request",
        "before_send start",
        "stream begins",
        "before_send body",
        "stream ends",
        "dependency exited",
        "after_response",
        "background work",
        "after_exception OddError",
    ]


def test_after_response_fails() -> None:
    events, sent = happening(fails="after_response")
    assert sent.body == b"result"
    assert events[-5:] == END
