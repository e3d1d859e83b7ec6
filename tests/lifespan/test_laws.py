"""The laws of lifetimes, for lifespans of any parts that fail, or are cancelled, anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hesper import Hesper, Lifespan
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.handlers import mount
from hesper.lifespan import MountedAppFailed, Phase
from tests.lifespan.journal import RefusalError, leaves


@dataclass(frozen=True)
class Part:
    """A manager, a hook or a mounted app: where it fails, and how many turns each step takes."""

    fails_to_begin: bool
    fails_to_end: bool
    turns: int


@dataclass
class Course:
    """What a lifespan goes through."""

    managers: list[Part]
    on_startup: list[Part]
    mounts: list[Part]
    on_shutdown: list[Part]
    tasks: list[Part]


@dataclass
class Record:
    """What happened."""

    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    raised: list[BaseException] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    wrong_tasks: list[str] = field(default_factory=list)
    started: list[asyncio.Task[None]] = field(default_factory=list)

    def fail(self, fails: bool, name: str) -> None:
        if fails:
            error = RefusalError(name)
            self.raised.append(error)
            raise error


async def turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


def manager_of(part: Part, name: str, record: Record) -> Callable[[], Any]:
    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        task = asyncio.current_task()
        await turn(part.turns)
        record.fail(part.fails_to_begin, name)
        record.opened.append(name)
        try:
            yield
        finally:
            record.closed.append(name)
            if asyncio.current_task() is not task:
                record.wrong_tasks.append(name)
            try:
                await turn(part.turns)
            finally:
                record.fail(part.fails_to_end, name)

    return manager


def hook_of(part: Part, name: str, record: Record) -> Callable[[], Any]:
    async def hook() -> None:
        record.hooks.append(name)
        await turn(part.turns)
        record.fail(part.fails_to_begin, name)

    return hook


def app_of(part: Part, name: str, record: Record) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        await receive()
        await turn(part.turns)
        if part.fails_to_begin:
            record.refused.append(name)
            await send({"type": "lifespan.startup.failed", "message": name})
            return
        record.opened.append(name)
        try:
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await turn(part.turns)
        finally:
            record.closed.append(name)
            if asyncio.current_task() is not task:
                record.wrong_tasks.append(name)
        if part.fails_to_end:
            record.refused.append(name)
            await send({"type": "lifespan.shutdown.failed", "message": name})
            return
        await send({"type": "lifespan.shutdown.complete"})

    return app


def task_of(part: Part, record: Record) -> Callable[[Lifespan], None]:
    async def work() -> None:
        await turn(part.turns)
        record.fail(part.fails_to_begin, "task")
        await asyncio.Event().wait()

    def hook(lifespan: Lifespan) -> None:
        record.started.append(lifespan.tasks.start(work))

    return hook


def app_for(course: Course, record: Record) -> Hesper:
    def named(parts: list[Part], kind: str, make: Callable[[Part, str, Record], Any]) -> list[Any]:
        return [make(part, f"{kind} {n}", record) for n, part in enumerate(parts)]

    return Hesper(
        [
            mount(f"/{n}", app_of(part, f"mount {n}", record))
            for n, part in enumerate(course.mounts)
        ],
        lifespan=named(course.managers, "manager", manager_of),
        on_startup=[
            *(task_of(part, record) for part in course.tasks),
            *named(course.on_startup, "up", hook_of),
        ],
        on_shutdown=named(course.on_shutdown, "down", hook_of),
    )


async def run(
    course: Course, cancel_after: list[int]
) -> tuple[Record, Lifespan, BaseException | None]:
    record = Record()
    lifespan = app_for(course, record).lifespan()

    async def whole() -> None:
        async with lifespan:
            await turn(3)

    task = asyncio.create_task(whole())
    for turns in cancel_after:
        await turn(turns)
        task.cancel()
    await asyncio.wait({task})
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks are left: {left}"
    return record, lifespan, asyncio.CancelledError() if task.cancelled() else task.exception()


parts = st.builds(
    Part,
    fails_to_begin=st.sampled_from([False, False, False, True]),
    fails_to_end=st.booleans(),
    turns=st.integers(0, 2),
)
several = st.lists(parts, max_size=3)
courses = st.builds(
    Course,
    managers=several,
    on_startup=several,
    mounts=st.lists(parts, max_size=2),
    on_shutdown=several,
    tasks=st.lists(parts, max_size=1),
)


def check(course: Course, record: Record, lifespan: Lifespan, error: BaseException | None) -> None:
    """Hold a run against the laws."""
    # What was opened is closed once, in reverse, in its own task; nothing else is closed.
    assert record.closed == record.opened[::-1]
    assert record.wrong_tasks == []
    # All that was raised comes out, once, and nothing was made up.
    out = [] if error is None else list(leaves(error))
    ours = [e for e in out if not isinstance(e, (asyncio.CancelledError, MountedAppFailed))]
    assert sorted(map(id, ours)) == sorted(map(id, record.raised))
    failed = [str(e).rpartition(": ")[2] for e in out if isinstance(e, MountedAppFailed)]
    assert sorted(failed) == sorted(record.refused)
    # Once a start-up hook has begun, the shutdown hooks all do.
    if any(name.startswith("up") for name in record.hooks):
        downs = [name for name in record.hooks if name.startswith("down")]
        assert downs == [f"down {n}" for n in range(len(course.on_shutdown))]
    # No task is left.
    assert all(task.done() for task in record.started)
    assert lifespan.phase in {Phase.NEW, Phase.CLOSED, Phase.FAILED}


@settings(max_examples=200, deadline=None)
@given(course=courses)
def test_whatever_fails_all_that_was_opened_is_closed_and_all_errors_come_out(
    course: Course,
) -> None:
    record, lifespan, error = asyncio.run(run(course, []))
    check(course, record, lifespan, error)
    assert not any(isinstance(e, asyncio.CancelledError) for e in leaves(error or Exception()))


@settings(max_examples=400, deadline=None)
@given(course=courses, cancel_after=st.lists(st.integers(0, 12), min_size=1, max_size=3))
def test_whenever_it_is_cancelled_all_that_was_opened_is_closed_and_all_errors_come_out(
    course: Course, cancel_after: list[int]
) -> None:
    record, lifespan, error = asyncio.run(run(course, cancel_after))
    check(course, record, lifespan, error)
