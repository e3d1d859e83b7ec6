"""The order in which the messages of a websocket may come (ASGI, WebSocket).

    init ──receive connect──▶ connect ──send accept──▶ receive ──close, or disconnect──▶ disconnect
                                 └──send close, or an HTTP response──▶ disconnect

* A message out of this order is a mistake of who sends it: a `RuntimeError` that says so.
* Sending to a client that has gone is no mistake: a `WebSocketDisconnect`.
* When its lifespan turns to closing, an accepted websocket is closed with 1012, and who receives
  or sends then finds it disconnected with that code.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, overload

from hesper._closing import Closing, Interruption
from hesper._types import Message, Receive, Send
from hesper.exceptions import WebSocketDisconnect, WebSocketException

Mode: TypeAlias = Literal["text", "binary"]
"""The kind of frame that data travels in."""

ConnectionState: TypeAlias = Literal["init", "connect", "receive", "disconnect"]
"""Where a websocket is in its life."""

# RFC 6455 7.4.1: the codes of an end without a close frame, and of a close frame without a code.
_ABNORMAL: Final = 1006
_NO_CODE: Final = 1005
_SERVICE_RESTART: Final = 1012  # of the IANA registry: the client may connect again
_CANNOT_ACCEPT: Final = 1003

_REASON: Final = "service restart"

logger: Final = logging.getLogger("hesper")

_FROM: Final[Mapping[str, tuple[ConnectionState, ...]]] = {
    "websocket.accept": ("connect",),
    "websocket.send": ("receive",),
    "websocket.close": ("connect", "receive"),
    "websocket.http.response.start": ("connect",),
}

_TO: Final[Mapping[str, ConnectionState]] = {
    "websocket.connect": "connect",
    "websocket.accept": "receive",
    "websocket.close": "disconnect",
    "websocket.disconnect": "disconnect",
    "websocket.http.response.start": "disconnect",
}

_ADVICE: Final[Mapping[ConnectionState, str]] = {
    "init": "it has not been accepted; call `await socket.accept()` first",
    "connect": "it has not been accepted; call `await socket.accept()` first",
    "receive": "it has been accepted",
    "disconnect": "it has been closed here",
}


class Conversation:
    """What a websocket has said and heard so far; it lives as long as the websocket.

    Args:
        receive: The server's own receive.
        send: The server's own send.
        closing: The turn of the lifespan that the websocket belongs to.
    """

    __slots__ = (
        "__weakref__",
        "_closing",
        "_ending",
        "_interruption",
        "_left",
        "_receive",
        "_send",
        "state",
    )

    state: ConnectionState
    """Where the websocket is in its life."""

    def __init__(self, receive: Receive, send: Send, closing: Closing | None = None) -> None:
        self._receive = receive
        self._send = send
        self._closing = closing
        self._interruption: Interruption | None = None
        self._ending: asyncio.Task[None] | None = None
        self._left: tuple[int, str] | None = None
        self.state = "init"

    async def receive(self) -> Message:
        """Return the client's next message.

        Raises:
            RuntimeError: The websocket was closed here.
            WebSocketDisconnect: The client was told to have gone before.
        """
        if self.state == "disconnect":
            await self._outlast_ending()
            raise self._ended("receive from")
        if self._interruption is None:
            message = await self._receive()
        else:
            found = await self._interruption.wait(self._receive, None)
            if found is None:
                return await self._closed_here()
            message = found
        self._moved(message)
        return message

    def _moved(self, message: Message) -> None:
        """Go on to where a message of the client leads."""
        kind: str = message["type"]
        if kind in _TO:
            self.state = _TO[kind]
        if kind == "websocket.disconnect":
            # A server may give neither; RFC 6455 7.1.5 says what that means.
            self._left = (message.get("code") or _NO_CODE, message.get("reason") or "")

    @overload
    async def hear(self, mode: Literal["text"]) -> str: ...
    @overload
    async def hear(self, mode: Literal["binary"]) -> bytes: ...
    @overload
    async def hear(self, mode: Mode) -> str | bytes: ...
    async def hear(self, mode: Mode) -> str | bytes:
        """Return the data of the client's next message.

        Args:
            mode: The kind of frame that is expected.

        Raises:
            RuntimeError: The websocket was not accepted, or was closed here.
            WebSocketDisconnect: The client has gone.
            WebSocketException: A frame of the other kind came.
        """
        if self.state != "receive":
            self.demand_open("receive data from")
        interruption = self._interruption
        if interruption is None or self._ending is not None:
            message = await self.receive()
        else:
            # PERF: what `receive` does, in one coroutine instead of three.
            interruption.begin()
            found: Message | None = None
            try:
                found = await self._receive()
            except asyncio.CancelledError:
                if not interruption.is_alone:
                    raise
            finally:
                interruption.end()
            message = await self._closed_here() if found is None else found
            if message["type"] != "websocket.receive":
                self._moved(message)
        if message["type"] == "websocket.disconnect":
            self.demand_open("receive data from")
        data: str | bytes | None = message.get("text" if mode == "text" else "bytes")
        if data is None:
            raise WebSocketException(f"Expected a {mode} frame", code=_CANNOT_ACCEPT)
        return data

    async def send(self, message: Message) -> None:
        """Send a message to the client.

        Args:
            message: The message.

        Raises:
            RuntimeError: It is not the turn of this message.
            WebSocketDisconnect: The client has gone.
        """
        kind: str = message["type"]
        if self.state not in _FROM.get(kind, (self.state,)):
            await self._outlast_ending()
            raise self._ended(f"send {kind!r} to")
        if kind in _TO:
            self.state = _TO[kind]
        try:
            await self._send(message)
        except OSError as error:  # ASGI, WebSocket 2.4: the client has gone
            raise self._lost() from error
        if kind == "websocket.accept" and self._closing is not None:
            self._interruption = Interruption(self._closing)
            self._closing.tell(self)

    async def say(self, data: str | bytes, mode: Mode, encoding: str) -> None:
        """Send data to the client.

        Args:
            data: What to send.
            mode: The kind of frame to send it in.
            encoding: How text becomes bytes, and bytes text, where the frame asks for it.

        Raises:
            RuntimeError: The websocket was not accepted, or was closed here.
            WebSocketDisconnect: The client has gone.
        """
        if self.state != "receive":
            self.demand_open("send data to")
            await self._outlast_ending()
            raise self._ended("send data to")
        if mode == "text":
            text = data if isinstance(data, str) else data.decode(encoding)
            message: Message = {"type": "websocket.send", "text": text}
        else:
            encoded = data.encode(encoding) if isinstance(data, str) else data
            message = {"type": "websocket.send", "bytes": encoded}
        # PERF: what `send` does, in one coroutine instead of two.
        try:
            await self._send(message)
        except OSError as error:
            raise self._lost() from error

    def _lost(self) -> WebSocketDisconnect:
        """Return the error of a client that has gone without a word."""
        self.state = "disconnect"
        self._left = (_ABNORMAL, "")
        return WebSocketDisconnect("the client has gone", code=_ABNORMAL)

    async def gone(self) -> None:
        """Wait until the client has gone, wherever the websocket is in its life."""
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    def turned(self) -> None:
        """Close the websocket, whatever its handler does, as its lifespan is closing."""
        if self.state == "receive" and self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        if self._interruption is not None:
            self._interruption.turned()

    async def _end(self) -> None:
        if self.state != "receive":
            return
        self.state = "disconnect"
        self._left = (_SERVICE_RESTART, _REASON)
        message = {"type": "websocket.close", "code": _SERVICE_RESTART, "reason": _REASON}
        try:
            await self._send(message)
        except Exception as error:  # the server has closed it itself, or the client has gone
            logger.debug("a websocket could not be closed: %r", error)

    async def _outlast_ending(self) -> None:
        """Wait until the close frame is sent: once its handler returns, nothing can be."""
        if self._ending is not None:
            await asyncio.wait({self._ending})

    async def _closed_here(self) -> Message:
        """Return what the handler is told in the place of the client's next message."""
        self.turned()
        await self._outlast_ending()
        if self._left is None:
            raise self._ended("receive from")
        code, reason = self._left
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    def demand_open(self, action: str) -> None:
        """Make sure that data may come and go.

        Args:
            action: What is to be done, for the error.

        Raises:
            RuntimeError: The websocket was not accepted, or was closed here.
            WebSocketDisconnect: The client has gone.
        """
        # While it is being closed here, `receive` and `send` wait for that, and then say so.
        is_ending = self._ending is not None and not self._ending.done()
        if self.state != "receive" and not is_ending:
            raise self._ended(action)

    def _ended(self, action: str) -> Exception:
        """Return the error of doing something out of turn."""
        if self._left is not None:
            code, reason = self._left
            return WebSocketDisconnect(reason, code=code)
        return RuntimeError(f"cannot {action} the websocket: {_ADVICE[self.state]}")
