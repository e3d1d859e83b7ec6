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
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Literal, TypeAlias, overload

from hesper._closing import NEVER, Closing, Waiter, interruptible, undisturbed
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
    "websocket.accept": "receive",
    "websocket.close": "disconnect",
    "websocket.http.response.start": "disconnect",
}

_KEYS: Final[Mapping[Mode, str]] = {"text": "text", "binary": "bytes"}

_ADVICE: Final[Mapping[ConnectionState, str]] = {
    "init": "it has not been accepted; call `await socket.accept()` first",
    "connect": "it has not been accepted; call `await socket.accept()` first",
    "receive": "it has been accepted",
    "disconnect": "it has been closed here",
}


class Conversation(Waiter):
    """What a websocket has said and heard so far; it lives as long as the websocket.

    Args:
        receive: The server's own receive.
        send: The server's own send.
        closing: The turn of the lifespan that the websocket belongs to.
        is_direct: Whether data may be sent by `send_open`.
    """

    __slots__ = (
        "__weakref__",
        "_closing",
        "_ending",
        "_is_direct",
        "_left",
        "_receive",
        "_send",
        "send_open",
        "state",
    )

    state: ConnectionState
    """Where the websocket is in its life."""
    send_open: Send | None
    """The server's own send while data may come and go directly, without asking for more."""

    def __init__(
        self, receive: Receive, send: Send, closing: Closing = NEVER, is_direct: bool = True
    ) -> None:
        self._receive = receive
        self._send = send
        self._closing = closing
        self._is_direct = is_direct
        self._ending: asyncio.Task[None] | None = None
        self._left: tuple[int, str] | None = None
        self.state = "init"
        self.send_open = None

    async def begin(self) -> None:
        """Receive the client's request to open the websocket, unless that has been done.

        Raises:
            WebSocketDisconnect: The client has gone before it was answered.
        """
        if self.state == "init":
            receive = self._receive
            message = await receive()
            self._moved(message)
            if message["type"] != "websocket.connect":
                self.demand_open("open")

    @interruptible
    async def receive(self) -> Message:
        """Return the client's next message.

        Raises:
            RuntimeError: The websocket was closed here.
            WebSocketDisconnect: The client was told to have gone before.
        """
        if self.state == "disconnect":
            await self._outlast_ending()
            raise self._ended("receive from")
        if self._closing.has_come and self.state == "receive":
            return await self._closed_here()
        receive = self._receive  # PERF: CPython would search the class for what is called
        closing = self._closing
        try:
            message = await receive()
        except BaseException as error:
            if not closing.ends(self, error):
                raise
            return await self._closed_here()
        if closing.has_come:
            closing.release(self)
        if message["type"] != "websocket.receive":
            self._moved(message)
        return message

    def _moved(self, message: Message) -> None:
        """Go on to where a message of the client leads."""
        kind: str = message["type"]
        if kind == "websocket.disconnect":
            # A server may give neither; RFC 6455 7.1.5 says what that means.
            self._leave(message.get("code") or _NO_CODE, message.get("reason") or "")
        elif kind == "websocket.connect":
            self.state, self.send_open = "connect", None

    def _leave(self, code: int, reason: str) -> None:
        """Note with what the client has gone."""
        self.state, self.send_open = "disconnect", None
        self._left = (code, reason)

    @overload
    def data_of(self, message: Message, mode: Literal["text"]) -> str: ...
    @overload
    def data_of(self, message: Message, mode: Literal["binary"]) -> bytes: ...
    @overload
    def data_of(self, message: Message, mode: Mode) -> str | bytes: ...
    def data_of(self, message: Message, mode: Mode) -> str | bytes:
        """Return the data of a message that was received.

        Args:
            message: The message.
            mode: The kind of frame that is expected.

        Raises:
            WebSocketDisconnect: It says that the client has gone.
            WebSocketException: It is a frame of the other kind.
        """
        data: str | bytes | None = message.get(_KEYS[mode])
        if data is not None:
            return data
        if message["type"] == "websocket.disconnect":
            raise self._ended("receive data from")
        raise WebSocketException(f"Expected a {mode} frame", code=_CANNOT_ACCEPT)

    @interruptible
    async def heard(self, mode: Mode) -> AsyncGenerator[Any, None]:
        """Yield the data of all messages, until the client has gone.

        Args:
            mode: The kind of frame that is expected.

        Raises:
            RuntimeError: The websocket was not accepted, or was closed here.
            WebSocketException: A frame of the other kind came.
        """
        key = _KEYS[mode]
        # PERF: while it is open, what `receive` does is done here, without its coroutine. A turn
        # that comes meanwhile moves it on, or finds it waiting.
        closing = self._closing
        receive = self.receive if closing.has_come else self._receive
        while True:
            try:
                if self.send_open is None:  # nor will it ever be again
                    self.demand_open("receive data from")
                    receive = self.receive
                message = await receive()
                try:
                    data = message[key]
                except KeyError:
                    data = None
                if data is None:
                    if message["type"] == "websocket.disconnect":
                        self._moved(message)
                        return
                    data = self.data_of(message, mode)
            except WebSocketDisconnect:
                closing.release(self)
                return
            except BaseException as error:
                if not closing.ends(self, error):
                    raise
                continue  # and be told
            # PERF: an interruption that middleware swallowed is taken back by the next look, as
            # asking for one would cost each message.
            yield data

    async def send(self, message: Message) -> None:
        """Send a message to the client.

        Args:
            message: The message.

        Raises:
            RuntimeError: It is not the turn of this message.
            WebSocketDisconnect: The client has gone.
        """
        kind: str = message["type"]
        before = _FROM.get(kind)
        if before is not None and self.state not in before:
            await self._outlast_ending()
            raise self._ended(f"send {kind!r} to")
        send = self._send
        if kind in _TO:
            self.state = _TO[kind]
            is_open = self._is_direct and kind == "websocket.accept"
            # PERF: what each message asks for is one reference, and not what it follows from.
            self.send_open = send if is_open else None
        try:
            await send(message)
        except OSError as error:  # ASGI, WebSocket 2.4: the client has gone
            raise self.lost() from error
        if kind == "websocket.accept" and self._closing is not NEVER:
            self._closing.tell(self)

    def lost(self) -> WebSocketDisconnect:
        """Return the error of a client that has gone without a word."""
        self._leave(_ABNORMAL, "")
        return WebSocketDisconnect("the client has gone", code=_ABNORMAL)

    async def gone(self) -> None:
        """Wait until the client has gone, wherever the websocket is in its life."""
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    def waits_for(self, closing: Closing) -> bool:
        """Tell whether a turn ends what is waited for: a message, once it has been accepted."""
        return closing is self._closing and self.state in {"receive", "disconnect"}

    def turned(self) -> None:
        """Close the websocket, whatever its handler does, as its lifespan is closing."""
        if self.state == "receive":
            self._leave(_SERVICE_RESTART, _REASON)
            self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        message = {"type": "websocket.close", "code": _SERVICE_RESTART, "reason": _REASON}
        try:
            await self._send(message)
        except Exception as error:  # the server has closed it itself, or the client has gone
            logger.debug("a websocket could not be closed: %r", error)

    @undisturbed
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
