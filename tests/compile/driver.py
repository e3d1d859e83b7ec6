"""Serves one connection of an ASGI app, and keeps all that the app sends.

What it is sent is checked against the order of messages (ASGI, HTTP and WebSocket): a response
starts once, and nothing follows its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hesper._types import ASGIApp, Message, Scope


@dataclass
class Sent:
    """All that an app sent, and what it raised."""

    messages: list[Message] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.messages[0]["headers"])

    def header(self, name: bytes) -> bytes | None:
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, f"{name!r} was sent twice"
        return found[0] if found else None

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def complete(self) -> bool:
        return len(self.messages) > 1 and not self.messages[-1].get("more_body", False)

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def faults(self) -> set[tuple[str, str]]:
        """The source and the key of each fault of a 400."""
        assert self.status == 400, self.body
        return {(fault["source"], fault["key"]) for fault in self.json()["extra"]}

    def take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            assert not self.messages, "a second start"
            assert 100 <= message["status"] <= 599
            for name, value in message["headers"]:
                assert isinstance(name, bytes)
                assert isinstance(value, bytes)
                assert not {*b"\r\n\0"} & {*name, *value}, (name, value)
        elif kind == "http.response.body":
            assert self.messages, "a body before the start"
            assert not self.complete, "a body after the end"
        self.messages.append(message)


def http_scope(
    method: str,
    path: str,
    *,
    query: str | bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
) -> Scope:
    """Return the scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode() if isinstance(query, str) else query,
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def request(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    query: str | bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | Sequence[bytes] = b"",
    send_fails_at: int | None = None,
) -> Sent:
    """Return what *app* sends to one request; what it raises is kept, too.

    Args:
        app: Any ASGI app.
        method: The method.
        path: The decoded path.
        query: The query string.
        headers: Header lines.
        body: The body, or its chunks, each of which is one message.
        send_fails_at: The message, counted from 0, at which the client is found to have gone.
    """
    return await serve(
        app,
        http_scope(method, path, query=query, headers=headers),
        [body] if isinstance(body, bytes) else body,
        send_fails_at=send_fails_at,
    )


async def serve(
    app: ASGIApp,
    scope: Scope,
    chunks: Sequence[bytes] = (b"",),
    *,
    truncated: bool = False,
    send_fails_at: int | None = None,
) -> Sent:
    """Return what *app* sends to the request of *scope*; what it raises is kept, too.

    Args:
        app: Any ASGI app.
        scope: The request's scope.
        chunks: The body, chunk by chunk.
        truncated: Whether the client goes after the last chunk, before the end of the body.
        send_fails_at: The message, counted from 0, at which the client is found to have gone.
    """
    sent = Sent()
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": truncated or index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        if not sent.complete and not truncated:
            await asyncio.Event().wait()  # the client waits for the response
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if len(sent.messages) == send_fails_at:
            raise OSError("the client has gone")
        sent.take(message)

    try:
        await app(scope, receive, send)
    except Exception as error:
        sent.error = error
    return sent


def sent_by(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    query: str | bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | Sequence[bytes] = b"",
) -> Sent:
    """Return what *app* sends to one request, on a loop of its own; it must not raise."""
    sent = asyncio.run(request(app, method, path, query=query, headers=headers, body=body))
    assert sent.error is None, sent.error
    return sent


JSON = (("content-type", "application/json"),)
FORM = (("content-type", "application/x-www-form-urlencoded"),)
MSGPACK = (("content-type", "application/x-msgpack"),)
TEXT = (("content-type", "text/plain"),)
