"""What ended is freed at once, with the cyclic collector switched off."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import Hesper, Lifespan, Request, get, websocket
from hesper._types import Receive, Scope, Send
from hesper.concurrency import in_thread
from hesper.connection import WebSocket
from hesper.handlers import mount
from hesper.testing import TestClient
from tests.asgi_driver import serve
from tests.lifespan.journal import RefusalError, forever


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def log_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of the log hold the exceptions that were logged, and so the frames they passed."""
    monkeypatch.setattr(logging.getLogger("hesper"), "disabled", True)


pool: contextvars.ContextVar[object] = contextvars.ContextVar("pool")


class Value:
    """Something that a lifespan opens."""


@asynccontextmanager
async def manager(app: Hesper) -> AsyncIterator[dict[str, Any]]:
    app.state.value = Value()
    pool.set(Value())
    yield {"yielded": Value()}


async def hook(app: Hesper, state: Any, lifespan: Lifespan) -> None:
    state.own_app = app
    _ = lifespan.tasks.start(forever)


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    scope["state"]["value"] = Value()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


@get("/async")
async def asynchronous(request: Request) -> str:
    return type(request.app.state.get("value")).__name__


@get("/thread", sync_to_thread=True)
def threaded(request: Request) -> str:
    return type(request.app.state.get("value")).__name__


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


def made() -> Hesper:
    return Hesper(
        [asynchronous, threaded, socket, mount("/inner", inner)],
        lifespan=[manager, manager],
        on_startup=[hook],
        on_shutdown=[lambda: None],
    )


async def in_another_thread() -> None:
    """Give the idle worker thread something else to do: it holds what it did last for a moment."""
    await in_thread(int)


Use = Callable[[Hesper], Coroutine[Any, Any, Lifespan]]


async def use_well(app: Hesper) -> Lifespan:
    async with app.lifespan() as lifespan:
        await asyncio.sleep(0)
        assert (await serve(app, "GET", "/async")).text == "Value"
    return lifespan


async def use_threads(app: Hesper) -> Lifespan:
    async with app.lifespan() as lifespan:
        assert (await serve(app, "GET", "/thread")).text == "Value"
    await in_another_thread()
    return lifespan


async def use_with_an_error(app: Hesper) -> Lifespan:
    lifespan = app.lifespan()
    with pytest.raises(RefusalError):
        async with lifespan:
            raise RefusalError
    return lifespan


async def use_twice_at_once(app: Hesper) -> Lifespan:
    async with app.lifespan() as lifespan, app.lifespan():
        await asyncio.sleep(0)
    return lifespan


async def use_with_a_task_that_fails(app: Hesper) -> Lifespan:
    async def fail() -> None:
        raise RefusalError

    lifespan = app.lifespan()
    await lifespan.start()
    _ = lifespan.tasks.start(fail)
    await lifespan.closing
    with pytest.raises(RefusalError):
        await lifespan.stop()
    return lifespan


async def never_start(app: Hesper) -> Lifespan:
    return app.lifespan()


USES: list[Use] = [
    use_well,
    use_threads,
    use_with_an_error,
    use_twice_at_once,
    use_with_a_task_that_fails,
    never_start,
]


@pytest.mark.parametrize("use", USES)
def test_a_lifespan_that_ended_is_freed_when_it_is_dropped(use: Use) -> None:
    app = made()

    async def run() -> weakref.ref[Lifespan]:
        return weakref.ref(await use(app))

    async def main() -> None:
        gone = await asyncio.create_task(run())
        await asyncio.sleep(0)
        assert gone() is None

    asyncio.run(main())


@pytest.mark.parametrize("use", USES)
def test_the_values_of_a_lifespan_are_freed_while_the_lifespan_is_still_held(use: Use) -> None:
    app = made()

    async def main() -> None:
        before = sum(isinstance(o, Value) for o in gc.get_objects())
        lifespan = await asyncio.create_task(use(app))
        await asyncio.sleep(0)
        lifespan.variables = ()
        assert lifespan.state == {}
        del lifespan
        assert sum(isinstance(o, Value) for o in gc.get_objects()) == before

    asyncio.run(main())


@pytest.mark.parametrize("use", USES)
def test_the_app_is_freed_after_its_lifespans(use: Use) -> None:
    async def main() -> weakref.ref[Hesper]:
        app = made()
        await asyncio.create_task(_only(use, app))
        return weakref.ref(app)

    gone = asyncio.run(main())
    assert gone() is None


async def _only(use: Use, app: Hesper) -> None:
    await use(app)


@asynccontextmanager
async def refusing() -> AsyncIterator[None]:
    await asyncio.sleep(0)
    raise RefusalError
    yield


def refuse() -> None:
    raise RefusalError


async def crash() -> None:
    raise RefusalError


@asynccontextmanager
async def crashing() -> AsyncIterator[None]:
    """Dies as one does that holds a task group open, which would leave a cycle of its own."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_later(0, task.cancel)
    del task
    try:
        yield
    except asyncio.CancelledError:
        raise RefusalError from None


@asynccontextmanager
async def refusing_to_exit() -> AsyncIterator[None]:
    yield
    raise RefusalError


async def refusing_app(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise RefusalError


FAILURES: dict[str, dict[str, Any]] = {
    "hook": {"lifespan": manager, "on_startup": refuse},
    "async hook": {"lifespan": manager, "on_startup": crash},
    "manager": {"lifespan": [manager, refusing]},
    "crash": {"lifespan": [crashing, manager], "on_startup": forever},
    "exit": {"lifespan": [refusing_to_exit, manager]},
    "several": {"lifespan": [refusing_to_exit, refusing_to_exit], "on_shutdown": [refuse, crash]},
    "mounted app": {"route_handlers": [mount("/app", refusing_app)]},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_lifespan_that_failed_is_freed_with_what_it_raised(failure: str) -> None:
    async def fail(lifespan: Lifespan) -> weakref.ref[BaseException]:
        try:
            async with lifespan:
                await asyncio.sleep(0)
        except Exception as error:
            return weakref.ref(error)
        raise AssertionError("nothing failed")

    async def main() -> None:
        app = Hesper(**FAILURES[failure])
        lifespan = app.lifespan()
        gone = weakref.ref(lifespan), weakref.ref(app), await asyncio.create_task(fail(lifespan))
        del lifespan, app
        await asyncio.sleep(0)
        assert [reference() for reference in gone] == [None, None, None]

    asyncio.run(main())


def test_a_lifespan_whose_start_was_cancelled_is_freed() -> None:
    async def main() -> None:
        app = Hesper(lifespan=manager, on_startup=forever)
        lifespan = app.lifespan()
        starting = asyncio.create_task(lifespan.start())
        for _ in range(5):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
        assert starting.cancelled()
        gone = weakref.ref(lifespan), weakref.ref(app)
        del lifespan, app, starting
        await asyncio.sleep(0)
        assert [reference() for reference in gone] == [None, None]

    asyncio.run(main())


def test_an_app_under_the_test_client_is_freed() -> None:
    app = made()
    with TestClient(app) as client:
        assert client.get("/async").text == "Value"
        assert client.get("/thread").text == "Value"
        with client.websocket_connect("/socket"):
            pass
        with client.portal() as portal:
            portal.call(in_another_thread)
    gone = weakref.ref(app)
    del app, client
    assert gone() is None


def test_a_connection_without_lifespan_leaves_nothing() -> None:
    async def main() -> weakref.ref[Hesper]:
        app = Hesper([asynchronous, threaded], state={"value": Value()})
        for path in ("/async", "/thread"):
            await asyncio.create_task(_served(app, path))
        await in_another_thread()
        return weakref.ref(app)

    assert asyncio.run(main())() is None


async def _served(app: Hesper, path: str) -> None:
    assert (await serve(app, "GET", path)).text == "Value"


def test_an_app_that_is_dropped_while_its_lifespan_runs_lives_on_until_its_end() -> None:
    async def main() -> weakref.ref[Hesper]:
        app = made()
        lifespan = app.lifespan()
        await lifespan.start()
        gone = weakref.ref(app)
        del app
        assert gone() is lifespan.app
        await lifespan.stop()
        return gone

    assert asyncio.run(main())() is None


def test_every_public_object_of_a_lifespan_can_be_referred_to_weakly() -> None:
    async def main() -> None:
        async with made().lifespan() as lifespan:
            for thing in (lifespan, lifespan.closing, lifespan.tasks, lifespan.state, lifespan.app):
                assert weakref.ref(thing)() is thing

    asyncio.run(main())


def test_a_lifespan_that_is_dropped_before_its_stop_warns() -> None:
    async def main() -> None:
        lifespan = Hesper().lifespan()
        await lifespan.start()
        with pytest.warns(ResourceWarning, match=r"was dropped before it was stopped.*app\.lifes"):
            del lifespan

    asyncio.run(main())
