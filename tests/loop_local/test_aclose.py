"""`aclose`: all exits now; the loop can be used on."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hesper import loop_local
from tests.loop_local.loops import Journal, Run


def test_the_one_error_comes_out_of_aclose_itself(run: Run, journal: Journal) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a", fails=OSError("a failed")))
        await loop_local.enter(journal.resource("b"))
        with pytest.raises(OSError, match="a failed"):
            await loop_local.aclose()

    run(main)
    assert journal[2:] == ["exit b", "exit a"]


def test_several_errors_come_out_of_aclose_in_a_group(run: Run, journal: Journal) -> None:
    def fail() -> None:
        raise LookupError("the callback failed")

    async def main() -> None:
        await loop_local.enter(journal.resource("a", fails=OSError("a failed")))
        loop_local.atexit(fail)
        await loop_local.enter(journal.resource("b", fails=ValueError("b failed")))
        with pytest.raises(ExceptionGroup, match="exits at the end of the loop failed") as info:
            await loop_local.aclose()
        assert [type(error) for error in info.value.exceptions] == [
            ValueError,
            LookupError,
            OSError,
        ]
        assert "fail" in info.value.exceptions[1].__notes__[0]

    run(main)


def test_after_aclose_the_loop_can_be_used_on(run: Run, journal: Journal) -> None:
    resource = journal.resource("a")

    @loop_local.singleton
    async def number() -> object:
        return object()

    async def main() -> None:
        storage = loop_local.storage()
        storage["a"] = 1
        first = await number()
        await loop_local.enter_once(resource)
        await loop_local.aclose()
        assert journal == ["enter a", "exit a"]
        assert loop_local.storage() == {}
        assert await number() is not first
        await loop_local.enter(journal.resource("b"))
        await loop_local.aclose()
        await loop_local.aclose()
        await loop_local.enter(journal.resource("c"))

    run(main)
    assert journal[2:] == ["enter b", "exit b", "enter c", "exit c"]


def test_closing_twice_at_once_keeps_the_order_and_both_wait(run: Run, journal: Journal) -> None:
    @asynccontextmanager
    async def slow(name: str) -> AsyncIterator[None]:
        yield
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        journal.append(f"exit {name}")

    async def close() -> None:
        await loop_local.aclose()
        journal.append("closed")

    async def main() -> None:
        await loop_local.enter(slow("a"))
        await loop_local.enter(slow("b"))
        async with anyio.create_task_group() as group:
            group.start_soon(close)
            group.start_soon(close)

    run(main)
    assert journal == ["exit b", "exit a", "closed", "closed"]


def test_an_exit_that_closes_the_loop_s_resources_waits_for_nothing(
    run: Run, journal: Journal
) -> None:
    @asynccontextmanager
    async def closing() -> AsyncIterator[None]:
        yield
        await loop_local.aclose()
        journal.append("went on")

    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await loop_local.enter(closing())
        loop_local.atexit(loop_local.aclose)
        with anyio.fail_after(5):
            await loop_local.aclose()

    run(main)
    assert journal == ["enter a", "went on", "exit a"]


def test_a_cancellation_of_aclose_skips_no_exit(run: Run, journal: Journal) -> None:
    @asynccontextmanager
    async def stuck() -> AsyncIterator[None]:
        yield
        journal.append("stuck")
        try:
            await anyio.sleep_forever()
        finally:
            journal.append("unstuck")

    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await loop_local.enter(stuck())
        async with anyio.create_task_group() as group:
            group.start_soon(loop_local.aclose)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        journal.append("cancelled")

    run(main)
    assert journal == ["enter a", "stuck", "unstuck", "exit a", "cancelled"]


def test_a_timeout_around_aclose_is_a_timeout(run_on_asyncio: Run, journal: Journal) -> None:
    @asynccontextmanager
    async def stuck() -> AsyncIterator[None]:
        yield
        await anyio.sleep_forever()

    async def main() -> None:
        await loop_local.enter(stuck())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await loop_local.aclose()

    run_on_asyncio(main)


def test_an_error_of_an_exit_and_a_cancellation_come_out_together(run_on_asyncio: Run) -> None:
    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        yield
        try:
            await anyio.sleep_forever()
        finally:
            raise OSError("the disk is full")

    async def main() -> None:
        await loop_local.enter(failing())
        task = asyncio.create_task(loop_local.aclose())
        await anyio.wait_all_tasks_blocked()
        task.cancel("enough")
        with pytest.raises(BaseExceptionGroup) as info:
            await task
        cancelled, failed = info.value.exceptions
        assert isinstance(cancelled, asyncio.CancelledError)
        assert isinstance(failed, OSError)

    run_on_asyncio(main)


def test_failed_exits_keep_nothing_alive(run: Run) -> None:
    class Value:
        async def __aenter__(self) -> Value:
            return self

        async def __aexit__(self, *raised: object) -> None:
            await anyio.lowlevel.checkpoint()
            raise OSError("failed")

    gone: list[weakref.ref[object]] = []

    async def main() -> None:
        for number in (1, 2):
            gone.extend([weakref.ref(await loop_local.enter(Value())) for _ in range(number)])
            try:
                await loop_local.aclose()
            except* OSError as failed:
                gone.append(weakref.ref(failed))
            await anyio.lowlevel.checkpoint()

    gc.collect()
    gc.disable()
    try:
        run(main)
        assert [reference() for reference in gone] == [None] * 5
    finally:
        gc.enable()
