"""Background work: after the response, in its connection, with values of its own."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hesper import Hesper, Lifespan, Lifetime, Provide, Request, Response, get
from hesper._types import Scope
from hesper.background_tasks import BackgroundTask, BackgroundTasks, background
from hesper.datastructures import State
from hesper.exceptions import PermissionDeniedException
from hesper.response import Stream
from hesper.testing import TestClient
from tests.asgi_driver import Answer, answer, serve
from tests.lifetimes.kinds import Log, opens

pytestmark = pytest.mark.anyio


def answering(work: Callable[[], Any], **options: Any) -> Hesper:
    """Return an app whose response does the work that *work* returns."""

    @get("/")
    async def handle() -> Response[str]:
        return Response("fine", background=work())

    return Hesper([handle], **options)


def test_it_has_call_values_of_its_own_and_shares_the_longer_ones() -> None:
    log: Log = []

    async def notify(what: str, session: str, user: str, pool: str) -> None:
        log.append(f"notify {what} {session} {user} {pool}")

    @get("/")
    async def handle(session: str, user: str) -> Response[str]:
        log.append("handler")
        return Response("", background=background(notify, "all"))

    def note(message: Any, scope: Scope) -> None:
        log.append(message["type"].removeprefix("http.response."))

    app = Hesper(
        [handle],
        dependencies={
            "session": opens(log, "session"),
            "user": opens(log, "user", Lifetime.CONNECTION),
            "pool": opens(log, "pool", Lifetime.LIFESPAN),
        },
        before_send=note,
    )
    with TestClient(app) as client:
        client.get("/")
    assert log == [
        "+pool",
        *["+user", "+session", "handler", "-session", "start", "body"],
        *["+session", "notify all session user pool", "-session", "-user"],
        "-pool",
    ]


def test_each_piece_of_work_has_its_own() -> None:
    log: Log = []

    async def work(what: str, session: str) -> None:
        log.append(what)

    app = answering(
        lambda: BackgroundTasks([background(work, "one"), background(work, "other")]),
        dependencies={"session": opens(log, "session")},
    )
    answer(app, "GET", "/")
    assert log == ["+session", "one", "-session", "+session", "other", "-session"]


class Sender:
    def __init__(self, log: Log) -> None:
        self.log = log

    async def send(self, what: str, user: str) -> None:
        self.log.append(f"{what} {user}")

    def in_thread(self, what: str, user: str) -> None:
        on_the_loop = threading.current_thread() is threading.main_thread()
        self.log.append(f"{what} {user} {on_the_loop}")

    async def __call__(self, what: str, *, user: str) -> None:
        self.log.append(f"{what} {user}")


async def send(log: Log, what: str, user: str) -> None:
    log.append(f"{what} {user}")


WORK: dict[str, tuple[Callable[[Log], BackgroundTask], str]] = {
    "function": (lambda log: background(send, log, "news"), "news user"),
    "keywords": (lambda log: background(send, what="news", log=log), "news user"),
    "all given": (lambda log: background(send, log, "news", "me"), "news me"),
    "given by name": (lambda log: background(send, log, "news", user="me"), "news me"),
    "method": (lambda log: background(Sender(log).send, "news"), "news user"),
    "method in a thread": (
        lambda log: background(Sender(log).in_thread, "news"),
        "news user False",
    ),
    "callable object": (lambda log: background(Sender(log), "news"), "news user"),
    "partial": (lambda log: background(functools.partial(send, log), "news"), "news user"),
    "partial by name": (
        lambda log: background(functools.partial(send, what="news"), log),
        "news user",
    ),
    "lambda": (lambda log: background(lambda user: log.append(f"news {user}")), "news user"),
}


@pytest.mark.parametrize(("work", "expected"), WORK.values(), ids=WORK)
def test_any_callable_does_it_each_time(
    work: Callable[[Log], BackgroundTask], expected: str
) -> None:
    log: Log = []

    async def user() -> str:
        return "user"

    app = answering(lambda: work(log), dependencies={"user": user})
    for _ in range(3):
        answer(app, "GET", "/")
    assert log == [expected] * 3


def test_it_takes_reserved_names_and_types() -> None:
    seen: list[Any] = []

    class Client: ...

    async def work(
        request: Request, state: State, app: Hesper, lifespan: Lifespan, anything: Client
    ) -> None:
        seen.extend([request.url.path, state.size, app, lifespan.app, type(anything)])

    app = answering(lambda: background(work), dependencies={Client: Client}, state={"size": 5})
    answer(app, "GET", "/")
    assert seen == ["/", 5, app, app, Client]


def test_an_argument_that_nobody_provides_keeps_its_default() -> None:
    log: Log = []

    async def work(what: str = "default", *, page: int = 1) -> None:
        log.append(f"{what} {page}")

    answer(answering(lambda: background(work)), "GET", "/?page=7")
    assert log == ["default 1"]


def test_a_plain_task_is_given_nothing() -> None:
    log: Log = []

    async def work(user: str = "nobody") -> None:
        log.append(user)

    app = answering(lambda: BackgroundTask(work), dependencies={"user": lambda: "user"})
    answer(app, "GET", "/")
    assert log == ["nobody"]


async def failures(app: Hesper, caplog: pytest.LogCaptureFixture) -> tuple[Answer, int, str]:
    """Return the answer of *app*, how many failures were counted, and what was logged."""
    with caplog.at_level(logging.ERROR, "hesper"):
        async with app.lifespan() as lifespan:
            found = await serve(app, "GET", "/")
            return found, lifespan.background_failures, caplog.text


class FailureError(Exception):
    pass


async def fail() -> None:
    raise FailureError("the mail server sleeps")


async def fail_with(user: str) -> None:
    raise FailureError("the mail server sleeps")


def fail_in_thread() -> None:
    raise FailureError("the mail server sleeps")


async def broken_session() -> AsyncIterator[str]:
    yield "session"
    raise FailureError("the mail server sleeps")


async def use(session: str) -> None: ...


async def ask_for(nobody: Lifespan, unknown: Sender) -> None: ...


@pytest.mark.parametrize(
    "work",
    [
        lambda: BackgroundTask(fail),
        lambda: BackgroundTask(fail_in_thread),
        lambda: background(fail),
        lambda: background(fail_with),
        lambda: background(fail_in_thread),
        lambda: background(use),
        lambda: BackgroundTasks([background(fail)]),
        lambda: BackgroundTasks([background(fail), background(fail)], run_in_task_group=True),
    ],
)
async def test_what_fails_is_logged_with_its_route_and_counted(
    work: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = answering(work, dependencies={"user": lambda: "user", "session": broken_session})
    found, count, logged = await failures(app, caplog)
    assert found.text == "fine"
    assert count == 1
    assert "background work of GET / raised" in logged
    assert "the mail server sleeps" in logged


async def test_what_cannot_be_injected_is_logged_with_what_is_missing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found, count, logged = await failures(answering(lambda: background(ask_for)), caplog)
    assert found.text == "fine"
    assert count == 1
    assert "ask_for takes 'nobody', which it is not given and which is no dependency" in logged


async def test_a_failure_of_the_responses_work_leaves_the_routes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: Log = []

    @get("/", background=background(send, log, "from the route"))
    async def handle() -> Response[str]:
        return Response("fine", background=background(fail))

    app = Hesper([handle], dependencies={"user": lambda: "user"})
    _, count, _ = await failures(app, caplog)
    assert count == 1
    assert log == ["from the route user"]


def test_work_of_a_handler_follows_each_of_its_responses() -> None:
    log: Log = []

    @get("/{number:int}", background=background(send, log, "sent"))
    async def handle(number: int) -> str:
        if number:
            raise PermissionDeniedException
        return "fine"

    app = Hesper([handle], dependencies={"user": lambda: "user"})
    assert [answer(app, "GET", f"/{number}").status for number in range(2)] == [200, 403]
    assert log == ["sent user"] * 2


def test_work_of_an_error_response_is_done() -> None:
    log: Log = []

    def recover(request: Request, error: Exception) -> Response[str]:
        return Response("", background=background(send, log, "recovered"))

    @get("/", exception_handlers={403: recover})
    async def handle() -> None:
        raise PermissionDeniedException

    app = Hesper(
        [handle],
        exception_handlers={404: recover},
        dependencies={"user": lambda: "user"},
    )
    answer(app, "GET", "/")
    answer(app, "GET", "/nowhere")
    assert log == ["recovered user"] * 2


def test_work_of_a_stream_begins_when_its_values_are_closed() -> None:
    log: Log = []

    async def work(session: str) -> None:
        log.append("work")

    @get("/")
    async def handle(session: str) -> Stream:
        async def chunks() -> AsyncIterator[str]:
            yield "chunk"

        return Stream(chunks(), background=background(work))

    answer(Hesper([handle], dependencies={"session": opens(log, "session")}), "GET", "/")
    assert log == ["+session", "-session", "+session", "work", "-session"]


def test_it_can_run_at_the_same_time() -> None:
    log: Log = []
    both = threading.Barrier(2, timeout=10)

    def work(what: str, session: str) -> None:
        both.wait()
        log.append(what)

    app = answering(
        lambda: BackgroundTasks(
            [background(work, "one"), background(work, "other")], run_in_task_group=True
        ),
        dependencies={"session": opens(log, "session")},
    )
    answer(app, "GET", "/")
    assert sorted(log) == sorted(["+session", "-session"] * 2 + ["one", "other"])


@pytest.mark.parametrize("make", [BackgroundTask, background])
def test_in_a_thread_the_state_is_the_lifespans(make: Callable[..., BackgroundTask]) -> None:
    seen: list[int] = []

    def prepare(app: Hesper) -> None:
        app.state.size = 5

    def work() -> None:
        seen.append(app.state.size)

    app = answering(lambda: make(work), on_startup=prepare)

    async def run() -> None:
        async with app.lifespan():
            await serve(app, "GET", "/")

    asyncio.run(run())
    assert seen == [5]


def test_a_value_of_the_lifespan_that_only_it_needs_is_made_and_ended() -> None:
    log: Log = []

    async def work(pool: str) -> None:
        log.append("work")

    @get("/", dependencies={"pool": opens(log, "pool", Lifetime.LIFESPAN)})
    async def handle() -> Response[str]:
        return Response("", background=background(work))

    with TestClient(Hesper([handle])) as client:
        client.get("/")
        client.get("/")
    assert log == ["+pool", "work", "work", "-pool"]


def test_a_value_of_the_lifespan_that_only_its_values_need_is_made_and_ended() -> None:
    log: Log = []

    async def user(pool: str) -> str:
        return f"user of {pool}"

    async def work(user: str) -> None:
        log.append(user)

    @get(
        "/",
        dependencies={
            "pool": opens(log, "pool", Lifetime.LIFESPAN),
            "user": Provide(user, lifetime=Lifetime.CONNECTION),
        },
    )
    async def handle() -> Response[str]:
        return Response("", background=background(work))

    with TestClient(Hesper([handle])) as client:
        client.get("/")
    assert log == ["+pool", "user of pool", "-pool"]


def test_it_may_be_awaited_by_hand_if_nothing_is_injected() -> None:
    log: Log = []
    asyncio.run(background(send, log, "news", "me")())
    assert log == ["news me"]
