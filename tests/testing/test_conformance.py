"""The checks of ASGI apps and middleware: what is good passes, and each planted fault is found."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hesper import Hesper, WebSocket, get, websocket
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.response import ServerSentEvent, Stream
from hesper.testing import (
    ASGIProtocolError,
    assert_asgi,
    assert_freed,
    assert_reenterable,
    assert_runs_on_loops,
)
from tests.testing.apps import answer, body, http, start


@get("/")
async def index() -> dict[str, str]:
    return {"here": "I am"}


@get("/ticks")
async def ticks() -> ServerSentEvent:
    async def events() -> AsyncIterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    return ServerSentEvent(events())


@get("/lines")
async def lines() -> Stream:
    return Stream(["one", "two"])


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


@asynccontextmanager
async def pool(app: Hesper) -> AsyncIterator[None]:
    app.state.pool = asyncio.Queue()
    yield


def library() -> Hesper:
    return Hesper([index, ticks, lines, echo], lifespan=[pool])


REQUESTS = ["GET /", "HEAD /", "GET /ticks", "GET /lines", "POST /", "GET /nowhere"]
WEBSOCKETS = ["/echo", "/nowhere"]


async def hello(_request: StarletteRequest) -> PlainTextResponse:
    return PlainTextResponse("hello")


def test_an_app_of_hesper_passes_all_checks() -> None:
    app = library()
    assert_asgi(app, requests=REQUESTS, websockets=WEBSOCKETS)
    assert_reenterable(app, requests=REQUESTS)
    assert_runs_on_loops(app, 3, requests=REQUESTS)
    assert_freed(library, requests=REQUESTS)


def test_an_app_of_starlette_passes_all_checks() -> None:
    app = Starlette(routes=[Route("/", hello)])
    assert_asgi(app, requests=["GET /", "GET /nowhere"])
    assert_reenterable(app)
    assert_runs_on_loops(app)
    assert_freed(lambda: Starlette(routes=[Route("/", hello)]), collect=True)


def test_an_app_without_a_lifespan_passes() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await answer(send, b"x")

    app = http(handler)
    assert_asgi(app)
    assert_reenterable(app)
    assert_runs_on_loops(app)


@pytest.mark.anyio
async def test_the_checks_can_be_called_where_a_loop_runs() -> None:
    assert_asgi(library())


Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


def knowing(handler: Handler, kind: str = "http") -> ASGIApp:
    """An app that knows one type of scope, and serves it with *handler*."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == kind
        await handler(scope, receive, send)

    return app


async def body_first(scope: Scope, receive: Receive, send: Send) -> None:
    await body(send)


async def two_starts(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await start(send)


async def sends_on(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)
    await body(send, b"more")


async def swallows(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)
    try:
        await body(send, b"more")
    except Exception:
        return


async def text_status(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": "200", "headers": []})


async def text_header(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [("a", "b")]})


async def text_body(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.body", "body": "text"})


async def stops_short(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"some", more=True)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise KeyError("lost")


async def sends_after_return(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)

    async def later() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.gather(body(send, b"late"), return_exceptions=True)

    scope["hold"] = asyncio.create_task(later())


async def receives_after_return(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)

    async def later() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await receive()

    scope["hold"] = asyncio.create_task(later())


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        (body_first, "sent 'http.response.body' where 'http.response.start' has to come"),
        (two_starts, "sent 'http.response.start' where 'http.response.body' has to come"),
        (sends_on, "after the end of the response"),
        (swallows, "after the end of the response"),
        (text_status, "has to be of type int"),
        (text_header, "name and value are bytes"),
        (text_body, "has to be of type bytes"),
        (stops_short, "returned before the end of its response"),
        (silent, "returned before the end of its response"),
        (fails, r"raised KeyError\('lost'\) before the end of its response"),
        (sends_after_return, "'late'.* after it had returned"),
        (receives_after_return, r"called receive\(\) after it had returned"),
    ],
)
def test_a_fault_in_a_response_is_found(handler: Handler, fault: str) -> None:
    with pytest.raises(AssertionError, match=f"GET /: The app .*{fault}"):
        assert_asgi(knowing(handler))


def test_an_app_that_says_nothing_is_found() -> None:
    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match=r"GET /: The app sent nothing for 0\.01 seconds"):
        assert_asgi(knowing(waits), timeout=0.01)


def test_an_app_that_does_not_notice_that_its_client_has_left_is_found() -> None:
    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"first", more=True)
        await asyncio.Event().wait()

    fault = r"GET /: The app goes on 0\.01 seconds after its client has left"
    with pytest.raises(AssertionError, match=fault):
        assert_asgi(knowing(deaf), timeout=0.01)


def test_a_websocket_that_does_not_notice_its_end_is_found() -> None:
    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match=r"websocket /ws: The app goes on 0\.1 seconds"):
        assert_asgi(knowing(deaf, "websocket"), requests=(), websockets=["/ws"], timeout=0.1)


async def no_answer(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def sends_before_accepting(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.send", "text": "early"})


async def accepts_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.accept"})


async def sends_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send"})


async def closes_oddly(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 1006})


async def closes_and_sends(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close"})
    await send({"type": "websocket.send", "text": "late"})


async def fails_when_open(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        (no_answer, "returned before answering the websocket's handshake"),
        (sends_before_accepting, "sent 'websocket.send' before it has accepted"),
        (accepts_twice, "sent 'websocket.accept' while the websocket is open"),
        (sends_nothing, "carries either a str as 'text' or bytes as 'bytes'"),
        (closes_oddly, "closed a websocket with the code 1006"),
        (closes_and_sends, "sent 'websocket.send' after it has closed the websocket"),
        (fails_when_open, r"raised KeyError\('lost'\)"),
    ],
)
def test_a_fault_of_a_websocket_is_found(handler: Handler, fault: str) -> None:
    with pytest.raises(AssertionError, match=f"websocket /ws: .*{fault}"):
        assert_asgi(knowing(handler, "websocket"), requests=(), websockets=["/ws"])


async def answers_unasked(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "lifespan.startup.complete"})


async def answers_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.startup.complete"})


async def answers_something_else(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def starts_and_returns(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def fails_to_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise KeyError("lost")


async def never_shuts_down(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        (answers_unasked, "sent 'lifespan.startup.complete' during its startup"),
        (answers_twice, "sent 'lifespan.startup.complete' during its startup"),
        (answers_something_else, "sent 'lifespan.shutdown.complete' during its startup"),
        (starts_and_returns, "returned before answering 'lifespan.startup'"),
        (fails_to_start, r"raised KeyError\('lost'\) before answering 'lifespan.startup'"),
        (never_shuts_down, "returned before answering 'lifespan.shutdown'"),
    ],
)
def test_a_fault_of_a_lifespan_is_found(handler: Handler, fault: str) -> None:
    with pytest.raises(AssertionError, match=f"lifespan: The app {fault}"):
        assert_asgi(knowing(handler, "lifespan"), requests=())


def test_a_start_up_that_fails_in_order_is_reported() -> None:
    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(AssertionError, match="lifespan: no database"):
        assert_asgi(knowing(refuses, "lifespan"), requests=())


@pytest.mark.parametrize(("waits", "did"), [(False, "returns"), (True, "waits for a message")])
def test_an_app_that_takes_any_scope_is_found(waits: bool, did: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if waits or scope["type"] == "lifespan":
            await receive()

    with pytest.raises(AssertionError, match=f"unknown scope: The app {did} when it is called"):
        assert_asgi(app, requests=(), timeout=0.01)


def test_all_faults_are_reported_together() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await (silent if scope["path"] == "/a" else text_status)(scope, receive, send)

    with pytest.raises(AssertionError) as caught:
        assert_asgi(app, requests=["GET /a", "GET /b"])
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines[1:]] == ["GET /a", "GET /b"]


def test_a_fault_that_middleware_adds_is_found() -> None:
    def doubling(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            async def twice(message: Message) -> None:
                await send(message)
                if message["type"] == "http.response.body":
                    await send(message)

            await app(scope, receive, twice)

        return middleware

    assert_asgi(library())
    with pytest.raises(AssertionError, match="after the end of the response"):
        assert_asgi(doubling(library()))


class Starting:
    """An app with a lifespan, in which one thing is wrong."""

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong
        self.started = 0
        self.running = 0
        self.queue: asyncio.Queue[int] | None = None
        self.tasks: list[asyncio.Task[Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.serve(send)
            return
        assert scope["type"] == "lifespan"
        if self.wrong == "knows lifespans once" and self.started:
            raise RuntimeError("started already")
        await receive()
        if self.wrong == "starts once" and self.started:
            await send({"type": "lifespan.startup.failed", "message": "started already"})
            return
        if self.wrong == "runs once" and self.running:
            await send({"type": "lifespan.startup.failed", "message": "it is running"})
            return
        self.started += 1
        self.running += 1
        if self.wrong == "leaves a task":
            self.tasks.append(asyncio.create_task(asyncio.Event().wait()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.running -= 1
        await send({"type": "lifespan.shutdown.complete"})

    async def serve(self, send: Send) -> None:
        if self.wrong == "binds a loop":
            if self.queue is None:
                self.queue = asyncio.Queue()
                self.tasks.append(asyncio.create_task(self.queue.get()))
                await asyncio.sleep(0)
            self.queue.put_nowait(1)
            await asyncio.wait_for(self.queue.join(), 0.01)
        if self.wrong == "wears out" and self.started > 1:
            await start(send, 503)
            await body(send)
            return
        await answer(send)


def test_an_app_with_nothing_wrong_can_be_started_again() -> None:
    assert_reenterable(Starting())
    assert_runs_on_loops(Starting())


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("starts once", "lifespan 2 of 3: LifespanError: started already"),
        ("runs once", "two lifespans at once: LifespanError: it is running"),
        ("knows lifespans once", "lifespan 2 of 3: AssertionError: the app runs a lifespan at one"),
        ("leaves a task", "lifespan 1 of 3: AssertionError: tasks are left"),
        ("wears out", "lifespan 2 of 3: AssertionError: GET / was answered 200 at first, now 503"),
    ],
)
def test_an_app_that_cannot_be_started_again_is_found(wrong: str, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        assert_reenterable(Starting(wrong))


def test_a_manager_that_can_be_entered_once_only_is_found() -> None:
    @asynccontextmanager
    async def once() -> AsyncIterator[None]:
        yield

    app = Hesper([index], lifespan=[once()])
    with pytest.raises(AssertionError, match=r"lifespan 2 of 3: LifespanError: .*RuntimeError"):
        assert_reenterable(app)


class OnOneLoop:
    """An app that keeps what belongs to the loop it first served on."""

    def __init__(self) -> None:
        self.future: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if self.future is None:
            self.future = asyncio.get_running_loop().create_future()
        if self.future.get_loop() is not asyncio.get_running_loop():
            raise RuntimeError("attached to a different loop")
        await answer(send)


def test_an_app_that_is_bound_to_a_loop_is_found() -> None:
    with pytest.raises(AssertionError, match=r"loop \d: RuntimeError: attached to a different"):
        assert_runs_on_loops(OnOneLoop())
    with pytest.raises(AssertionError, match="loop 2: RuntimeError: attached to a different"):
        assert_runs_on_loops(OnOneLoop(), 1)


def test_an_app_that_runs_its_lifespan_on_one_loop_only_is_found() -> None:
    with pytest.raises(AssertionError, match="loop 2: AssertionError: the app runs a lifespan"):
        assert_runs_on_loops(Starting("knows lifespans once"), 1)


def test_an_app_that_answers_differently_on_another_loop_is_found() -> None:
    app = Starting("wears out")
    with pytest.raises(AssertionError, match="was answered 200 at first, now 503"):
        assert_runs_on_loops(app, 1)


KEPT: list[object] = []


def kept_in_a_module() -> ASGIApp:
    app = library()
    KEPT.append(app)
    return app


def test_an_app_that_something_keeps_is_found() -> None:
    try:
        with pytest.raises(AssertionError, match=r"whatever the cyclic.*\n  the list \["):
            assert_freed(kept_in_a_module)
    finally:
        KEPT.clear()


def test_an_app_that_is_kept_in_an_attribute_is_found_by_its_name() -> None:
    class Keeper:
        app: object = None

    keeper = Keeper()

    def factory() -> ASGIApp:
        keeper.app = made = library()
        return made

    with pytest.raises(AssertionError, match=r"\n  app of <.*Keeper"):
        assert_freed(factory)


SHELF: dict[str, ASGIApp] = {}


def test_an_app_that_is_kept_in_a_dict_is_found_by_its_key() -> None:
    def factory() -> ASGIApp:
        return SHELF.setdefault("first", library())

    try:
        with pytest.raises(AssertionError, match=r"\n  a dict, under the keys first"):
            assert_freed(factory)
    finally:
        SHELF.clear()


def test_an_app_that_is_kept_in_a_module_is_found_by_its_name() -> None:
    def factory() -> ASGIApp:
        globals()["kept"] = made = library()
        return made

    try:
        with pytest.raises(AssertionError, match=r"\n  the module \S*test_conformance, as kept"):
            assert_freed(factory)
    finally:
        del globals()["kept"]


def test_an_app_that_is_part_of_a_cycle_is_found_unless_the_collector_may_help() -> None:
    class Cyclic(Starting):
        def __init__(self) -> None:
            super().__init__()
            self.me = self

    with pytest.raises(AssertionError, match="until the cyclic collector comes"):
        assert_freed(Cyclic)
    assert_freed(Cyclic, collect=True)


def test_an_app_that_keeps_itself_in_a_closure_is_found_by_its_function() -> None:
    def factory() -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["type"] == "http"
            scope["app"] = app
            await answer(send)

        return app

    with pytest.raises(AssertionError, match=r"a variable of .*factory\.<locals>\.app"):
        assert_freed(factory)


def test_an_app_that_cannot_be_weakly_referenced_is_refused_with_the_reason() -> None:
    class Slotted:
        __slots__ = ()

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise AssertionError("never called")

    with pytest.raises(TypeError, match=r"a .*Slotted cannot be weakly referenced.*'__weakref__'"):
        assert_freed(Slotted)


@pytest.mark.parametrize(
    ("requests", "fault"),
    [
        ("GET /", r"requests are a list, such as \['GET /'\], not one string"),
        (["/books"], "'/books' is no request; write a method and a path, such as 'GET /books'"),
        (["GET"], "'GET' is no request"),
        (["WEBSOCKET /ws"], r"'WEBSOCKET /ws' is no request; .* has websockets=\['/ws'\]"),
    ],
)
def test_what_is_no_request_is_refused(requests: list[str], fault: str) -> None:
    checks: list[Callable[[], None]] = [
        lambda: assert_asgi(Starting(), requests=requests),
        lambda: assert_reenterable(Starting(), requests=requests),
        lambda: assert_runs_on_loops(Starting(), requests=requests),
        lambda: assert_freed(Starting, requests=requests),
    ]
    for check in checks:
        with pytest.raises(ValueError, match=fault):
            check()


def test_what_a_task_sends_a_little_after_the_end_is_found() -> None:
    tasks: list[asyncio.Task[None]] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        async def too_late() -> None:
            later = asyncio.Event()
            asyncio.get_running_loop().call_later(0.02, later.set)
            await later.wait()
            await body(send)

        await answer(send)
        tasks.append(asyncio.create_task(too_late()))

    with pytest.raises(AssertionError, match="after it had returned"):
        assert_asgi(http(handler))
    for task in tasks:
        assert isinstance(task.exception(), ASGIProtocolError)


def test_the_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    assert_freed(Starting)
    assert gc.isenabled()
    gc.disable()
    try:
        assert_freed(Starting)
        assert not gc.isenabled()
    finally:
        gc.enable()
