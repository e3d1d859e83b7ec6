"""A websocket session of the sync client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar

from anyio.from_thread import BlockingPortal

from hesper._types import Message, RawHeaders
from hesper.exceptions import WebSocketDisconnect
from hesper.status_codes import WS_1000_NORMAL_CLOSURE
from hesper.testing.portal import PortalTransport, run
from hesper.testing.websocket import AsyncWebSocketTestSession, payload

__all__ = ("WebSocketTestSession",)

T = TypeVar("T")
P = ParamSpec("P")


class WebSocketTestSession:
    """A websocket between the sync client and an app. It lives as long as its `with` block.

    Everything is as in `AsyncWebSocketTestSession`, and waits for the app's thread.

    Args:
        transport: The client's transport.
        session: The websocket, not yet open.
    """

    __slots__ = ("__weakref__", "_portal", "_session", "_transport")

    def __init__(self, transport: PortalTransport, session: AsyncWebSocketTestSession) -> None:
        self._transport = transport
        self._session = session
        self._portal: BlockingPortal | None = None

    def __enter__(self) -> Self:
        portal = self._transport.portals.enter()
        try:
            run(portal, self._session.connect)
        except BaseException:
            try:
                if not self._transport.entered:
                    run(portal, self._session.conversation.abandon)
            finally:
                self._transport.portals.leave()
            raise
        self._portal = portal
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        portal, self._portal = self._portal, None
        if portal is None:
            return
        try:
            leave = self._session.conversation.leave
            run(portal, leave, for_good=not self._transport.entered)
        finally:
            self._transport.portals.leave()

    def _run(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if self._portal is None:
            raise RuntimeError(
                "The websocket is not open; write `with client.websocket_connect(...) as session:`"
                " and use the session inside the block."
            )
        return run(self._portal, function, *args, **kwargs)

    @property
    def accepted_subprotocol(self) -> str | None:
        """The subprotocol that the app has chosen."""
        return self._session.accepted_subprotocol

    @property
    def extra_headers(self) -> RawHeaders:
        """The headers that the app has put on its answer to the handshake."""
        return self._session.extra_headers

    def send(
        self,
        data: str | bytes,
        mode: Literal["text", "binary"] = "text",
        encoding: str = "utf-8",
    ) -> None:
        """Send *data* in a message of the kind that *mode* names.

        Args:
            data: What to send.
            mode: The kind of message.
            encoding: How text becomes bytes, or bytes text, where it is not of that kind.
        """
        self._run(self._session.send, data, mode, encoding)

    def send_text(self, data: str) -> None:
        """Send *data* as a text message."""
        self._run(self._session.send_text, data)

    def send_bytes(self, data: bytes) -> None:
        """Send *data* as a binary message."""
        self._run(self._session.send_bytes, data)

    def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send *data* as JSON, in a message of the kind that *mode* names."""
        self._run(self._session.send_json, data, mode)

    def send_msgpack(self, data: Any) -> None:
        """Send *data* as MessagePack, in a binary message."""
        self._run(self._session.send_msgpack, data)

    def receive(self, block: bool = True, timeout: float | None = None) -> Message:
        """Return the next message of the app, a `websocket.send`.

        Args:
            block: Whether to wait for it, if it is not there yet.
            timeout: How many seconds to wait for it; None waits as long as the app runs.

        Raises:
            TimeoutError: No message came in time.
            WebSocketDisconnect: The websocket is closed; `code` and `detail` say what the app said.
            Exception: Whatever the app raised.
        """
        return self._run(self._session.receive, block, timeout)

    def receive_text(self, block: bool = True, timeout: float | None = None) -> str:
        """Return the text of the next message."""
        return self._run(self._session.receive_text, block, timeout)

    def receive_bytes(self, block: bool = True, timeout: float | None = None) -> bytes:
        """Return the bytes of the next message."""
        return self._run(self._session.receive_bytes, block, timeout)

    def receive_json(
        self,
        mode: Literal["text", "binary"] = "text",
        block: bool = True,
        timeout: float | None = None,
    ) -> Any:
        """Return what the next message, of the kind that *mode* names, holds as JSON."""
        return self._run(self._session.receive_json, mode, block, timeout)

    def receive_msgpack(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return what the next message holds as MessagePack."""
        return self._run(self._session.receive_msgpack, block, timeout)

    def __iter__(self) -> Iterator[str | bytes]:
        while True:
            try:
                message = self.receive()
            except WebSocketDisconnect:
                return
            yield payload(message)

    def close(self, code: int = WS_1000_NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the websocket from the client's side, unless it is closed already.

        Args:
            code: Why, for programs (RFC 6455 7.4).
            reason: Why, for people.
        """
        self._run(self._session.close, code, reason)
