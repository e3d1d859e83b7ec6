"""Supervised tasks: what follows a failure, and how they end."""

from __future__ import annotations

import asyncio
import contextvars
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import Hesper, Lifespan
from hesper.lifespan import Phase, tasks
from hesper.testing import AsyncTestClient, LifespanError
from tests.lifespan.journal import Journal, RefusalError, forever, leaves, notes

pytestmark = pytest.mark.anyio


async def fail() -> None:
    raise RefusalError("the work failed")


class Failing:
    """Work that fails a number of times and then succeeds."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.runs = 0
        self.began = asyncio.Event()
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        self.began.set()
        if self.runs <= self.failures:
            raise RefusalError
        self.done.set()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have pauses take no time, and write down how long they would have been."""
    lengths: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        lengths.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return lengths


async def test_a_task_is_given_its_arguments() -> None:
    given: list[object] = []

    async def work(*arguments: object) -> None:
        given.extend(arguments)

    async with Hesper().lifespan() as lifespan:
        await lifespan.tasks.start(work, 1, "two")
    assert given == [1, "two"]


async def test_a_task_is_named_after_its_function_or_as_it_is_told() -> None:
    async with Hesper().lifespan() as lifespan:
        assert lifespan.tasks.start(forever).get_name() == "tests.lifespan.journal.forever"
        assert lifespan.tasks.start(forever, name="polling").get_name() == "polling"


async def test_a_task_that_returns_is_listed_no_more() -> None:
    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(asyncio.sleep, 0)
        assert list(lifespan.tasks) == [task]
        assert task in lifespan.tasks
        await task
        assert len(lifespan.tasks) == 0
        assert not lifespan.closing.is_set()


async def test_a_task_is_cancelled_when_the_lifespan_stops() -> None:
    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(forever)
        await asyncio.sleep(0)
    assert task.cancelled()


async def test_cancelling_a_task_ends_it_and_nothing_else() -> None:
    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(forever, on_failure="restart")
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert lifespan.phase is Phase.READY


@pytest.mark.parametrize("on_failure", ["stop", "restart", "log"])
async def test_a_failure_is_reported_at_once(
    on_failure: Any, caplog: pytest.LogCaptureFixture, pauses: list[float]
) -> None:
    work = Failing(1)
    lifespan = Hesper().lifespan()
    await lifespan.start()
    task = lifespan.tasks.start(work, name="polling", on_failure=on_failure)
    await task
    assert "the task 'polling' failed" in caplog.text
    assert "RefusalError" in caplog.text
    if on_failure == "stop":
        with pytest.raises(RefusalError):
            await lifespan.stop()
    else:
        await lifespan.stop()


async def test_a_failure_stops_the_lifespan_by_default() -> None:
    journal = Journal()
    app = Hesper(lifespan=journal.manager("a"), on_shutdown=journal.hook("down"))
    lifespan = app.lifespan()
    await lifespan.start()
    bystander = lifespan.tasks.start(forever)
    _ = lifespan.tasks.start(fail, name="polling")
    await lifespan.closing
    phases = [lifespan.phase]
    with pytest.raises(RefusalError, match="the work failed") as caught:
        await lifespan.stop()
    assert notes(caught.value) == "raised by the task 'polling'"
    assert bystander.cancelled()
    assert journal == ["enter a", "exit a", "down"]
    assert [*phases, lifespan.phase] == [Phase.CLOSING, Phase.CLOSED]


async def test_a_failure_that_stops_the_lifespan_closes_it_before_anybody_asks() -> None:
    journal = Journal()
    closed = asyncio.Event()
    app = Hesper(lifespan=journal.manager("a"), on_shutdown=closed.set)
    lifespan = app.lifespan()
    await lifespan.start()
    _ = lifespan.tasks.start(fail)
    await closed.wait()
    assert journal == ["enter a", "exit a"]
    with pytest.raises(RefusalError):
        await lifespan.stop()


async def test_a_failure_comes_out_with_what_fails_while_stopping() -> None:
    journal = Journal()
    lifespan = Hesper(lifespan=journal.manager("a", exits=RefusalError("exit"))).lifespan()
    await lifespan.start()
    _ = lifespan.tasks.start(fail)
    await lifespan.closing
    with pytest.raises(ExceptionGroup) as caught:
        await lifespan.stop()
    assert [str(error) for error in leaves(caught.value)] == ["the work failed", "exit"]


async def test_a_failure_fails_the_shutdown_of_the_protocol() -> None:
    go_on, closed = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        await fail()

    def start(lifespan: Lifespan) -> None:
        _ = lifespan.tasks.start(work, name="polling")

    client = AsyncTestClient(Hesper(on_startup=start, on_shutdown=closed.set))
    await client.__aenter__()
    go_on.set()
    await closed.wait()
    with pytest.raises(LifespanError, match=r"the work failed.*raised by the task 'polling'"):
        await client.__aexit__(None, None, None)


async def test_a_task_that_fails_while_the_lifespan_starts_fails_the_start() -> None:
    journal = Journal()

    async def hook(lifespan: Lifespan) -> None:
        _ = lifespan.tasks.start(fail)
        await forever()

    app = Hesper(
        lifespan=journal.manager("a"),
        on_startup=[hook, journal.hook("never")],
        on_shutdown=journal.hook("down"),
    )
    lifespan = app.lifespan()
    with pytest.raises(RefusalError, match="the work failed"):
        await lifespan.start()
    assert journal == ["enter a", "exit a", "down"]
    assert lifespan.phase is Phase.FAILED


async def test_a_task_that_fails_at_the_very_end_of_the_start_fails_one_or_the_other() -> None:
    journal = Journal()

    def hook(lifespan: Lifespan) -> None:
        _ = lifespan.tasks.start(fail)

    app = Hesper(lifespan=journal.manager("a"), on_startup=hook, on_shutdown=journal.hook("down"))
    with pytest.raises(RefusalError, match="the work failed"):
        async with app.lifespan() as lifespan:
            await lifespan.closing
    assert journal == ["enter a", "exit a", "down"]


async def test_a_failure_that_is_only_logged_changes_nothing() -> None:
    async with Hesper().lifespan() as lifespan:
        await lifespan.tasks.start(fail, on_failure="log")
        assert lifespan.phase is Phase.READY
        assert len(lifespan.tasks) == 0


async def test_a_task_is_restarted_until_it_succeeds(pauses: list[float]) -> None:
    work = Failing(3)
    async with Hesper().lifespan() as lifespan:
        await lifespan.tasks.start(work, on_failure="restart")
        assert work.done.is_set()
        assert lifespan.phase is Phase.READY
    assert work.runs == 4


async def test_the_pauses_before_restarts_double_up_to_the_longest(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FIRST_PAUSE", 1.0)
    monkeypatch.setattr(tasks, "LONGEST_PAUSE", 5.0)
    async with Hesper().lifespan() as lifespan:
        await lifespan.tasks.start(Failing(5), on_failure="restart")
    assert pauses == [1, 2, 4, 5, 5]


async def test_the_pauses_begin_again_after_a_long_run(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FIRST_PAUSE", -2.0)
    monkeypatch.setattr(tasks, "LONGEST_PAUSE", -1.0)  # every run is longer than that
    async with Hesper().lifespan() as lifespan:
        await lifespan.tasks.start(Failing(4), on_failure="restart")
    assert pauses == [-2, -2, -2, -2]


async def test_a_task_that_waits_for_its_restart_ends_with_the_lifespan() -> None:
    work = Failing(1000)
    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(work, on_failure="restart")
        await work.began.wait()
    assert task.cancelled()
    assert work.runs == 1


async def test_a_task_that_fails_while_it_is_cancelled_is_not_restarted(
    pauses: list[float],
) -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)
        try:
            await forever()
        finally:
            raise RefusalError

    async with Hesper().lifespan() as lifespan:
        _ = lifespan.tasks.start(work, on_failure="restart")
        for _ in range(3):
            await asyncio.sleep(0)
    assert runs == [1]


async def test_a_task_that_fails_while_it_is_cancelled_fails_the_stop() -> None:
    async def work() -> None:
        try:
            await forever()
        finally:
            raise RefusalError

    lifespan = Hesper().lifespan()
    await lifespan.start()
    _ = lifespan.tasks.start(work)
    await asyncio.sleep(0)
    with pytest.raises(RefusalError):
        await lifespan.stop()


@pytest.mark.parametrize("phase", ["exit", "down", "after"])
async def test_no_task_can_be_started_once_they_have_been_cancelled(phase: str) -> None:
    refused: list[str] = []

    def start(lifespan: Lifespan, name: str) -> None:
        if name == phase:
            with pytest.raises(RuntimeError, match=re.escape("forever' comes too late")):
                _ = lifespan.tasks.start(forever)
            refused.append(name)

    @asynccontextmanager
    async def manager(lifespan: Lifespan) -> AsyncIterator[None]:
        yield
        start(lifespan, "exit")

    async with Hesper(
        lifespan=manager, on_shutdown=lambda lifespan: start(lifespan, "down")
    ).lifespan() as lifespan:
        pass
    start(lifespan, "after")
    assert refused == [phase]


async def test_a_task_of_another_loop_is_refused() -> None:
    async with Hesper().lifespan() as lifespan:

        async def elsewhere() -> None:
            with pytest.raises(RuntimeError, match="would run on another loop"):
                _ = lifespan.tasks.start(forever)

        await asyncio.to_thread(asyncio.run, elsewhere())

        def in_thread() -> None:
            with pytest.raises(RuntimeError, match="no running event loop"):
                _ = lifespan.tasks.start(forever)

        await asyncio.to_thread(in_thread)
        assert len(lifespan.tasks) == 0


async def test_an_unknown_reaction_is_refused() -> None:
    async with Hesper().lifespan() as lifespan:
        with pytest.raises(ValueError, match='"stop", "restart" or "log", not \'explode\''):
            _ = lifespan.tasks.start(forever, on_failure="explode")  # type: ignore[arg-type]  # pyright: ignore


async def test_a_function_that_is_not_asynchronous_is_a_failure() -> None:
    lifespan = Hesper().lifespan()
    await lifespan.start()
    _ = lifespan.tasks.start(lambda: None)  # type: ignore[arg-type, return-value]  # pyright: ignore
    await lifespan.closing
    with pytest.raises(TypeError, match="await"):
        await lifespan.stop()


async def test_a_task_that_waits_for_the_end_of_its_lifespan_is_told_so() -> None:
    told: list[str] = []

    async def work(lifespan: Lifespan) -> None:
        try:
            await lifespan.stop()
        except RuntimeError as error:
            told.append(str(error))

    async with Hesper().lifespan() as lifespan:
        await lifespan.tasks.start(work, lifespan)
    assert len(told) == 1
    assert 'let it raise, with on_failure="stop"' in told[0]


async def test_a_task_sees_the_state_and_the_variables_of_its_lifespan() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[object] = []
    app = Hesper(on_startup=lambda: variable.set("set"))

    async def work() -> None:
        seen.append((app.state.name, variable.get()))

    async with app.lifespan() as one, app.lifespan() as two:
        one.state.name, two.state.name = "one", "two"
        await one.tasks.start(work)
        await two.tasks.start(work)
    assert seen == [("one", "set"), ("two", "set")]


async def test_what_a_task_sets_is_seen_by_no_other() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[str] = []

    async def work(name: str) -> None:
        seen.append(variable.get("unset"))
        variable.set(name)

    async with Hesper().lifespan() as lifespan:
        await lifespan.tasks.start(work, "one")
        await lifespan.tasks.start(work, "two")
    assert seen == ["unset", "unset"]


async def test_a_stop_that_is_cancelled_waits_for_the_tasks_all_the_same() -> None:
    journal = Journal()
    cleaning, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            await forever()
        finally:
            cleaning.set()
            await go_on.wait()
            journal.append("cleaned up")

    lifespan = Hesper(lifespan=journal.manager("a")).lifespan()
    await lifespan.start()
    _ = lifespan.tasks.start(work)
    await asyncio.sleep(0)
    stopping = asyncio.create_task(lifespan.stop())
    await cleaning.wait()
    stopping.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert journal == ["enter a", "cleaned up", "exit a"]
