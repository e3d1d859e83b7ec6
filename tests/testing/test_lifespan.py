from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.testing.errors import ASGIProtocolError, LifespanError
from hesper.testing.lifespan import LifespanRun
from hesper.testing.server import Server

pytestmark = pytest.mark.anyio


def run_of(app: ASGIApp) -> LifespanRun:
    return LifespanRun(Server(app=app, namespace={}))


async def test_startup_and_shutdown_run_in_one_task() -> None:
    tasks: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        tasks.append(asyncio.current_task())
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        tasks.append(asyncio.current_task())
        await send({"type": "lifespan.shutdown.complete"})

    run = run_of(app)
    await run.start()
    assert len(tasks) == 1
    await run.stop()
    assert tasks[0] is tasks[1]
    assert tasks[0] is not asyncio.current_task()


async def test_what_the_app_sets_in_a_context_variable_stays_in_its_task() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        variable.set("inside")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        assert variable.get() == "inside"
        await send({"type": "lifespan.shutdown.complete"})

    run = run_of(app)
    await run.start()
    assert variable.get() == "outside"
    await run.stop()


async def test_an_app_that_raises_before_it_takes_the_startup_has_no_lifespan() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("what is a lifespan?")

    run = run_of(app)
    await run.start()
    await run.stop()


async def test_an_app_that_returns_before_it_takes_the_startup_has_no_lifespan() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        return

    run = run_of(app)
    await run.start()
    await run.stop()


async def test_an_app_that_raises_while_starting_raises_out_of_the_start() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise KeyError("database")

    with pytest.raises(KeyError, match="database"):
        await run_of(app).start()


async def test_a_failed_startup_says_the_message() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(LifespanError, match=r"^no database$") as caught:
        await run_of(app).start()
    assert caught.value.__cause__ is None


async def test_a_failed_startup_has_the_exception_as_its_cause() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})
        raise KeyError("database")

    with pytest.raises(LifespanError, match="startup failed") as caught:
        await run_of(app).start()
    assert isinstance(caught.value.__cause__, KeyError)


async def test_an_app_that_stays_after_its_failed_startup_is_cancelled() -> None:
    cancelled = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal cancelled
        await receive()
        await send({"type": "lifespan.startup.failed"})
        try:
            await asyncio.Event().wait()
        finally:
            cancelled = True

    with pytest.raises(LifespanError):
        await run_of(app).start()
    assert cancelled


async def test_an_app_that_takes_the_startup_and_returns_is_in_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    with pytest.raises(ASGIProtocolError, match=r"without an answer to 'lifespan\.startup'"):
        await run_of(app).start()


async def test_an_app_that_takes_the_shutdown_and_returns_is_in_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()

    run = run_of(app)
    await run.start()
    with pytest.raises(ASGIProtocolError, match=r"without an answer to 'lifespan\.shutdown'"):
        await run.stop()


async def test_a_failed_shutdown_says_the_message() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "still busy"})

    run = run_of(app)
    await run.start()
    with pytest.raises(LifespanError, match="still busy"):
        await run.stop()


async def test_a_lifespan_that_died_while_running_raises_out_of_the_stop() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise KeyError("died")

    run = run_of(app)
    await run.start()
    with pytest.raises(KeyError, match="died"):
        await run.stop()


async def test_a_lifespan_that_returned_after_its_startup_needs_no_shutdown() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})

    run = run_of(app)
    await run.start()
    await run.stop()


@pytest.mark.parametrize(
    "kinds",
    [
        ["lifespan.shutdown.complete"],
        ["lifespan.startup"],
        ["http.response.start"],
        ["other.startup.complete"],
    ],
)
async def test_a_wrong_answer_to_the_startup_is_refused(kinds: list[str]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for kind in kinds:
            await send({"type": kind})

    with pytest.raises(ASGIProtocolError, match="is answered once"):
        await run_of(app).start()


async def test_an_answer_before_the_question_is_refused() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    with pytest.raises(ASGIProtocolError, match="is answered once"):
        await run_of(app).start()


async def test_a_second_answer_is_refused_even_if_the_app_swallows_the_refusal() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        try:
            await send({"type": "lifespan.startup.complete"})
        except ASGIProtocolError:
            await receive()

    run = run_of(app)
    with pytest.raises(ASGIProtocolError, match="is answered once"):
        await run.start()
        await run.stop()


async def test_a_startup_that_is_cancelled_leaves_no_task() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    starting = asyncio.create_task(run_of(app).start())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert asyncio.all_tasks() == before


async def test_the_app_fills_the_namespace_that_it_is_offered() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scope["state"]["pool"] = "a pool"
        await send({"type": "lifespan.startup.complete"})

    namespace: dict[str, Any] = {}
    run = LifespanRun(Server(app=app, namespace=namespace))
    await run.start()
    await run.stop()
    assert namespace == {"pool": "a pool"}
