"""Values of a call: from the handler's call until its result is encoded, or the stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from hesper import Hesper, Lifetime, Provide, Request, get, websocket
from hesper.exceptions import HTTPException, PermissionDeniedException
from hesper.response import Stream
from hesper.testing import TestClient
from tests.asgi_driver import answer, serve
from tests.compile.driver import http_scope, sent_by
from tests.compile.driver import serve as served
from tests.lifetimes.kinds import Log, opens

pytestmark = pytest.mark.anyio


class FailureError(Exception):
    pass


def watching(log: Log, name: str = "value") -> Callable[..., Any]:
    """Return a provider that writes down what it sees at its `yield`."""

    async def make() -> AsyncIterator[str]:
        log.append(f"+{name}")
        try:
            yield name
        except BaseException as error:
            log.append(f"-{name} {type(error).__name__}")
            raise
        log.append(f"-{name}")

    return make


def test_it_ends_before_the_response_starts() -> None:
    log: Log = []

    @get("/")
    async def handle(value: str) -> str:
        log.append("handler")
        return value

    def note(message: Any, _scope: Any) -> None:
        log.append(message["type"])

    app = Hesper([handle], dependencies={"value": watching(log)}, before_send=note)
    answer(app, "GET", "/")
    assert log == ["+value", "handler", "-value", "http.response.start", "http.response.body"]


def test_a_result_is_encoded_while_it_is_open() -> None:
    open_now: list[bool] = []

    async def value() -> AsyncIterator[str]:
        open_now.append(True)
        yield "value"
        open_now.clear()

    class Lazy:
        pass

    @get("/", type_encoders={Lazy: lambda _: list(open_now)})
    async def handle(value: str) -> Any:
        return Lazy()

    assert answer(Hesper([handle], dependencies={"value": value}), "GET", "/").json() == [True]


def test_it_sees_what_the_handler_raises() -> None:
    log: Log = []

    @get("/")
    async def handle(one: str, other: str) -> str:
        raise PermissionDeniedException

    dependencies = {"one": watching(log, "one"), "other": watching(log, "other")}
    assert answer(Hesper([handle], dependencies=dependencies), "GET", "/").status == 403
    assert log == [
        "+one",
        "+other",
        "-other PermissionDeniedException",
        "-one PermissionDeniedException",
    ]


def test_it_cannot_make_an_exception_vanish() -> None:
    async def swallowing() -> AsyncIterator[None]:
        try:
            yield
        except FailureError:
            return

    @get("/")
    async def handle(value: None) -> str:
        raise FailureError

    assert answer(Hesper([handle], dependencies={"value": swallowing}), "GET", "/").status == 500


def test_it_may_say_otherwise_what_an_exception_was() -> None:
    async def translating() -> AsyncIterator[None]:
        try:
            yield
        except FailureError as error:
            raise HTTPException(status_code=409, detail="taken") from error

    @get("/")
    async def handle(value: None) -> str:
        raise FailureError

    assert answer(Hesper([handle], dependencies={"value": translating}), "GET", "/").status == 409


async def failing_at_exit() -> AsyncIterator[str]:
    yield "value"
    raise FailureError("the commit failed")


@pytest.mark.parametrize("annotation", [str, dict, None, Any])
def test_an_end_that_fails_is_a_500_with_nothing_sent_before(annotation: Any) -> None:
    log: Log = []

    async def handle(value: str, outer: str) -> Any:
        return None if annotation is None else "success" if annotation is str else {}

    handle.__annotations__["return"] = annotation
    dependencies = {"outer": watching(log, "outer"), "value": failing_at_exit}
    sent = sent_by(Hesper([get("/")(handle)], dependencies=dependencies), "GET", "/")
    assert sent.status == 500
    assert b"success" not in sent.body
    assert log[0] == "+outer"
    assert len(log) == 2


def test_an_end_that_fails_is_noted() -> None:
    seen: list[Exception] = []

    @get("/")
    async def handle(value: str) -> str:
        return "success"

    app = Hesper(
        [handle],
        dependencies={"value": failing_at_exit},
        after_exception=lambda error, _: seen.append(error),
    )
    answer(app, "GET", "/")
    (error,) = seen
    assert error.__notes__ == ["raised when the dependency 'value' was exited"]


def test_an_end_that_fails_after_the_handler_has_comes_out_with_its_exception() -> None:
    seen: list[Exception] = []

    async def value() -> AsyncIterator[None]:
        try:
            yield
        finally:
            raise OSError("the rollback failed")

    @get("/")
    async def handle(value: None) -> str:
        raise FailureError

    app = Hesper(
        [handle], dependencies={"value": value}, after_exception=lambda error, _: seen.append(error)
    )
    assert answer(app, "GET", "/").status == 500
    (group,) = seen
    assert isinstance(group, ExceptionGroup)
    assert [type(error) for error in group.exceptions] == [FailureError, OSError]


def test_each_call_has_its_own_and_shares_it() -> None:
    log: Log = []

    async def one(value: str) -> str:
        return f"one with {value}"

    async def other(value: str) -> str:
        return f"other with {value}"

    def guard(connection: object, handler: object, value: str) -> None:
        log.append("guard")

    @get("/", guards=[guard])
    async def handle(one: str, other: str) -> list[str]:
        return [one, other]

    app = Hesper([handle], dependencies={"value": opens(log, "value"), "one": one, "other": other})
    for _ in range(2):
        assert answer(app, "GET", "/").json() == ["one with value", "other with value"]
    assert log == ["+value", "guard", "-value"] * 2


def test_a_guard_that_refuses_ends_what_it_took() -> None:
    log: Log = []

    def guard(connection: object, handler: object, one: str) -> None:
        raise PermissionDeniedException

    @get("/", guards=[guard])
    async def handle(other: str) -> None: ...

    app = Hesper([handle], dependencies={"one": watching(log, "one"), "other": opens(log, "other")})
    assert answer(app, "GET", "/").status == 403
    assert log == ["+one", "-one PermissionDeniedException"]


def test_a_value_that_cannot_be_made_ends_those_before_it() -> None:
    log: Log = []

    async def broken(one: str) -> AsyncIterator[None]:
        raise FailureError
        yield

    @get("/")
    async def handle(broken: None) -> None: ...

    app = Hesper([handle], dependencies={"one": watching(log, "one"), "broken": broken})
    assert answer(app, "GET", "/").status == 500
    assert log == ["+one", "-one FailureError"]


@pytest.mark.parametrize("count", [1, 8, 9, 25])
def test_any_number_is_ended_last_in_first_out(count: int) -> None:
    log: Log = []
    names = [f"value{n}" for n in range(count)]
    scope: dict[str, Any] = {}
    exec(f"async def handle({', '.join(names)}): return 'fine'", scope)
    app = Hesper(
        [get("/")(scope["handle"])], dependencies={name: opens(log, name) for name in names}
    )
    assert answer(app, "GET", "/").text == "fine"
    begun = [f"+{name}" for name in names]
    assert log == [*begun, *(f"-{name}" for name in reversed(names))]


def streaming(log: Log, *, fails: bool = False) -> Hesper:
    @get("/")
    async def handle(value: str) -> Stream:
        async def chunks() -> AsyncIterator[str]:
            try:
                for chunk in "abc":
                    log.append(chunk)
                    yield chunk
                    if fails:
                        raise FailureError
            finally:
                log.append("stream ends")

        return Stream(chunks())

    return Hesper([handle], dependencies={"value": watching(log)})


def test_a_stream_keeps_it_until_the_last_chunk() -> None:
    log: Log = []
    assert answer(streaming(log), "GET", "/").text == "abc"
    assert log == ["+value", "a", "b", "c", "stream ends", "-value"]


async def test_a_stream_keeps_it_until_the_client_has_gone() -> None:
    log: Log = []
    await served(streaming(log), http_scope("GET", "/"), send_fails_at=2)
    assert log[:3] == ["+value", "a", "b"]
    assert log[3] == "stream ends"
    assert log[4].startswith("-value")
    assert len(log) == 5


async def test_a_stream_that_breaks_shows_it_the_exception() -> None:
    log: Log = []
    sent = await served(streaming(log, fails=True), http_scope("GET", "/"))
    assert isinstance(sent.error, FailureError)
    assert log == ["+value", "a", "stream ends", "-value FailureError"]


def test_an_asgi_app_that_is_returned_keeps_it() -> None:
    log: Log = []

    async def raw(scope: Any, receive: Any, send: Any) -> None:
        log.append("app")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"raw"})

    @get("/")
    async def handle(value: str) -> Any:
        return raw

    assert answer(Hesper([handle], dependencies={"value": watching(log)}), "GET", "/").text == "raw"
    assert log == ["+value", "app", "-value"]


def test_a_websocket_keeps_it_while_the_handler_runs() -> None:
    log: Log = []

    @websocket("/")
    async def talk(socket: Any, value: str) -> None:
        await socket.accept()
        await socket.send_text(value)

    app = Hesper([talk], dependencies={"value": watching(log)})
    with TestClient(app) as client, client.websocket_connect("/") as socket:
        assert socket.receive_text() == "value"
    assert log == ["+value", "-value"]


async def test_a_cancelled_handler_ends_it() -> None:
    log: Log = []
    begun = asyncio.Event()

    @get("/")
    async def handle(value: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    app = Hesper([handle], dependencies={"value": watching(log)})
    request = asyncio.create_task(serve(app, "GET", "/"))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert log == ["+value", "-value CancelledError"]


async def crashing() -> AsyncIterator[int]:
    async def crash() -> None:
        raise FailureError

    async with asyncio.TaskGroup() as group:
        group.create_task(crash())
        yield 1


async def crashing_in_anyio() -> AsyncIterator[int]:
    async def crash() -> None:
        raise FailureError

    async with anyio.create_task_group() as group:
        group.start_soon(crash)
        yield 1


async def timing_out() -> AsyncIterator[int]:
    async with asyncio.timeout(0):
        yield 1


async def timing_out_in_anyio() -> AsyncIterator[int]:
    with anyio.fail_after(0):
        yield 1


async def moving_on() -> AsyncIterator[int]:
    with anyio.move_on_after(0):
        yield 1


SCOPES: dict[str, tuple[Callable[..., Any], type[Exception]]] = {
    "task group": (crashing, ExceptionGroup),
    "task group of anyio": (crashing_in_anyio, ExceptionGroup),
    "timeout": (timing_out, TimeoutError),
    "timeout of anyio": (timing_out_in_anyio, TimeoutError),
    "scope that moves on": (moving_on, RuntimeError),
}


@pytest.mark.parametrize(("make", "error"), SCOPES.values(), ids=SCOPES)
async def test_what_it_cancels_the_handler_for_is_answered(
    make: Callable[..., Any], error: type[Exception]
) -> None:
    log: Log = []

    def recover(request: Request, raised: Exception) -> str:
        return type(raised).__name__

    @get("/", exception_handlers={error: recover})
    async def handle(outer: str, value: int) -> str:
        await asyncio.Event().wait()
        return "never"

    app = Hesper([handle], dependencies={"outer": watching(log, "outer"), "value": make})
    found = await serve(app, "GET", "/")
    assert (found.status, found.text) == (500, error.__name__)
    assert log == ["+outer", f"-outer {error.__name__}"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_from_elsewhere_is_no_failure_of_a_scope() -> None:
    begun = asyncio.Event()

    async def scoped() -> AsyncIterator[int]:
        async with asyncio.TaskGroup(), asyncio.timeout(60):
            with anyio.fail_after(60):
                yield 1

    @get("/")
    async def handle(value: int) -> None:
        begun.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(
        serve(Hesper([handle], dependencies={"value": scoped}), "GET", "/")
    )
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


def test_what_it_takes_from_the_request_is_checked_with_the_rest() -> None:
    async def value(page: int) -> int:
        return page

    @get("/")
    async def handle(value: int, size: int) -> None: ...

    app = Hesper([handle], dependencies={"value": value})
    assert answer(app, "GET", "/?page=x&size=y").faults == {("query", "page"), ("query", "size")}


def test_the_lifetime_of_a_bare_callable_is_the_call() -> None:
    log: Log = []

    @get("/")
    async def handle(value: str) -> None: ...

    async def value() -> AsyncIterator[str]:
        log.append("+")
        yield "value"
        log.append("-")

    app = Hesper([handle], dependencies={"value": value})
    assert Provide(value).lifetime is Lifetime.CALL
    answer(app, "GET", "/")
    assert log == ["+", "-"]
