"""Work after a response."""

from __future__ import annotations

import threading
import weakref

import anyio
import anyio.lowlevel
import pytest

from hesper.background_tasks import BackgroundTask, BackgroundTasks, background

pytestmark = pytest.mark.anyio


async def test_a_coroutine_function_is_awaited_with_its_arguments() -> None:
    calls: list[tuple[int, int]] = []

    async def work(a: int, *, b: int) -> None:
        await anyio.lowlevel.checkpoint()
        calls.append((a, b))

    await BackgroundTask(work, 1, b=2)()
    assert calls == [(1, 2)]


async def test_a_function_runs_in_a_thread() -> None:
    threads: list[int] = []
    await BackgroundTask(lambda: threads.append(threading.get_ident()))()
    assert threads != [threading.get_ident()]


async def test_a_task_can_be_called_again() -> None:
    calls: list[int] = []
    task = BackgroundTask(calls.append, 1)
    await task()
    await task()
    assert calls == [1, 1]


async def test_tasks_run_one_after_another() -> None:
    order: list[str] = []

    async def slow() -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        order.append("slow")

    async def quick() -> None:
        order.append("quick")

    await BackgroundTasks([BackgroundTask(slow), BackgroundTask(quick)])()
    assert order == ["slow", "quick"]


async def test_tasks_run_at_the_same_time_if_asked() -> None:
    first, second = anyio.Event(), anyio.Event()

    async def one() -> None:
        first.set()
        await second.wait()

    async def other() -> None:
        await first.wait()
        second.set()

    await BackgroundTasks([BackgroundTask(one), BackgroundTask(other)], run_in_task_group=True)()
    assert second.is_set()


async def test_a_task_that_fails_leaves_those_after_it_undone() -> None:
    done: list[int] = []

    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await BackgroundTasks([BackgroundTask(fail), BackgroundTask(done.append, 1)])()
    assert done == []


async def test_failures_at_the_same_time_come_out_as_a_group() -> None:
    async def fail() -> None:
        raise LookupError

    tasks = BackgroundTasks([BackgroundTask(fail)], run_in_task_group=True)
    with pytest.raises(ExceptionGroup) as caught:
        await tasks()
    assert caught.group_contains(LookupError)


async def test_background_makes_a_task_with_its_arguments() -> None:
    calls: list[tuple[int, int]] = []

    async def work(a: int, b: int) -> None:
        calls.append((a, b))

    task = background(work, 1, b=2)
    assert isinstance(task, BackgroundTask)
    assert (task.fn, task.args, task.kwargs) == (work, (1,), {"b": 2})
    await task()
    assert calls == [(1, 2)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_somebody_else_may_make_the_calls(at_once: bool) -> None:
    made: list[BackgroundTask] = []

    async def note(task: BackgroundTask) -> None:
        made.append(task)

    tasks = [BackgroundTask(print), background(print)]
    await BackgroundTasks(tasks, run_in_task_group=at_once).run(note)
    assert made == tasks


def test_tasks_can_be_weakly_referenced() -> None:
    task = BackgroundTask(print)
    tasks = BackgroundTasks([task])
    assert weakref.ref(task)() is task
    assert weakref.ref(tasks)() is tasks
