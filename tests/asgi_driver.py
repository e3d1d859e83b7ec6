"""Serves one request from memory: a scope in, the messages out, nothing in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from hesper._types import ASGIApp, Message, Scope


@dataclass(frozen=True)
class Answer:
    """What an app sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def header(self, name: str) -> str | None:
        """Return the header's value, `None` without one; two are a fault of the test."""
        values = self.all(name)
        assert len(values) < 2, f"{name} was sent {len(values)} times: {values}"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def faults(self) -> set[tuple[str, str]]:
        """The source and key of each fault of a 400."""
        assert self.status == 400, self.text
        return {(fault["source"], fault["key"]) for fault in self.json()["extra"]}


async def serve(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    path: str | None = None,
) -> Answer:
    """Return the answer to one request.

    Args:
        app: Any ASGI app.
        method: The method.
        target: The path and the query, percent-encoded as on the wire.
        headers: Header lines.
        body: The body, sent as one message.
        path: The decoded path, where the server is not to decode it from the target.
    """
    raw_path, _, query = target.partition("?")
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path) if path is None else path,
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert [message["type"] for message in sent[:1]] == ["http.response.start"], sent
    assert {message["type"] for message in sent[1:]} == {"http.response.body"}, sent
    return Answer(
        sent[0]["status"],
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]],
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


def answer(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    path: str | None = None,
) -> Answer:
    """Return the answer to one request, served on a loop of its own."""
    return asyncio.run(serve(app, method, target, headers=headers, body=body, path=path))
