"""`app.state` is the state of the lifespan that the caller belongs to, wherever it is asked."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import (
    Controller,
    Hesper,
    Provide,
    Request,
    Response,
    WebSocket,
    get,
    websocket,
)
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from hesper.datastructures import State
from hesper.testing import AsyncTestClient
from tests.asgi_driver import serve
from tests.lifespan.journal import Journal, RefusalError

pytestmark = pytest.mark.anyio


class Shop(State):
    name: str


class Everywhere:
    """An app that asks for `app.state.name` everywhere, and writes down where it was what."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        names = iter(range(100))

        @asynccontextmanager
        async def manager(app: Hesper) -> AsyncIterator[None]:
            app.state.name = f"lifespan {next(names)}"
            self.look("manager, entering")
            yield
            self.look("manager, exiting")

        self.app = Hesper(
            [Everything],
            lifespan=manager,
            on_startup=lambda: self.look("start-up hook"),
            on_shutdown=lambda: self.look("shutdown hook"),
            middleware=[self.middleware],
            before_send=lambda *_: self.look("before_send"),
            after_exception=lambda *_: self.look("after_exception"),
            exception_handlers={RefusalError: self.handle},
            opt={"look": self.look},
        )

    def look(self, where: str) -> None:
        self.seen.append((where, self.app.state.name))

    def handle(self, request: Request, error: Exception) -> Response[str]:
        self.look("exception handler")
        return Response("refused", status_code=400)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def looking(scope: Scope, receive: Receive, send: Send) -> None:
            self.look("middleware, before")
            await app(scope, receive, send)
            self.look("middleware, after")

        return looking


def looked(request: Request, where: str) -> str:
    request.route_handler.opt["look"](where)
    state = request.app.state
    assert isinstance(state, State)
    name: str = state.name
    return name


def sync_value(request: Request) -> Iterator[str]:
    yield looked(request, "sync dependency, entering")
    looked(request, "sync dependency, exiting")


async def async_value(request: Request) -> AsyncIterator[str]:
    yield looked(request, "async dependency, entering")
    looked(request, "async dependency, exiting")


def guard(connection: Request | WebSocket, handler: Any) -> None:
    handler.opt["look"]("guard")


class Everything(Controller):
    before_request = staticmethod(lambda request: looked(request, "before_request") and None)
    after_response = staticmethod(lambda request: looked(request, "after_response") and None)
    guards = [guard]
    dependencies = {"one": Provide(sync_value), "two": Provide(async_value)}

    @get("/sync", sync_to_thread=True)
    def sync(self, request: Request, one: str, two: str, state: Shop) -> Response[list[str]]:
        assert threading.current_thread() is not threading.main_thread()
        later = BackgroundTask(looked, request, "background, in a thread")
        return Response(
            [looked(request, "handler in a thread"), one, two, state.name], background=later
        )

    @get("/direct", sync_to_thread=False)
    def direct(self, request: Request, one: str, state: Shop) -> list[str]:
        return [looked(request, "sync handler on the loop"), one, state.name]

    @get("/async")
    async def asynchronous(self, request: Request, one: str, two: str, state: Shop) -> list[str]:
        await asyncio.sleep(0)
        return [looked(request, "async handler"), one, two, state.name]

    @get("/task")
    async def in_a_task(self, request: Request) -> list[str]:
        async def look() -> str:
            return looked(request, "task of a handler")

        return [await asyncio.create_task(look())]

    @get("/refused")
    async def refused(self, request: Request) -> None:
        raise RefusalError

    @websocket("/socket")
    async def socket(self, socket: WebSocket, state: Shop) -> None:
        await socket.accept()
        socket.route_handler.opt["look"]("websocket handler")
        await socket.send_json([socket.app.state.name, state.name])
        await socket.close()


PATHS = ["/sync", "/direct", "/async", "/task"]

PLACES = {
    "manager, entering",
    "manager, exiting",
    "start-up hook",
    "shutdown hook",
    "middleware, before",
    "middleware, after",
    "before_send",
    "after_exception",
    "exception handler",
    "before_request",
    "after_response",
    "guard",
    "sync dependency, entering",
    "sync dependency, exiting",
    "async dependency, entering",
    "async dependency, exiting",
    "handler in a thread",
    "sync handler on the loop",
    "async handler",
    "task of a handler",
    "background, in a thread",
    "websocket handler",
}


async def visit(client: AsyncTestClient[Hesper]) -> set[str]:
    """Return all names that connections have seen."""
    names: set[str] = set()
    for path in PATHS:
        names.update((await client.get(path)).json())
    assert (await client.get("/refused")).text == "refused"
    async with client.websocket_connect("/socket") as socket:
        names.update(await socket.receive_json())
    return names


@pytest.mark.parametrize("state", [True, False])
async def test_it_is_the_state_of_the_lifespan_everywhere(state: bool) -> None:
    everywhere = Everywhere()
    async with AsyncTestClient(everywhere.app, state=state) as client:
        assert await visit(client) == {"lifespan 0"}
    assert {where for where, _ in everywhere.seen} == PLACES
    assert {name for _, name in everywhere.seen} == {"lifespan 0"}


async def test_two_lifespans_of_one_app_on_one_loop_never_see_each_other() -> None:
    everywhere = Everywhere()
    async with AsyncTestClient(everywhere.app) as one, AsyncTestClient(everywhere.app) as two:
        for _ in range(3):
            assert await visit(one) == {"lifespan 0"}
            assert await visit(two) == {"lifespan 1"}
        found = await asyncio.gather(*(visit(client) for client in (one, two) * 5))
        assert found == [{"lifespan 0"}, {"lifespan 1"}] * 5
        everywhere.seen.clear()
        assert await visit(two) == {"lifespan 1"}
        assert {name for _, name in everywhere.seen} == {"lifespan 1"}


async def test_the_one_that_is_left_of_two_goes_on_alone() -> None:
    everywhere = Everywhere()
    async with AsyncTestClient(everywhere.app) as one:
        async with AsyncTestClient(everywhere.app) as two:
            assert await visit(two) == {"lifespan 1"}
        assert await visit(one) == {"lifespan 0"}
        assert everywhere.app.state.name == "lifespan 0"
    assert {name for where, name in everywhere.seen if "exiting" in where} == {
        "lifespan 0",
        "lifespan 1",
    }


async def test_the_stop_of_one_of_two_sees_its_own_state() -> None:
    everywhere = Everywhere()
    one, two = everywhere.app.lifespan(), everywhere.app.lifespan()
    await one.start()
    await two.start()
    everywhere.seen.clear()
    await one.stop()
    assert {name for _, name in everywhere.seen} == {"lifespan 0"}
    everywhere.seen.clear()
    await two.stop()
    assert {name for _, name in everywhere.seen} == {"lifespan 1"}


async def test_a_lifespan_may_start_while_another_runs_its_hook() -> None:
    """Two start-ups and shutdowns interleave, step by step."""
    everywhere = Everywhere()
    lifespans = [everywhere.app.lifespan() for _ in range(4)]
    await asyncio.gather(*(lifespan.start() for lifespan in lifespans))
    names = [lifespan.state.name for lifespan in lifespans]
    assert sorted(names) == [f"lifespan {n}" for n in range(4)]
    starting = [name for where, name in everywhere.seen if where == "start-up hook"]
    assert sorted(starting) == sorted(names)
    await asyncio.gather(*(lifespan.stop() for lifespan in lifespans))
    stopping = [name for where, name in everywhere.seen if where == "shutdown hook"]
    assert sorted(stopping) == sorted(names)


@get("/")
async def where(request: Request) -> list[object]:
    await asyncio.sleep(0)
    state = request.app.state
    state.served = state.get("served", 0) + 1
    return [state.name, state.served]


def test_two_loops_in_two_threads_never_cross() -> None:
    app = Hesper([where])
    barrier = threading.Barrier(2)
    found: dict[str, list[list[Any]]] = {}

    async def run(name: str) -> None:
        async with AsyncTestClient(app) as client:
            app.state.name = name
            barrier.wait()
            answers: list[list[Any]] = []
            for _ in range(100):
                responses = await asyncio.gather(*(client.get("/") for _ in range(10)))
                answers += [response.json() for response in responses]
            barrier.wait()  # both run until both are done
            found[name] = answers

    threads = [threading.Thread(target=asyncio.run, args=(run(name),)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, answers in found.items():
        assert sorted(answers) == [[name, n + 1] for n in range(1000)]
    assert set(found) == {"one", "two"}


def test_threads_of_two_loops_never_cross() -> None:
    @get("/", sync_to_thread=True)
    def in_thread(request: Request) -> str:
        name: str = request.app.state.name
        return name

    app = Hesper([in_thread])
    barrier = threading.Barrier(2)
    found: dict[str, set[str]] = {}

    async def run(name: str) -> None:
        async with AsyncTestClient(app) as client:
            app.state.name = name
            barrier.wait()
            answers = await asyncio.gather(*(client.get("/") for _ in range(100)))
            barrier.wait()
            found[name] = {answer.text for answer in answers}

    threads = [threading.Thread(target=asyncio.run, args=(run(name),)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"one": {"one"}, "two": {"two"}}


async def test_the_task_that_runs_a_lifespan_sees_its_state() -> None:
    app = Hesper(state={"a": 1})
    async with app.lifespan() as lifespan:
        app.state.b = 2
        assert lifespan.state == {"a": 1, "b": 2}
        assert app.state == lifespan.state


async def test_two_lifespans_and_nothing_that_tells_which_is_an_error() -> None:
    app = Hesper()
    async with app.lifespan(), app.lifespan():
        with pytest.raises(RuntimeError, match="2 lifespans of this app run on this loop"):
            _ = app.state


async def test_two_lifespans_and_a_connection_that_belongs_to_neither_is_an_error() -> None:
    app = Hesper([where])
    async with app.lifespan(), app.lifespan():
        with pytest.raises(RuntimeError, match="2 lifespans of this app run on this loop"):
            await serve(app, "GET", "/")


async def test_two_apps_on_one_loop_have_two_states() -> None:
    one, two = Hesper(state={"name": "one"}), Hesper(state={"name": "two"})
    async with one.lifespan(), two.lifespan():
        one.state.more = 1
        assert one.state == {"name": "one", "more": 1}
        assert two.state == {"name": "two"}


async def test_a_hook_of_one_app_sees_the_state_of_another() -> None:
    seen: list[str] = []
    inner = Hesper(state={"name": "inner"})
    outer = Hesper(on_startup=lambda: seen.append(inner.state.name), state={"name": "outer"})
    async with inner.lifespan():
        inner.state.name = "running"
        async with outer.lifespan():
            pass
    assert seen == ["running"]


@get("/name", sync_to_thread=True)
def name_in_thread(request: Request) -> str:
    name: str = request.app.state.name
    return name


async def test_a_task_that_has_served_for_one_lifespan_serves_for_the_next() -> None:
    """As under httpx's transport, which calls the app in the task of the test."""
    app = Hesper([name_in_thread])
    finished: list[object] = []
    for name in ("one", "two"):
        async with app.lifespan() as lifespan:
            finished.append(lifespan)
            app.state.name = name
            assert (await serve(app, "GET", "/name")).text == name
            assert app.state.name == name
    assert app.state == {}


async def test_a_task_that_has_served_without_lifespan_sees_the_one_that_starts() -> None:
    kept: list[Request] = []

    @get("/keep")
    async def keep(request: Request) -> None:
        kept.append(request)
        request.app.state.name = "of the connection"

    app = Hesper([keep, name_in_thread])
    await serve(app, "GET", "/keep")
    assert app.state == {}
    async with app.lifespan():
        app.state.name = "of the lifespan"
        assert (await serve(app, "GET", "/name")).text == "of the lifespan"


async def test_a_lifespan_belongs_to_the_context_of_its_own_hooks_only() -> None:
    """What a start-up does to its context does not reach the task that awaits it."""
    app = Hesper()
    before = contextvars.copy_context()
    async with app.lifespan():
        assert dict(contextvars.copy_context()) == dict(before)
    assert dict(contextvars.copy_context()) == dict(before)


async def test_messages_of_a_mounted_raw_app_find_the_state_too() -> None:
    seen: list[str] = []
    journal = Journal()

    def look(message: Message, scope: Scope) -> None:
        seen.append(app.state.name)

    app = Hesper([where], before_send=look, lifespan=journal.manager("a"), state={"name": "a name"})
    async with AsyncTestClient(app) as client:
        await client.get("/")
    assert set(seen) == {"a name"}
