from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hesper._exits import (
    AsyncContextExit,
    AsyncGeneratorExit,
    ContextExit,
    Exits,
    SyncGeneratorExit,
)
from hesper.exceptions import HTTPException, NotFoundException

pytestmark = pytest.mark.anyio

Events = list[object]
AtExit = Callable[[BaseException | None], object]


def nothing(_error: BaseException | None) -> None:
    """Let what happens happen."""


def adapters(events: Events, at_exit: AtExit, name: str = "it") -> dict[str, Any]:
    """Return a value in every manner; what happens to it is appended to *events*."""

    def generate() -> Generator[str, None, None]:
        events.append(f"{name} enter")
        try:
            yield name
        except BaseException as error:
            events.append(error)
            at_exit(error)
            raise
        else:
            events.append(f"{name} exit")
            at_exit(None)

    async def generate_async() -> AsyncGenerator[str, None]:
        with contextmanager(generate)() as value:
            yield value

    return {
        "async generator": AsyncGeneratorExit(generate_async(), name),
        "generator": SyncGeneratorExit(generate(), name),
        "direct generator": SyncGeneratorExit(generate(), name, direct=True),
        "async context": AsyncContextExit(asynccontextmanager(generate_async)(), name),
        "context": ContextExit(contextmanager(generate)(), name),
        "direct context": ContextExit(contextmanager(generate)(), name, direct=True),
    }


MANNERS = tuple(adapters([], nothing))


def raising(error: Exception) -> AtExit:
    def at_exit(_error: BaseException | None) -> None:
        raise error

    return at_exit


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_value_is_entered_and_exited(manner: str) -> None:
    events: Events = []
    async with adapters(events, nothing)[manner] as value:
        events.append(value)
    assert events == ["it enter", "it", "it exit"]


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_provider_sees_the_exception_of_what_it_served(manner: str) -> None:
    events: Events = []
    failure = ValueError("served badly")
    with pytest.raises(ValueError, match="served badly") as raised:
        async with adapters(events, nothing)[manner]:
            raise failure
    assert raised.value is failure
    assert events == ["it enter", failure]


async def test_an_asynchronous_generator_cannot_swallow_an_exception() -> None:
    async def swallow() -> AsyncGenerator[int, None]:
        with suppress(ValueError):
            yield 1

    with pytest.raises(ValueError, match="kept"):
        async with AsyncGeneratorExit(swallow(), "it"):
            raise ValueError("kept")


@pytest.mark.parametrize("direct", [True, False])
async def test_a_generator_cannot_swallow_an_exception(direct: bool) -> None:
    def swallow() -> Generator[int, None, None]:
        with suppress(ValueError):
            yield 1

    with pytest.raises(ValueError, match="kept"):
        async with SyncGeneratorExit(swallow(), "it", direct=direct):
            raise ValueError("kept")


@pytest.mark.parametrize("direct", [True, False])
async def test_a_context_manager_cannot_swallow_an_exception(direct: bool) -> None:
    class Swallow:
        def __enter__(self) -> int:
            return 1

        def __exit__(self, *error: object) -> bool:
            return True

    with pytest.raises(ValueError, match="kept"):
        async with ContextExit(Swallow(), "it", direct=direct):
            raise ValueError("kept")


async def test_an_asynchronous_context_manager_cannot_swallow_an_exception() -> None:
    class Swallow:
        async def __aenter__(self) -> int:
            return 1

        async def __aexit__(self, *error: object) -> bool:
            return True

    with pytest.raises(ValueError, match="kept"):
        async with AsyncContextExit(Swallow(), "it"):
            raise ValueError("kept")


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_failing_exit_bears_a_note_that_names_its_provider(manner: str) -> None:
    with pytest.raises(OSError, match="cannot close") as raised:
        async with adapters([], raising(OSError("cannot close")), "pool")[manner]:
            pass
    assert raised.value.__notes__ == ["raised when the dependency 'pool' was exited"]


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_failing_exit_and_an_earlier_exception_come_out_together(manner: str) -> None:
    first, second = ValueError("first"), OSError("second")
    with pytest.raises(ExceptionGroup, match="exiting the dependency 'it' failed") as raised:
        async with adapters([], raising(second))[manner]:
            raise first
    assert raised.value.exceptions == (first, second)


@pytest.mark.parametrize("manner", MANNERS)
async def test_an_exception_raised_from_another_takes_its_place(manner: str) -> None:
    def translate(error: BaseException | None) -> None:
        raise KeyError("unique") from error

    with pytest.raises(KeyError, match="unique") as raised:
        async with adapters([], translate)[manner]:
            raise ValueError("first")
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize("manner", MANNERS)
async def test_an_http_exception_takes_the_place_of_another(manner: str) -> None:
    with pytest.raises(HTTPException, match="conflict"):
        async with adapters([], raising(HTTPException("conflict", status_code=409)))[manner]:
            raise ValueError("first")


async def test_the_context_of_a_failing_exit_is_shown() -> None:
    def fail(_error: BaseException | None) -> None:
        try:
            raise OSError("disk full")
        except OSError:
            raise RuntimeError("not committed")  # noqa: B904 - that it is shown is tested

    with pytest.raises(RuntimeError) as raised:
        async with adapters([], fail)["direct generator"]:
            pass
    assert isinstance(raised.value.__context__, OSError)
    assert not raised.value.__suppress_context__


async def test_a_task_group_in_a_provider_does_not_wrap_the_handlers_exception() -> None:
    async def provide() -> AsyncGenerator[int, None]:
        async with anyio.create_task_group():
            yield 1

    with pytest.raises(NotFoundException, match="not here"):
        async with AsyncGeneratorExit(provide(), "it"):
            raise NotFoundException("not here")


async def test_a_group_that_holds_the_earlier_exception_stands_for_it() -> None:
    async def provide() -> AsyncGenerator[int, None]:
        try:
            yield 1
        except ValueError as error:
            raise ExceptionGroup("both", [error, OSError("mine")]) from None

    with pytest.raises(ExceptionGroup, match="both") as raised:
        async with AsyncGeneratorExit(provide(), "it"):
            raise ValueError("theirs")
    assert len(raised.value.exceptions) == 2


async def test_an_asynchronous_generator_with_a_second_value_is_an_error() -> None:
    closed = False

    async def twice() -> AsyncGenerator[int, None]:
        nonlocal closed
        try:
            yield 1
            yield 2
        finally:
            closed = True

    with pytest.raises(RuntimeError, match="'it' yields more than one value"):
        async with AsyncGeneratorExit(twice(), "it"):
            pass
    assert closed


@pytest.mark.parametrize("direct", [True, False])
async def test_a_generator_with_a_second_value_is_an_error(direct: bool) -> None:
    def twice() -> Generator[int, None, None]:
        yield 1
        yield 2

    with pytest.raises(RuntimeError, match="'it' yields more than one value"):
        async with SyncGeneratorExit(twice(), "it", direct=direct):
            pass


@pytest.mark.parametrize("direct", [True, False])
async def test_a_generator_without_a_value_is_an_error(direct: bool) -> None:
    def none() -> Generator[int, None, None]:
        yield from ()

    with pytest.raises(RuntimeError, match="'it' yields no value"):
        async with SyncGeneratorExit(none(), "it", direct=direct):
            pass


@pytest.mark.parametrize(("direct", "in_thread"), [(True, False), (False, True)])
async def test_a_generator_runs_in_a_thread_unless_it_is_direct(
    direct: bool, in_thread: bool
) -> None:
    threads: list[bool] = []

    def provide() -> Generator[int, None, None]:
        threads.append(threading.current_thread() is not here)
        yield 1
        threads.append(threading.current_thread() is not here)

    here = threading.current_thread()
    async with SyncGeneratorExit(provide(), "it", direct=direct):
        pass
    assert threads == [in_thread, in_thread]


async def test_what_a_thread_enters_while_its_task_is_cancelled_is_exited() -> None:
    entering, go_on = threading.Event(), threading.Event()
    events: list[str] = []

    @contextmanager
    def slow() -> Generator[int, None, None]:
        entering.set()
        go_on.wait(5)
        events.append("entered")
        try:
            yield 1
        finally:
            events.append("exited")

    async def use() -> None:
        async with ContextExit(slow(), "it"):
            events.append("used")

    task = asyncio.create_task(use())
    await anyio.to_thread.run_sync(entering.wait)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["entered", "exited"]


@pytest.mark.parametrize("manner", ["generator", "context"])
async def test_a_cancelled_scope_does_not_skip_an_exit_in_a_thread(manner: str) -> None:
    events: Events = []
    with anyio.CancelScope() as scope:
        async with adapters(events, nothing)[manner]:
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert len(events) == 2
    assert isinstance(events[1], asyncio.CancelledError)


async def test_a_cancellation_while_a_thread_exits_waits_for_it_and_is_passed_on() -> None:
    leaving, go_on = threading.Event(), threading.Event()
    events: list[str] = []

    def provide() -> Generator[int, None, None]:
        yield 1
        leaving.set()
        go_on.wait(5)
        events.append("exited")

    async def use() -> None:
        async with SyncGeneratorExit(provide(), "it"):
            pass
        events.append("went on")

    task = asyncio.create_task(use())
    await anyio.to_thread.run_sync(leaving.wait)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["exited"]


async def test_an_exit_waits_for_no_other_thread() -> None:
    pool = threading.Semaphore(0)
    limiter = anyio.to_thread.current_default_thread_limiter()
    exit_ = SyncGeneratorExit(_releasing(pool), "connection")
    await exit_.__aenter__()
    async with anyio.create_task_group() as tasks:
        for _ in range(int(limiter.total_tokens)):
            tasks.start_soon(_wait_for, pool)
        await anyio.wait_all_tasks_blocked()
        assert limiter.available_tokens == 0
        with anyio.fail_after(5):
            await exit_.__aexit__(None, None, None)


async def _wait_for(pool: threading.Semaphore) -> None:
    await anyio.to_thread.run_sync(lambda: pool.acquire(timeout=10))


def _releasing(pool: threading.Semaphore) -> Generator[int, None, None]:
    yield 1
    pool.release(1000)


async def test_exits_run_last_in_first_out() -> None:
    events: Events = []
    async with Exits() as exits:
        for name in ("one", "two", "three"):
            await exits.enter(adapters(events, nothing, name)["async generator"])
    assert events[3:] == ["three exit", "two exit", "one exit"]


async def test_all_exits_run_when_one_fails() -> None:
    events: Events = []
    with pytest.raises(OSError, match="two"):
        async with Exits() as exits:
            await exits.enter(adapters(events, nothing, "one")["direct generator"])
            await exits.enter(adapters(events, raising(OSError("two")), "two")["direct generator"])
            await exits.enter(adapters(events, nothing, "three")["direct generator"])
    assert events[3:5] == ["three exit", "two exit"]
    assert isinstance(events[5], OSError)


async def test_what_was_entered_is_exited_when_the_next_cannot_be_entered() -> None:
    def broken() -> Generator[int, None, None]:
        if events:
            raise OSError("no connection")
        yield 1

    events: Events = []
    with pytest.raises(OSError, match="no connection"):
        async with Exits() as exits:
            await exits.enter(adapters(events, nothing, "one")["direct generator"])
            await exits.enter(SyncGeneratorExit(broken(), "two", direct=True))
    assert events[0] == "one enter"
    assert isinstance(events[1], OSError)


async def test_several_exits_keep_the_exception_that_none_replaces() -> None:
    failure = ValueError("kept")
    with pytest.raises(ValueError, match="kept") as raised:
        async with Exits() as exits:
            await exits.enter(adapters([], nothing, "one")["direct generator"])
            raise failure
    assert raised.value is failure


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("several", [False, True])
async def test_an_exception_that_passed_exits_is_freed_at_once(manner: str, several: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        reference = await _failing(manner, several=several)
        assert reference() is None
    finally:
        gc.enable()


async def _failing(manner: str, *, several: bool) -> weakref.ref[Exception]:
    error: Exception | None = None
    inside: AbstractAsyncContextManager[Any]
    try:
        if several:
            async with Exits() as exits:
                await exits.enter(adapters([], nothing)[manner])
                raise _FailureError
        else:
            inside = adapters([], nothing)[manner]
            async with inside:
                raise _FailureError
    except _FailureError as raised:
        error = raised
    assert error is not None
    try:
        return weakref.ref(error)
    finally:
        del error


class _FailureError(Exception):
    pass
