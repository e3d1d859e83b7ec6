"""A lifespan whose start or stop is cancelled, at every point where it can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from hesper import Hesper
from hesper._types import Receive, Scope, Send
from hesper.handlers import mount
from hesper.lifespan import Lifespan, Phase
from tests.lifespan.journal import Journal, RefusalError, forever, leaves

pytestmark = pytest.mark.anyio


def hanging_at(journal: Journal, place: str, reached: asyncio.Event) -> Hesper:
    """Return an app that hangs at one place; what is there writes down that it was cancelled."""

    async def hang() -> None:
        reached.set()
        try:
            await forever()
        finally:
            journal.append(f"{place} cancelled")

    def manager(name: str) -> Callable[[], Any]:
        @asynccontextmanager
        async def manage() -> AsyncIterator[None]:
            if place == f"enter {name}":
                await hang()
            journal.append(f"enter {name}")
            try:
                yield
            finally:
                await asyncio.sleep(0)
                journal.append(f"exit {name}")
                if place == f"exit {name}":
                    await hang()

        return manage

    def hook(name: str) -> Callable[..., object]:
        async def call() -> None:
            journal.append(name)
            if place == name:
                await hang()

        return call

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if place == "start app":
            await hang()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        journal.append("stop app")
        if place == "stop app":
            await hang()
        await send({"type": "lifespan.shutdown.complete"})

    return Hesper(
        [mount("/app", mounted)],
        lifespan=[manager("a"), manager("b")],
        on_startup=[hook("up 1"), hook("up 2")],
        on_shutdown=[hook("down 1"), hook("down 2")],
    )


STARTS = {
    "enter a": [],
    "enter b": ["exit a"],
    "up 1": ["exit b", "exit a", "down 1", "down 2"],
    "up 2": ["exit b", "exit a", "down 1", "down 2"],
    "start app": ["exit b", "exit a", "down 1", "down 2"],
}

STOPS = ["stop app", "exit b", "exit a", "down 1", "down 2"]


async def cancelled(coroutine: Coroutine[Any, Any, None], reached: asyncio.Event) -> None:
    task = asyncio.create_task(coroutine)
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("place", STARTS)
async def test_a_start_that_is_cancelled_closes_what_was_opened_and_no_more(place: str) -> None:
    journal, reached = Journal(), asyncio.Event()
    lifespan = hanging_at(journal, place, reached).lifespan()
    before = asyncio.all_tasks()
    await cancelled(lifespan.start(), reached)
    at = journal.index(f"{place} cancelled")
    assert journal[at + 1 :] == STARTS[place]
    assert lifespan.phase is Phase.FAILED
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("place", STOPS)
async def test_a_stop_that_is_cancelled_goes_on_with_the_next(place: str) -> None:
    journal, reached = Journal(), asyncio.Event()
    lifespan = hanging_at(journal, place, reached).lifespan()
    before = asyncio.all_tasks()
    await lifespan.start()
    journal.clear()
    await cancelled(lifespan.stop(), reached)
    expected = list(STOPS)
    expected.insert(expected.index(place) + 1, f"{place} cancelled")
    assert journal == expected
    assert lifespan.phase is Phase.CLOSED
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("place", STARTS)
@pytest.mark.parametrize("kind", ["asyncio", "anyio"])
async def test_a_start_that_takes_too_long_is_a_timeout(kind: str, place: str) -> None:
    journal, reached = Journal(), asyncio.Event()
    app = hanging_at(journal, place, reached)
    timeout = asyncio.timeout(None) if kind == "asyncio" else None
    scope = anyio.CancelScope()

    async def expire() -> None:
        await reached.wait()
        if timeout is not None:
            timeout.reschedule(0)
        else:
            scope.cancel()

    expiry = asyncio.create_task(expire())
    if timeout is not None:
        with pytest.raises(TimeoutError):
            async with timeout, app.lifespan():
                raise AssertionError("it started")
    else:
        with scope:
            async with app.lifespan():
                raise AssertionError("it started")
        assert scope.cancelled_caught
    await expiry
    assert journal[journal.index(f"{place} cancelled") + 1 :] == STARTS[place]


@pytest.mark.parametrize("kind", ["asyncio", "anyio"])
async def test_a_block_that_takes_too_long_leaves_the_exits_undisturbed(kind: str) -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def slow_to_close() -> AsyncIterator[None]:
        try:
            yield
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            steps.append("closed")

    app = Hesper(lifespan=[slow_to_close, slow_to_close])
    with anyio.CancelScope() as scope:
        async with app.lifespan():
            task = asyncio.current_task()
            assert task is not None
            if kind == "anyio":
                scope.cancel()
            else:
                task.cancel()
            try:
                await forever()
            except asyncio.CancelledError:
                if kind == "anyio":
                    raise
                task.uncancel()
    assert steps == ["closed", "closed"]


async def test_a_second_cancellation_reaches_the_next_exit() -> None:
    journal = Journal()
    waiting = asyncio.Event()

    def stubborn(name: str) -> Callable[[], Any]:
        @asynccontextmanager
        async def manage() -> AsyncIterator[None]:
            yield
            try:
                waiting.set()
                await forever()
            finally:
                journal.append(f"{name} cancelled")

        return manage

    lifespan = Hesper(lifespan=[stubborn("a"), stubborn("b")]).lifespan()
    await lifespan.start()
    stopping = asyncio.create_task(lifespan.stop())
    for _ in range(2):
        await waiting.wait()
        waiting.clear()
        stopping.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert journal == ["b cancelled", "a cancelled"]


async def test_what_fails_after_a_cancellation_comes_out_with_it() -> None:
    journal, reached = Journal(), asyncio.Event()

    async def hang() -> None:
        reached.set()
        await forever()

    app = Hesper(lifespan=journal.manager("a", exits=RefusalError()), on_startup=hang)
    starting = asyncio.create_task(app.lifespan().start())
    await reached.wait()
    starting.cancel()
    with pytest.raises(BaseExceptionGroup) as caught:
        await starting
    assert [type(error) for error in leaves(caught.value)] == [asyncio.CancelledError, RefusalError]


async def test_a_start_that_is_cancelled_before_its_first_step_opens_nothing() -> None:
    journal = Journal()
    lifespan = Hesper(lifespan=journal.manager("a")).lifespan()
    starting = asyncio.create_task(lifespan.start())
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert journal == []
    assert lifespan.phase is Phase.NEW


async def test_the_message_of_a_cancellation_comes_out_with_it() -> None:
    journal, reached = Journal(), asyncio.Event()
    starting = asyncio.create_task(hanging_at(journal, "up 1", reached).lifespan().start())
    await reached.wait()
    starting.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await starting


@pytest.mark.parametrize("steps", range(12))
async def test_a_cancellation_at_any_step_of_the_loop_closes_what_was_opened(steps: int) -> None:
    journal = Journal()
    app = Hesper(
        lifespan=[journal.manager("a"), journal.manager("b")],
        on_startup=journal.async_hook("up"),
        on_shutdown=journal.async_hook("down"),
    )
    starting = asyncio.create_task(_run(app.lifespan()))
    for _ in range(steps):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert journal.closed == journal.opened[::-1]
    assert "down" in journal or "up" not in journal


async def _run(lifespan: Lifespan) -> None:
    async with lifespan:
        await forever()
