"""Whatever is entered, in any order and with any failures: each is exited once, in reverse."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from hesper import loop_local

Failure = type[Exception] | None
failures: st.SearchStrategy[Failure] = st.sampled_from([None, None, OSError, ValueError])


@dataclass(frozen=True)
class Step:
    """Something that is to be opened."""

    how: str
    in_a_task: bool
    fails_to_enter: Failure
    fails_to_exit: Failure
    inner: tuple[Step, ...] = ()


def steps(inner: st.SearchStrategy[tuple[Step, ...]]) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        how=st.sampled_from(["enter", "enter_once", "sticky", "atexit"]),
        in_a_task=st.booleans(),
        fails_to_enter=failures,
        fails_to_exit=failures,
        inner=inner,
    )


plans = st.lists(steps(st.lists(steps(st.just(())), max_size=2).map(tuple)), min_size=1, max_size=6)


@dataclass
class World:
    """What has happened on one loop."""

    opened: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    errors: list[type[Exception]] = field(default_factory=list)
    count: int = 0

    def number(self) -> int:
        self.count += 1
        return self.count

    @asynccontextmanager
    async def resource(self, step: Step) -> AsyncIterator[int]:
        number, task = self.number(), anyio.get_current_task().id
        for inner in step.inner:
            await self.open(inner)
        await anyio.lowlevel.checkpoint()
        if step.fails_to_enter:
            raise step.fails_to_enter
        self.opened.append(number)
        try:
            yield number
            await anyio.lowlevel.checkpoint()
        finally:
            assert anyio.get_current_task().id == task
            self.close(number, step)

    def close(self, number: int, step: Step) -> None:
        self.closed.append(number)
        if step.fails_to_exit:
            self.errors.append(step.fails_to_exit)
            raise step.fails_to_exit

    async def open(self, step: Step) -> None:
        """Take a step; a failure is caught, and checked to be the step's own."""
        if step.how == "atexit":
            number = self.number()
            self.opened.append(number)
            loop_local.atexit(self.close, number, step)
            return
        if step.fails_to_enter is None:
            await self.enter(step)
        else:
            with pytest.raises(step.fails_to_enter):
                await self.enter(step)

    async def enter(self, step: Step) -> None:
        if step.how == "sticky":
            async with loop_local.sticky_acm(self.resource(step)):
                pass
        elif step.how == "enter_once":
            await loop_local.enter_once(self.resource(step))
        else:
            await loop_local.enter(self.resource(step))

    async def live(self, plan: list[Step]) -> None:
        async with anyio.create_task_group() as group:
            for step in plan:
                if step.in_a_task:
                    group.start_soon(self.open, step)
                else:
                    await self.open(step)
        outcome: list[type[BaseException]] = []
        try:
            await loop_local.aclose()
        except BaseExceptionGroup as group_of_errors:
            outcome = [type(error) for error in group_of_errors.exceptions]
        except Exception as error:
            outcome = [type(error)]
        assert outcome == self.errors
        # In reverse, and each once; what was opened before something failed stays open, too.
        assert self.closed == self.opened[::-1]


@given(plans)
@settings(max_examples=100, deadline=None)
def test_on_asyncio(plan: list[Step]) -> None:
    asyncio.run(World().live(plan))


@given(plans)
@settings(max_examples=50, deadline=None)
def test_on_trio(plan: list[Step]) -> None:
    trio.run(World().live, plan)


@given(plans, st.integers(0, 12))
@settings(max_examples=100, deadline=None)
def test_a_cancellation_at_any_moment_leaves_nothing_half_done(
    plan: list[Step], moment: int
) -> None:
    world = World()

    async def main() -> None:
        task = asyncio.ensure_future(world.live(plan))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        _ = task.cancelled() or task.exception()
        with suppress(Exception):
            await loop_local.aclose()
        assert sorted(world.closed) == sorted(world.opened)

    asyncio.run(main())


@pytest.mark.parametrize("threads", [6])
def test_many_tasks_on_several_loops_at_once(threads: int) -> None:
    outcomes: list[bool] = []

    @asynccontextmanager
    async def resource(name: int) -> AsyncIterator[object]:
        await anyio.lowlevel.checkpoint()
        yield object()
        await anyio.lowlevel.checkpoint()

    shared = loop_local.sticky_singleton_acm(resource)

    async def main() -> None:
        found: dict[int, set[int]] = {}

        async def use(name: int) -> None:
            async with shared(name) as value:
                found.setdefault(name, set()).add(id(value))

        async with anyio.create_task_group() as group:
            for number in range(500):
                group.start_soon(use, number % 10)
        outcomes.append(len(found) == 10 and all(len(ids) == 1 for ids in found.values()))

    workers = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert outcomes == [True] * threads
