"""The turn of a lifespan to closing, and waiting that ends with it: `Closing`, `Interruption`.

What waits is ended in its own task, by a cancellation that reaches nothing but the waiting: what
has been received is not lost, and what is closed is closed in the task that ran it.
"""

from __future__ import annotations

import asyncio
from asyncio import current_task
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator
from typing import Any, Final, Protocol, TypeVar
from weakref import ref

from hesper._types import LIFESPAN_KEY, Scope

T = TypeVar("T")
U = TypeVar("U")

_END: Final = object()

_RETRY: Final = 0.01
"""Seconds after which a wait whose task is just being cancelled is looked at again."""


class Listener(Protocol):
    """What is told when a lifespan turns to closing."""

    def turned(self) -> None:
        """Act on it; called by the loop, in no task."""
        ...


class Closing:
    """Set once its lifespan turns to closing; `await` it to wait for that. Lives as long as it."""

    __slots__ = ("__weakref__", "_event", "_listeners", "has_come")

    has_come: bool
    """The same as `is_set()`, for who asks often."""

    def __init__(self) -> None:
        self.has_come = False
        self._event = asyncio.Event()
        # PERF: each websocket and each stream is told, and a `WeakValueDictionary` takes longer
        # for that than a short stream for all of its chunks. Listeners hold this object, so that
        # none is left, and no way around from here to its reference, once this is dropped.
        self._listeners: dict[ref[Listener], None] = {}

    def is_set(self) -> bool:
        """Whether the lifespan is closing, or closed."""
        return self.has_come

    async def wait(self) -> None:
        """Wait until the lifespan turns to closing."""
        await self._event.wait()

    def __await__(self) -> Generator[Any, None, None]:
        return self.wait().__await__()

    def tell(self, listener: Listener) -> None:
        """Tell *listener*, which holds this object, of the turn; of one to come the last first."""
        self._listeners[ref(listener, self._listeners.pop)] = None
        if self.has_come:
            asyncio.get_running_loop().call_soon(listener.turned)

    def set(self) -> None:
        """Wake all that wait; called in the lifespan's loop."""
        if self.has_come:
            return
        self.has_come = True
        self._event.set()
        loop = asyncio.get_running_loop()
        for reference in reversed([*self._listeners]):
            listener = reference()
            if listener is not None:
                # Not called here: the caller may run in the task that is to be interrupted.
                loop.call_soon(listener.turned)


def closing_of(scope: Scope) -> Closing | None:
    """Return the turn of the lifespan that a connection belongs to, if it belongs to one."""
    lifespan: Any = (scope.get("state") or {}).get(LIFESPAN_KEY)
    closing: Closing | None = getattr(lifespan, "turn", None)
    return closing


class Interruption:
    """Ends what a task waits for, once its lifespan turns to closing.

    Lives as long as whoever waits through it holds it.

    Args:
        closing: The turn of the lifespan.
    """

    __slots__ = ("__weakref__", "_cancelled", "_closing", "_earlier", "_loop", "_task")

    def __init__(self, closing: Closing) -> None:
        self._closing = closing
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._earlier = 0
        self._cancelled = False

    def begin(self) -> None:
        """Note that the current task begins to wait; `end` is to follow."""
        # PERF: it takes half the time if it is told the loop.
        self._task = task = current_task(self._loop)
        assert task is not None, "an asynchronous function runs in a task"
        self._earlier = task.cancelling()

    def renew(self) -> None:
        """Note that the task waits for something new; what cancelled it before is over."""
        if self._task is not None and not self._cancelled:
            self._earlier = self._task.cancelling()

    def end(self) -> None:
        """Note that the task has ended to wait, however that came."""
        if self._cancelled and self._task is not None:
            self._cancelled = False
            self._task.uncancel()
        self._task = None  # an exception of the task may hold this: a cycle

    @property
    def is_alone(self) -> bool:
        """Whether the task was cancelled by this, and by nobody else since it began to wait."""
        # As in `asyncio.timeout`: a cancellation by others, besides ours, is passed on.
        task = self._task
        return self._cancelled and task is not None and task.cancelling() <= self._earlier + 1

    def turned(self) -> None:
        """End the wait that goes on, if any."""
        if self._task is None:
            return
        if self._task.cancelling() > self._earlier:
            # By others, or by an interruption inside of this one: its clean-up is not cut short.
            self._loop.call_later(_RETRY, self.turned)
            return
        self._cancelled = True
        self._task.cancel()

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
        self.begin()
        try:
            return await call()
        except asyncio.CancelledError:
            if not self.is_alone:
                raise
            return otherwise
        finally:
            self.end()


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
    closing.tell(interruption)
    try:
        while True:
            item: Any = await interruption.wait(lambda: next_of(iterator, _END), _END)
            if item is _END:
                break
            yield item
    finally:
        if (aclose := getattr(iterator, "aclose", None)) is not None:
            await aclose()
