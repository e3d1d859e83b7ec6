"""Worker threads that stay with their loop: the calls are as anyio would make them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import signal
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio
import uvloop

from hesper import _threads
from hesper._threads import Call, Worker, workers_of
from hesper.concurrency import finish_in_thread, in_thread, thread_limiter
from tests.test_concurrency import RefusalError, collector_off, demand_ended, until

Main: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
Run: TypeAlias = Callable[[Main], Any]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

LONG = 3600.0


def on_asyncio(main: Main) -> Any:
    return asyncio.run(main())


def on_uvloop(main: Main) -> Any:
    return uvloop.run(main())


def on_anyio(main: Main) -> Any:
    return anyio.run(main)


def on_a_loop_that_is_just_closed(main: Main) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def on_a_loop_that_runs_for_ever(main: Main) -> Any:
    """Run where no task is the one that the loop runs for."""
    loop = asyncio.new_event_loop()
    ended: asyncio.Future[Any] = loop.create_future()

    async def run() -> None:
        try:
            ended.set_result(await main())
        except BaseException as error:
            ended.set_exception(error)
        finally:
            loop.stop()

    try:
        loop.call_soon(lambda: tasks.add(loop.create_task(run())))
        tasks: set[asyncio.Task[None]] = set()
        loop.run_forever()
        return ended.result()
    finally:
        loop.close()


def by_a_worker(run: Run) -> Run:
    return run


def by_anyio(run: Run) -> Run:
    """Have anyio make all calls, as it does where its scopes are not known."""

    def run_without_workers(main: Main) -> Any:
        async def without_workers() -> Any:
            workers_of(asyncio.get_running_loop())._scopes = None
            return await main()

        return run(without_workers)

    return run_without_workers


RUNS = [on_asyncio, on_uvloop, on_anyio, on_a_loop_that_is_just_closed]


@pytest.fixture(params=RUNS)
def loop_kind(request: pytest.FixtureRequest) -> Run:
    run: Run = request.param
    return run


@pytest.fixture(params=[by_a_worker, by_anyio])
def run(request: pytest.FixtureRequest, loop_kind: Run) -> Run:
    """Run on a loop of each kind, the calls being made in either way."""
    made: Run = request.param(loop_kind)
    return made


@pytest.fixture
def stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers end only when they are told to."""
    monkeypatch.setattr(_threads, "_IDLE", LONG)


@pytest.fixture
def leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers end as soon as there is nothing to do."""
    monkeypatch.setattr(_threads, "_IDLE", 0.0)


async def identity() -> int:
    return threading.get_ident()


# In either way


def test_a_function_in_a_thread_may_call_back_to_the_loop(run: Run) -> None:
    def back() -> tuple[int, int]:
        return anyio.from_thread.run(identity), anyio.from_thread.run_sync(threading.get_ident)

    async def main() -> bool:
        return await in_thread(back) == (threading.get_ident(), threading.get_ident())

    assert run(main)


def test_a_function_that_is_not_cancelled_may_ask(run: Run) -> None:
    async def main() -> str:
        for _ in range(2):
            await in_thread(anyio.from_thread.check_cancelled)
        return "asked"

    assert run(main) == "asked"


def test_a_function_in_a_thread_may_run_a_loop_of_its_own(run: Run) -> None:
    async def main() -> bool:
        # Not in a scope, but in the context of who runs the loop.
        thread = await asyncio.create_task(in_thread(anyio.run, identity))
        return thread != threading.get_ident() != await in_thread(anyio.run, identity)

    assert run(main)


def test_each_call_sees_the_context_of_its_caller_and_changes_none(run: Run) -> None:
    def swap(value: str) -> str:
        seen = variable.get()
        variable.set(value)
        return seen

    async def main() -> list[str]:
        first = await in_thread(swap, "a")
        variable.set("set")
        return [first, await in_thread(swap, "b"), await in_thread(swap, "c"), variable.get()]

    assert run(main) == ["unset", "set", "set", "set"]


def test_an_exception_comes_out_as_it_is_and_leaves_no_garbage(run: Run) -> None:
    class Witness:
        pass

    def refuse(_held: Witness) -> None:
        raise RefusalError

    async def attempt() -> weakref.ref[Witness]:
        witness = Witness()
        with suppress(RefusalError):
            await in_thread(refuse, witness)
            raise AssertionError("nothing was raised")
        return weakref.ref(witness)

    async def main() -> None:
        with collector_off():
            reference = await attempt()
            await in_thread(int)  # anyio's thread forgets its last call when it gets the next
            await until(lambda: reference() is None)

    run(main)


def test_a_cancelled_caller_waits_and_passes_the_first_cancellation_on(run: Run) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()

    async def main() -> list[object]:
        told: list[object] = []
        for call in (in_thread, finish_in_thread):
            begun.clear()
            go_on.clear()
            task = asyncio.create_task(call(work))
            await until(begun.is_set)
            for number in range(3):
                task.cancel(number)
                for _ in range(5):
                    await asyncio.sleep(0)
            told.append(task.done())
            go_on.set()
            await asyncio.wait([task])
            told.append(task.cancelled())
        return told

    assert run(main) == [False, True, False, True]


async def cancelled_by_itself(made: list[str]) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await in_thread(made.append, "called")


async def late_already(made: list[str]) -> None:
    async with asyncio.timeout(0):
        await in_thread(made.append, "called")


async def cancelled_by_another(made: list[str]) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_soon(task.cancel)
    await in_thread(made.append, "called")


@pytest.mark.parametrize("caller", [cancelled_by_itself, late_already, cancelled_by_another])
@pytest.mark.parametrize("has_worker", [False, True])
def test_a_caller_whose_cancellation_is_due_has_nothing_called(
    run: Run, caller: Callable[[list[str]], Coroutine[Any, Any, None]], has_worker: bool
) -> None:
    async def main() -> list[str]:
        made: list[str] = []
        if has_worker:
            await in_thread(int)
        for _ in range(10):
            ended: object = (await asyncio.gather(caller(made), return_exceptions=True))[0]
            assert isinstance(ended, (asyncio.CancelledError, TimeoutError))
        await in_thread(int)
        return made

    assert run(main) == []


def test_a_call_that_a_cancelled_caller_does_not_wait_for_is_never_made(run: Run) -> None:
    async def main() -> None:
        for steps in range(12):
            made: list[str] = []
            begun = asyncio.create_task(in_thread(made.append, "called"))
            for _ in range(steps):
                await asyncio.sleep(0)
            begun.cancel()
            await asyncio.wait([begun])
            known = made.copy()  # once it is handed over, it is the thread's or the caller's
            assert steps > 1 or known == []
            await in_thread(int)
            assert made == known

    run(main)


@pytest.mark.parametrize("call", [in_thread, finish_in_thread])
def test_a_function_that_fails_under_a_cancelled_caller_leaves_no_garbage(
    run: Run, call: Callable[..., Awaitable[None]]
) -> None:
    class Witness:
        pass

    begun, go_on = threading.Event(), threading.Event()

    def refuse(_held: Witness) -> None:
        begun.set()
        go_on.wait()
        raise RefusalError

    async def attempt() -> weakref.ref[Witness]:
        witness = Witness()
        task = asyncio.ensure_future(call(refuse, witness))
        await until(begun.is_set)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait([task])
        assert task.cancelled() or isinstance(task.exception(), RefusalError)
        return weakref.ref(witness)

    async def main() -> None:
        with collector_off():
            reference = await attempt()
            await in_thread(int)
            await until(lambda: reference() is None)

    run(main)


def test_what_ends_something_is_called_even_if_the_caller_is_cancelled_at_once(run: Run) -> None:
    async def main() -> list[int]:
        made: list[int] = []
        for steps in range(1, 12):
            task = asyncio.create_task(finish_in_thread(made.append, steps))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        return made

    assert run(main) == list(range(1, 12))


def test_a_call_is_counted_while_it_lasts(run: Run) -> None:
    def count() -> int:
        return anyio.from_thread.run_sync(lambda: thread_limiter().borrowed_tokens)

    async def main() -> list[int]:
        counts = [await in_thread(count), thread_limiter().borrowed_tokens]
        return [*counts, await finish_in_thread(count)]

    assert run(main) == [1, 0, 0]


def test_calls_wait_where_the_limit_is_lowered_and_go_on_where_it_is_raised(run: Run) -> None:
    go_on = threading.Event()

    async def main() -> int:
        thread_limiter().total_tokens = 1
        calls = [asyncio.create_task(in_thread(go_on.wait)) for _ in range(5)]
        await until(lambda: thread_limiter().borrowed_tokens == 1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert thread_limiter().borrowed_tokens == 1
        thread_limiter().total_tokens = 3
        await until(lambda: thread_limiter().borrowed_tokens == 3)
        go_on.set()
        return len(await asyncio.gather(*calls))

    assert run(main) == 5


@pytest.mark.parametrize("loop_kind", [on_asyncio, on_uvloop, on_anyio])
def test_a_loop_that_ends_waits_for_the_calls_that_have_begun(run: Run) -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        anyio.from_thread.run_sync(int)
        ended.set()

    async def main() -> asyncio.Task[None]:
        task = asyncio.create_task(in_thread(work))
        await until(begun.is_set)
        return task

    assert run(main).done()
    assert ended.is_set()


@pytest.mark.parametrize(
    "call", [in_thread, anyio.to_thread.run_sync], ids=["by Hesper", "by anyio"]
)
@pytest.mark.parametrize("run", [*RUNS, on_a_loop_that_runs_for_ever])
def test_what_a_call_runs_on_the_loop_may_call_in_threads(run: Run, call: Any) -> None:
    async def inner() -> int:
        number: int = await call(threading.get_ident)
        return number

    async def main() -> list[int]:
        return [await in_thread(anyio.from_thread.run, inner) for _ in range(2)]

    assert threading.get_ident() not in run(main)


# By a worker


def test_one_thread_makes_call_after_call(loop_kind: Run, stay: None) -> None:
    async def main() -> set[int]:
        return {await in_thread(threading.get_ident) for _ in range(20)}

    assert len(loop_kind(main)) == 1


def test_no_task_stands_for_a_worker(loop_kind: Run, stay: None) -> None:
    async def main() -> bool:
        before = asyncio.all_tasks()
        await in_thread(int)
        return (
            asyncio.all_tasks() == before and len(workers_of(asyncio.get_running_loop()).idle) == 1
        )

    assert loop_kind(main)


@pytest.mark.parametrize("calls", [1, 60])
def test_no_worker_outlives_its_loop(loop_kind: Run, stay: None, calls: int) -> None:
    before = set(threading.enumerate())

    async def main() -> None:
        barrier = threading.Barrier(min(calls, 40))
        thread_limiter().total_tokens = calls
        await asyncio.gather(*[in_thread(barrier.wait) for _ in range(barrier.parties)])
        assert len(workers_of(asyncio.get_running_loop()).idle) == barrier.parties

    loop_kind(main)
    demand_ended(before)


def test_loops_in_several_threads_have_workers_of_their_own(stay: None) -> None:
    before = set(threading.enumerate())
    barrier = threading.Barrier(4)
    seen: list[set[int]] = []

    async def main() -> None:
        threads: set[int] = set()
        for _ in range(50):
            threads.add(await in_thread(threading.get_ident))
        await in_thread(barrier.wait)
        seen.append(threads)

    runners = [threading.Thread(target=on_asyncio, args=(main,)) for _ in range(4)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert len(set.union(*seen)) == sum(map(len, seen)) == 4
    demand_ended(before)


def test_a_worker_without_work_leaves(leave: None) -> None:
    async def main() -> str:
        workers = workers_of(asyncio.get_running_loop())
        await in_thread(int)
        await until(lambda: not workers.idle)
        return await in_thread(str, "called again")

    assert on_asyncio(main) == "called again"


def test_every_call_is_made_once_by_workers_that_are_about_to_leave(leave: None) -> None:
    made: list[int] = []

    async def several(first: int) -> None:
        for number in range(first, first + 100):
            await in_thread(made.append, number)

    async def main() -> None:
        await asyncio.gather(*[several(first) for first in range(0, 400, 100)])

    on_asyncio(main)
    assert sorted(made) == list(range(400))


def test_a_call_that_is_given_to_a_worker_as_it_leaves_is_made(leave: None) -> None:
    class Taken(list[Worker]):
        def remove(self, worker: Worker, /) -> None:
            if not second.ended.locked():
                return super().remove(worker)
            super().remove(worker)
            worker.take(second, contextvars.copy_context())
            raise ValueError

    second = Call(lambda: "second")

    async def main() -> str:
        workers_of(asyncio.get_running_loop()).idle = Taken()
        await in_thread(int)
        await until(lambda: not second.ended.locked())
        return second.result()

    assert on_asyncio(main) == "second"


def test_of_two_workers_with_one_call_one_makes_it(leave: None) -> None:
    made: list[str] = []
    call = Call(lambda: made.append("called"))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        workers = [
            Worker(workers_of(loop), call, contextvars.copy_context()),
            Worker(workers_of(loop), call, contextvars.copy_context()),
        ]
        await asyncio.gather(*[asyncio.to_thread(worker._reside, loop) for worker in workers])
        call.fail(RefusalError())  # too late

    on_asyncio(main)
    assert call.result() is None
    assert made == ["called"]


def test_a_worker_keeps_nothing_of_a_call_while_it_waits_for_the_next(stay: None) -> None:
    class Witness:
        pass

    async def call() -> list[weakref.ref[Any]]:
        given, kept = Witness(), Witness()
        context: contextvars.ContextVar[Witness] = contextvars.ContextVar("context")
        context.set(kept)
        made = await in_thread(lambda _given: Witness(), given)
        return [weakref.ref(given), weakref.ref(kept), weakref.ref(made)]

    async def main() -> None:
        with collector_off():
            references = await asyncio.create_task(call())
            await until(lambda: not any(reference() for reference in references))

    on_asyncio(main)


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("call", [in_thread, finish_in_thread])
def test_a_call_is_made_though_others_cancel_what_gets_its_thread(
    call: Callable[..., Awaitable[str]], steps: int
) -> None:
    async def main() -> str:
        others = asyncio.all_tasks()
        calling = asyncio.ensure_future(call(str, "called"))
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - others - {calling}:
            task.cancel()
        return await calling

    assert on_asyncio(main) == "called"


@pytest.mark.parametrize("steps", range(8))
def test_a_loop_that_ends_while_a_worker_gets_its_thread_leaves_nothing(
    steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    calls: list[asyncio.Task[int]] = []

    async def main() -> None:
        calls.append(asyncio.create_task(in_thread(int)))
        for _ in range(steps):
            await asyncio.sleep(0)

    on_asyncio(main)
    demand_ended(before)
    gc.collect()
    assert calls[0].done()
    assert not caplog.records


def test_where_no_thread_can_be_had_the_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> int:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            await in_thread(int)
        with pytest.raises(RuntimeError, match="can't start"):
            await finish_in_thread(int)
        monkeypatch.undo()
        return thread_limiter().borrowed_tokens + await in_thread(int, "1")

    assert on_asyncio(main) == 1


def test_a_thread_whose_loop_was_closed_under_it_ends(stay: None) -> None:
    before = set(threading.enumerate())
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()

    async def main() -> asyncio.Task[None]:
        call = asyncio.create_task(in_thread(work))
        await until(begun.is_set)
        return call

    loop = asyncio.new_event_loop()
    call: Any = loop.run_until_complete(main())
    loop.close()
    go_on.set()
    demand_ended(before)
    call._log_destroy_pending = False


def test_when_the_loop_has_ended_its_generators_calls_are_still_made(stay: None) -> None:
    before = set(threading.enumerate())
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(in_thread(str, "a")) == "a"
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert loop.run_until_complete(in_thread(str, "b")) == "b"
    assert loop.run_until_complete(finish_in_thread(str, "c")) == "c"
    loop.close()
    demand_ended(before)


def test_a_first_call_while_the_loop_ends_its_generators_is_made() -> None:
    seen: list[str] = []
    kept: list[Any] = []

    async def generator() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            seen.append(await in_thread(str, "called"))

    async def main() -> None:
        kept.append(generator())
        await anext(kept[0])

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        on_asyncio(main)
    assert seen == ["called"]


def test_a_loop_that_is_closed_runs_nothing_for_the_sake_of_its_workers() -> None:
    ran: list[str] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(in_thread(int))
    loop.call_soon(ran.append, "called")
    loop.close()
    assert ran == []


def test_an_interrupt_between_finding_a_worker_and_asking_it_leaves_no_thread() -> None:
    before = set(threading.enumerate())

    class Interrupted(list[Worker]):
        def pop(self, *_index: Any) -> Worker:
            super().pop()
            raise KeyboardInterrupt

    async def main() -> None:
        workers_of(asyncio.get_running_loop()).idle = Interrupted()
        await in_thread(int)
        await in_thread(int)

    with pytest.raises(KeyboardInterrupt):
        on_asyncio(main)
    demand_ended(before)


@pytest.mark.parametrize("state", [object(), (None,)])
def test_no_worker_is_asked_where_anyio_tells_of_scopes_in_another_way(state: object) -> None:
    async def main() -> tuple[str, int]:
        workers = workers_of(asyncio.get_running_loop())
        workers._scopes = {asyncio.current_task(): state}
        return await in_thread(str, "called"), len(workers.idle)

    assert on_asyncio(main) == ("called", 0)


def test_no_worker_is_asked_where_anyio_does_not_tell_who_is_in_a_scope() -> None:
    async def main() -> tuple[str, int]:
        return await in_thread(str, "called"), len(workers_of(asyncio.get_running_loop()).idle)

    assert by_anyio(on_asyncio)(main) == ("called", 0)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_gets_threads_of_its_own(stay: None) -> None:
    async def main() -> int:
        thread_limiter().total_tokens = 7
        await in_thread(int)
        return len(workers_of(asyncio.get_running_loop()).idle)

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(main()) == 1
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        made = loop.run_until_complete(in_thread(int, "5"))
        os._exit(made)
    _, status = os.waitpid(child, 0)
    loop.close()
    assert os.waitstatus_to_exitcode(status) == 5


# By anyio


def test_a_function_is_told_when_the_scope_of_its_caller_is_cancelled() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        anyio.from_thread.check_cancelled()

    async def main() -> bool:
        await in_thread(int)  # there is a worker
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: in_thread(work))
                await until(begun.is_set)
                scope.cancel()
                go_on.set()
        return scope.cancelled_caught

    assert on_asyncio(main)


def test_what_a_thread_awaits_on_the_loop_is_cancelled_with_the_scope_of_its_caller() -> None:
    waiting: list[str] = []

    async def wait() -> None:
        waiting.append("waiting")
        await anyio.sleep_forever()

    async def main() -> bool:
        await in_thread(int)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: in_thread(lambda: anyio.from_thread.run(wait)))
                await until(lambda: bool(waiting))
                scope.cancel()
        return scope.cancelled_caught

    assert on_asyncio(main)


def test_a_task_that_has_left_its_scope_is_served_by_a_worker(stay: None) -> None:
    async def main() -> list[int]:
        idle = workers_of(asyncio.get_running_loop()).idle
        counts: list[int] = []
        with anyio.CancelScope():
            await in_thread(int)
            counts.append(len(idle))
        await in_thread(int)
        return [*counts, len(idle)]

    assert on_asyncio(main) == [0, 1]


def test_on_trio_as_a_guest_of_asyncio_calls_are_made_by_trio() -> None:
    async def guest() -> list[object]:
        total = thread_limiter().total_tokens
        return [await in_thread(str, "a"), await finish_in_thread(str, "b"), total]

    async def host() -> list[object]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=ended.set_result,
        )
        made: list[object] = (await ended).unwrap()
        return [*made, await in_thread(str, "c"), thread_limiter().total_tokens]

    async def default() -> float:
        return trio.to_thread.current_default_thread_limiter().total_tokens

    assert asyncio.run(host()) == ["a", "b", trio.run(default), "c", 40]
