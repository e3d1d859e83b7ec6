"""One call of the app, in a task of its own.

Whoever waits for something that the app does waits on the call's bell, which rings at every change.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Final, Generic, TypeVar

from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.testing.errors import ASGIProtocolError, ClientGoneError
from hesper.testing.openings import CALLED_FROM, WITHIN, Opening, noted, watch

__all__ = ("AppCall", "Bell", "Buffer")

T = TypeVar("T")

PATIENCE: Final = 10
"""How many messages an app may exchange with a client that has gone, before it is cancelled."""

PASSES: Final = 100
"""How many passes of the loop an app has to notice that its client has gone."""

HIGH_WATER: Final = 65_536
"""How many bytes wait for the client before `send` pauses the app, as asyncio's transports do."""


class Bell:
    """A signal that something has changed. It lives as long as what it tells about."""

    __slots__ = ("__weakref__", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        """Let everyone who waits look again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds, which is asked now and at every ring."""
        while not condition():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future


class Buffer(Generic[T]):
    """What the app has sent and the client has not yet taken. It lives for one connection."""

    __slots__ = ("__weakref__", "_items", "_size")

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def full(self) -> bool:
        """Whether the app has to wait before it sends more."""
        return self._size > HIGH_WATER

    def put(self, item: T, size: int) -> None:
        """Append *item*, which takes *size* bytes."""
        self._items.append((item, size))
        self._size += size

    def take(self) -> T:
        """Remove the oldest item and return it."""
        item, size = self._items.popleft()
        self._size -= size
        return item


class AppCall:
    """One call of the app in a task of its own. It lives until the app has returned.

    A client that leaves early tells the app as servers do: `receive` gives a disconnect, `send`
    does nothing (ASGI before 2.4) or raises an `OSError` (since 2.4). An app that has been told is
    waited for, however long its clean-up takes. An app that goes on sending or receiving all the
    same is cancelled after a few messages; one that does neither is left alone until the client
    itself is closed, and is then cancelled, as a server does when it shuts down.

    Args:
        calls: The calls that the client is responsible for; a call that has ended well leaves it.
        spec_version: The version of the ASGI HTTP and websocket specification to behave by.
    """

    __slots__ = (
        "__weakref__",
        "_calls",
        "_cancelled",
        "_failure",
        "_messages_after_end",
        "_opening",
        "_raises_when_gone",
        "_task",
        "_told",
        "bell",
        "client_gone",
        "finished",
    )

    def __init__(self, calls: set[AppCall], spec_version: str) -> None:
        self.bell = Bell()
        self.finished = False
        self.client_gone = False
        self._calls = calls
        self._raises_when_gone = tuple(map(int, spec_version.split("."))) >= (2, 4)
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._told = False
        self._cancelled = False
        self._messages_after_end = 0
        self._opening: Opening | None = None

    def start(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Call *app* in a new task, with a copy of the caller's context."""
        self._calls.add(self)
        context = copy_context()
        opening = self._opening = None if watch.watch is None else noted(*_described(app, scope))
        if opening is not None:
            opening.loop = id(asyncio.get_running_loop())
            context.run(CALLED_FROM.set, opening.frames)
            if opening.kind == "lifespan":
                context.run(WITHIN.set, opening)
        run = self._run(app, scope, receive, send)
        self._task = asyncio.create_task(run, context=context)
        self._task.add_done_callback(self._end)

    async def _run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError as cancellation:
            if not self._cancelled:
                self._failure = ASGIProtocolError(
                    "The app's call was cancelled from inside: it raised CancelledError,"
                    " though nobody had cancelled its task."
                )
                self._failure.__cause__ = cancellation
        except BaseException as failure:
            # Every kind, SystemExit too: it is raised again where the client waits.
            self._failure = failure

    def _end(self, task: asyncio.Task[None]) -> None:
        # A callback of the task, and not the end of `_run`: a task that is cancelled before its
        # first step never runs any of it.
        self._task = None
        self.finished = True
        if self._opening is not None:
            self._opening.close()
        if self._failure is None:
            self._calls.discard(self)
        self.bell.ring()

    async def wait(self) -> None:
        """Wait until the app has returned or raised."""
        await self.bell.until(lambda: self.finished)

    def take_failure(self) -> BaseException | None:
        """Hand over what the app raised, once; the call forgets it, so that no cycle is left."""
        failure, self._failure = self._failure, None
        if self.finished:
            self._calls.discard(self)
        if self.client_gone and self._raises_when_gone:
            return _without_client_gone(failure)
        return failure

    def raise_failure(self) -> None:
        """Raise what the app raised, if it did and nobody has taken it yet."""
        failure = self.take_failure()
        if failure is not None:
            try:
                raise failure
            finally:
                del failure

    def disconnect(self) -> None:
        """Let the app know that the client has gone, at its next word."""
        self.client_gone = True
        self.bell.ring()

    def tell(self) -> None:
        """Note that the app has learnt of the end from `receive`."""
        self._told = True

    async def after_the_end(self, *, sending: bool) -> None:
        """Give way to others, in a `receive` or `send` that comes after the client has gone.

        Raises:
            ClientGoneError: The app is sending, and the specification asks for an error.
        """
        self._messages_after_end += 1
        if self._messages_after_end > PATIENCE:
            self.cancel()
        await asyncio.sleep(0)
        if sending and self._raises_when_gone:
            self._told = True
            raise ClientGoneError("The client has gone; nothing more can be sent to it.")

    def cancel(self) -> None:
        """Cancel the app's task; its clean-up is then waited for."""
        if self._task is not None:
            self._cancelled = self._told = True
            self._task.cancel()

    async def leave(self) -> None:
        """Go away as a client does, and wait for the app if it notices."""
        self.disconnect()
        for _ in range(PASSES):
            if self.finished or self._told:
                break
            await asyncio.sleep(0)
        if self._told:
            await self.wait()

    async def close(self) -> None:
        """Go away as a server does that shuts down: the app has returned afterwards."""
        await self.leave()
        if not self.finished:
            self.cancel()
            await self.wait()


def _described(app: ASGIApp, scope: Scope) -> tuple[str, str]:
    """Return what the call of *app* is, and its name, for whoever watches what is opened."""
    kind = scope.get("type")
    if kind == "lifespan":
        return "lifespan", f"of {app!r}, which a client runs"
    if kind == "websocket":
        return "websocket", f"to {scope['path']}"
    return "response", f"to {scope.get('method')} {scope.get('path')}"


def _without_client_gone(failure: BaseException | None) -> BaseException | None:
    """Return *failure* without the errors that only say that the client has gone."""
    if isinstance(failure, BaseExceptionGroup):
        return failure.split(ClientGoneError)[1]
    return None if isinstance(failure, ClientGoneError) else failure
