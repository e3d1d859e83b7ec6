"""The application's hooks: `before_send` and `after_exception`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hesper import (
    Controller,
    Hesper,
    Provide,
    Request,
    Response,
    Router,
    WebSocket,
    get,
    post,
    websocket,
)
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.exceptions import (
    MethodNotAllowedException,
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
    WebSocketDisconnect,
)
from hesper.handlers import mount
from hesper.response import Stream
from hesper.testing import AsyncTestClient, TestClient, WebSocketDeniedError
from tests.asgi_driver import serve

pytestmark = pytest.mark.anyio


class BoomError(Exception):
    """What user code raises in these tests."""


@get("/")
async def index() -> str:
    return "hello"


@get("/boom")
async def boom() -> None:
    raise BoomError


@get("/stream")
async def stream() -> Stream:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    return Stream(parts())


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@websocket("/refused")
async def refused(socket: WebSocket) -> None:
    raise PermissionDeniedException


async def greet(request: StarletteRequest) -> PlainTextResponse:
    return PlainTextResponse("mounted")


HANDLERS: list[Any] = [
    index,
    boom,
    stream,
    socket,
    refused,
    mount("/in", Starlette(routes=[Route("/", greet)])),
]

START, BODY = "http.response.start", "http.response.body"


class Seen:
    """A `before_send` hook that writes down the types of messages."""

    def __init__(self) -> None:
        self.types: list[str] = []

    def __call__(self, message: Message, scope: Scope) -> None:
        self.types.append(message["type"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("OPTIONS", "/", 204),
        ("POST", "/", 405),
        ("GET", "/unknown", 404),
        ("GET", "/boom", 500),
        ("GET", "/in/", 200),
        ("GET", "/in/unknown", 404),
    ],
)
async def test_before_send_sees_both_messages_of_every_response(
    method: str, path: str, status: int
) -> None:
    seen = Seen()
    assert (await serve(Hesper(HANDLERS, before_send=seen), method, path)).status == status
    assert seen.types == [START, BODY]


async def test_before_send_sees_each_part_of_a_stream() -> None:
    seen = Seen()
    assert (await serve(Hesper(HANDLERS, before_send=seen), "GET", "/stream")).body == b"ab"
    assert seen.types == [START, BODY, BODY, BODY]


def test_before_send_sees_the_messages_of_a_websocket() -> None:
    seen = Seen()
    app = Hesper(HANDLERS, before_send=seen)
    with TestClient(app) as client, client.websocket_connect("/socket") as session:
        assert session.receive_text() == "hello"
    assert seen.types == ["websocket.accept", "websocket.send", "websocket.close"]


@pytest.mark.parametrize("path", ["/refused", "/unknown"])
def test_before_send_sees_the_denial_of_a_websocket(path: str) -> None:
    seen = Seen()
    app = Hesper(HANDLERS, before_send=seen)
    with TestClient(app) as client, pytest.raises(WebSocketDeniedError):
        client.websocket_connect(path).__enter__()
    assert [kind.removeprefix("websocket.") for kind in seen.types] == [START, BODY]


def stamp(message: Message, scope: Scope) -> None:
    if message["type"] == START:
        message["headers"].append((b"stamp", scope["path"].encode()))


@pytest.mark.parametrize("path", ["/", "/boom", "/unknown", "/stream", "/in/"])
async def test_what_before_send_changes_takes_effect_once_for_each_response(path: str) -> None:
    app = Hesper(HANDLERS, before_send=stamp)
    for _ in range(3):
        assert (await serve(app, "GET", path)).header("stamp") == path


async def test_before_send_may_replace_the_body_and_the_status() -> None:
    def shout(message: Message, scope: Scope) -> None:
        if message["type"] == START:
            message["status"] = 418
        else:
            message["body"] = message["body"].upper()

    answer = await serve(Hesper(HANDLERS, before_send=shout), "GET", "/")
    assert (answer.status, answer.text) == (418, "HELLO")


def test_what_before_send_changes_in_a_websocket_takes_effect() -> None:
    def shout(message: Message, scope: Scope) -> None:
        if message["type"] == "websocket.send":
            message["text"] = message["text"].upper()

    app = Hesper(HANDLERS, before_send=shout)
    with TestClient(app) as client, client.websocket_connect("/socket") as session:
        assert session.receive_text() == "HELLO"


async def test_before_send_is_outside_of_all_middleware() -> None:
    seen: list[bytes] = []

    def adding(app: ASGIApp) -> ASGIApp:
        async def add(scope: Scope, receive: Receive, send: Send) -> None:
            async def sending(message: Message) -> None:
                if message["type"] == START:
                    message["headers"].append((b"added", b"by the middleware"))
                await send(message)

            await app(scope, receive, sending)

        return add

    def look(message: Message, scope: Scope) -> None:
        if message["type"] == START:
            seen.append(dict(message["headers"])[b"added"])

    await serve(Hesper(HANDLERS, middleware=[adding], before_send=look), "GET", "/")
    assert seen == [b"by the middleware"]


async def test_before_send_hooks_are_called_in_order_sync_or_async() -> None:
    order: list[str] = []

    def first(message: Message, scope: Scope) -> None:
        order.append("first")

    async def second(message: Message, scope: Scope) -> None:
        order.append("second")

    class Third:
        async def __call__(self, message: Message, scope: Scope) -> None:
            order.append("third")

    app = Hesper(HANDLERS, before_send=[first, second, Third()])
    await serve(app, "GET", "/")
    assert order == ["first", "second", "third"] * 2


async def test_before_send_is_given_the_scope_of_the_connection() -> None:
    seen: list[object] = []

    def look(message: Message, scope: Scope) -> None:
        seen.append((Hesper.from_scope(scope), scope["type"], scope["path"]))

    app = Hesper(HANDLERS, before_send=look)
    await serve(app, "GET", "/")
    assert seen == [(app, "http", "/")] * 2


async def test_before_send_of_a_mounted_hesper_app_comes_before_the_outer_one() -> None:
    order: list[str] = []
    inner = Hesper(HANDLERS, before_send=lambda *_: order.append("inner"))
    outer = Hesper([mount("/inner", inner)], before_send=lambda *_: order.append("outer"))
    await serve(outer, "GET", "/inner/")
    assert order == ["inner", "outer"] * 2


async def test_a_lifespan_has_no_messages_for_before_send() -> None:
    seen = Seen()
    async with AsyncTestClient(Hesper(HANDLERS, before_send=seen)):
        pass
    assert seen.types == []


async def failing_dependency() -> str:
    raise BoomError


async def failing_exit() -> AsyncIterator[str]:
    yield "value"
    raise BoomError


def failing_guard(connection: Any, handler: Any) -> None:
    raise BoomError


def failing_middleware(app: ASGIApp) -> ASGIApp:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/middleware"):
            raise BoomError
        await app(scope, receive, send)

    return fail


def failing_hook(value: object) -> Any:
    raise BoomError


async def failing_app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        raise BoomError


class Failing(Controller):
    @get("/handler")
    async def handler(self) -> None:
        raise BoomError

    @get("/thread", sync_to_thread=True)
    def thread(self) -> None:
        raise BoomError

    @get("/dependency", dependencies={"value": Provide(failing_dependency)})
    async def dependency(self, value: str) -> None: ...

    @get("/exit", dependencies={"value": Provide(failing_exit)})
    async def exit(self, value: str) -> None: ...

    @get("/guard", guards=[failing_guard])
    async def guard(self) -> None: ...

    @get("/middleware/inner", middleware=[failing_middleware])
    async def inner_middleware(self) -> None: ...

    @get("/before", before_request=failing_hook)
    async def before(self) -> None: ...

    @get("/after", after_request=failing_hook)
    async def after(self) -> None: ...

    @get("/encoding")
    async def encoding(self) -> Any:
        return object()

    @get("/number/{number:int}")
    async def number(self, number: int, page: int) -> None: ...

    @post("/denied")
    async def denied(self) -> None:
        raise PermissionDeniedException


RAW = mount("/raw", failing_app)


class Observer:
    """An `after_exception` hook that writes down what it is shown."""

    def __init__(self) -> None:
        self.kinds: list[type[Exception]] = []

    def __call__(self, error: Exception, scope: Scope) -> None:
        self.kinds.append(type(error))


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/handler", BoomError, 500),
        ("/thread", BoomError, 500),
        ("/dependency", BoomError, 500),
        ("/exit", BoomError, 500),
        ("/guard", BoomError, 500),
        ("/middleware", BoomError, 500),
        ("/middleware/inner", BoomError, 500),
        ("/before", BoomError, 500),
        ("/after", BoomError, 500),
        ("/raw/", BoomError, 500),
        ("/number/1?page=x", ValidationException, 400),
        ("/unknown", NotFoundException, 404),
        ("/number/x", NotFoundException, 404),
        ("/denied", MethodNotAllowedException, 405),
    ],
)
async def test_after_exception_observes_every_exception_once_and_handles_none(
    path: str, kind: type[Exception], status: int
) -> None:
    observer = Observer()
    middleware = [failing_middleware] if path == "/middleware" else []
    app = Hesper([Failing, RAW], after_exception=observer, middleware=middleware)
    for _ in range(2):
        assert (await serve(app, "GET", path)).status == status
    assert observer.kinds == [kind, kind]


async def test_after_exception_observes_what_cannot_be_encoded() -> None:
    observer = Observer()
    assert (
        await serve(Hesper([Failing], after_exception=observer), "GET", "/encoding")
    ).status == 500
    assert len(observer.kinds) == 1


async def test_after_exception_observes_an_exception_that_is_answered_by_the_user() -> None:
    observer = Observer()

    def handle(request: Request, error: Exception) -> Response[str]:
        return Response("handled", status_code=400)

    app = Hesper([Failing], after_exception=observer, exception_handlers={BoomError: handle})
    assert (await serve(app, "GET", "/handler")).text == "handled"
    assert observer.kinds == [BoomError]


async def test_after_exception_observes_what_an_exception_handler_raises_too() -> None:
    observer = Observer()

    def handle(request: Request, error: Exception) -> Response[str]:
        raise KeyError("handler")

    app = Hesper([Failing], after_exception=observer, exception_handlers={BoomError: handle})
    assert (await serve(app, "GET", "/handler")).status == 500
    assert observer.kinds == [BoomError, KeyError]


async def test_after_exception_observes_what_is_raised_after_the_response_has_started() -> None:
    observer = Observer()

    @get("/late")
    async def late() -> Stream:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            raise BoomError

        return Stream(parts())

    app = Hesper([late], after_exception=observer)
    with pytest.raises(BoomError):
        await serve(app, "GET", "/late")
    assert observer.kinds == [BoomError]


@pytest.mark.parametrize("accepted", [False, True])
def test_after_exception_observes_the_exceptions_of_websockets(accepted: bool) -> None:
    observer = Observer()

    @websocket("/ws")
    async def failing(socket: WebSocket) -> None:
        if accepted:
            await socket.accept()
        raise BoomError

    app = Hesper([failing], after_exception=observer)
    with (
        TestClient(app) as client,
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/ws") as session,
    ):
        session.receive_text()
    assert observer.kinds == [BoomError]


@pytest.mark.parametrize("path", ["/ws", "/unknown"])
def test_after_exception_observes_refused_websockets(path: str) -> None:
    observer = Observer()

    @websocket("/ws", guards=[failing_guard])
    async def guarded(socket: WebSocket) -> None: ...

    app = Hesper([guarded], after_exception=observer)
    with TestClient(app) as client, pytest.raises(WebSocketDeniedError):
        client.websocket_connect(path).__enter__()
    assert observer.kinds == [BoomError if path == "/ws" else NotFoundException]


def test_after_exception_of_both_apps_observe_what_a_mounted_app_lets_out() -> None:
    inner_observer, outer_observer = Observer(), Observer()
    inner = Hesper([Failing], after_exception=inner_observer)
    outer = Hesper([mount("/in", inner)], after_exception=outer_observer)
    with TestClient(outer) as client:
        assert client.get("/in/handler").status_code == 500
    assert inner_observer.kinds == [BoomError]
    assert outer_observer.kinds == []  # the inner app has answered it


async def test_after_exception_hooks_are_called_in_order_sync_or_async() -> None:
    order: list[str] = []

    async def first(error: Exception, scope: Scope) -> None:
        order.append(f"first {scope['path']}")

    def second(error: Exception, scope: Scope) -> None:
        order.append(f"second {type(error).__name__}")

    app = Hesper([Failing], after_exception=[first, second])
    await serve(app, "GET", "/handler")
    assert order == ["first /handler", "second BoomError"]


async def test_what_after_exception_returns_changes_nothing() -> None:
    app = Hesper([Failing], after_exception=lambda *_: Response("mine", status_code=200))
    assert (await serve(app, "GET", "/handler")).status == 500


@pytest.mark.parametrize("path", ["/handler", "/unknown"])
async def test_an_after_exception_hook_that_fails_is_logged_and_changes_nothing(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    observer = Observer()

    def fail(error: Exception, scope: Scope) -> None:
        raise KeyError("in the hook")

    app = Hesper([Failing], after_exception=[fail, observer])
    assert (await serve(app, "GET", path)).status == (500 if path == "/handler" else 404)
    assert len(observer.kinds) == 1
    assert "in the hook" in caplog.text


async def test_an_exception_is_observed_within_a_router_too() -> None:
    observer = Observer()
    router = Router(path="/deep", route_handlers=[Failing], middleware=[failing_middleware])
    app = Hesper([router], after_exception=observer)
    assert (await serve(app, "GET", "/deep/handler")).status == 500
    assert observer.kinds == [BoomError]
