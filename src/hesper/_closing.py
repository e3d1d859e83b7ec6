"""The turn of a lifespan to closing, and waiting that ends with it: `Closing`, `Interruption`.

What waits is ended in its own task, by a cancellation that reaches nothing but the waiting: what
has been received is not lost, and what is closed is closed in the task that ran it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator
from itertools import count
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakValueDictionary

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

    __slots__ = ("__weakref__", "_event", "_listeners", "_numbers")

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._numbers = count()
        self._listeners: WeakValueDictionary[int, Listener] = WeakValueDictionary()

    def is_set(self) -> bool:
        """Whether the lifespan is closing, or closed."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait until the lifespan turns to closing."""
        await self._event.wait()

    def __await__(self) -> Generator[Any, None, None]:
        return self.wait().__await__()

    def tell(self, listener: Listener) -> None:
        """Tell *listener*, as long as it lives, of the turn to come; the last one first."""
        self._listeners[next(self._numbers)] = listener

    def set(self) -> None:
        """Wake all that wait; called in the lifespan's loop."""
        if self._event.is_set():
            return
        self._event.set()
        loop = asyncio.get_running_loop()
        for listener in reversed([*self._listeners.values()]):
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

    __slots__ = ("__weakref__", "_cancelled", "_closing", "_earlier", "_waiting")

    def __init__(self, closing: Closing) -> None:
        self._closing = closing
        self._waiting: asyncio.Task[Any] | None = None
        self._earlier = 0
        self._cancelled = False
        closing.tell(self)

    def turned(self) -> None:
        """End the wait that goes on, if any."""
        if self._waiting is None:
            return
        if self._waiting.cancelling() > self._earlier:
            # By others, or by an interruption inside of this one: its clean-up is not cut short.
            asyncio.get_running_loop().call_later(_RETRY, self.turned)
            return
        self._cancelled = True
        self._waiting.cancel()

    async def wait(self, call: Callable[[], Awaitable[T]], otherwise: U) -> T | U:
        """Return what `await call()` does, or *otherwise* once the lifespan is closing.

        Args:
            call: What to wait for; not called if the lifespan is closing already.
            otherwise: What is returned if it was interrupted.

        Raises:
            BaseException: Whatever the call raises, cancellations by others included.
        """
        if self._closing.is_set():
            return otherwise
        task = asyncio.current_task()
        assert task is not None, "an asynchronous function runs in a task"
        self._earlier = task.cancelling()
        self._waiting = task
        try:
            return await call()
        except asyncio.CancelledError:
            # As in `asyncio.timeout`: a cancellation by others, besides ours, is passed on.
            if not self._cancelled or task.cancelling() > self._earlier + 1:
                raise
            return otherwise
        finally:
            self._waiting = None
            if self._cancelled:
                task.uncancel()
            # Its exception's traceback refers to this frame.
            del task


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
