"""Cancel a handler whose client has gone: `when_disconnected="cancel"`.

* Whoever awaits the client's next message gets all of them, in order: they are read ahead, up to a
  limit, so that the end of the connection is seen behind them.
* From the start of the response on, or of a websocket's end, nothing is cancelled: the handler has
  returned, and what still sends watches for itself.
* A websocket's handler that awaits a message is told by that message, and not cancelled.
* Until a handler waits for the first time nothing can have been heard, and nothing listens.
* What is cancelled cleans up undisturbed, but not for ever; what it sends is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import Any, Final, cast

from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.concurrency import Cancellation, rest_of

logger: Final = logging.getLogger("hesper")

EXIT_DEADLINE: Final = 10.0
"""The seconds that the exits of a cancelled handler may take before they are cancelled, too."""

READ_AHEAD: Final = 262_144
"""The bytes that are read ahead of whoever awaits them."""

_OVERHEAD: Final = 1024  # bytes that a message counts besides its data, so that none is free

_ENDS: Final = frozenset(
    {"http.response.start", "websocket.close", "websocket.http.response.start"}
)


def ended_when_gone(endpoint: ASGIApp, label: str) -> ASGIApp:
    """Return *endpoint*, cancelled as soon as the client has gone.

    Args:
        endpoint: The endpoint of a route, a coroutine function.
        label: How the log names the route.
    """

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        watch = Watch(scope, receive, send, label)
        # PERF: many handlers never wait; a task takes several times longer than all they do.
        working = cast("Coroutine[Any, Any, None]", endpoint(scope, watch.receive, watch.send))
        try:
            wanted = working.send(None)
        except StopIteration:
            return
        rest = rest_of(working, wanted)
        del wanted  # a future that fails would be in a cycle with this frame
        await watch.over(rest)

    return watched


class Watch:
    """Reads what the client sends, and ends an endpoint when that ends; lives as long as it runs.

    Args:
        scope: The connection's scope.
        receive: Waits for the client's next message.
        send: Sends a message to the client.
        label: How the log names the route.
    """

    __slots__ = (
        "__weakref__",
        "_ahead",
        "_answering",
        "_awaited",
        "_cancellation",
        "_failure",
        "_gone",
        "_label",
        "_last",
        "_news",
        "_receive",
        "_room",
        "_scope",
        "_send",
        "_size",
        "_timer",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, label: str) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._label = label
        self._ahead: deque[Message] = deque()
        self._size = 0
        self._awaited = 0
        """How many wait for the client's next message."""
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._gone = False
        self._last: Message | None = None
        """What is received once there is nothing more."""
        self._failure: Exception | None = None
        self._answering = False
        self._timer: asyncio.TimerHandle | None = None

    async def over(self, working: Awaitable[None]) -> None:
        """Wait for what an endpoint does, and end it when the client has gone."""
        self._cancellation = Cancellation()
        watcher = asyncio.get_running_loop().create_task(self._watch())
        try:
            await working
        except (asyncio.CancelledError, BaseExceptionGroup) as ended:
            if not self._cancellation.is_alone:
                raise
            failure = _besides_cancellation(ended)
            try:
                if failure is not None:
                    raise failure from None
            finally:
                del failure
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._cancellation.end()
            watcher.cancel()
            await asyncio.wait([watcher])

    async def receive(self) -> Message:
        """Return the client's next message; its last one again and again, once it has gone."""
        self._awaited += 1
        try:
            while not self._ahead and self._last is None and self._failure is None:
                self._news.clear()
                self._room.set()
                await self._news.wait()
        finally:
            self._awaited -= 1
        if self._ahead:
            message = self._ahead.popleft()
            self._size -= _size_of(message)
            self._room.set()
            return message
        if self._last is not None:
            return {**self._last}
        self._last = {"type": f"{self._scope['type']}.disconnect"}
        error, self._failure = self._failure, None
        assert error is not None
        try:
            raise error
        finally:
            del error

    async def send(self, message: Message) -> None:
        """Send a message, unless the client has gone before."""
        if self._gone and not self._answering:
            return
        self._answering = self._answering or message["type"] in _ENDS
        await self._send(message)

    async def _watch(self) -> None:
        while not self._gone:
            while self._size >= READ_AHEAD and not self._awaited:
                self._room.clear()
                await self._room.wait()
            try:
                message = await self._receive()
            except Exception as error:  # raised where the next message is awaited
                self._failure = error
                self._news.set()
                return
            if message["type"] in {"http.disconnect", "websocket.disconnect"}:
                self._gone, self._last = True, message
                self._end()
            else:
                self._ahead.append(message)
                self._size += _size_of(message)
            self._news.set()

    def _end(self) -> None:
        told = self._awaited and self._scope["type"] == "websocket"
        if self._answering or told or self._scope.get("hesper_finished"):
            return
        self._cancellation()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(EXIT_DEADLINE, self._abandon)

    def _abandon(self) -> None:
        if self._scope.get("hesper_finished"):  # what follows a response is no exit
            return
        logger.warning(
            "%s has not ended %g seconds after its client had gone; its exits are cancelled",
            self._label,
            EXIT_DEADLINE,
        )
        self._cancellation()


def _besides_cancellation(ended: BaseException) -> BaseException | None:
    """Return what was raised besides the cancellation, such as by an exit; None for nothing."""
    if not isinstance(ended, BaseExceptionGroup):
        return None
    rest: BaseException | None = ended.split(asyncio.CancelledError)[1]
    while isinstance(rest, BaseExceptionGroup) and len(rest.exceptions) == 1:
        rest = rest.exceptions[0]
    return rest


def _size_of(message: Message) -> int:
    data = message.get("body") or message.get("bytes") or message.get("text") or b""
    return len(data) + _OVERHEAD
