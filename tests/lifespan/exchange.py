"""One connection to an app, message by message: `Exchange`."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from hesper import Hesper, Lifespan
from hesper._types import Message, Scope


class Exchange:
    """A connection that is served in a task of its own; cancelled at the end of its block.

    Args:
        lifespan: What it belongs to.
        path: What it asks for.
        kind: The type of its scope.
        ahead: How many messages the app may send before they are read; any number, by default.
    """

    def __init__(
        self, lifespan: Lifespan, path: str, kind: str = "http", *, ahead: int = 0
    ) -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue(ahead)
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        scope: Scope = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "state": lifespan.namespace,
        }
        if kind == "websocket":
            self.incoming.put_nowait({"type": "websocket.connect"})
        else:
            self.incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        app = lifespan.app
        assert isinstance(app, Hesper)
        self.task = asyncio.ensure_future(app(scope, self.incoming.get, self.sent.put))

    async def body(self) -> bytes:
        """Return the body of the next chunk; the start of the response is passed over."""
        message = await self.sent.get()
        while message["type"] == "http.response.start":
            message = await self.sent.get()
        body: bytes = message["body"]
        return body

    async def message(self, kind: str) -> dict[str, Any]:
        """Return the next message, which is of this kind."""
        message = dict(await self.sent.get())
        assert message["type"] == kind, message
        return message

    async def rest(self) -> list[Message]:
        """Wait for the end of the connection, and return what else was sent."""
        await self.task
        return [self.sent.get_nowait() for _ in range(self.sent.qsize())]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
