"""Values of a connection: one for all who ask, until its last byte is sent and its work is done."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import pytest

from hesper import Hesper, Lifetime, Provide, Request, Response, WebSocket, get, websocket
from hesper._types import Receive, Scope, Send
from hesper.background_tasks import background
from hesper.exceptions import NotAuthorizedException
from hesper.lifetime import ConnectionContainer
from hesper.response import Stream
from hesper.testing import TestClient
from tests.asgi_driver import answer, serve
from tests.compile.driver import http_scope
from tests.compile.driver import serve as served
from tests.lifetimes.kinds import Log, opens

pytestmark = pytest.mark.anyio

CONNECTION = Lifetime.CONNECTION


def test_it_outlives_the_response_and_background_work() -> None:
    log: Log = []

    async def work(user: str) -> None:
        log.append(f"work for {user}")

    async def after(request: Request, user: str) -> None:
        log.append(f"after {user}")

    @get("/", after_response=after)
    async def handle(user: str) -> Response[str]:
        log.append("handler")
        return Response("", background=background(work))

    def note(message: Any, scope: Scope) -> None:
        log.append(message["type"].removeprefix("http.response."))

    app = Hesper([handle], dependencies={"user": opens(log, "user", CONNECTION)}, before_send=note)
    answer(app, "GET", "/")
    assert log == ["+user", "handler", "start", "body", "after user", "work for user", "-user"]


def test_guards_handler_and_their_values_share_it() -> None:
    log: Log = []

    def guard(connection: object, handler: object, user: str) -> None:
        log.append(f"guard {user}")

    async def session(user: str) -> AsyncIterator[str]:
        log.append("+session")
        yield f"session of {user}"
        log.append("-session")

    @get("/", guards=[guard])
    async def handle(session: str, user: str) -> str:
        return session

    app = Hesper(
        [handle],
        dependencies={"user": opens(log, "user", CONNECTION), "session": Provide(session)},
    )
    assert answer(app, "GET", "/").text == "session of user"
    assert log == ["+user", "guard user", "+session", "-session", "-user"]


def test_it_takes_what_a_handler_takes() -> None:
    async def page(request: Request, number: int, size: int = 10) -> list[Any]:
        return [request.method, number, size]

    @get("/{number:int}")
    async def handle(page: list[Any]) -> list[Any]:
        return page

    app = Hesper([handle], dependencies={"page": Provide(page, lifetime=CONNECTION)})
    assert answer(app, "GET", "/5?size=2").json() == ["GET", 5, 2]
    assert answer(app, "GET", "/5?size=x").faults == {("query", "size")}


def test_each_connection_has_its_own() -> None:
    log: Log = []

    @get("/")
    async def handle(user: str) -> None: ...

    app = Hesper([handle], dependencies={"user": opens(log, "user", CONNECTION)})
    for _ in range(2):
        answer(app, "GET", "/")
    assert log == ["+user", "-user"] * 2


def test_who_does_not_ask_does_not_make_it() -> None:
    log: Log = []

    @get("/")
    async def handle() -> None: ...

    app = Hesper([handle], dependencies={"user": opens(log, "user", CONNECTION)})
    answer(app, "GET", "/")
    answer(app, "GET", "/nowhere")
    assert log == []


def test_a_websocket_keeps_it_until_its_end() -> None:
    log: Log = []

    async def subscription(socket: WebSocket) -> AsyncIterator[str]:
        log.append("+subscription")
        yield "news"
        log.append("-subscription")

    @websocket("/")
    async def talk(socket: WebSocket, subscription: str) -> None:
        await socket.accept()
        async for _ in socket.iter_text():
            log.append("message")
            await socket.send_text(subscription)

    provide = Provide(subscription, lifetime=CONNECTION)
    app = Hesper([talk], dependencies={"subscription": provide})
    with TestClient(app) as client, client.websocket_connect("/") as socket:
        for _ in range(2):
            socket.send_text("")
            assert socket.receive_text() == "news"
    assert log == ["+subscription", "message", "message", "-subscription"]


def test_a_stream_keeps_it_until_its_end() -> None:
    log: Log = []

    @get("/")
    async def handle(user: str) -> Stream:
        async def chunks() -> AsyncIterator[str]:
            for chunk in "ab":
                log.append(chunk)
                yield chunk

        return Stream(chunks())

    app = Hesper([handle], dependencies={"user": opens(log, "user", CONNECTION)})
    assert answer(app, "GET", "/").text == "ab"
    assert log == ["+user", "a", "b", "-user"]


def test_ends_that_fail_are_noted_grouped_and_reach_no_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: Log = []
    seen: list[BaseException] = []

    def failing(name: str) -> Provide:
        async def make(middle: str) -> AsyncIterator[str]:
            yield name
            raise OSError(name)

        return Provide(make, lifetime=CONNECTION)

    @get("/")
    async def handle(one: str, other: str) -> str:
        return "fine"

    app = Hesper(
        [handle],
        dependencies={
            "middle": opens(log, "middle", CONNECTION),
            "one": failing("one"),
            "other": failing("other"),
        },
        after_exception=lambda error, _: seen.append(error),
    )
    with caplog.at_level(logging.ERROR, "hesper"):
        assert answer(app, "GET", "/").text == "fine"
    (group,) = seen
    assert isinstance(group, ExceptionGroup)
    assert [str(error) for error in group.exceptions] == ["other", "one"]
    for error in group.exceptions:
        assert error.__notes__ == [f"raised when the dependency {str(error)!r} was exited"]
    assert log == ["+middle", "-middle"]
    assert "a dependency of the connection to / failed" in caplog.text


def test_a_failure_is_answered_and_forgotten() -> None:
    attempts: list[int] = []

    async def user() -> str:
        attempts.append(1)
        raise NotAuthorizedException("who are you?")

    def handler(request: Request, error: Exception, user: str) -> str:
        raise AssertionError("its argument cannot be made")

    def outer(request: Request, error: Exception) -> str:
        return f"{type(error).__name__} after {len(attempts)} attempts"

    @get("/", exception_handlers={401: handler})
    async def handle(user: str) -> None: ...

    app = Hesper(
        [handle],
        dependencies={"user": Provide(user, lifetime=CONNECTION)},
        exception_handlers={401: outer},
    )
    found = answer(app, "GET", "/")
    assert (found.status, found.text) == (401, "NotAuthorizedException after 2 attempts")


def asking(
    make: Callable[..., Any], ask: Callable[[Request], Coroutine[Any, Any, Any]], **options: Any
) -> Hesper:
    """Return an app whose handler runs *ask*, with *make* as the connection's `value`."""

    @get("/")
    async def handle(request: Request) -> Any:
        return await ask(request)

    provide = Provide(make, lifetime=CONNECTION)
    return Hesper([handle], dependencies={"value": provide}, **options)


async def test_many_who_ask_at_once_get_one() -> None:
    made: list[object] = []

    async def value() -> object:
        made.append(object())
        await asyncio.sleep(0)
        return made[-1]

    async def ask(request: Request) -> bool:
        found = await asyncio.gather(*(request.resolve("value") for _ in range(9)))
        return all(one is made[0] for one in [*found, await request.resolve("value")])

    assert (await serve(asking(value, ask), "GET", "/")).json() is True
    assert len(made) == 1


async def test_a_failure_reaches_all_who_wait() -> None:
    made: list[int] = []

    async def value() -> object:
        made.append(1)
        await asyncio.sleep(0)
        raise LookupError("no such user")

    async def ask(request: Request) -> list[str]:
        asks = (request.resolve("value") for _ in range(3))
        found = await asyncio.gather(*asks, return_exceptions=True)
        return [repr(error) for error in found]

    found = await serve(asking(value, ask), "GET", "/")
    assert found.json() == ["LookupError('no such user')"] * 3
    assert len(made) == 1


async def test_the_connections_own_task_enters_and_ends_it() -> None:
    tasks: list[object] = []

    async def value() -> AsyncIterator[int]:
        tasks.append(asyncio.current_task())
        yield 1
        tasks.append(asyncio.current_task())

    async def ask(request: Request) -> Any:
        tasks.append(asyncio.current_task())
        return await request.resolve("value")

    await serve(asking(value, ask), "GET", "/")
    assert len(tasks) == 3
    assert len(set(tasks)) == 1


async def test_a_child_task_has_it_made_in_a_task_of_its_own() -> None:
    tasks: list[object] = []

    async def value() -> AsyncIterator[int]:
        tasks.append(asyncio.current_task())
        async with asyncio.TaskGroup():  # cannot be left in another task
            yield 1
        tasks.append(asyncio.current_task())

    async def ask(request: Request) -> Any:
        tasks.append(asyncio.current_task())
        child = asyncio.create_task(request.resolve("value"))
        tasks.append(child)
        return await child

    assert (await serve(asking(value, ask), "GET", "/")).json() == 1
    handler, child, entered, exited = tasks
    assert entered is exited
    assert entered not in {handler, child}


async def test_a_cancelled_child_does_not_cancel_it_for_the_others() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def value() -> str:
        begun.set()
        await go_on.wait()
        return "made"

    async def ask(request: Request) -> str:
        first, second = (asyncio.create_task(request.resolve("value")) for _ in range(2))
        await begun.wait()
        first.cancel()
        await asyncio.wait([first])
        go_on.set()
        found: str = await second
        return found

    assert (await serve(asking(value, ask), "GET", "/")).text == "made"


async def test_when_the_connection_gives_up_making_it_others_make_it_anew() -> None:
    made: list[int] = []
    waiting = asyncio.Event()

    async def value() -> int:
        made.append(1)
        if len(made) == 1:
            await asyncio.Event().wait()
        return len(made)

    async def ask(request: Request) -> int:
        async def wait() -> Any:
            waiting.set()
            return await request.resolve("value")

        child = asyncio.create_task(wait())
        scope = anyio.CancelScope()
        canceller = asyncio.create_task(cancel(scope))
        with scope:
            await request.resolve("value")
        await canceller
        assert scope.cancelled_caught
        number: int = await child
        return number

    async def cancel(scope: anyio.CancelScope) -> None:
        await waiting.wait()
        scope.cancel()

    assert (await serve(asking(value, ask), "GET", "/")).json() == 2


async def test_a_value_that_waits_for_itself_is_told_so() -> None:
    async def value(request: Request) -> Any:
        return await request.resolve("value")

    async def ask(request: Request) -> str:
        with pytest.raises(RuntimeError, match="waits for itself"):
            await request.resolve("value")
        child = asyncio.create_task(request.resolve("value"))
        with pytest.raises(RuntimeError, match="waits for itself"):
            await child
        return "told"

    assert (await serve(asking(value, ask), "GET", "/")).text == "told"


async def test_values_that_wait_for_each_other_are_told_so() -> None:
    async def value(request: Request, other: str) -> Any:
        raise AssertionError("its argument cannot be made")

    async def other(request: Request) -> Any:
        return await request.resolve("value")

    @get("/")
    async def handle(value: str) -> None: ...

    provides: dict[str, Any] = {"value": value, "other": other}
    app = Hesper(
        [handle],
        dependencies={key: Provide(make, lifetime=CONNECTION) for key, make in provides.items()},
    )
    assert (await serve(app, "GET", "/")).status == 500


async def test_what_children_of_the_connection_ask_for_too_late_is_not_made() -> None:
    log: Log = []
    begun = asyncio.Event()
    children: list[asyncio.Task[Any]] = []

    async def value() -> AsyncIterator[int]:
        log.append("begun")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ended")
        yield 1

    async def ask(request: Request) -> None:
        children.append(asyncio.create_task(request.resolve("value")))
        await begun.wait()

    async with (app := asking(value, ask)).lifespan():
        assert (await serve(app, "GET", "/")).status == 200
        with pytest.raises(RuntimeError, match="the connection is over"):
            await children[0]
    assert log == ["begun", "ended"]


async def test_a_request_that_is_over_resolves_nothing_new() -> None:
    requests: list[Request] = []

    async def value() -> int:
        return 1

    async def ask(request: Request) -> None:
        requests.append(request)

    async with (app := asking(value, ask)).lifespan():
        await serve(app, "GET", "/")
        with pytest.raises(RuntimeError, match="the connection is over"):
            await requests[0].resolve("value")


class CrashError(Exception):
    pass


async def crashing() -> AsyncIterator[int]:
    async def crash() -> None:
        raise CrashError

    async with asyncio.TaskGroup() as group:
        group.create_task(crash())
        yield 1


async def timing_out() -> AsyncIterator[int]:
    with anyio.fail_after(0):
        yield 1


async def moving_on() -> AsyncIterator[int]:
    with anyio.move_on_after(0):
        yield 1


@pytest.mark.parametrize(
    ("make", "error"),
    [(crashing, ExceptionGroup), (timing_out, TimeoutError), (moving_on, RuntimeError)],
)
async def test_what_it_cancels_the_connection_for_comes_out(
    make: Callable[..., Any], error: type[Exception]
) -> None:
    @get("/")
    async def handle(value: int) -> None:
        await asyncio.Event().wait()

    app = Hesper([handle], dependencies={"value": Provide(make, lifetime=CONNECTION)})
    with pytest.raises(error):
        await serve(app, "GET", "/")


async def test_scopes_that_it_and_values_of_a_call_hold_open_nest() -> None:
    async def scoped() -> AsyncIterator[int]:
        async with anyio.create_task_group():
            yield 1

    @get("/")
    async def handle(call: int, value: int) -> int:
        return call + value

    dependencies = {"call": Provide(scoped), "value": Provide(scoped, lifetime=CONNECTION)}
    assert (await serve(Hesper([handle], dependencies=dependencies), "GET", "/")).json() == 2


async def test_it_sees_the_cancellation_of_its_connection() -> None:
    log: Log = []
    begun = asyncio.Event()

    async def value() -> AsyncIterator[int]:
        try:
            yield 1
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    @get("/")
    async def handle(first: str, value: int) -> None:
        begun.set()
        await asyncio.Event().wait()

    app = Hesper(
        [handle],
        dependencies={
            "first": opens(log, "first", CONNECTION),
            "value": Provide(value, lifetime=CONNECTION),
        },
    )
    connection = asyncio.create_task(serve(app, "GET", "/"))
    await begun.wait()
    connection.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connection
    assert log == ["+first", "cancelled", "-first"]


async def test_it_ends_when_the_time_to_drain_is_over() -> None:
    log: Log = []
    begun = asyncio.Event()

    @get("/")
    async def handle(value: str, pool: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    app = Hesper(
        [handle],
        dependencies={
            "pool": opens(log, "pool", Lifetime.LIFESPAN),
            "value": opens(log, "value", CONNECTION),
        },
        drain_timeout=0,
    )
    async with app.lifespan():
        connection = asyncio.create_task(serve(app, "GET", "/"))
        await begun.wait()
    await asyncio.wait([connection])
    assert connection.cancelled()
    assert log == ["+pool", "+value", "-value", "-pool"]


async def test_a_cancellation_while_it_ends_skips_no_end() -> None:
    log: Log = []
    ending = asyncio.Event()

    async def value(first: str) -> AsyncIterator[int]:
        yield 1
        ending.set()
        await asyncio.Event().wait()

    @get("/")
    async def handle(value: int) -> None: ...

    app = Hesper(
        [handle],
        dependencies={
            "first": opens(log, "first", CONNECTION),
            "value": Provide(value, lifetime=CONNECTION),
        },
    )
    connection = asyncio.create_task(serve(app, "GET", "/"))
    await ending.wait()
    connection.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connection
    assert log == ["+first", "-first"]


async def test_a_broken_stream_shows_it_the_exception() -> None:
    seen: list[BaseException] = []

    async def value() -> AsyncIterator[int]:
        try:
            yield 1
        except CrashError as error:
            seen.append(error)
            raise

    @get("/")
    async def handle(value: int) -> Stream:
        async def chunks() -> AsyncIterator[str]:
            yield "one"
            raise CrashError

        return Stream(chunks())

    app = Hesper([handle], dependencies={"value": Provide(value, lifetime=CONNECTION)})
    sent = await served(app, http_scope("GET", "/"))
    assert isinstance(sent.error, CrashError)
    assert seen == [sent.error]


async def test_what_a_child_enters_sees_the_variables_of_the_connection() -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    def setting(app: Any) -> Any:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            variable.set("of the middleware")
            await app(scope, receive, send)

        return serve

    async def value() -> str:
        return variable.get()

    async def ask(request: Request) -> Any:
        return await request.resolve("value")

    app = asking(value, ask, middleware=[setting])
    assert (await serve(app, "GET", "/")).text == "of the middleware"


async def test_a_connection_that_is_dropped_names_what_it_left_open() -> None:
    class Open:
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_error: object) -> None: ...

        def __repr__(self) -> str:
            return "the door"

    values = ConnectionContainer()
    await values.enter(Open())
    with pytest.warns(ResourceWarning, match="connection was dropped, and left open: the door"):
        del values
