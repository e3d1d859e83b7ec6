"""The smallest server there is: it calls an ASGI app in-process, as uvicorn would.

Every request has a scope of its own, with new lists and dictionaries where uvicorn makes them, the
eight headers that a browser sends at least, and the lifespan's state. Nothing is parsed and nothing
is written to a socket, so what is measured is the app, the scope and four short calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

from benchmarks.cases import Case

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An app; the frameworks differ in how they type the three arguments."""

VERSIONS = {"version": "3.0", "spec_version": "2.3"}
HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"text/html,application/json;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"connection", b"keep-alive"),
    (b"cache-control", b"no-cache"),
    (b"cookie", b"theme=dark; seen=1851"),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an app sent for one request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


class Exchange:
    """One request and what has been sent for it; it lives as long as the request."""

    __slots__ = ("_arrived", "_body", "sent")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._arrived = False
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        """Hand over the body; whoever asks again waits for a client that stays."""
        if self._arrived:
            await asyncio.get_running_loop().create_future()
        self._arrived = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Keep what the app sends."""
        self.sent.append(message)

    def answer(self) -> Answer:
        """Read what was sent as one answer."""
        start, *parts = self.sent
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(part.get("body", b"") for part in parts))


class Client:
    """Sends requests to one running app; it lives as long as the app's lifespan."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state

    async def ask(self, case: Case) -> Answer:
        """Send the request once and return the answer."""
        exchange = Exchange(case.body)
        await self._app(self._scope(case), exchange.receive, exchange.send)
        return exchange.answer()

    async def seconds(self, case: Case, times: int) -> float:
        """Return how long it takes to send the request *times* times, one after the other."""
        app, make_scope, body = self._app, self._scope, case.body
        begin = perf_counter()
        for _ in range(times):
            exchange = Exchange(body)
            await app(make_scope(case), exchange.receive, exchange.send)
        return perf_counter() - begin

    def _scope(self, case: Case) -> Scope:
        headers = HEADERS.copy()
        if case.body:
            headers[-1] = (b"content-type", b"application/json")
            headers[-2] = (b"content-length", b"%d" % len(case.body))
        return {
            "type": "http",
            "asgi": VERSIONS,
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 51851),
            "scheme": "http",
            "method": case.method,
            "root_path": "",
            "path": case.path,
            "raw_path": case.path.encode(),
            "query_string": case.query,
            "headers": headers,
            "state": self._state.copy(),
        }


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[Client]:
    """Drive the lifespan of *app* around the block (ASGI, lifespan protocol).

    Raises:
        RuntimeError: The app did not start, or did not stop, with the message it gave.
    """
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": VERSIONS, "state": state}

    async def step(name: str) -> None:
        await inbox.put({"type": f"lifespan.{name}"})
        said = await outbox.get()
        if said["type"] != f"lifespan.{name}.complete":
            raise RuntimeError(f"{app!r} answered {said!r} to lifespan.{name}")

    async def live() -> None:
        try:
            await app(scope, inbox.get, outbox.put)
        finally:
            await outbox.put({"type": "the end of the lifespan"})

    life = asyncio.create_task(live())
    try:
        await step("startup")
        yield Client(app, state)
        await step("shutdown")
    except BaseException:
        life.cancel()
        raise
    await life


async def idle(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer nothing at all: what the driver costs by itself."""
