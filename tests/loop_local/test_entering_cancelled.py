"""Entering that is cancelled: whoever gives up waits until everything is cleaned up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from hesper import loop_local
from tests.loop_local.loops import ON_TRIO, Journal, Run


def test_whoever_is_cancelled_while_entering_waits_for_the_clean_up(
    run: Run, journal: Journal
) -> None:
    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        journal.append("connecting")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            journal.append("cleaned up")
        yield

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(loop_local.enter, slow())
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        journal.append("cancelled")

    run(main)
    assert journal == ["connecting", "cleaned up", "cancelled"]


def test_what_is_being_entered_when_the_loop_ends_cleans_up(
    run_on_asyncio: Run, journal: Journal
) -> None:
    @asynccontextmanager
    async def slow(name: str) -> AsyncIterator[None]:
        try:
            await anyio.sleep_forever()
        finally:
            await anyio.lowlevel.checkpoint()
            journal.append(f"{name} cleaned up")
        yield

    tasks: set[asyncio.Task[None]] = set()

    async def main() -> None:
        tasks.add(asyncio.create_task(loop_local.enter(slow("entered"))))
        tasks.add(asyncio.create_task(loop_local.enter_once(slow("entered once"))))
        await anyio.wait_all_tasks_blocked()

    run_on_asyncio(main)
    assert sorted(journal) == ["entered cleaned up", "entered once cleaned up"]


def test_a_failure_to_clean_up_after_a_cancellation_comes_out(run: Run) -> None:
    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        try:
            await anyio.sleep_forever()
        finally:
            raise OSError("the disk is full")
        yield

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            with pytest.raises(OSError, match="the disk is full"):
                await loop_local.enter(slow())

    run(main)


def test_a_resource_that_ignores_the_cancellation_is_exited_at_once(
    run_on_asyncio: Run, journal: Journal
) -> None:
    @asynccontextmanager
    async def stubborn() -> AsyncIterator[None]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            journal.append("ignored")
        yield
        journal.append("exited")

    async def main() -> None:
        task = asyncio.create_task(loop_local.enter(stubborn()))
        await anyio.wait_all_tasks_blocked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        journal.append("cancelled")

    run_on_asyncio(main)
    assert journal == ["ignored", "exited", "cancelled"]


def test_a_task_that_is_cancelled_before_its_first_step_enters_nothing(
    run_on_asyncio: Run, journal: Journal
) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await loop_local.enter(journal.resource("a"))
        assert scope.cancelled_caught

    run_on_asyncio(main)
    assert journal in ([], ["enter a", "exit a"])


@pytest.mark.parametrize("run", ON_TRIO.values(), ids=ON_TRIO)
def test_a_resource_that_shields_itself_is_exited_as_soon_as_it_is_entered(
    run: Run, journal: Journal
) -> None:
    @asynccontextmanager
    async def shielded() -> AsyncIterator[None]:
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
        journal.append("entered")
        try:
            yield
        finally:
            journal.append("exited")

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await loop_local.enter(shielded())
        journal.append("cancelled")

    run(main)
    assert journal == ["entered", "exited", "cancelled"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_while_something_is_entered_ends_the_program(
    interrupt: type[BaseException], run_on_asyncio: Run, journal: Journal
) -> None:
    @asynccontextmanager
    async def interrupted() -> AsyncIterator[None]:
        await anyio.lowlevel.checkpoint()
        raise interrupt
        yield

    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await loop_local.enter_once(interrupted())

    with pytest.raises(interrupt):
        run_on_asyncio(main)
    assert journal == ["enter a", "exit a"]
