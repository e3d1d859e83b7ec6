"""The other end of a connection, played message by message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import anyio.lowlevel

from hesper._types import Message, Scope


class Peer:
    """A client behind a server: says what it was told to say, then stays until it leaves.

    Args:
        *says: The messages that `receive` gives, in order.
        gone_type: The type of the message that says it has gone.
    """

    def __init__(self, *says: Message, gone_type: str = "http.disconnect") -> None:
        self.says = list(says)
        self.gone_type = gone_type
        self.left = anyio.Event()
        self.heard: list[Message] = []
        self.receives = 0

    async def receive(self) -> Message:
        self.receives += 1
        if self.says:
            return self.says.pop(0)
        await self.left.wait()
        return {"type": self.gone_type}

    async def send(self, message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        self.heard.append(message)

    @property
    def status(self) -> int:
        status: int = self.heard[0]["status"]
        return status

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers: list[tuple[bytes, bytes]] = self.heard[0]["headers"]
        return headers

    @property
    def chunks(self) -> list[bytes]:
        return [message.get("body", b"") for message in self.heard[1:]]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


class DeafServer(Peer):
    """A server of ASGI 2.4 whose client hears only the first few messages."""

    def __init__(self, hears: int) -> None:
        super().__init__()
        self.hears = hears

    async def send(self, message: Message) -> None:
        if len(self.heard) == self.hears:
            raise OSError("the client has gone")
        await super().send(message)


def chunk(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def request_scope(
    method: str = "GET",
    path: str = "/",
    *,
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    **more: Any,
) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"books.example"), *headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        **more,
    }


def socket_scope(path: str = "/", **more: Any) -> Scope:
    scope = request_scope(path=path)
    del scope["method"]
    return {**scope, "type": "websocket", "scheme": "ws", "subprotocols": [], **more}
