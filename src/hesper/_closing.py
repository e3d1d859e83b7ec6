"""The turn of a lifespan to closing, and waiting that ends with it: `Closing`, `Interruption`.

* Who waits says so nowhere. Once the turn has come, the tasks of the loop are looked at: one that
  waits in a method marked `interruptible` is cancelled, and the method takes the cancellation back.
* It reaches nothing but the waiting: what has been received is not lost, and what is closed is
  closed in the task that ran it.
* Of waits within each other the innermost is ended, and what waits around it a moment later.
* Where it cannot be seen what a task awaits (`hesper._awaited`), it is left to the drain's end.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator
from types import CodeType, FunctionType
from typing import Any, Final, Protocol, TypeVar, cast
from weakref import ref

from hesper._awaited import awaited_by, code_of, frame_of
from hesper._types import LIFESPAN_KEY, Scope

T = TypeVar("T")
U = TypeVar("U")
MethodT = TypeVar("MethodT", bound=Callable[..., Any])

_END: Final = object()

_AGAIN: Final = 0.01
"""Seconds to the second look at who waits; each further one is twice as far away."""

_SELDOM: Final = 1.0
"""Seconds between two looks at most."""

_INTERRUPTIBLE: Final[set[CodeType]] = set()
_UNDISTURBED: Final[set[CodeType]] = set()


class Listener(Protocol):
    """What is told when a lifespan turns to closing."""

    def turned(self) -> None:
        """Act on it; called by the loop, in no task."""
        ...


class Waiter(Protocol):
    """What waits in methods that are marked `interruptible`."""

    def waits_for(self, closing: Closing) -> bool:
        """Tell whether a turn ends what such a method awaits now."""
        ...


def interruptible(method: MethodT) -> MethodT:
    """Mark a coroutine or asynchronous generator of a `Waiter`: a turn ends what it awaits.

    What ends so raises in the method, which asks `Closing.ends` whether that is why.
    """
    _INTERRUPTIBLE.add(cast("FunctionType", method).__code__)
    return method


def undisturbed(method: MethodT) -> MethodT:
    """Mark a coroutine that no turn interrupts, although an `interruptible` one awaits it."""
    _UNDISTURBED.add(cast("FunctionType", method).__code__)
    return method


class Closing:
    """Set once its lifespan turns to closing; `await` it to wait for that. Lives as long as it."""

    __slots__ = ("__weakref__", "_event", "_interrupted", "_listeners", "has_come")

    has_come: bool
    """The same as `is_set()`, for who asks often."""

    def __init__(self) -> None:
        self.has_come = False
        self._event = asyncio.Event()
        # PERF: each websocket is told, and a `WeakSet` takes several times longer for that.
        # Listeners hold this object, so that none is left once this is dropped.
        self._listeners: dict[ref[Listener], None] = {}
        self._interrupted: dict[asyncio.Task[Any], tuple[Waiter, int]] = {}

    def is_set(self) -> bool:
        """Whether the lifespan is closing, or closed."""
        return self.has_come

    async def wait(self) -> None:
        """Wait until the lifespan turns to closing."""
        await self._event.wait()

    def __await__(self) -> Generator[Any, None, None]:
        return self.wait().__await__()

    def tell(self, listener: Listener) -> None:
        """Tell *listener*, which holds this object, of the turn, be it past or to come."""
        self._listeners[ref(listener, self._listeners.pop)] = None
        if self.has_come:
            asyncio.get_running_loop().call_soon(listener.turned)

    def set(self) -> None:
        """Wake all that wait; called in the lifespan's loop."""
        if self.has_come:
            return
        self.has_come = True
        self._event.set()
        # Nobody is told here: the caller may run in the task that is to be interrupted.
        loop = asyncio.get_running_loop()
        for reference in [*self._listeners]:
            listener = reference()
            if listener is not None:
                loop.call_soon(listener.turned)
        loop.call_soon(self._look_at_all, loop)

    def _look_at_all(self, loop: asyncio.AbstractEventLoop) -> None:
        self._look(loop, dict.fromkeys(asyncio.all_tasks(loop), 0), _AGAIN)

    def _look(
        self, loop: asyncio.AbstractEventLoop, tasks: dict[asyncio.Task[Any], int], pause: float
    ) -> None:
        """End what tasks wait for, if they have been cancelled no more often than it says there."""
        again: dict[asyncio.Task[Any], int] = {}
        for task, earlier in tasks.items():
            waiter, inside = self._wait_in(task)
            interrupted, _ = self._interrupted.get(task, (None, 0))
            if interrupted is not None and interrupted is not waiter:
                del self._interrupted[task]  # what it waited for has ended in spite of it
                task.uncancel()
            if waiter is None:
                continue
            if interrupted is waiter:
                again[task] = earlier
                continue
            again[task] = times = task.cancelling()
            # One that others cancel is given its clean-up, and then looked at again: it may have
            # been cancelled long ago, by a library that never takes that back.
            if times == earlier and not (times and any(map(_is_being_cancelled, inside))):
                self._interrupted[task] = waiter, times
                task.cancel()
        if again:
            loop.call_later(pause, self._look, loop, again, min(2 * pause, _SELDOM))

    def _wait_in(self, task: asyncio.Task[Any]) -> tuple[Waiter | None, list[object]]:
        """Return whose wait is to end, the innermost in a task, and what is awaited inside it."""
        waiter: Waiter | None = None
        inside: list[object] = []
        for awaited in awaited_by(task):
            code = code_of(awaited)
            if code in _UNDISTURBED:
                waiter = None
            elif code in _INTERRUPTIBLE and (frame := frame_of(awaited)) is not None:
                candidate: Waiter = frame.f_locals["self"]
                if candidate.waits_for(self):
                    waiter, inside = candidate, []
                    continue
            inside.append(awaited)
        return waiter, inside

    def release(self, waiter: Waiter) -> bool:
        """Take back what ended the wait of *waiter* in this task, now that it has ended.

        Returns:
            Whether the turn has ended it, and nobody else has cancelled the task besides.
        """
        if not self.has_come:
            return False
        task = asyncio.current_task()
        if task is None or self._interrupted.get(task, (None, 0))[0] is not waiter:
            return False
        # As in `asyncio.timeout`: a cancellation by others, besides ours, is passed on.
        _, earlier = self._interrupted.pop(task)
        return task.uncancel() <= earlier

    def ends(self, waiter: Waiter, error: BaseException) -> bool:
        """Tell whether *error*, which ended the wait of *waiter*, is only the turn's doing."""
        return self.release(waiter) and isinstance(error, asyncio.CancelledError)


NEVER: Final = Closing()
"""The turn of no lifespan."""


def closing_of(scope: Scope) -> Closing:
    """Return the turn of the lifespan that a connection belongs to; `NEVER` if to none."""
    lifespan: Any = (scope.get("state") or {}).get(LIFESPAN_KEY)
    closing: Closing = getattr(lifespan, "turn", NEVER)
    return closing


class Interruption:
    """Ends what tasks wait for through it, once its lifespan turns to closing.

    Lives as long as whoever waits through it holds it.

    Args:
        closing: The turn of the lifespan.
    """

    __slots__ = ("_closing",)

    def __init__(self, closing: Closing) -> None:
        self._closing = closing

    def waits_for(self, closing: Closing) -> bool:
        """Tell whether it is this turn that ends the wait."""
        return closing is self._closing

    @interruptible
    async def wait(self, call: Callable[[], Awaitable[T]], otherwise: U) -> T | U:
        """Return what `await call()` does, or *otherwise* once the lifespan is closing.

        Args:
            call: What to wait for; not called if the lifespan is closing already.
            otherwise: What is returned if it was interrupted.

        Raises:
            BaseException: Whatever the call raises, cancellations by others included.
        """
        if self._closing.has_come:
            return otherwise
        try:
            return await call()
        except BaseException as error:
            if self._closing.ends(self, error):
                return otherwise
            raise
        finally:
            self._closing.release(self)


def _is_being_cancelled(awaited: object) -> bool:
    """Tell whether a coroutine or generator handles a cancellation, such as in a `finally`."""
    # No attribute tells that, but the collector is told of an exception that is being handled.
    return any(isinstance(held, asyncio.CancelledError) for held in gc.get_referents(awaited))


async def next_of(iterator: Any, end: object) -> Any:
    """Return what comes next of an asynchronous iterator, or *end*."""
    try:
        return await anext(iterator)
    except StopAsyncIteration:
        return end


async def until_closing(closing: Closing, source: AsyncIterable[T]) -> AsyncGenerator[T]:
    """Yield what *source* does until the lifespan turns to closing, then close it.

    Args:
        closing: The turn of the lifespan.
        source: What to iterate over.
    """
    iterator = aiter(source)
    interruption = Interruption(closing)
    try:
        while True:
            item: Any = await interruption.wait(lambda: next_of(iterator, _END), _END)
            if item is _END:
                break
            yield item
    finally:
        if (aclose := getattr(iterator, "aclose", None)) is not None:
            await aclose()
