"""Threads that make calls for one loop, and what is known of a call: `Workers`, `Call`.

A worker is a thread of anyio's, so that what it calls may use `anyio.from_thread`. It stays with
its loop while there is work, and for a moment longer: anyio's own way to hand over a single call
takes three times as long as the hand-over itself.

* A worker keeps nothing of a call that has ended.
* No task stands for a worker, nothing waits for it, and it ends with its loop.
* Whom a scope of anyio's may cancel, anyio serves: the thread must know the scope.
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
from os import getpid
from typing import Any, Final, Generic, TypeVar, cast

from hesper._loop import loop_container

T = TypeVar("T")

_PENDING: Final = object()

# On the loop itself: who waits for a thread refers to the loop, so that anything else would pin it.
_WORKERS: Final = "__hesper_workers__"
_THREADS: Final = 40
_IDLE: Final = 0.5
"""How many seconds a worker waits for the next call; then the thread is anyio's again."""


class Call(Generic[T]):
    """A function's call in a thread, and how it ends; it lives as long as the call."""

    __slots__ = ("__weakref__", "_error", "_fn", "_value", "claimed", "ended", "waiter")

    def __init__(self, fn: Callable[[], T]) -> None:
        self._fn: Callable[[], T] | None = fn
        self._value: Any = _PENDING
        self._error: BaseException | None = None
        self.waiter: asyncio.Future[None] | None = None
        """What the caller waits for while a worker makes the call."""
        self.claimed = allocate_lock()
        """Held by the thread once it has begun, or by the caller once it has given up."""
        self.ended = allocate_lock()
        """Held until the thread has ended."""
        self.ended.acquire()

    def run(self) -> None:
        """Call the function, unless the caller has given up."""
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

    def wait(self) -> None:
        """Block until the thread has ended; any number may wait."""
        with self.ended:
            pass

    def result(self) -> T:
        """Return or raise what the function did, once."""
        error, self._error = self._error, None
        if error is None:
            value, self._value = self._value, _PENDING
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

    def end(self) -> None:
        """End; to be called by who has taken it from the idle ones."""
        self._woken.release()

    async def _get_thread(self) -> None:
        self._workers.end_with_loop()
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
        with suppress(RuntimeError):  # the loop is closed
            self._forget_starter(loop)
            while self._work is not None:
                wake = self._make_call()
                self._workers.idle.append(self)
                loop.call_soon_threadsafe(wake)
                del wake
                self._wait()

    def _forget_starter(self, loop: asyncio.AbstractEventLoop) -> None:
        if (starter := self._starter) is not None:
            loop.call_soon_threadsafe(starter.cancel)

    def _make_call(self) -> Callable[[], None]:
        """Make the call that there is, and return what wakes the caller."""
        (call, context), self._work = cast("tuple[Call[Any], Context]", self._work), None
        context.run(call.run)
        return call.wake

    def _wait(self) -> None:
        """Wait for a call; afterwards there is none if the worker is to end."""
        if not self._woken.acquire(timeout=_IDLE):
            try:
                self._workers.idle.remove(self)
            except ValueError:  # it has just been taken
                self._woken.acquire()


class Workers:
    """The workers of one loop, and what limits them; lives as long as the loop."""

    __slots__ = ("_has_ended", "_process", "_scopes", "idle", "limiter")

    def __init__(self) -> None:
        anyio = import_anyio()
        self.limiter: Any = anyio.CapacityLimiter(_THREADS)
        """anyio's, of which each caller takes a place."""
        self.idle: list[Worker] = []
        """Those that wait for a call; the last one is used first."""
        self._process = getpid()
        self._has_ended = False
        # By task what scope it is in. anyio does not publish that; where it is missing, nobody is
        # served.
        self._scopes: Any = getattr(sys.modules["anyio._backends._asyncio"], "_task_states", None)

    def serve(self, task: asyncio.Task[Any] | None) -> bool:
        """Tell whether workers may make the calls of a task of the loop."""
        if task is None or self._scopes is None or self._has_ended:
            return False
        state = self._scopes.get(task)
        return state is None or state.cancel_scope is None

    async def make(self, call: Call[Any], *, always: bool = False) -> BaseException | None:
        """Have a worker make *call*, and wait until it has ended, through cancellations.

        Args:
            call: The call.
            always: Whether it is made even if the caller is cancelled before it has begun.

        Returns:
            The first cancellation of the caller, which is to pass it on.
        """
        loop = asyncio.get_running_loop()
        self._hand_over(call, _context())
        cancelled: BaseException | None = None
        try:
            while True:
                call.waiter = loop.create_future()
                try:
                    await call.waiter
                except asyncio.CancelledError as error:
                    cancelled = cancelled or error
                    if not always and call.claimed.acquire(blocking=False):
                        return cancelled
                if not call.ended.locked():
                    return cancelled
        finally:
            del cancelled

    def _hand_over(self, call: Call[Any], context: Context) -> None:
        if self._process != getpid():  # a fork has no threads
            self._process = getpid()
            self.idle.clear()
        try:
            worker = self.idle.pop()
        except IndexError:
            Worker(self, call, context).start()
        else:
            worker.take(call, context)

    def end_with_loop(self) -> None:
        """Have all end when the running loop does."""
        container = loop_container()
        if self._end not in container.endings:
            container.endings.append(self._end)

    def _end(self) -> None:
        self._has_ended = True
        with suppress(IndexError):
            while True:
                self.idle.pop().end()


def workers_of(loop: asyncio.AbstractEventLoop) -> Workers:
    """Return the workers of a loop, which is running."""
    workers: Workers | None = getattr(loop, _WORKERS, None)
    if workers is None:
        workers = Workers()
        setattr(loop, _WORKERS, workers)
    return workers


def serving_workers() -> Workers | None:
    """Return the workers for the calls of the running task; None if anyio has to make them.

    That is so on trio, in a scope of anyio's, and where the loop has ended its generators.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    workers = workers_of(loop)
    return workers if workers.serve(asyncio.current_task(loop)) else None


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
    """Return anyio, which is slow to load and often not needed."""
    import anyio.to_thread

    return anyio
