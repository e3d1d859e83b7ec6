"""Exits: in reverse, each in its task, on a loop that works, all of them, whatever fails."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hesper import loop_local
from tests.loop_local.loops import Journal, Run


@pytest.fixture(autouse=True)
def reported(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged; pytest would say nothing of it by itself."""
    caplog.set_level(logging.ERROR)
    return caplog


def errors_in(reported: pytest.LogCaptureFixture) -> list[BaseException]:
    """Return the logged errors, those of groups one by one."""
    found: list[BaseException] = []
    for record in reported.records:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, BaseExceptionGroup):
            found += error.exceptions
        elif error is not None:
            found.append(error)
    return found


def test_exits_run_in_reverse_order(run: Run, journal: Journal) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await loop_local.enter_once(journal.resource("b"))
        async with loop_local.sticky_acm(journal.resource("c")):
            pass

    run(main)
    assert journal == ["enter a", "enter b", "enter c", "exit c", "exit b", "exit a"]


def test_they_run_after_the_main_task_failed(run: Run, journal: Journal) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        raise LookupError("main failed")

    with pytest.raises(LookupError, match="main failed"):
        run(main)
    assert journal == ["enter a", "exit a"]


def test_they_run_after_the_main_task_was_cancelled(run_on_asyncio: Run, journal: Journal) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await anyio.sleep_forever()

    with pytest.raises(asyncio.CancelledError):
        run_on_asyncio(main)
    assert journal == ["enter a", "exit a"]


def test_they_run_after_an_interrupt_from_the_keyboard(journal: Journal) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert journal == ["enter a", "exit a"]


def test_what_is_entered_in_a_task_that_has_ended_stays_open(run: Run, journal: Journal) -> None:
    async def enter() -> None:
        await loop_local.enter(journal.resource("a"))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(enter)
        assert journal == ["enter a"]

    run(main)
    assert journal == ["enter a", "exit a"]


def test_tasks_threads_and_time_work_in_an_exit(run: Run, journal: Journal) -> None:
    @asynccontextmanager
    async def resource() -> AsyncIterator[None]:
        yield
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.lowlevel.checkpoint)
        with anyio.fail_after(10):
            journal.append(await anyio.to_thread.run_sync(lambda: threading.current_thread().name))
        with anyio.move_on_after(0.001):
            await anyio.sleep_forever()
        journal.append("done")

    async def main() -> None:
        await loop_local.enter(resource())

    run(main)
    assert journal[0] != threading.main_thread().name
    assert journal[1:] == ["done"]


def test_the_default_executor_works_in_an_exit(run_on_asyncio: Run, journal: Journal) -> None:
    @asynccontextmanager
    async def resource() -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(journal.append, "written in a thread")

    async def main() -> None:
        await loop_local.enter(resource())

    run_on_asyncio(main)
    assert journal == ["written in a thread"]


def test_a_generator_inside_of_a_resource_is_resumed_in_its_turn(
    run: Run, journal: Journal
) -> None:
    @asynccontextmanager
    async def inner() -> AsyncIterator[None]:
        async with journal.resource("innermost"):
            yield
            journal.append("inner is resumed")

    @asynccontextmanager
    async def outer() -> AsyncIterator[None]:
        async with inner():
            yield
            journal.append("outer is resumed")

    async def main() -> None:
        await loop_local.enter(outer())

    run(main)
    assert journal == ["enter innermost", "outer is resumed", "inner is resumed", "exit innermost"]


def test_a_generator_that_a_resource_drops_half_way_is_finalised(
    run_on_asyncio: Run, journal: Journal
) -> None:
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await anyio.lowlevel.checkpoint()
            journal.append("finalised")

    @asynccontextmanager
    async def resource() -> AsyncIterator[int]:
        found = 0
        async for number in numbers():
            found = number
            break
        yield found

    async def main() -> None:
        await loop_local.enter(resource())
        await anyio.wait_all_tasks_blocked()
        journal.append("main is done")

    run_on_asyncio(main)
    assert journal == ["finalised", "main is done"]


def test_generators_of_the_loop_s_other_users_are_still_closed_by_the_loop(
    run_on_asyncio: Run, journal: Journal
) -> None:
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await anyio.lowlevel.checkpoint()
            journal.append("closed by the loop")

    kept = numbers()

    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await anext(kept)

    run_on_asyncio(main)
    assert sorted(journal) == ["closed by the loop", "enter a", "exit a"]


def test_all_exits_are_attempted_and_their_errors_reported(
    run: Run, journal: Journal, reported: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a", fails=OSError("a failed")))
        await loop_local.enter(journal.resource("b"))
        await loop_local.enter(journal.resource("c", fails=ValueError("c failed")))

    run(main)
    assert journal[3:] == ["exit c", "exit b", "exit a"]
    assert [str(error) for error in errors_in(reported)] == ["c failed", "a failed"]
    for error in errors_in(reported):
        assert "was exited at the end of the loop" in error.__notes__[0]


def test_the_errors_reach_the_loop_s_exception_handler(run_on_asyncio: Run) -> None:
    calls: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: calls.append(context))
        loop_local.atexit(int, "not a number")

    run_on_asyncio(main)
    [call] = calls
    assert call["message"] == "exits at the end of the loop failed"
    assert isinstance(call["exception"], ValueError)
    assert call["exception"].__context__ is None


def test_a_cancellation_that_an_exit_raises_is_an_error_like_any_other(
    run_on_asyncio: Run, journal: Journal, reported: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await loop_local.enter(journal.resource("b", fails=asyncio.CancelledError("of a task")))

    run_on_asyncio(main)
    assert journal[2:] == ["exit b", "exit a"]
    assert [error.args for error in errors_in(reported)] == [("of a task",)]


def test_what_is_entered_while_closing_is_exited_too(run: Run, journal: Journal) -> None:
    @asynccontextmanager
    async def last_words() -> AsyncIterator[None]:
        yield
        await loop_local.enter(journal.resource("late"))
        journal.append("said")

    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await loop_local.enter(last_words())

    run(main)
    assert journal == ["enter a", "enter late", "said", "exit late", "exit a"]


def test_exits_see_what_was_stored(run: Run, journal: Journal) -> None:
    async def main() -> None:
        loop_local.storage()["word"] = "stored"
        loop_local.atexit(lambda: journal.append(loop_local.storage()["word"]))

    run(main)
    assert journal == ["stored"]


def test_the_stack_of_hooks_is_as_it_was(run: Run) -> None:
    async def main() -> None:
        before = sys.get_asyncgen_hooks()
        await loop_local.enter(Journal().resource("a"))
        await loop_local.aclose()
        assert sys.get_asyncgen_hooks() == before

    run(main)
