"""The turn of a lifespan to closing, and waiting that ends with it: `Closing`, `Interruption`.

* Who waits says so nowhere. Once the turn has come, the tasks of the loop are looked at: one that
  waits in a method marked `interruptible` is cancelled, and the method takes the cancellation back.
* One that others have cancelled since it began to wait is left to them. A websocket does not know
  when that was, which would take longer than a message: it is left alone for some seconds.
* It reaches nothing but the waiting: what has been received is not lost, and what is closed is
  closed in the task that ran it.
* Of waits within each other the innermost is ended, and what waits around it a moment later.
* Where it cannot be seen what a task awaits (`hesper._awaited`), it is left to the drain's end.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Generator,
    Iterable,
)
from types import CodeType, FunctionType
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, WeakMethod, WeakSet, ref

from hesper._awaited import awaited_by, code_of
from hesper._types import LIFESPAN_KEY, Scope

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
MethodT = TypeVar("MethodT", bound=Callable[..., Any])

logger: Final = logging.getLogger("hesper")

_END: Final = object()

_AGAIN: Final = 0.01
"""Seconds to the third look at who waits; each further one is about twice as far away."""

_SELDOM: Final = 1.0
"""Seconds between two looks at most."""

_PATIENCE: Final = 12
"""Looks, in about five seconds, at one that others may be ending before that is held to be over."""

_INTERRUPTIBLE: Final[set[CodeType]] = set()
_UNDISTURBED: Final[set[CodeType]] = set()


class Listener(Protocol):
    """What is told when a lifespan turns to closing."""

    def turned(self) -> None:
        """Act on it; called by the loop, in no task."""
        ...


class Waiter:
    """What waits in methods that are marked `interruptible`."""

    __slots__ = ()

    def waits_for(self, closing: Closing) -> bool:
        """Tell whether a turn ends what such a method awaits now."""
        raise NotImplementedError

    def cancelled_before(self, task: asyncio.Task[Any]) -> int | None:
        """Return how often a task had been cancelled when it began to wait; None if not known."""
        return None


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
        self._interrupted: WeakKeyDictionary[asyncio.Task[Any], tuple[Waiter, int]]
        self._interrupted = WeakKeyDictionary()

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
        self._look(asyncio.all_tasks(loop), 0)

    def _look(self, tasks: Iterable[asyncio.Task[Any]], earlier: int) -> None:
        """End what tasks wait for; look again later, for the *earlier*th time, at those that do."""
        again: WeakSet[asyncio.Task[Any]] = WeakSet()
        for task in tasks:
            try:
                if self._waits_still(task, is_patient=earlier < _PATIENCE):
                    again.add(task)
            except Exception:  # a task of another library may be like no other
                logger.exception("cannot tell what %r waits for", task)
        if again:
            # At once at first, as what was interrupted may have ended in spite of it.
            pause = min(_AGAIN * (2 ** min(earlier, _PATIENCE) - 1), _SELDOM)
            loop = asyncio.get_running_loop()
            look: WeakMethod[Callable[[WeakSet[asyncio.Task[Any]], int], None]]
            look = WeakMethod(self._look)
            loop.call_later(pause, lambda: call_weakly(look, again, earlier + 1))

    def _waits_still(self, task: asyncio.Task[Any], *, is_patient: bool) -> bool:
        """End what a task waits for, if nobody else does; tell whether it may still have to be."""
        waiters, inside = self._waits_in(task)
        interrupted, _ = self._interrupted.get(task, (None, 0))
        if interrupted is not None:
            if interrupted in waiters:
                return True
            del self._interrupted[task]  # what it waited for has ended in spite of it
            task.uncancel()
        waiter = waiters[-1] if waiters else None
        if waiter is None:  # not to be disturbed now, but what is around it may wait later
            return bool(waiters)
        # One that others have cancelled since it began to wait is given its clean-up.
        times, before = task.cancelling(), waiter.cancelled_before(task)
        if before is None:
            # Or long ago, by a library that never takes that back.
            is_left = times > 0 and (is_patient or any(map(_is_being_cancelled, inside)))
        else:
            is_left = times > before
        if not is_left:
            self._interrupted[task] = waiter, times
            task.cancel()
        return True

    def _waits_in(self, task: asyncio.Task[Any]) -> tuple[list[Waiter | None], list[object]]:
        """Return whose waits are to end in a task, and what is awaited inside the innermost.

        They come outermost first, and None for one that is not to be disturbed.
        """
        waiters: list[Waiter | None] = []
        inside: list[object] = []
        for awaited in awaited_by(task):
            inside.append(awaited)
            code = code_of(awaited)
            if code in _UNDISTURBED:
                waiters.append(None)
            elif code in _INTERRUPTIBLE:
                waiter = _waiter_of(awaited)
                if waiter is not None and waiter.waits_for(self):
                    waiters.append(waiter)
                    inside = []
        return waiters, inside

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


def call_weakly(
    reference: WeakMethod[Callable[P, None]], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Call a method, if its object is still there."""
    method = reference()
    if method is not None:
        method(*args, **kwargs)


def closing_of(scope: Scope) -> Closing:
    """Return the turn of the lifespan that a connection belongs to; `NEVER` if to none."""
    lifespan: Any = (scope.get("state") or {}).get(LIFESPAN_KEY)
    closing: Closing = getattr(lifespan, "turn", NEVER)
    return closing


class Interruption(Waiter):
    """Ends what a task waits for through it, one at a time, once its lifespan turns to closing.

    Lives as long as whoever waits through it holds it.

    Args:
        closing: The turn of the lifespan.
    """

    __slots__ = ("_closing", "_earlier")

    def __init__(self, closing: Closing) -> None:
        self._closing = closing
        self._earlier = 0

    def waits_for(self, closing: Closing) -> bool:
        """Tell whether it is this turn that ends the wait."""
        return closing is self._closing

    def cancelled_before(self, task: asyncio.Task[Any]) -> int | None:
        """Return how often the task that waits had been cancelled when it began to."""
        return self._earlier

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
        task = asyncio.current_task()
        self._earlier = 0 if task is None else task.cancelling()
        try:
            return await call()
        except BaseException as error:
            if self._closing.ends(self, error):
                return otherwise
            raise
        finally:
            self._closing.release(self)


def _waiter_of(awaited: object) -> Waiter | None:
    """Return the first argument of a method that is marked `interruptible`."""
    # The collector names what a frame holds in its order. `f_locals` would keep all of that.
    held = gc.get_referents(awaited)
    return next((one for one in held if issubclass(type(one), Waiter)), None)


def _is_being_cancelled(awaited: object) -> bool:
    """Tell whether a coroutine or generator handles a cancellation, such as in a `finally`."""
    # No attribute tells that, but the collector is told of an exception that is being handled.
    held = map(type, gc.get_referents(awaited))
    return any(issubclass(kind, asyncio.CancelledError) for kind in held)


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
