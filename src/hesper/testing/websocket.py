"""A websocket session of the async client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from types import TracebackType
from typing import Any, Literal, Self

import httpx2

from hesper._types import Message, RawHeaders
from hesper.exceptions import WebSocketDisconnect
from hesper.serialization import decode_json, decode_msgpack, encode_json, encode_msgpack
from hesper.status_codes import WS_1000_NORMAL_CLOSURE
from hesper.testing.conversation import Conversation

__all__ = ("AsyncWebSocketTestSession",)


class AsyncWebSocketTestSession:
    """A websocket between the async client and an app. It lives as long as its `async with` block.

    `client.websocket_connect(...)` makes it, entering it does the handshake. A block that is left
    without closing closes with 1000, waits for the app, and raises what the app raised.

    Iterating it yields the text or the bytes of each message until the app closes.

    Args:
        conversation: The websocket, not yet open.
        request: The opening handshake.
        subprotocols: What the client offers to speak, the most wanted first.
    """

    __slots__ = ("__weakref__", "_request", "_subprotocols", "conversation")

    def __init__(
        self, conversation: Conversation, request: httpx2.Request, subprotocols: list[str]
    ) -> None:
        self.conversation = conversation
        self._request = request
        self._subprotocols = subprotocols

    def __await__(self) -> Generator[None, None, Self]:
        # `async with await client.websocket_connect(...)` is written too, and means the same.
        yield from ()
        return self

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.conversation.leave()

    async def connect(self) -> None:
        """Do the opening handshake, as entering does."""
        await self.conversation.open(self._request, self._subprotocols)

    @property
    def accepted_subprotocol(self) -> str | None:
        """The subprotocol that the app has chosen."""
        return self.conversation.messages.subprotocol

    @property
    def extra_headers(self) -> RawHeaders:
        """The headers that the app has put on its answer to the handshake."""
        return self.conversation.messages.headers

    async def send(
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

        Raises:
            WebSocketDisconnect: The websocket is closed.
        """
        if mode == "text":
            await self.send_text(data if isinstance(data, str) else data.decode(encoding))
        else:
            await self.send_bytes(data.encode(encoding) if isinstance(data, str) else data)

    async def send_text(self, data: str) -> None:
        """Send *data* as a text message.

        Raises:
            WebSocketDisconnect: The websocket is closed.
        """
        self.conversation.put({"type": "websocket.receive", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send *data* as a binary message.

        Raises:
            WebSocketDisconnect: The websocket is closed.
        """
        self.conversation.put({"type": "websocket.receive", "bytes": data})

    async def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send *data* as JSON, in a message of the kind that *mode* names.

        Raises:
            WebSocketDisconnect: The websocket is closed.
        """
        encoded = encode_json(data)
        if mode == "text":
            await self.send_text(encoded.decode())
        else:
            await self.send_bytes(encoded)

    async def send_msgpack(self, data: Any) -> None:
        """Send *data* as MessagePack, in a binary message.

        Raises:
            WebSocketDisconnect: The websocket is closed.
        """
        await self.send_bytes(encode_msgpack(data))

    async def receive(self, block: bool = True, timeout: float | None = None) -> Message:
        """Return the next message of the app, a `websocket.send`.

        Args:
            block: Whether to wait for it, if it is not there yet.
            timeout: How many seconds to wait for it; None waits as long as the app runs.

        Raises:
            TimeoutError: No message came in time.
            WebSocketDisconnect: The websocket is closed; `code` and `detail` say what the app said.
            Exception: Whatever the app raised.
        """
        async with asyncio.timeout(timeout if block else 0):
            return await self.conversation.take()

    async def receive_text(self, block: bool = True, timeout: float | None = None) -> str:
        """Return the text of the next message; it raises what `receive` raises.

        Raises:
            TypeError: The message is a binary one.
        """
        data = payload(await self.receive(block, timeout))
        if not isinstance(data, str):
            raise TypeError(f"The app sent bytes, {data!r:.200}; read them with receive_bytes().")
        return data

    async def receive_bytes(self, block: bool = True, timeout: float | None = None) -> bytes:
        """Return the bytes of the next message; it raises what `receive` raises.

        Raises:
            TypeError: The message is a text.
        """
        data = payload(await self.receive(block, timeout))
        if not isinstance(data, bytes):
            raise TypeError(f"The app sent text, {data!r:.200}; read it with receive_text().")
        return data

    async def receive_json(
        self,
        mode: Literal["text", "binary"] = "text",
        block: bool = True,
        timeout: float | None = None,
    ) -> Any:
        """Return what the next message holds as JSON; it raises what `receive` raises.

        Args:
            mode: The kind of message that the JSON has to come in.
            block: As in `receive`.
            timeout: As in `receive`.

        Raises:
            TypeError: The message is of the other kind.
            SerializationException: It is not JSON.
        """
        if mode == "text":
            return decode_json(await self.receive_text(block, timeout))
        return decode_json(await self.receive_bytes(block, timeout))

    async def receive_msgpack(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return what the next message holds as MessagePack; it raises what `receive` raises.

        Raises:
            TypeError: The message is a text.
            SerializationException: It is not MessagePack.
        """
        return decode_msgpack(await self.receive_bytes(block, timeout))

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.conversation.take()
            except WebSocketDisconnect:
                return
            yield payload(message)

    async def close(self, code: int = WS_1000_NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the websocket from the client's side, unless it is closed already.

        Args:
            code: Why, for programs (RFC 6455 7.4).
            reason: Why, for people.
        """
        self.conversation.close(code, reason)


def payload(message: Message) -> str | bytes:
    """Return what the `websocket.send` *message* carries."""
    text: str | None = message.get("text")
    data: bytes = message.get("bytes") or b""
    return data if text is None else text
