from __future__ import annotations

import asyncio
import gc
import inspect
import linecache
import sys
import traceback
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hesper import Hesper, Request, Response, asgi, get, post
from hesper._compile.endpoint import build_endpoint
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.connection.request import Streamed
from hesper.exceptions import NotFoundException, PermissionDeniedException
from hesper.response import Stream
from tests.compile.driver import JSON, request, sent_by


@get("/")
async def hello() -> str:
    return "hello"


def endpoint_of(app: Hesper) -> Any:
    plan = app._wiring.plans[0]
    return build_endpoint(plan)


def test_the_source_of_an_endpoint_can_be_read() -> None:
    endpoint = endpoint_of(Hesper([hello]))
    source = inspect.getsource(endpoint)
    assert source.startswith("async def endpoint(scope, receive, send):\n")
    assert "result = await hello()" in source
    assert inspect.getsourcefile(endpoint) == endpoint.__code__.co_filename


def test_the_file_of_an_endpoint_names_its_route() -> None:
    @post("/books/{isbn:str}")
    async def add(isbn: str) -> None:
        pass

    file = endpoint_of(Hesper([add])).__code__.co_filename
    assert file.startswith("<hesper POST /books/{isbn:str} #")


def test_the_source_of_an_endpoint_is_released_with_it() -> None:
    gc.collect()
    gc.disable()
    try:
        endpoint = endpoint_of(Hesper([hello]))
        file = endpoint.__code__.co_filename
        assert file in linecache.cache
        del endpoint
        assert file not in linecache.cache
    finally:
        gc.enable()


def test_a_traceback_shows_the_line_of_the_handler_and_that_of_the_endpoint() -> None:
    caught: list[str] = []

    def catch(request: Request, error: Exception) -> Response[None]:
        caught.extend(traceback.format_exception(error))
        return Response(None)

    @get("/", exception_handlers={ValueError: catch})
    async def handler(page: int = 1) -> str:
        raise ValueError("here")

    sent_by(Hesper([handler]), "GET", "/")
    text = "".join(caught)
    assert "result = await handler(page)" in text
    assert 'raise ValueError("here")' in text
    assert ", in endpoint\n" in text


def test_two_frames_of_the_framework_stand_between_server_and_handler() -> None:
    frames: list[types.FrameType | None] = []

    @get("/{name:str}")
    async def handler(name: str) -> str:
        frame: types.FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not serving.__code__:
            frames.append(frame)
            frame = frame.f_back
        return name

    app = Hesper([handler])

    async def serving() -> None:
        received: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            received.append(message)

        scope: Scope = {
            "type": "http",
            "method": "GET",
            "path": "/x",
            "headers": [],
            "query_string": b"",
            "state": app.lifespan().namespace,
        }
        await app(scope, receive, send)
        assert received[0]["status"] == 200

    asyncio.run(serving())
    names = [frame.f_code.co_name for frame in frames if frame is not None]
    assert names == ["endpoint", "__call__"]


@pytest.mark.parametrize(
    "name", ["len", "Exception", "result", "encoded", "reply", "fail", "request_values"]
)
def test_an_argument_may_be_called_like_something_in_the_endpoint(name: str) -> None:
    names: dict[str, Any] = {}
    exec(f"async def {name}({name}: str, length: int, match: int = 3) -> str: return {name}", names)
    app = Hesper([get("/")(names[name])])
    assert sent_by(app, "GET", "/", query=f"{name}=value&length=1").body == b"value"
    assert sent_by(app, "GET", "/", query="length=x").faults() == {
        ("query", name),
        ("query", "length"),
    }


@pytest.mark.parametrize("name", ["endpoint", "error", "finish", "to_reply", "len"])
def test_a_dependency_may_be_called_like_something_in_the_endpoint(name: str) -> None:
    async def provide() -> AsyncIterator[str]:
        yield "made"

    names: dict[str, Any] = {"Response": Response}
    exec(f"async def handler({name}: str) -> Response: return Response({name})", names)
    app = Hesper([get("/", dependencies={name: provide})(names["handler"])])
    assert sent_by(app, "GET", "/").body == b"made"


def test_functions_of_one_name_are_told_apart() -> None:
    def guard(number: int) -> Any:
        def check(request: Any, handler: Any) -> None:
            called.append(number)

        return check

    called: list[int] = []
    app = Hesper([hello], guards=[guard(1), guard(2)])
    assert sent_by(app, "GET", "/").body == b"hello"
    assert called == [1, 2]


def test_a_value_of_before_request_answers_in_the_handlers_place() -> None:
    async def before(request: Request) -> dict[str, str] | None:
        return {"from": "before"} if request.query_params.get("short") else None

    @get("/", before_request=before)
    async def handler() -> dict[str, str]:
        return {"from": "handler"}

    app = Hesper([handler])
    assert sent_by(app, "GET", "/").json() == {"from": "handler"}
    assert sent_by(app, "GET", "/", query="short=1").json() == {"from": "before"}


@pytest.mark.parametrize("value", [0, "", False, []])
def test_an_empty_value_of_before_request_is_a_value(value: object) -> None:
    async def before(request: Request) -> object:
        return value

    @get("/", before_request=before)
    async def handler() -> str:
        raise AssertionError("not to be called")

    assert sent_by(Hesper([handler]), "GET", "/").status == 200


def test_the_handlers_arguments_are_not_checked_if_before_request_answers() -> None:
    async def before(request: Request) -> str:
        return "before"

    @post("/", before_request=before)
    async def handler(data: dict[str, int], page: int) -> str:
        raise AssertionError("not to be called")

    assert sent_by(Hesper([handler]), "POST", "/").body == b"before"


def test_after_request_may_replace_the_response() -> None:
    async def after(response: Response[Any]) -> Response[str]:
        return Response(f"{response.content} replaced", status_code=202)

    @get("/", after_request=after)
    async def handler() -> str:
        return "own"

    sent = sent_by(Hesper([handler]), "GET", "/")
    assert (sent.status, sent.body) == (202, b"own replaced")


def test_an_after_request_hook_that_returns_nothing_is_told_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def after(response: Response[Any]) -> None:
        response.set_header("x-a", "1")

    @get("/", after_request=after)
    async def handler() -> str:
        return "own"

    assert sent_by(Hesper([handler]), "GET", "/").status == 500
    assert "return the response that is to be sent" in caplog.text


def test_after_response_knows_its_route_even_if_the_handler_wants_no_request() -> None:
    seen: list[Any] = []

    async def after(request: Request) -> None:
        seen.append((request.route_handler.opt, request.path_params))

    @get("/{name:str}", after_response=after, opt={"role": "admin"})
    async def handler(name: str) -> str:
        return name

    sent_by(Hesper([handler]), "GET", "/x")
    assert seen == [({"role": "admin"}, {"name": "x"})]


def test_an_after_response_hook_that_fails_is_logged_and_keeps_no_other_from_running(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran: list[str] = []

    def fail(request: Request) -> None:
        raise KeyError

    async def run(request: Request) -> None:
        ran.append("second")

    @get("/", after_response=[fail, run])
    async def handler() -> str:
        return "sent"

    assert sent_by(Hesper([handler]), "GET", "/").body == b"sent"
    assert ran == ["second"]
    assert [record.getMessage() for record in caplog.records] == ["after_response of GET / raised"]


async def _broken_stream() -> AsyncIterator[str]:
    yield "one"
    raise KeyError("amid")


@pytest.mark.anyio
@pytest.mark.parametrize("outcome", ["success", "refusal", "failure", "broken stream", "gone"])
async def test_after_response_runs_whatever_the_outcome(outcome: str) -> None:
    ran: list[str] = []

    async def after(request: Request) -> None:
        ran.append("after")

    @get("/", after_response=after)
    async def handler() -> Any:
        if outcome == "refusal":
            raise NotFoundException
        if outcome == "failure":
            raise ValueError
        return Stream(_broken_stream) if outcome == "broken stream" else "text"

    await request(Hesper([handler]), "GET", "/", send_fails_at=0 if outcome == "gone" else None)
    assert ran == ["after"]


@pytest.mark.anyio
async def test_after_response_runs_when_the_request_is_cancelled() -> None:
    ran: list[str] = []
    began = asyncio.Event()

    async def after(request: Request) -> None:
        ran.append("after")

    @get("/", after_response=after)
    async def handler() -> str:
        began.set()
        await asyncio.Event().wait()
        return ""

    task = asyncio.create_task(request(Hesper([handler]), "GET", "/"))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ran == ["after"]


def test_guards_refuse_before_anything_else_happens() -> None:
    def refuse(request: Any, handler: Any) -> None:
        raise PermissionDeniedException("no")

    async def before(request: Any) -> None:
        raise AssertionError("not to be called")

    @post("/", guards=[refuse], before_request=before)
    async def handler(data: dict[str, int]) -> None:
        raise AssertionError("not to be called")

    assert sent_by(Hesper([handler]), "POST", "/", headers=JSON, body=b"[").status == 403


def test_a_guard_sees_the_options_of_the_resolved_handler() -> None:
    seen: list[Any] = []

    def guard(request: Any, route_handler: Any) -> None:
        seen.append((request.route_handler is route_handler, route_handler.opt))

    @get("/", opt={"inner": 1})
    async def handler() -> None:
        pass

    sent_by(Hesper([handler], guards=[guard], opt={"outer": 2}), "GET", "/")
    assert seen == [(True, {"outer": 2, "inner": 1})]


# ASGI apps among the handlers


@pytest.mark.anyio
async def test_an_asgi_handler_serves_any_method() -> None:
    @asgi("/raw")
    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(scope["method"])(scope, receive, send)

    app = Hesper([raw])
    assert (await request(app, "PUT", "/raw")).body == b"PUT"


@pytest.mark.anyio
async def test_an_asgi_handler_has_guards_and_dependencies() -> None:
    async def guard(connection: Any, handler: Any) -> None:
        if b"token" not in dict(connection.scope["headers"]):
            raise PermissionDeniedException("no token")

    async def provide() -> str:
        return "made"

    @asgi("/raw", guards=[guard], dependencies={"value": provide})
    async def raw(scope: Scope, receive: Receive, send: Send, value: str) -> None:
        await Response(value)(scope, receive, send)

    app = Hesper([raw])
    assert (await request(app, "GET", "/raw")).status == 403
    assert (await request(app, "GET", "/raw", headers=[("token", "x")])).body == b"made"


@pytest.mark.anyio
@pytest.mark.parametrize("fails", [False, True])
async def test_after_response_runs_for_an_asgi_handler_once(fails: bool) -> None:
    ran: list[str] = []

    async def after(request: Request) -> None:
        ran.append(request.url.path)

    @asgi("/raw", after_response=after)
    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        if fails:
            raise ValueError
        await Response("x")(scope, receive, send)

    sent = await request(Hesper([raw]), "GET", "/raw")
    assert sent.status == (500 if fails else 200)
    assert ran == ["/raw"]


@pytest.mark.anyio
async def test_an_asgi_handler_that_fails_after_it_started_is_never_started_again() -> None:
    @asgi("/raw")
    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError

    sent = await request(Hesper([raw]), "GET", "/raw")
    assert isinstance(sent.error, KeyError)
    assert len(sent.messages) == 1


def test_a_body_that_could_not_be_received_is_known_to_have_failed() -> None:
    found: list[object] = []

    @post("/")
    async def handler(data: bytes) -> None: ...

    def answer(request: Request, error: Exception) -> Response[str]:
        found.append(request.scope["hesper_body"])
        return Response("late", status_code=408)

    def impatient(app: ASGIApp) -> ASGIApp:
        async def receive() -> Message:
            raise TimeoutError

        async def inner(scope: Scope, _receive: Receive, send: Send) -> None:
            await app(scope, receive, send)

        return inner

    app = Hesper([handler], middleware=[impatient], exception_handlers={TimeoutError: answer})
    headers = (("content-type", "application/octet-stream"),)
    assert sent_by(app, "POST", "/", headers=headers).status == 408
    assert found == [Streamed.FAILED]
