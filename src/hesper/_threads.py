"""Functions called in threads, and the threads that stay with a loop: `Call`, `Workers`.

A worker is a thread of anyio's, so that what it calls may use `anyio.from_thread`. It stays with
its loop while there is work, and for a moment longer: anyio's own way to hand over a single call
takes three times as long as the hand-over itself.

* A worker keeps nothing of a call that has ended.
* Once a worker has begun no task stands for it, nothing waits for it, and it ends a moment after
  its loop.
* Whom a scope of anyio's may cancel, anyio serves: the thread must know the scope.
* Whoever makes a call, the caller waits for its end, however often it is cancelled; one whose
  cancellation is due already has nothing called.
"""

from __future__ import annotations

import asyncio
import math
import sys
from _thread import allocate_lock
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import cache
from importlib import import_module
from os import getpid
from threading import main_thread
from time import monotonic
from typing import Any, Final, Generic, TypeVar, cast

from hesper._container import raise_from_here

T = TypeVar("T")

# On the loop itself: who waits for a thread refers to the loop, so that anything else would pin it.
_WORKERS: Final = "__hesper_workers__"
_THREADS: Final = 40
_IDLE: Final = 0.5
"""How many seconds a worker waits for the next call; then the thread is anyio's again."""
_SLICE: Final = 0.05
"""After how many seconds a worker that waits looks whether its loop is closed."""
_BACKEND: Final = "anyio._backends._asyncio"


class Call(Generic[T]):
    """A function's call in a thread, and how it ends; it lives as long as the call."""

    __slots__ = ("__weakref__", "_error", "_fn", "_value", "claimed", "ended", "waiter")

    def __init__(self, fn: Callable[[], T]) -> None:
        self._fn: Callable[[], T] | None = fn
        self._value: Any = None
        self._error: BaseException | None = None
        self.waiter: asyncio.Future[None] | None = None
        """What the caller waits for while a worker makes the call."""
        self.claimed = allocate_lock()
        """Held by the thread once it has begun, or by the caller once it has given up."""
        self.ended = allocate_lock()
        """Held until the thread has ended."""
        self.ended.acquire()

    def run(self) -> None:
        """Call the function, unless the caller has given up, or another thread has begun."""
        if not self.claimed.acquire(blocking=False):
            return
        # The thread may keep this object a moment longer than the caller; what it works on it
        # must not.
        fn, self._fn = self._fn, None
        assert fn is not None
        try:
            self._value = fn()
        except BaseException as error:
            self._error = error
        finally:
            del fn
            self.ended.release()

    def fail(self, error: BaseException) -> None:
        """Have the call, which has not begun, end with *error*."""
        if self.claimed.acquire(blocking=False):
            self._error = error
            self.ended.release()
            self.wake()

    def wake(self) -> None:
        """Wake the caller, if it waits on its loop."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def see_through(self) -> None:
        """Call the function, or wait for the end of the thread that does; any number may wait."""
        self.run()
        with self.ended:
            pass

    def forget(self) -> None:
        """Drop what the function did; this object may not keep an exception that holds it."""
        self._value = self._error = None

    def result(self) -> T:
        """Return or raise what the function did, once."""
        error, self._error = self._error, None
        if error is None:
            value, self._value = self._value, None
            return cast("T", value)
        try:
            if isinstance(error, StopIteration):
                raise RuntimeError(  # noqa: TRY004
                    "a function raised StopIteration in a worker thread: probably next() found "
                    "nothing; give next() a default, or catch StopIteration there"
                ) from error
            raise error
        finally:
            del error


class Worker:
    """A thread of anyio's while it works for a loop; lives until it has been idle for a moment.

    Args:
        workers: Those of the loop.
        call: The first call.
        context: The context variables that it sees.
    """

    __slots__ = ("_has_begun", "_starter", "_woken", "_work", "_workers")

    def __init__(self, workers: Workers, call: Call[Any], context: Context) -> None:
        self._workers = workers
        self._work: tuple[Call[Any], Context] | None = (call, context)
        self._woken = allocate_lock()
        self._woken.acquire()
        self._starter: asyncio.Task[None] | None = None
        self._has_begun = False

    def start(self) -> None:
        """Get a thread, and make the first call there."""
        # Not `create_task`, which may be eager. In no context, as the thread would keep it.
        loop = asyncio.get_running_loop()
        self._starter = asyncio.Task(self._get_thread(), loop=loop, context=Context())
        self._starter.add_done_callback(self._started, context=Context())

    def take(self, call: Call[Any], context: Context) -> None:
        """Make *call*; to be called by who has taken it from the idle ones."""
        self._work = call, context
        self._woken.release()

    async def _get_thread(self) -> None:
        anyio = import_anyio()
        # The thread has this cancelled, and goes on: nothing waits for it.
        await anyio.to_thread.run_sync(
            self._reside,
            asyncio.get_running_loop(),
            abandon_on_cancel=True,
            limiter=anyio.CapacityLimiter(math.inf),
        )

    def _started(self, starter: asyncio.Task[None]) -> None:
        """See to the first call if there is no thread."""
        self._starter = None
        work = self._work
        if self._has_begun or work is None:
            return
        call, context = work
        if not starter.cancelled():
            call.fail(cast("BaseException", starter.exception()))
        elif not call.claimed.locked():
            # By others, such as a loop that ends, while the caller may go on. Should this one begin
            # yet, one of both makes the call.
            Worker(self._workers, call, context.copy()).start()

    def _reside(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make one call after the other, in the thread."""
        self._has_begun = True
        try:
            _leave_scope()
            self._forget_starter(loop)
            is_at_work = True
            while is_at_work:
                wake = self._make_call()
                self._workers.idle.append(self)
                loop.call_soon_threadsafe(wake)
                del wake
                is_at_work = self._wait(loop)
        except RuntimeError:
            if not loop.is_closed():
                raise
        finally:  # whatever ends it: no call may wait for it, and it is in a cycle there
            with suppress(ValueError):
                self._workers.idle.remove(self)

    def _forget_starter(self, loop: asyncio.AbstractEventLoop) -> None:
        if (starter := self._starter) is not None:
            loop.call_soon_threadsafe(starter.cancel)

    def _make_call(self) -> Callable[[], None]:
        """Make the call that there is, and return what wakes the caller."""
        (call, context), self._work = cast("tuple[Call[Any], Context]", self._work), None
        context.run(call.run)
        return call.wake

    def _wait(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Wait for a call, and tell whether there is one; else the worker ends.

        The interpreter's exit waits for it, for a slice at most.
        """
        end = monotonic() + _IDLE
        while not self._woken.acquire(timeout=_SLICE):
            if loop.is_closed() or not main_thread().is_alive():
                return False
            if monotonic() >= end:
                with suppress(ValueError):  # it has just been taken, so that a call will come
                    self._workers.idle.remove(self)
                    return False
        return True


class Workers:
    """The workers of one loop, and what limits them; lives as long as the loop."""

    __slots__ = ("_process", "_scopes", "idle", "limiter")

    def __init__(self) -> None:
        self.limiter: Any = import_anyio().CapacityLimiter(_THREADS)
        """anyio's, of which each caller takes a place."""
        self.idle: list[Worker] = []
        """Those that wait for a call; the last one is used first."""
        self._process = getpid()
        # By task what scope it is in, which anyio does not publish; None where it is not found.
        backend = sys.modules.get(_BACKEND)
        is_known = hasattr(backend, "threadlocals")
        self._scopes: Any = getattr(backend, "_task_states", None) if is_known else None

    def serve(self, task: asyncio.Task[Any]) -> bool:
        """Tell whether workers may make the calls of a task of the loop."""
        try:
            state = self._scopes.get(task)
            is_free = state is None or state.cancel_scope is None
        except AttributeError:  # another anyio keeps them elsewhere: it makes all calls
            return False
        return is_free

    def hand_over(self, call: Call[Any]) -> None:
        """Have a worker make *call*."""
        context = _context()
        if self._process != getpid():  # a fork has no threads
            self._process = getpid()
            self.idle.clear()
        try:
            worker = self.idle.pop()
        except IndexError:
            Worker(self, call, context).start()
        else:
            worker.take(call, context)


def _leave_scope() -> None:
    """Have anyio know that this thread calls for nobody in a scope.

    It has kept the scope in which it got the thread, which would be that of all that a call runs on
    the loop by `anyio.from_thread`, long after it has ended.
    """
    sys.modules[_BACKEND].threadlocals.current_cancel_scope = None


def workers_of(loop: asyncio.AbstractEventLoop) -> Workers:
    """Return the workers of a loop, which is running."""
    workers: Workers | None = getattr(loop, _WORKERS, None)
    if workers is None:
        workers = Workers()
        setattr(loop, _WORKERS, workers)
    return workers


class _Place:
    """One of the threads that a limiter allows, while a call has it; lives as long as that.

    PERF: anyio's own way has the loop go round once more even where a thread is free.

    Args:
        limiter: anyio's.
    """

    __slots__ = ("_limiter",)

    def __init__(self, limiter: Any) -> None:
        self._limiter = limiter

    async def __aenter__(self) -> None:
        try:
            self._limiter.acquire_on_behalf_of_nowait(self)
        except import_anyio().WouldBlock:
            await self._limiter.acquire_on_behalf_of(self)

    async def __aexit__(self, *_exception: object) -> None:
        self._limiter.release_on_behalf_of(self)


def current_limiter() -> Any:
    """Return anyio's limiter of the calls on the running loop.

    Raises:
        RuntimeError: No loop is running.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if loop is None or _is_guest(loop):
        return import_anyio().to_thread.current_default_thread_limiter()
    return workers_of(loop).limiter


async def counted_call(fn: Callable[[], T]) -> T:
    """Call *fn* in one of the threads that the limiter allows; see `in_thread`."""
    call = Call(fn)
    workers = _serving_workers()
    if workers is not None:
        await asyncio.sleep(0)  # a cancellation that is due comes now, as it does with anyio
    async with _Place(current_limiter() if workers is None else workers.limiter):
        cancelled = await _see_through(call, workers)
    try:
        if cancelled is not None:
            call.forget()
            raise_from_here(cancelled)
        return call.result()
    finally:
        del cancelled


async def certain_call(fn: Callable[[], T]) -> T:
    """Call *fn* in a thread even if the caller is cancelled before; see `finish_in_thread`."""
    call = Call(fn)
    cancelled = await _see_through(call, _serving_workers(), always=True)
    try:
        value = call.result()
        raise_from_here(cancelled)
        return value
    finally:
        del cancelled


async def _see_through(
    call: Call[Any], workers: Workers | None, *, always: bool = False
) -> BaseException | None:
    """Have a thread make *call*, and wait until it has ended, through asyncio's cancellations.

    Args:
        call: The call.
        workers: Of whom one makes the call; None if anyio has to.
        always: Whether it is made even if the caller is cancelled before it has begun.

    Returns:
        The first cancellation of the caller, which is to pass it on.
    """
    cancelled: BaseException | None = None
    if workers is not None:
        workers.hand_over(call)
    try:
        while True:
            try:
                if workers is not None:
                    call.waiter = asyncio.get_running_loop().create_future()
                    await call.waiter
                else:
                    await _by_anyio(call, shield=always or cancelled is not None)
            except asyncio.CancelledError as error:
                cancelled = cancelled or error
                if not always and call.claimed.acquire(blocking=False):
                    return cancelled
            if not call.ended.locked():
                return cancelled
    finally:
        del cancelled


async def _by_anyio(call: Call[Any], *, shield: bool) -> None:
    """Have anyio see a call through in a thread; no scope's cancellation ends what is shielded."""
    anyio = import_anyio()
    with anyio.CancelScope(shield=shield):
        await anyio.to_thread.run_sync(call.see_through, limiter=anyio.CapacityLimiter(math.inf))


def _serving_workers() -> Workers | None:
    """Return the workers for the calls of the running task; None if anyio has to make them.

    That is so on trio, and in a scope of anyio's.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    task = asyncio.current_task(loop)
    if task is None:  # on trio as a guest of that loop
        return None
    workers = workers_of(loop)
    return workers if workers.serve(task) else None


def _is_guest(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether what runs is no task of *loop*, but trio's as a guest of it."""
    trio: Any = sys.modules.get("trio")
    if trio is None or asyncio.current_task(loop) is not None:
        return False
    return bool(trio.lowlevel.in_trio_run())


def _context() -> Context:
    """Return a copy of the caller's context, for a thread in which no loop runs."""
    context = copy_context()
    library: ContextVar[str | None] | None
    library = getattr(sys.modules.get("sniffio"), "current_async_library_cvar", None)
    if library is not None and context.get(library) is not None:
        context.run(library.set, None)
    return context


@cache
def import_anyio() -> Any:
    """Return anyio with what a call needs, which is slow to load and often not needed."""
    import anyio.to_thread

    with suppress(ImportError):  # else anyio finds it when a loop is running
        import_module(_BACKEND)
    return anyio
