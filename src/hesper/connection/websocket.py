"""A websocket.

* Doing something out of turn is a `RuntimeError`; `connection.conversation` holds the order.
* That the client has gone is no error of anybody: `receive_*` and `send_*` raise
  `WebSocketDisconnect`, and the iterators end.
* Data that is not what was asked for raises a `WebSocketException` which, let through, closes
  the websocket with 1003 or 1007 (RFC 6455 7.4.1).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final, Literal, TypeVar, overload

from hesper._closing import closing_of
from hesper._types import ASGIApp, Message, Receive, Scope, Send, TypeEncodersMap
from hesper.connection.connection import ASGIConnection, AuthT, StateT, UserT
from hesper.connection.conversation import ConnectionState, Conversation, Mode
from hesper.datastructures.headers import encode_header
from hesper.exceptions import WebSocketDisconnect, WebSocketException
from hesper.serialization import (
    DECODE_ERRORS,
    encode_json,
    encode_msgpack,
    fault_of,
    json_decoder,
    msgpack_decoder,
)

T = TypeVar("T")

_DATA: Final = ("receive_data", "receive_text", "receive_bytes", "send_data")
"""The methods that others of a websocket go through."""

_INVALID_DATA: Final = 1007
_MAX_REASON: Final = 123  # bytes; RFC 6455 5.5: a control frame holds 125, two are the code

_decode_json: Final = json_decoder(Any)
_decode_msgpack: Final = msgpack_decoder(Any)


class WebSocket(ASGIConnection[UserT, AuthT, StateT]):
    """A websocket, from the client's request to open it until it is closed.

    It lives as long as whoever serves the connection holds it. Its `receive` and `send` are
    those of the server, with the order of messages checked.

    Args:
        scope: The connection's scope.
        receive: Waits for the client's next message.
        send: Sends a message to the client.
    """

    __slots__ = ("_conversation",)

    _has_own_data: ClassVar[bool] = False
    """Whether a subclass has methods of its own through which data comes and goes."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._has_own_data = any(
            getattr(cls, name) is not getattr(WebSocket, name) for name in _DATA
        )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # An object of its own, as bound methods of this one would be a cycle.
        conversation = Conversation(receive, send, closing_of(scope), not self._has_own_data)
        self._conversation = conversation
        # PERF: set here, since `super` takes longer than all this does.
        self.scope = scope
        self.receive = conversation.receive
        self.send = conversation.send

    @property
    def connection_state(self) -> ConnectionState:
        """Where the websocket is in its life.

        "init" until the client's request to open it is received, "connect" until it is accepted,
        "receive" while data may come and go, "disconnect" from then on.
        """
        return self._conversation.state

    async def accept(
        self, subprotocols: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Open the websocket.

        Args:
            subprotocols: The subprotocol to speak, one of those in `scope["subprotocols"]`.
            headers: Header lines for the answer.

        Raises:
            RuntimeError: It was accepted or closed before.
            ValueError: A header cannot be sent.
            WebSocketDisconnect: The client has gone.
        """
        lines = [encode_header(*header) for header in headers.items()] if headers else []
        await self._conversation.begin()
        send = self.send  # PERF: CPython would search the class for what is called
        await send({"type": "websocket.accept", "subprotocol": subprotocols, "headers": lines})

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the websocket; not accepted yet, refuse it, which the client sees as a 403.

        Nothing happens if the client has gone.

        Args:
            code: The close code (RFC 6455 7.4).
            reason: Why; cut after 123 bytes of UTF-8, which is all that can be sent.

        Raises:
            RuntimeError: It was closed before.
        """
        try:
            await self._conversation.begin()
            cut = (reason or "").encode("utf-8", "replace")[:_MAX_REASON].decode("utf-8", "ignore")
            await self.send({"type": "websocket.close", "code": code, "reason": cut})
        except WebSocketDisconnect:
            pass  # which is what was wanted

    async def send_denial(self, response: ASGIApp) -> None:
        """Refuse the websocket with an HTTP response (ASGI, Websocket Denial Response).

        Where the server cannot send one, the client sees a 403.

        Args:
            response: A response, or any ASGI app that sends one.

        Raises:
            RuntimeError: It was accepted or closed before.
            WebSocketDisconnect: The client has gone.
        """
        await self._conversation.begin()
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self.close()
            return
        send, conversation = self.send, self._conversation
        incoming: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive_as_http() -> Message:
            if incoming:
                return incoming.pop()
            await conversation.gone()
            return {"type": "http.disconnect"}

        async def send_as_websocket(message: Message) -> None:
            await send({**message, "type": f"websocket.{message['type']}"})

        request = {**self.scope, "type": "http", "method": "GET"}
        await response(request, receive_as_http, send_as_websocket)

    @overload
    async def receive_data(self, mode: Literal["text"] = "text") -> str: ...
    @overload
    async def receive_data(self, mode: Literal["binary"]) -> bytes: ...
    @overload
    async def receive_data(self, mode: Mode) -> str | bytes: ...
    async def receive_data(self, mode: Mode = "text") -> str | bytes:
        """Return the data of the client's next message.

        Args:
            mode: The kind of frame that is expected.

        Raises:
            RuntimeError: The websocket was not accepted, or was closed here.
            WebSocketDisconnect: The client has gone.
            WebSocketException: A frame of the other kind came.
        """
        conversation = self._conversation
        if conversation.state != "receive":
            conversation.demand_open("receive data from")
        return conversation.data_of(await conversation.receive(), mode)

    async def receive_text(self) -> str:
        """Return the text of the client's next message; for errors see `receive_data`."""
        conversation = self._conversation
        if conversation.send_open is None:
            return await self.receive_data("text")
        return conversation.data_of(await conversation.receive(), "text")

    async def receive_bytes(self) -> bytes:
        """Return the bytes of the client's next message; for errors see `receive_data`."""
        conversation = self._conversation
        if conversation.send_open is None:
            return await self.receive_data("binary")
        return conversation.data_of(await conversation.receive(), "binary")

    async def receive_json(self, mode: Mode = "text") -> Any:
        """Return the data of the client's next message, decoded as JSON.

        Args:
            mode: The kind of frame that is expected.

        Raises:
            WebSocketException: It is not JSON; for further errors see `receive_data`.
        """
        return _decoded(_decode_json, await self.receive_data(mode))

    async def receive_msgpack(self) -> Any:
        """Return the data of the client's next message, decoded as MessagePack.

        Raises:
            WebSocketException: It is not MessagePack; for further errors see `receive_data`.
        """
        return _decoded(_decode_msgpack, await self.receive_bytes())

    def iter_data(self, mode: Mode = "text") -> AsyncIterator[str | bytes]:
        """Return an iterator over the data of all messages, which ends when the client goes.

        Args:
            mode: The kind of frame that is expected.
        """
        return _until_disconnected(lambda: self.receive_data(mode))

    def iter_text(self) -> AsyncIterator[str]:
        """Return an iterator over the text of all messages, which ends when the client goes."""
        if not self._has_own_data:
            return self._conversation.heard("text")
        return _until_disconnected(self.receive_text)

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Return an iterator over the bytes of all messages, which ends when the client goes."""
        if not self._has_own_data:
            return self._conversation.heard("binary")
        return _until_disconnected(self.receive_bytes)

    def iter_json(self, mode: Mode = "text") -> AsyncIterator[Any]:
        """Return an iterator over all messages as JSON, which ends when the client goes.

        Args:
            mode: The kind of frame that is expected.
        """
        return _until_disconnected(lambda: self.receive_json(mode))

    def iter_msgpack(self) -> AsyncIterator[Any]:
        """Return an iterator over all messages as MessagePack, which ends when the client goes."""
        return _until_disconnected(self.receive_msgpack)

    async def send_data(
        self, data: str | bytes, mode: Mode = "text", encoding: str = "utf-8"
    ) -> None:
        """Send text or bytes.

        Args:
            data: What to send.
            mode: The kind of frame to send it in.
            encoding: How text becomes bytes, and bytes text, where the frame asks for it.

        Raises:
            RuntimeError: The websocket was not accepted, or was closed here.
            WebSocketDisconnect: The client has gone.
        """
        self._conversation.demand_open("send data to")
        if mode == "text":
            text = data if isinstance(data, str) else data.decode(encoding)
            message: Message = {"type": "websocket.send", "text": text}
        else:
            encoded = data.encode(encoding) if isinstance(data, str) else data
            message = {"type": "websocket.send", "bytes": encoded}
        await self._conversation.send(message)

    async def send_text(self, data: str | bytes, encoding: str = "utf-8") -> None:
        """Send a text frame; for errors see `send_data`.

        Args:
            data: What to send.
            encoding: How bytes become text.
        """
        # PERF: while it is open, what `send_data` does, in one coroutine.
        send = self._conversation.send_open
        if send is not None and type(data) is str:
            try:
                await send({"type": "websocket.send", "text": data})
            except OSError as error:
                raise self._conversation.lost() from error
        else:
            await self.send_data(data, "text", encoding)

    async def send_bytes(self, data: str | bytes, encoding: str = "utf-8") -> None:
        """Send a binary frame; for errors see `send_data`.

        Args:
            data: What to send.
            encoding: How text becomes bytes.
        """
        # PERF: as in `send_text`.
        send = self._conversation.send_open
        if send is not None and type(data) is bytes:
            try:
                await send({"type": "websocket.send", "bytes": data})
            except OSError as error:
                raise self._conversation.lost() from error
        else:
            await self.send_data(data, "binary", encoding)

    async def send_json(
        self,
        data: Any,
        mode: Mode = "text",
        serializer: Callable[[Any], Any] | None = None,
    ) -> None:
        """Send a value as JSON.

        Args:
            data: The value.
            mode: The kind of frame to send it in.
            serializer: Turns what JSON has no form for into something encodable; by default the
                `type_encoders` of the route do.

        Raises:
            SerializationException: The value cannot be encoded; for further errors see
                `send_data`.
        """
        await self.send_data(encode_json(data, self._encoders(serializer)), mode)

    async def send_msgpack(self, data: Any, serializer: Callable[[Any], Any] | None = None) -> None:
        """Send a value as MessagePack.

        Args:
            data: The value.
            serializer: As of `send_json`.

        Raises:
            SerializationException: The value cannot be encoded; for further errors see
                `send_data`.
        """
        await self.send_data(encode_msgpack(data, self._encoders(serializer)), "binary")

    def _encoders(self, serializer: Callable[[Any], Any] | None) -> TypeEncodersMap | None:
        if serializer is not None:
            return {object: serializer}
        return self.route_handler.type_encoders if "route_handler" in self.scope else None


async def _until_disconnected(receive: Callable[[], Awaitable[T]]) -> AsyncIterator[T]:
    while True:
        try:
            data = await receive()
        except WebSocketDisconnect:
            return
        yield data


def _decoded(decode: Callable[[bytes], Any], data: str | bytes) -> Any:
    try:
        return decode(data.encode() if isinstance(data, str) else data)
    except DECODE_ERRORS as error:
        detail = fault_of(error)[0].message
        raise WebSocketException(detail, code=_INVALID_DATA) from None
