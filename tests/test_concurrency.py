"""Threads, and work that is ended from aside."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hesper import Hesper, get
from hesper.concurrency import (
    ended_by,
    ensure_async,
    finish_in_thread,
    in_thread,
    is_async_callable,
    thread_limiter,
)
from tests.compile.driver import request

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


only_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@contextmanager
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until the condition holds, which no event of this loop could tell."""
    while not condition():
        await anyio.lowlevel.checkpoint()


def demand_ended(before: set[threading.Thread]) -> None:
    """Check that all threads end that have come since *before* was taken."""
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(10)
    assert not any(thread.is_alive() for thread in left)


class RefusalError(Exception):
    pass


async def test_a_function_runs_in_another_thread_with_its_arguments() -> None:
    def where(a: int, *, b: int) -> tuple[int, int, int]:
        return a, b, threading.get_ident()

    a, b, thread = await in_thread(where, 1, b=2)
    assert (a, b) == (1, 2)
    assert thread != threading.get_ident()


async def test_a_thread_sees_the_context_of_its_caller() -> None:
    variable.set("set")
    assert await in_thread(variable.get) == "set"


async def test_what_a_thread_sets_in_the_context_stays_there() -> None:
    await in_thread(variable.set, "in the thread")
    assert variable.get() == "unset"


async def test_an_exception_comes_out_of_the_thread_as_it_is() -> None:
    error = RefusalError()

    def refuse() -> None:
        raise error

    with pytest.raises(RefusalError) as caught:
        await in_thread(refuse)
    assert caught.value is error


async def test_stop_iteration_becomes_a_runtime_error_that_explains_itself() -> None:
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        await in_thread(next, iter(()))
    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("error", [RefusalError, StopIteration, KeyboardInterrupt])
async def test_an_exception_leaves_no_garbage(error: type[BaseException]) -> None:
    class Witness:
        pass

    def refuse(_held: Witness) -> None:
        raise error

    async def attempt() -> weakref.ref[Witness]:
        witness = Witness()
        with suppress(RefusalError, RuntimeError, KeyboardInterrupt):
            await in_thread(refuse, witness)
        return weakref.ref(witness)

    with collector_off():
        reference = await attempt()
        await in_thread(int)  # the thread forgets its last call when it gets the next
        assert reference() is None


async def test_a_result_leaves_no_garbage() -> None:
    class Witness:
        pass

    with collector_off():
        reference = weakref.ref(await in_thread(Witness))
        await in_thread(int)
        assert reference() is None


async def test_a_cancelled_caller_waits_for_the_thread() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        ended.set()

    async def call() -> None:
        try:
            await in_thread(work)
        finally:
            assert ended.is_set()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await until(begun.is_set)
        group.cancel_scope.cancel()
        go_on.set()
    assert ended.is_set()


@only_asyncio
async def test_a_task_cancelled_by_asyncio_waits_for_the_thread() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        ended.set()

    task = asyncio.create_task(in_thread(work))
    await until(begun.is_set)
    for _ in range(3):
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    waited = not task.done()
    go_on.set()
    assert waited
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@only_asyncio
async def test_a_call_cancelled_before_its_thread_begins_is_never_made() -> None:
    made: list[str] = []
    limiter = thread_limiter()
    limiter.total_tokens = 1
    go_on = threading.Event()
    first = asyncio.create_task(in_thread(go_on.wait))
    await until(lambda: limiter.borrowed_tokens == 1)
    second = asyncio.create_task(in_thread(made.append, "second"))
    for _ in range(5):
        await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    await first
    assert made == []


@only_asyncio
async def test_as_many_threads_work_as_the_limiter_says() -> None:
    go_on = threading.Event()
    calls = [asyncio.create_task(in_thread(go_on.wait)) for _ in range(60)]
    await until(lambda: thread_limiter().borrowed_tokens == 40)
    thread_limiter().total_tokens = 50
    await until(lambda: thread_limiter().borrowed_tokens == 50)
    go_on.set()
    await asyncio.gather(*calls)
    assert thread_limiter().borrowed_tokens == 0


@only_asyncio
async def test_a_call_that_fails_gives_its_thread_back() -> None:
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await in_thread(fail)
    assert thread_limiter().borrowed_tokens == 0


@only_asyncio
async def test_threads_of_users_and_of_hesper_do_not_wait_for_each_other() -> None:
    go_on = threading.Event()
    default = anyio.to_thread.current_default_thread_limiter()
    async with anyio.create_task_group() as group:
        for _ in range(int(default.total_tokens)):
            group.start_soon(lambda: anyio.to_thread.run_sync(go_on.wait))
        await until(lambda: not default.available_tokens)
        assert await in_thread(lambda: "served") == "served"
        go_on.set()
    go_on.clear()
    async with anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(in_thread, go_on.wait)
        await until(lambda: thread_limiter().borrowed_tokens == 40)
        assert await anyio.to_thread.run_sync(lambda: "served") == "served"
        assert await finish_in_thread(lambda: "closed") == "closed"
        go_on.set()


@only_asyncio
async def test_a_cancelled_caller_waits_for_its_thread_alone() -> None:
    go_on, ended = threading.Event(), threading.Event()
    thread_limiter().total_tokens = 2
    first = asyncio.create_task(in_thread(ended.wait))
    second = asyncio.create_task(in_thread(go_on.wait))
    await until(lambda: thread_limiter().borrowed_tokens == 2)
    first.cancel()
    ended.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not second.done()
    go_on.set()
    await second


def test_each_loop_has_a_limiter_which_goes_with_it() -> None:
    async def use() -> weakref.ref[Any]:
        thread_limiter().total_tokens = 3
        await in_thread(int)
        return weakref.ref(asyncio.get_running_loop())

    async def look() -> float:
        return thread_limiter().total_tokens

    before = set(threading.enumerate())
    reference = asyncio.run(use())
    assert asyncio.run(look()) == 40
    demand_ended(before)
    gc.collect()
    assert reference() is None


def test_without_a_loop_there_is_no_limiter() -> None:
    with pytest.raises(RuntimeError):
        thread_limiter()


class CallsAsync:
    async def __call__(self) -> None: ...

    async def method(self) -> None: ...


class CallsPlain:
    def __call__(self) -> None: ...


async def coroutine_function() -> str:
    return "asynchronous"


async def asynchronous_generator() -> Any:
    yield


@pytest.mark.parametrize(
    "candidate",
    [
        coroutine_function,
        partial(partial(coroutine_function)),
        CallsAsync(),
        partial(CallsAsync()),
        CallsAsync().method,
    ],
)
def test_it_is_async(candidate: object) -> None:
    assert is_async_callable(candidate)


@pytest.mark.parametrize(
    "candidate", [len, partial(len), CallsPlain(), CallsAsync, asynchronous_generator, 5, dict]
)
def test_it_is_not_async(candidate: object) -> None:
    assert not is_async_callable(candidate)


def test_an_async_function_is_its_own_async_form() -> None:
    assert ensure_async(coroutine_function) is coroutine_function


async def test_the_async_form_of_a_function_runs_it_in_a_thread() -> None:
    form: Callable[[], Any] = ensure_async(threading.get_ident)
    assert await form() != threading.get_ident()
    assert form.__name__ == "get_ident"


async def test_work_that_ends_by_itself_gives_its_result() -> None:
    async def work() -> str:
        await anyio.lowlevel.checkpoint()
        return "done"

    assert await ended_by(work(), anyio.sleep_forever) == "done"


async def test_work_is_ended_when_the_other_returns() -> None:
    steps: list[str] = []

    async def work() -> str:
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("closed")
        return "done"

    async def stop() -> None:
        await anyio.lowlevel.checkpoint()

    assert (await ended_by(work(), stop), steps) == (None, ["closed"])


@only_asyncio
async def test_over_work_that_never_waits_nothing_watches() -> None:
    begun: list[str] = []

    async def stop() -> None:
        begun.append("stop")

    async def work() -> str:
        return "done"

    async def fail() -> str:
        raise LookupError

    assert await ended_by(work(), stop) == "done"
    with pytest.raises(LookupError):
        await ended_by(fail(), stop)
    assert begun == []


@only_asyncio
async def test_work_that_catches_its_cancellation_goes_on_to_its_end() -> None:
    async def stop() -> None:
        await asyncio.sleep(0)

    async def work() -> list[str]:
        steps: list[str] = []
        for _ in range(2):
            try:
                await asyncio.sleep(0.01 if steps else 3600)
            except asyncio.CancelledError:
                steps.append("cancelled")
            else:
                steps.append("slept")
        return steps

    async def stubborn() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "at once"
        return "never"

    assert await ended_by(work(), stop) == ["cancelled", "slept"]
    assert await ended_by(stubborn(), stop) == "at once"


@only_asyncio
async def test_work_that_is_ended_cleans_up_undisturbed_on_asyncio() -> None:
    steps: list[str] = []

    async def work() -> str:
        try:
            await anyio.sleep_forever()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            steps.append("closed")
        return "done"

    assert (await ended_by(work(), anyio.lowlevel.checkpoint), steps) == (None, ["closed"])


async def test_the_other_is_cancelled_when_the_work_has_ended() -> None:
    ends: list[str] = []
    begun = anyio.Event()

    async def stop() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ends.append("stopped watching")

    await ended_by(begun.wait(), stop)
    assert ends == ["stopped watching"]


async def test_an_exception_of_the_work_comes_out_as_it_is() -> None:
    async def work() -> None:
        raise RefusalError

    with pytest.raises(RefusalError):
        await ended_by(work(), anyio.sleep_forever)


async def test_an_exception_of_the_work_leaves_no_garbage() -> None:
    class WitnessError(Exception):
        pass

    async def work() -> None:
        raise WitnessError

    async def attempt() -> weakref.ref[WitnessError]:
        try:
            await ended_by(work(), anyio.sleep_forever)
        except WitnessError as error:
            return weakref.ref(error)
        raise AssertionError("nothing was raised")

    with collector_off():
        assert (await attempt())() is None


async def test_an_exception_of_the_other_comes_out_and_ends_the_work() -> None:
    async def stop() -> None:
        raise RefusalError

    with pytest.raises(RefusalError):
        await ended_by(anyio.sleep_forever(), stop)


async def test_a_cancellation_from_outside_is_passed_on() -> None:
    with anyio.CancelScope() as scope:

        async def work() -> None:
            scope.cancel()
            await anyio.sleep_forever()

        await ended_by(work(), anyio.sleep_forever)
        raise AssertionError("the cancellation was swallowed")
    assert scope.cancelled_caught


@only_asyncio
async def test_a_cancellation_from_outside_at_the_same_time_is_passed_on() -> None:

    async def stop() -> None:
        task.cancel()

    task = asyncio.create_task(ended_by(anyio.sleep_forever(), stop))
    with pytest.raises(asyncio.CancelledError):
        await task


@only_asyncio
async def test_the_task_is_not_left_cancelling() -> None:
    await ended_by(anyio.sleep_forever(), anyio.lowlevel.checkpoint)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


@only_asyncio
async def test_outside_of_a_task_it_says_what_it_needs() -> None:
    coroutine = ended_by(anyio.sleep_forever(), anyio.sleep_forever)
    told: list[BaseException] = []

    def step() -> None:
        try:
            coroutine.send(None)
        except RuntimeError as error:
            told.append(error)

    asyncio.get_running_loop().call_soon(step)
    await asyncio.sleep(0)
    assert "no current task" in str(told[0])


def test_hundreds_of_blocking_handlers_end_with_their_app() -> None:
    steps: list[str] = []
    go_on = threading.Event()

    def session() -> Iterator[str]:
        steps.append("entered")
        yield "session"
        steps.append("exited")

    @get("/", dependencies={"session": session})
    def handler(session: str) -> str:
        go_on.wait()
        steps.append("served")
        return session

    async def main() -> list[int]:
        app = Hesper([handler])
        async with app.lifespan():
            requests = [asyncio.create_task(request(app, "GET", "/")) for _ in range(200)]
            await until(lambda: thread_limiter().borrowed_tokens == 40)
            asyncio.get_running_loop().call_soon(go_on.set)
        return [(await one).status for one in requests]

    before = set(threading.enumerate())
    assert asyncio.run(main()) == [200] * 200
    assert {step: steps.count(step) for step in steps} == {
        "entered": 200,
        "served": 200,
        "exited": 200,
    }
    demand_ended(before)


@only_asyncio
async def test_a_future_that_fails_the_work_leaves_no_garbage() -> None:
    class WitnessError(Exception):
        pass

    async def failing() -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        loop.call_soon(future.set_exception, WitnessError())
        try:
            await future
        finally:
            del future

    async def attempt() -> weakref.ref[WitnessError]:
        try:
            await ended_by(failing(), anyio.sleep_forever)
        except WitnessError as error:
            return weakref.ref(error)
        raise AssertionError("nothing was raised")

    with collector_off():
        assert (await attempt())() is None
