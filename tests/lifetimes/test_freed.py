"""Values, containers and overridden apps go with their last reference; the collector is off."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from hesper import Hesper, Lifetime, Provide, Request, Response, WebSocket, get, websocket
from hesper.background_tasks import background
from tests.compile.driver import http_scope, serve
from tests.compile.test_weak_references import run


@pytest.fixture(autouse=True)
def _no_collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Pytest keeps what is logged, and the exceptions with it.
    monkeypatch.setattr(logging.getLogger("hesper"), "disabled", True)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def ours() -> list[str]:
    """Return what the collector has found of Hesper's, or of what these tests made."""
    gc.collect()
    found = [
        f"{type(thing).__qualname__}: {thing!r:.100}"
        for thing in gc.garbage
        if type(thing).__module__.startswith(("hesper", "tests."))
    ]
    gc.garbage.clear()
    return found


class FailureError(Exception):
    pass


class Value:
    """What providers make."""


MADE: list[weakref.ref[Value]] = []


def noted(value: Value) -> Value:
    MADE.append(weakref.ref(value))
    return value


async def client() -> AsyncIterator[Value]:
    yield noted(Value())


async def pool(client: Value) -> AsyncIterator[Value]:
    yield noted(Value())


def kept() -> Value:
    return noted(Value())


async def user(request: Request, pool: Value) -> AsyncIterator[Value]:
    yield noted(Value())


async def listener(socket: WebSocket, pool: Value) -> AsyncIterator[Value]:
    yield noted(Value())


def session(user: Value) -> Iterator[Value]:
    yield noted(Value())


async def fails() -> AsyncIterator[Value]:
    raise FailureError
    yield Value()


async def fails_at_exit() -> AsyncIterator[Value]:
    yield noted(Value())
    raise FailureError


async def crashes() -> AsyncIterator[Value]:
    # What a task group does; that of asyncio leaves cycles of its own.
    task = asyncio.current_task()
    assert task is not None
    task.get_loop().call_soon(task.cancel)
    try:
        yield noted(Value())
    except asyncio.CancelledError:
        task.uncancel()
        raise FailureError from None
    finally:
        del task


DEPENDENCIES: dict[Any, Provide] = {
    "client": Provide(client, lifetime=Lifetime.LOOP),
    "pool": Provide(pool, lifetime=Lifetime.LIFESPAN),
    "kept": Provide(kept, use_cache=True, sync_to_thread=False),
    "user": Provide(user, lifetime=Lifetime.CONNECTION),
    "listener": Provide(listener, lifetime=Lifetime.CONNECTION),
    "session": Provide(session),
    "fails": Provide(fails, lifetime=Lifetime.CONNECTION),
    "fails_at_exit": Provide(fails_at_exit, lifetime=Lifetime.CONNECTION),
    "crashes": Provide(crashes, lifetime=Lifetime.CONNECTION),
}


async def work(what: str, session: Value, user: Value) -> None: ...


async def failing_work(session: Value) -> None:
    raise FailureError


async def after(request: Request, user: Value) -> None: ...


def recover(request: Request, error: Exception, user: Value, pool: Value) -> str:
    return "recovered"


@get("/", after_response=after)
async def plain(session: Value, user: Value, pool: Value, client: Value, kept: Value) -> str:
    return "fine"


@get("/error", exception_handlers={FailureError: recover})
async def error(session: Value) -> str:
    raise FailureError


@get("/work")
async def working(session: Value) -> Response[str]:
    return Response("", background=background(work, "news"))


@get("/lambda")
async def with_a_lambda(session: Value) -> Response[str]:
    return Response("", background=background(lambda user: user))


@get("/failing-work")
async def with_failing_work() -> Response[str]:
    return Response("", background=background(failing_work))


@get("/resolve")
async def resolve(request: Request) -> str:
    async with asyncio.TaskGroup() as group:
        for key in ("user", "pool", "client", "kept"):
            group.create_task(request.resolve(key))
            await request.resolve(key)
    return "fine"


@get("/resolve-failing")
async def resolve_failing(request: Request) -> str:
    asking = [asyncio.create_task(request.resolve("fails")) for _ in range(3)]
    await asyncio.wait(asking)
    for task in asking:
        assert isinstance(task.exception(), FailureError)
    return "fine"


@get("/fails")
async def failing(fails: Value) -> str:
    return "never"


@get("/fails-at-exit")
async def failing_at_exit(fails_at_exit: Value) -> str:
    return "fine"


@get("/crashes")
async def crashing(crashes: Value) -> str:
    await asyncio.Event().wait()
    return "never"


@websocket("/live")
async def live(socket: WebSocket, listener: Value, pool: Value) -> None:
    await socket.accept()
    await socket.resolve("listener")


PATHS = [
    *["/", "/error", "/work", "/lambda", "/failing-work", "/resolve", "/resolve-failing"],
    *["/fails", "/fails-at-exit", "/crashes", "/live"],
]

HANDLERS: list[Any] = [
    *[plain, error, working, with_a_lambda, with_failing_work, resolve, resolve_failing],
    *[failing, failing_at_exit, crashing, live],
]


async def request(app: Hesper, path: str) -> None:
    if path == "/live":
        waiting = [{"type": "websocket.connect"}]

        async def receive() -> Any:
            return waiting.pop() if waiting else {"type": "websocket.disconnect", "code": 1001}

        async def send(message: Any) -> None: ...

        scope = {**http_scope("GET", path), "type": "websocket", "subprotocols": []}
        await app(scope, receive, send)
    else:
        sent = await serve(app, http_scope("GET", path))
        sent.error = None


async def use(app: Hesper, path: str) -> list[weakref.ref[Any]]:
    async with app.lifespan() as lifespan:
        for _ in range(2):
            await request(app, path)
        return [weakref.ref(app), weakref.ref(lifespan)]


def original() -> Hesper:
    return Hesper(HANDLERS, dependencies=DEPENDENCIES)


def overridden() -> Hesper:
    app = original().override({"client": Value()})
    return app.override({"user": Provide(user, lifetime=Lifetime.CONNECTION), "kept": Value()})


@pytest.mark.parametrize("make", [original, overridden])
@pytest.mark.parametrize("path", PATHS)
def test_everything_goes_after_a_request(path: str, make: Callable[[], Hesper]) -> None:
    async def work() -> list[weakref.ref[Any]]:
        return await use(make(), path)

    run(work())  # whatever is imported and cached at the first use
    MADE.clear()
    gc.collect()
    gc.garbage.clear()
    references = run(work())
    assert len(MADE) > 0
    assert [one() for one in (*references, *MADE) if one() is not None] == []
    assert ours() == []


def test_an_app_that_was_overridden_goes_before_the_override() -> None:
    app = original()
    gone = weakref.ref(app)
    new = app.override({"client": Value()})
    del app
    assert gone() is None
    run(use(new, "/"))


def test_a_lambda_of_one_response_goes_with_it() -> None:
    seen: list[weakref.ref[Any]] = []

    @get("/")
    async def handle() -> Response[str]:
        def work(user: Value) -> None: ...

        seen.append(weakref.ref(work))
        return Response("", background=background(work))

    async def work() -> None:
        app = Hesper([handle], dependencies=DEPENDENCIES)
        async with app.lifespan():
            for _ in range(3):
                await serve(app, http_scope("GET", "/"))
            assert [one() for one in seen[:-1]] == [None, None]

    run(work())
    assert [one() for one in seen] == [None] * 3
    assert ours() == []
