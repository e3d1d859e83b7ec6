"""Calling functions across the line between threads and tasks, and ending what waits too long.

* A function that runs in a worker thread is always waited for, whoever cancels the caller, so
  that nothing it uses is closed under it.
* An exception crosses the line as a value and leaves no reference cycle behind.
* The threads that Hesper's callers wait for are counted apart from those of anyio's default, so
  that neither can use up the other's. What ends something is counted nowhere, and never waits.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial, wraps
from types import coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, TypeVarTuple, Unpack, overload

import hesper._late as late

__all__ = ["Limiter", "thread_limiter"]

T = TypeVar("T")
P = ParamSpec("P")
Arguments = TypeVarTuple("Arguments")


class Limiter(Protocol):
    """What `thread_limiter` returns: the parts of `anyio.CapacityLimiter` that matter here."""

    @property
    def total_tokens(self) -> float:
        """How many threads may work at once; may be set at any time."""
        ...

    @total_tokens.setter
    def total_tokens(self, value: float) -> None: ...

    @property
    def borrowed_tokens(self) -> int:
        """How many threads work now."""
        ...


def thread_limiter() -> Limiter:
    """Return what limits the worker threads of Hesper on the running loop: 40 at first.

    It lives as long as the loop; `thread_limiter().total_tokens = 100`, such as in a start-up hook,
    allows more. On trio it is that of anyio.

    Raises:
        RuntimeError: No loop is running.
    """
    limiter: Limiter = late.current_limiter()
    return limiter


async def in_thread(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a worker thread, and wait until it has returned.

    It sees the caller's context variables. The caller may be cancelled meanwhile; the
    cancellation is passed on once the function has returned.

    Args:
        fn: The function.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.

    Returns:
        What the function returns.

    Raises:
        RuntimeError: The function raised `StopIteration`, which no coroutine can (PEP 479).
        BaseException: Whatever else the function raises.
    """
    return await late.counted_call(partial(fn, *args, **kwargs))


async def finish_in_thread(fn: Callable[..., T], /, *args: Any) -> T:
    """Call a function that ends something in a worker thread, whatever happens meanwhile.

    No cancellation keeps it from being called: one is passed on once it has returned. It waits for
    no other thread, as they may all be waiting for what it ends.

    Args:
        fn: The function.
        *args: Its arguments.

    Returns:
        What the function returns.

    Raises:
        BaseException: Whatever the function raises.
    """
    return await late.certain_call(partial(fn, *args))


def is_async_callable(candidate: object) -> bool:
    """Tell whether calling an object gives an awaitable, as far as can be told beforehand.

    Args:
        candidate: A function, a method, a partial of one, or an instance with `__call__`.
    """
    while isinstance(candidate, partial):
        candidate = candidate.func
    if inspect.iscoroutinefunction(candidate):
        return True
    return not isinstance(candidate, type) and inspect.iscoroutinefunction(
        getattr(candidate, "__call__", None)  # noqa: B004  (what it is matters, not that it is)
    )


@overload
def ensure_async(fn: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Awaitable[T]]: ...
@overload
def ensure_async(fn: Callable[P, T]) -> Callable[P, Awaitable[T]]: ...
def ensure_async(fn: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
    """Return an asynchronous form of a function: itself, or one that runs it in a thread.

    Args:
        fn: A synchronous or asynchronous callable.
    """
    if is_async_callable(fn):
        return fn

    @wraps(fn, updated=())
    async def in_worker_thread(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await in_thread(fn, *args, **kwargs)

    return in_worker_thread


async def ended_by(
    work: Coroutine[Any, Any, T],
    stop: Callable[[Unpack[Arguments]], Coroutine[Any, Any, object]],
    *args: *Arguments,
) -> T | None:
    """Do *work* in this task, and end it as soon as *stop*, run aside, returns.

    On asyncio the work is cancelled once, as by `Task.cancel()`: what it awaits while it cleans
    up goes on undisturbed. On trio cancellation follows trio's rules.

    Args:
        work: What to do.
        stop: What returns when the work is to end; on asyncio it is begun when the work waits for
            something, as nothing else happens before. It is cancelled when the work has ended.
        *args: Its arguments.

    Returns:
        What the work returns; None if it was ended.

    Raises:
        BaseException: Whatever either raises.
    """
    # PERF: who asks for the running loop asks the system for the process (CPython 3.11).
    if "trio" in sys.modules and not _is_on_asyncio():
        return await _ended_by_scope(work, stop, *args)
    # PERF: much work never waits, such as a short stream; a task would take longer than that.
    try:
        wanted = work.send(None)
    except StopIteration as end:
        outcome: T = end.value
        return outcome
    rest = rest_of(work, wanted)
    del wanted  # a future that fails would be in a cycle with this frame
    return await _ended_by_task(rest, stop, *args)


def _is_on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _ended_by_task(
    work: Awaitable[T],
    stop: Callable[[Unpack[Arguments]], Coroutine[Any, Any, object]],
    *args: *Arguments,
) -> T | None:
    cancellation = Cancellation()
    watcher = asyncio.get_running_loop().create_task(stop(*args))
    watcher.add_done_callback(cancellation)
    outcome = None
    try:
        outcome = await work
    except asyncio.CancelledError:
        if not cancellation.is_alone:
            raise
    finally:
        watcher.remove_done_callback(cancellation)
        cancellation.end()
        watcher.cancel()
        await asyncio.wait([watcher])
    if not watcher.cancelled():
        watcher.result()
    return outcome


@coroutine
def rest_of(begun: Coroutine[Any, Any, T], wanted: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine whose first step was made by hand.

    Args:
        begun: The coroutine.
        wanted: What it waits for, as its `send` returned it.

    Returns:
        What it returns.
    """
    while True:
        try:
            yield wanted
        except BaseException as error:
            wanted = None  # as above
            try:
                wanted = begun.throw(error)
            except StopIteration as end:
                outcome: T = end.value
                return outcome
        else:
            return (yield from begun.__await__())


class Cancellation:
    """Ends, from aside, what the task that makes it does; lives as long as that.

    The task is cancelled as by `Task.cancel()`: what it awaits while it cleans up goes on
    undisturbed. On asyncio only.

    Raises:
        RuntimeError: There is no current task.
    """

    __slots__ = ("__weakref__", "_earlier", "_task", "_times")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("there is no current task: call this from a coroutine of a task")
        self._earlier = self._task.cancelling()
        self._times = 0

    def __call__(self, _watcher: object = None) -> None:
        """Cancel the task, unless its work has ended."""
        if self._task is not None:
            self._times += 1
            self._task.cancel()

    @property
    def is_alone(self) -> bool:
        """Whether the task was cancelled by this, and by nobody else since its work began."""
        # As in `asyncio.timeout`: a cancellation by others, besides ours, is passed on.
        task = self._task
        return task is not None and 0 < self._times >= task.cancelling() - self._earlier

    def end(self) -> None:
        """Take the cancellations back; to be called by the task, once its work has ended."""
        task, self._task = self._task, None  # an exception of the task may hold this: a cycle
        if task is not None:
            for _ in range(self._times):
                task.uncancel()


async def _ended_by_scope(
    work: Awaitable[T],
    stop: Callable[[Unpack[Arguments]], Coroutine[Any, Any, object]],
    *args: *Arguments,
) -> T | None:
    from anyio import create_task_group  # here, as it is slow to load

    outcome: T | None = None
    failure: Exception | None = None
    async with create_task_group() as group:

        async def watch() -> None:
            nonlocal failure
            try:
                await stop(*args)
            except Exception as error:  # raised below, outside of the group
                failure = error
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            outcome = await work
        except Exception as error:
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        try:
            raise failure
        finally:
            del failure
    return outcome
