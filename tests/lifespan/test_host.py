"""A manager is open in a task of its own, wherever those who ask for it run."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import pytest

from hesper import Hesper, Lifespan
from hesper.lifespan import Closing, Phase
from tests.lifespan.journal import Journal, RefusalError, forever, leaves, notes

pytestmark = pytest.mark.anyio


class CrashError(Exception):
    """What a child of a manager's task group raises."""


async def in_another_task(lifespan: Lifespan, step: str) -> None:
    await asyncio.create_task(getattr(lifespan, step)())


@pytest.fixture
async def journal() -> Journal:
    return Journal()


@pytest.fixture
async def running(journal: Journal) -> AsyncIterator[Lifespan]:
    """A fixture, which the anyio plugin may run in another task than the test."""
    app = Hesper(lifespan=[journal.manager("a"), scoped], state={"name": "fixture"})
    async with app.lifespan() as lifespan:
        yield lifespan


@asynccontextmanager
async def scoped() -> AsyncIterator[None]:
    """Holds open what must be exited in the task that entered it."""
    async with anyio.create_task_group(), asyncio.TaskGroup():
        with anyio.CancelScope():
            yield


async def test_a_lifespan_in_a_fixture_is_open_in_the_test(
    running: Lifespan, journal: Journal
) -> None:
    assert running.phase is Phase.READY
    assert journal.closed == []


async def test_what_one_task_starts_another_may_stop(journal: Journal) -> None:
    lifespan = Hesper(lifespan=[journal.manager("a"), scoped, journal.manager("b")]).lifespan()
    await in_another_task(lifespan, "start")
    await in_another_task(lifespan, "stop")
    assert journal.closed == ["b", "a"]


async def test_each_manager_has_a_task_of_its_own() -> None:
    tasks: list[object] = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        tasks.append(asyncio.current_task())
        yield
        tasks.append(asyncio.current_task())

    async with Hesper(lifespan=[manager, manager]).lifespan():
        pass
    first, second, second_again, first_again = tasks
    assert first is first_again
    assert second is second_again
    assert len({id(task) for task in (first, second, asyncio.current_task())}) == 3


async def test_a_manager_may_hold_an_asyncio_task_group_open() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def workers() -> AsyncIterator[dict[str, Any]]:
        async with asyncio.TaskGroup() as group:
            yield {"group": group}
            steps.append("waiting for workers")
        steps.append("no worker is left")

    async def work(closing: Closing) -> None:
        await closing
        for _ in range(5):
            await asyncio.sleep(0)
        steps.append("worked")

    app = Hesper(lifespan=[workers])
    async with app.lifespan() as lifespan:
        app.state.group.create_task(work(lifespan.closing))
    assert steps == ["waiting for workers", "worked", "no worker is left"]


@asynccontextmanager
async def with_asyncio_group(crash: asyncio.Event) -> AsyncIterator[None]:
    async def child() -> None:
        await crash.wait()
        raise CrashError

    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        yield


@asynccontextmanager
async def with_anyio_group(crash: asyncio.Event) -> AsyncIterator[None]:
    async def child() -> None:
        await crash.wait()
        raise CrashError

    async with anyio.create_task_group() as group:
        group.start_soon(child)
        yield


@pytest.mark.parametrize("group", [with_asyncio_group, with_anyio_group])
async def test_a_crash_in_a_manager_turns_the_lifespan_to_closing_and_comes_out_at_stop(
    group: Any, caplog: pytest.LogCaptureFixture
) -> None:
    journal, crash = Journal(), asyncio.Event()
    app = Hesper(
        lifespan=[journal.manager("outer"), lambda: group(crash), journal.manager("inner")],
        on_shutdown=journal.hook("down"),
    )
    lifespan = app.lifespan()
    await lifespan.start()
    assert not lifespan.closing.is_set()
    crash.set()
    await lifespan.closing
    assert "died" in caplog.text
    with pytest.raises(ExceptionGroup) as caught:
        await lifespan.stop()
    assert [type(error) for error in leaves(caught.value)] == [CrashError]
    assert "while the lifespan ran" in notes(caught.value)
    assert journal == ["enter outer", "enter inner", "exit inner", "exit outer", "down"]
    assert lifespan.phase is Phase.CLOSED


async def test_a_crash_in_one_manager_cancels_no_other() -> None:
    crash = asyncio.Event()
    seen: list[str] = []

    @asynccontextmanager
    async def bystander() -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:  # a cancellation would come here
            seen.append(repr(error))
            raise
        seen.append("undisturbed")

    lifespan = Hesper(lifespan=[bystander, lambda: with_asyncio_group(crash), bystander]).lifespan()
    await lifespan.start()
    crash.set()
    await lifespan.closing
    with pytest.raises(ExceptionGroup):
        await lifespan.stop()
    assert seen == ["undisturbed", "undisturbed"]


async def test_a_cancel_scope_that_a_manager_holds_open_ends_only_that_manager() -> None:
    scopes: list[anyio.CancelScope] = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            yield

    lifespan = Hesper(lifespan=manager).lifespan()
    await lifespan.start()
    scopes[0].cancel()
    await lifespan.closing
    with pytest.raises(RuntimeError, match="manager ended by itself"):
        await lifespan.stop()


async def test_a_manager_that_crashes_while_another_is_entered_ends_the_start() -> None:
    journal, crash = Journal(), asyncio.Event()

    @asynccontextmanager
    async def waits_for_ever() -> AsyncIterator[None]:
        crash.set()
        await forever()
        yield

    app = Hesper(
        lifespan=[
            journal.manager("outer"),
            lambda: with_asyncio_group(crash),
            journal.manager("inner"),
            waits_for_ever,
            journal.manager("never"),
        ],
        on_startup=journal.hook("up"),
    )
    lifespan = app.lifespan()
    with pytest.raises(ExceptionGroup) as caught:
        await lifespan.start()
    assert [type(error) for error in leaves(caught.value)] == [CrashError]
    assert journal == ["enter outer", "enter inner", "exit inner", "exit outer"]
    assert lifespan.phase is Phase.FAILED


async def test_a_manager_that_crashes_while_a_hook_runs_ends_the_start() -> None:
    journal, crash = Journal(), asyncio.Event()

    async def hook() -> None:
        crash.set()
        await forever()

    app = Hesper(
        lifespan=[journal.manager("outer"), lambda: with_asyncio_group(crash)],
        on_startup=hook,
        on_shutdown=journal.hook("down"),
    )
    with pytest.raises(ExceptionGroup) as caught:
        await app.lifespan().start()
    assert [type(error) for error in leaves(caught.value)] == [CrashError]
    assert journal == ["enter outer", "exit outer", "down"]


async def test_two_managers_that_crash_both_come_out() -> None:
    crash = asyncio.Event()
    lifespan = Hesper(
        lifespan=[lambda: with_asyncio_group(crash), lambda: with_anyio_group(crash)]
    ).lifespan()
    await lifespan.start()
    crash.set()
    await lifespan.closing
    with pytest.raises(ExceptionGroup) as caught:
        await lifespan.stop()
    assert [type(error) for error in leaves(caught.value)] == [CrashError, CrashError]


async def test_a_crash_while_the_lifespan_stops_comes_out_too() -> None:
    crash = asyncio.Event()

    async def crashing() -> None:
        crash.set()
        for _ in range(5):
            await asyncio.sleep(0)

    journal = Journal()
    app = Hesper(
        lifespan=[lambda: with_asyncio_group(crash), journal.manager("a", exits=RefusalError())],
        on_shutdown=crashing,
    )
    lifespan = app.lifespan()
    await lifespan.start()
    crash.set()
    with pytest.raises(BaseExceptionGroup) as caught:
        await lifespan.stop()
    assert {type(error) for error in leaves(caught.value)} == {CrashError, RefusalError}


async def test_managers_and_hooks_share_their_context_variables() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[str] = []

    @asynccontextmanager
    async def setting() -> AsyncIterator[None]:
        token = variable.set("set by the manager")
        yield
        variable.reset(token)

    def reading() -> None:
        seen.append(variable.get("not set"))

    async with Hesper(lifespan=setting, on_startup=reading, on_shutdown=reading).lifespan():
        assert variable.get("not set") == "not set"
    assert seen == ["set by the manager", "not set"]


async def test_the_tasks_of_managers_are_named_after_them() -> None:
    names: list[str] = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        task = asyncio.current_task()
        names.append("" if task is None else task.get_name())
        yield

    async with Hesper(lifespan=manager).lifespan():
        pass
    assert len(names) == 1
    assert names[0].startswith("hesper: ")
    assert names[0].endswith("manager")
