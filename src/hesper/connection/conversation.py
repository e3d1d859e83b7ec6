"""The order in which the messages of a websocket may come (ASGI, WebSocket).

    init ──receive connect──▶ connect ──send accept──▶ receive ──close, or disconnect──▶ disconnect
                                 └──send close, or an HTTP response──▶ disconnect

* A message out of this order is a mistake of who sends it: a `RuntimeError` that says so.
* Sending to a client that has gone is no mistake: a `WebSocketDisconnect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from hesper._types import Message, Receive, Send
from hesper.exceptions import WebSocketDisconnect

ConnectionState: TypeAlias = Literal["init", "connect", "receive", "disconnect"]
"""Where a websocket is in its life."""

# RFC 6455 7.4.1: the codes of an end without a close frame, and of a close frame without a code.
_ABNORMAL: Final = 1006
_NO_CODE: Final = 1005

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
    """

    __slots__ = ("__weakref__", "_left", "_receive", "_send", "state")

    state: ConnectionState
    """Where the websocket is in its life."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._left: tuple[int, str] | None = None
        self.state = "init"

    async def receive(self) -> Message:
        """Return the client's next message.

        Raises:
            RuntimeError: The websocket was closed here.
            WebSocketDisconnect: The client was told to have gone before.
        """
        if self.state == "disconnect":
            raise self._ended("receive from")
        message = await self._receive()
        kind: str = message["type"]
        if kind == "websocket.disconnect":
            # A server may give neither; RFC 6455 7.1.5 says what that means.
            self._left = (message.get("code") or _NO_CODE, message.get("reason") or "")
        if kind in _TO:
            self.state = _TO[kind]
        return message

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
            raise self._ended(f"send {kind!r} to")
        if kind in _TO:
            self.state = _TO[kind]
        try:
            await self._send(message)
        except OSError as error:  # ASGI, WebSocket 2.4: the client has gone
            self.state = "disconnect"
            self._left = (_ABNORMAL, "")
            raise WebSocketDisconnect("the client has gone", code=_ABNORMAL) from error

    def demand_open(self, action: str) -> None:
        """Make sure that data may come and go.

        Args:
            action: What is to be done, for the error.

        Raises:
            RuntimeError: The websocket was not accepted, or was closed here.
            WebSocketDisconnect: The client has gone.
        """
        if self.state != "receive":
            raise self._ended(action)

    def _ended(self, action: str) -> Exception:
        """Return the error of doing something out of turn."""
        if self._left is not None:
            code, reason = self._left
            return WebSocketDisconnect(reason, code=code)
        return RuntimeError(f"cannot {action} the websocket: {_ADVICE[self.state]}")
