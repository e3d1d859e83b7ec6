"""Small raw ASGI apps, and parts of apps, that the tests of the clients are made with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from hesper._types import ASGIApp, RawHeaders, Receive, Scope, Send

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


def http(handler: Handler) -> ASGIApp:
    """An app that knows HTTP and nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise ValueError("no lifespan here")
        await handler(scope, receive, send)

    return app


async def start(send: Send, status: int = 200, headers: RawHeaders | None = None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers or []})


async def body(send: Send, data: bytes = b"", *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def answer(send: Send, data: bytes = b"") -> None:
    await start(send)
    await body(send, data)


async def answer_json(send: Send, value: object) -> None:
    await start(send, headers=[(b"content-type", b"application/json")])
    await body(send, json.dumps(value).encode())


async def read(receive: Receive) -> list[tuple[bytes, bool]]:
    """The messages of a request as pairs of body and more_body."""
    messages: list[tuple[bytes, bool]] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return messages
        messages.append((message["body"], message["more_body"]))
        if not message["more_body"]:
            return messages


async def say(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells the path and the state."""
    await answer_json(send, {"path": scope["path"], "state": scope.get("state")})


class Lifespan:
    """An app with a lifespan, which records what happens to it in `events`."""

    def __init__(self, handler: Handler = say) -> None:
        self.events: list[str] = []
        self.handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            self.events.append(scope["path"])
            await self.handler(scope, receive, send)
            return
        await receive()
        if "state" in scope:
            scope["state"]["started"] = True
        self.events.append("startup")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.events.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})
