from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from hesper import Controller, Hesper, Provide, Response, Router, get, post
from hesper.exceptions import PermissionDeniedException
from tests.compile.driver import JSON, sent_by


def test_a_sync_provider_runs_in_a_thread() -> None:
    def provide() -> bool:
        return threading.current_thread() is not threading.main_thread()

    @get("/", dependencies={"aside": provide})
    async def handler(aside: bool) -> bool:
        return aside

    assert sent_by(Hesper([handler]), "GET", "/").json() is True


def test_a_sync_provider_runs_on_the_loop_if_asked_to() -> None:
    def provide() -> bool:
        return asyncio.get_running_loop().is_running()

    @get("/", dependencies={"here": Provide(provide, sync_to_thread=False)})
    async def handler(here: bool) -> bool:
        return here

    assert sent_by(Hesper([handler]), "GET", "/").json() is True


def test_a_sync_handler_runs_in_a_thread() -> None:
    @get("/")
    def handler() -> bool:
        return threading.current_thread() is not threading.main_thread()

    assert sent_by(Hesper([handler]), "GET", "/").json() is True


def test_a_sync_handler_runs_on_the_loop_if_asked_to() -> None:
    @get("/", sync_to_thread=False)
    def handler() -> bool:
        return asyncio.get_running_loop().is_running()

    assert sent_by(Hesper([handler]), "GET", "/").json() is True


class Settings:
    def __init__(self, page: int = 1) -> None:
        self.page = page


def test_a_class_is_a_provider_whose_arguments_are_injected() -> None:
    @get("/", dependencies={"settings": Settings})
    async def handler(settings: Settings) -> int:
        return settings.page

    assert sent_by(Hesper([handler]), "GET", "/", query="page=3").json() == 3


def test_a_class_that_is_an_asynchronous_context_manager_is_entered() -> None:
    events: list[str] = []

    class Transaction:
        async def __aenter__(self) -> Transaction:
            events.append("begin")
            return self

        async def __aexit__(self, *error: object) -> None:
            events.append("commit" if error[0] is None else "roll back")

    @get("/", dependencies={"transaction": Transaction})
    async def handler(transaction: Transaction) -> None:
        events.append("work")

    sent_by(Hesper([handler]), "GET", "/")
    assert events == ["begin", "work", "commit"]


def test_a_class_that_is_a_context_manager_is_entered() -> None:
    events: list[str] = []

    class Clock:
        def __enter__(self) -> str:
            events.append("begin")
            return "now"

        def __exit__(self, *error: object) -> None:
            events.append("end")

    @get("/", dependencies={"now": Clock})
    async def handler(now: str) -> str:
        return now

    assert sent_by(Hesper([handler]), "GET", "/").body == b"now"
    assert events == ["begin", "end"]


def test_a_callable_instance_is_a_provider() -> None:
    class Provider:
        async def __call__(self) -> str:
            return "made"

    @get("/", dependencies={"value": Provider()})
    async def handler(value: str) -> str:
        return value

    assert sent_by(Hesper([handler]), "GET", "/").body == b"made"


def test_a_factory_annotated_as_context_manager_is_entered() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[int]:
        events.append("enter")
        yield 1
        events.append("exit")

    @get("/", dependencies={"value": manager})
    async def handler(value: int) -> int:
        return value

    assert sent_by(Hesper([handler]), "GET", "/").json() == 1
    assert events == ["enter", "exit"]


def recording(events: list[str], name: str) -> Callable[[], AsyncIterator[str]]:
    async def provide() -> AsyncIterator[str]:
        events.append(f"enter {name}")
        try:
            yield name
        finally:
            events.append(f"exit {name}")

    return provide


def test_dependencies_are_exited_last_in_first_out_before_the_response_starts() -> None:
    events: list[str] = []

    async def outer() -> AsyncIterator[str]:
        events.append("enter outer")
        yield "outer"
        events.append("exit outer")

    async def inner(outer: str) -> AsyncIterator[str]:
        events.append("enter inner")
        yield f"{outer} inner"
        events.append("exit inner")

    @get("/", dependencies={"inner": inner, "outer": outer})
    async def handler(inner: str) -> str:
        events.append("handler")
        return inner

    app = Hesper([handler])

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watching(message: Any) -> None:
            events.append(message["type"])
            await send(message)

        await app(scope, receive, watching)

    assert sent_by(watched, "GET", "/").body == b"outer inner"
    assert events == [
        "enter outer",
        "enter inner",
        "handler",
        "exit inner",
        "exit outer",
        "http.response.start",
        "http.response.body",
    ]


@pytest.mark.parametrize("number", [1, 8, 9, 25])
def test_any_number_of_dependencies_have_exits(number: int) -> None:
    events: list[str] = []
    names = [f"part{index}" for index in range(number)]

    def chained(index: int) -> Callable[..., AsyncIterator[str]]:
        if index == 0:
            return recording(events, "part0")
        make = recording(events, f"part{index}")
        source = (
            f"async def provide(part{index - 1}: str):\n    async for v in make():\n        yield v"
        )
        names: dict[str, Any] = {"make": make}
        exec(source, names)
        provide: Callable[..., AsyncIterator[str]] = names["provide"]
        return provide

    providers: dict[Any, Any] = {name: chained(index) for index, name in enumerate(names)}
    names_of: dict[str, Any] = {}
    exec(f"async def handler({names[-1]}: str) -> str:\n    return {names[-1]}", names_of)
    handler = get("/", dependencies=providers)(names_of["handler"])
    assert sent_by(Hesper([handler]), "GET", "/").body == names[-1].encode()
    entered = [f"enter {name}" for name in names]
    assert events == [*entered, *(f"exit {name}" for name in reversed(names))]


def test_a_value_is_made_once_for_guard_hook_and_handler() -> None:
    made: list[object] = []
    seen: list[object] = []

    async def session() -> object:
        made.append(object())
        return made[-1]

    async def guard(request: Any, handler: Any, session: Any) -> None:
        seen.append(session)

    async def before(request: Any, session: Any) -> None:
        seen.append(session)

    async def after(response: Any, session: Any) -> Any:
        seen.append(session)
        return response

    async def user(session: Any) -> str:
        seen.append(session)
        return "user"

    @get(
        "/",
        guards=[guard],
        before_request=before,
        after_request=after,
        dependencies={"session": session, "user": user},
    )
    async def handler(session: Any, user: str) -> None:
        seen.append(session)

    assert sent_by(Hesper([handler]), "GET", "/").status == 200
    assert len(made) == 1
    assert seen == made * 5


def test_a_value_is_made_anew_for_each_call() -> None:
    numbers = iter(range(10))

    async def number() -> int:
        return next(numbers)

    @get("/", dependencies={"number": number})
    async def handler(number: int) -> int:
        return number

    app = Hesper([handler])
    assert [sent_by(app, "GET", "/").json() for _ in range(3)] == [0, 1, 2]


class Session:
    pass


def test_a_dependency_may_be_keyed_by_its_type() -> None:
    session = Session()

    @get("/", dependencies={Session: Provide(lambda: session, sync_to_thread=False)})
    async def handler(whatever: Session) -> bool:
        return whatever is session

    assert sent_by(Hesper([handler]), "GET", "/").json() is True


def test_the_innermost_layer_provides_a_dependency() -> None:
    async def from_app() -> str:
        return "app"

    async def from_router() -> str:
        return "router"

    async def from_controller() -> str:
        return "controller"

    async def from_handler() -> str:
        return "handler"

    async def greeting(one: str, two: str, three: str, four: str) -> str:
        return f"{one} {two} {three} {four}"

    class Parts(Controller):
        dependencies = {"three": from_controller, "four": from_controller}

        @get("/", dependencies={"four": from_handler})
        async def handler(self, greeting: str) -> str:
            return greeting

    router = Router(
        "/",
        [Parts],
        dependencies={"two": from_router, "three": from_router, "four": from_router},
    )
    outermost: dict[Any, Any] = dict.fromkeys(("one", "two", "three", "four"), from_app)
    app = Hesper([router], dependencies={**outermost, "greeting": greeting})
    assert sent_by(app, "GET", "/").body == b"app router controller handler"


def test_a_generator_sees_the_handlers_exception_and_rolls_back() -> None:
    events: list[str] = []

    async def transaction() -> AsyncIterator[None]:
        try:
            yield
        except PermissionDeniedException:
            events.append("rolled back")
            raise
        events.append("committed")

    @get("/", dependencies={"transaction": transaction})
    async def handler(transaction: None) -> None:
        raise PermissionDeniedException("no")

    assert sent_by(Hesper([handler]), "GET", "/").status == 403
    assert events == ["rolled back"]


def test_a_generator_cannot_swallow_the_handlers_exception() -> None:
    async def swallow() -> AsyncIterator[None]:
        try:
            yield
        except Exception:
            return

    @get("/", dependencies={"swallow": swallow})
    async def handler(swallow: None) -> None:
        raise PermissionDeniedException("no")

    assert sent_by(Hesper([handler]), "GET", "/").status == 403


def test_a_failed_commit_is_a_500_and_never_a_success_already_sent() -> None:
    def transaction() -> Iterator[None]:
        yield
        raise OSError("disk full")

    @post("/", dependencies={"transaction": transaction})
    async def handler(data: dict[str, int], transaction: None) -> dict[str, int]:
        return data

    sent = sent_by(Hesper([handler]), "POST", "/", headers=JSON, body=b"{}")
    assert sent.status == 500
    assert b"disk" not in sent.body


def test_a_failed_exit_after_an_exception_joins_it() -> None:
    caught: list[Exception] = []

    async def broken() -> AsyncIterator[None]:
        try:
            yield
        finally:
            raise OSError("second")

    async def handle(request: Any, error: Exception) -> Response[str]:
        caught.append(error)
        return Response("handled")

    @get("/", dependencies={"broken": broken}, exception_handlers={ExceptionGroup: handle})
    async def handler(broken: None) -> None:
        raise ValueError("first")

    assert sent_by(Hesper([handler]), "GET", "/").body == b"handled"
    (group,) = caught
    assert isinstance(group, ExceptionGroup)
    assert [str(error) for error in group.exceptions] == ["first", "second"]


def test_a_guards_dependencies_are_not_entered_before_an_earlier_guard_has_agreed() -> None:
    events: list[str] = []

    def refuse(request: Any, handler: Any) -> None:
        raise PermissionDeniedException("no")

    def second(request: Any, handler: Any, part: str) -> None:
        raise AssertionError("not to be called")

    @get("/", guards=[refuse, second], dependencies={"part": recording(events, "part")})
    async def handler() -> None:
        raise AssertionError("not to be called")

    assert sent_by(Hesper([handler]), "GET", "/").status == 403
    assert events == []


def test_a_sync_function_around_an_asynchronous_guard_lets_nobody_pass() -> None:
    async def deny(request: Any, handler: Any) -> None:
        raise PermissionDeniedException("no")

    def wrapped(request: Any, handler: Any) -> Awaitable[None]:
        return deny(request, handler)

    @get("/", guards=[wrapped])
    async def handler() -> str:
        return "secret"

    assert sent_by(Hesper([handler]), "GET", "/").status == 403


async def refusing() -> None:
    raise PermissionDeniedException("no")


async def passes_a_coroutine_on(request: Any, handler: Any) -> Any:
    return refusing()


def calls_what_passes_a_coroutine_on(request: Any, handler: Any) -> Any:
    return passes_a_coroutine_on(request, handler)


async def says_no(request: Any, handler: Any) -> bool:
    return False


def says_yes(request: Any, handler: Any) -> bool:
    return True


def responds(request: Any, handler: Any) -> Response[str]:
    return Response("no", status_code=403)


@contextmanager
def surrounds(request: Any, handler: Any) -> Iterator[None]:
    raise PermissionDeniedException("no")
    yield


@pytest.mark.parametrize(
    ("guard", "shown"),
    [
        (passes_a_coroutine_on, "a coroutine that nobody awaits"),
        (calls_what_passes_a_coroutine_on, "a coroutine that nobody awaits"),
        (says_no, "False"),
        (says_yes, "True"),
        (responds, "Response"),
        (surrounds, "_GeneratorContextManager"),
    ],
)
def test_a_guard_that_returns_something_lets_nobody_pass(
    guard: Callable[..., Any], shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    @get("/", guards=[guard])
    async def handler() -> str:
        return "secret"

    assert sent_by(Hesper([handler]), "GET", "/").status == 500
    name = f"{__name__}.{guard.__name__}"
    assert f"TypeError: the guard {name} returned {shown}; a guard raises to refuse" in caplog.text


def test_a_sync_function_around_an_asynchronous_handler_is_awaited() -> None:
    async def answer() -> str:
        return "answer"

    @get("/aside")
    def aside() -> Any:
        return answer()

    @get("/here", sync_to_thread=False)
    def here() -> Any:
        return answer()

    app = Hesper([aside, here])
    assert sent_by(app, "GET", "/aside").body == b"answer"
    assert sent_by(app, "GET", "/here").body == b"answer"


def test_a_context_manager_in_a_thread_is_entered_and_exited_in_threads() -> None:
    threads: list[bool] = []

    @contextmanager
    def connection() -> Iterator[int]:
        threads.append(threading.current_thread() is threading.main_thread())
        yield 1
        threads.append(threading.current_thread() is threading.main_thread())

    @get("/", dependencies={"connection": connection})
    async def handler(connection: int) -> int:
        return connection

    assert sent_by(Hesper([handler]), "GET", "/").json() == 1
    assert threads == [False, False]


def test_stop_iteration_in_a_thread_is_a_500() -> None:
    @get("/")
    def handler() -> int:
        return next(iter([]))

    @get("/provided", dependencies={"value": lambda: next(iter([]))})
    async def provided(value: int) -> int:
        return value

    app = Hesper([handler, provided])
    assert sent_by(app, "GET", "/").status == 500
    assert sent_by(app, "GET", "/provided").status == 500


def test_a_keyword_only_argument_may_have_any_name() -> None:
    @get("/")
    def handler(*, fn: str, run: str) -> str:
        return fn + run

    assert sent_by(Hesper([handler]), "GET", "/", query="fn=a&run=b").body == b"ab"
