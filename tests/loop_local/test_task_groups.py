"""Resources that hold a task group or a cancel scope open, and what happens if one crashes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
import trio
import trio.lowlevel
import trio.testing

from hesper import loop_local
from tests.loop_local.loops import Journal, Run


class Crash(Exception):  # noqa: N818 - what happened
    """A task has crashed."""


async def settled() -> None:
    """Let every task run as far as it gets; tasks of resources are not listed as tasks."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def working(crash: anyio.Event, journal: Journal) -> AsyncIterator[str]:
    """Hold a task group of anyio's open, in which a task crashes when told."""

    async def work() -> None:
        await crash.wait()
        raise Crash

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            yield "working"
            group.cancel_scope.cancel()
    finally:
        journal.append("the group has ended")


def test_a_task_group_may_be_open_across_the_yield(run: Run, journal: Journal) -> None:
    async def main() -> None:
        assert await loop_local.enter(working(anyio.Event(), journal)) == "working"

    run(main)
    assert journal == ["the group has ended"]


def test_a_crash_in_one_cancels_no_other_and_comes_out_at_the_end(
    run: Run, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> str:
        crash = anyio.Event()
        await loop_local.enter(journal.resource("a"))
        await loop_local.enter(working(crash, journal))
        await loop_local.enter(journal.resource("c"))
        crash.set()
        await settled()
        assert journal == ["enter a", "enter c", "the group has ended"]
        assert "died before the loop ended" in caplog.text
        with pytest.raises(ExceptionGroup) as info:
            await loop_local.aclose()
        [crashed] = info.value.exceptions
        assert isinstance(crashed, Crash)
        assert "was open" in info.value.__notes__[-1]
        return "main was not cancelled"

    with caplog.at_level(logging.ERROR):
        assert run(main) == "main was not cancelled"
    assert journal[-2:] == ["exit c", "exit a"]


def test_a_crash_at_once_gives_the_value_and_comes_out_at_the_end(run: Run) -> None:
    async def main() -> None:
        crash = anyio.Event()
        crash.set()
        assert await loop_local.enter(working(crash, Journal())) == "working"
        await settled()
        with pytest.raises(ExceptionGroup):
            await loop_local.aclose()

    run(main)


def test_a_task_group_of_asyncio_may_be_open_across_the_yield(
    run_on_asyncio: Run, journal: Journal
) -> None:
    @asynccontextmanager
    async def resource() -> AsyncIterator[asyncio.TaskGroup]:
        async with asyncio.TaskGroup() as group:
            yield group
            journal.append("exiting")
        journal.append("exited")

    async def main() -> None:
        async def work() -> None:
            journal.append("worked")

        group = await loop_local.enter(resource())
        group.create_task(work())
        await anyio.wait_all_tasks_blocked()

    run_on_asyncio(main)
    assert journal == ["worked", "exiting", "exited"]


def test_a_nursery_of_trio_may_be_open_across_the_yield(journal: Journal) -> None:
    @asynccontextmanager
    async def resource() -> AsyncIterator[trio.Nursery]:
        async with trio.open_nursery() as nursery:
            yield nursery
            journal.append("exiting")

    async def main() -> None:
        async def work() -> None:
            await trio.lowlevel.checkpoint()
            journal.append("worked")

        nursery = await loop_local.enter(resource())
        nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()

    trio.run(main)
    assert journal == ["worked", "exiting"]


def test_a_cancel_scope_may_be_open_across_the_yield(run: Run, journal: Journal) -> None:
    @asynccontextmanager
    async def resource() -> AsyncIterator[anyio.CancelScope]:
        with anyio.CancelScope() as scope:
            yield scope
        journal.append(f"exited, cancelled: {scope.cancelled_caught}")

    async def main() -> None:
        await loop_local.enter(resource())
        scope = await loop_local.enter(resource())
        scope.cancel()
        await settled()
        assert journal == ["exited, cancelled: True"]

    run(main)
    assert journal == ["exited, cancelled: True", "exited, cancelled: False"]


def test_a_resource_that_ended_by_itself_is_held_no_longer(run: Run) -> None:
    async def main() -> None:
        @asynccontextmanager
        async def resource() -> AsyncIterator[anyio.CancelScope]:
            with anyio.CancelScope() as scope:
                yield scope

        scope = await loop_local.enter(resource())
        scope.cancel()
        await settled()
        await loop_local.aclose()  # nothing is waited for

    run(main)


def test_the_caller_s_cancel_scope_does_not_reach_into_the_resource(
    run: Run, journal: Journal
) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            await loop_local.enter(journal.resource("a"))
            scope.cancel()
            await anyio.lowlevel.checkpoint()
        assert journal == ["enter a"]

    run(main)
    assert journal == ["enter a", "exit a"]
