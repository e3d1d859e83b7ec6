"""The smallest server there is: it calls an ASGI app in-process, as uvicorn would.

Every connection has a scope of its own, with new lists and dictionaries where uvicorn makes them,
the eight headers that a browser sends at least, and the lifespan's state. Nothing is parsed and
nothing is written to a socket, so what is measured is the app, the scope and four short calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import process_time
from typing import Any, TypeAlias

from benchmarks.cases import Case

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An app; the frameworks differ in how they type the three arguments."""

VERSIONS = {"version": "3.0", "spec_version": "2.3"}
WEBSOCKET_VERSIONS = {"version": "3.0", "spec_version": "2.4"}
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
    """What an app sent in one connection.

    Attributes:
        status: The status, 101 for a websocket that was opened.
        headers: The headers by lower-case name.
        pieces: The body as it came, message by message; those that were empty are left out.
    """

    status: int
    headers: dict[str, str]
    pieces: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


class Exchange:
    """One request and what has been sent for it; it lives as long as the request."""

    __slots__ = ("_arrived", "_body", "_over", "sent")

    def __init__(self, case: Case) -> None:
        self._body = case.body
        self._arrived = False
        self._over: asyncio.Future[None] | None = None
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        """Hand over the body; whoever asks again waits for the end of the response."""
        if self._arrived:
            if not self._complete():
                self._over = asyncio.get_running_loop().create_future()
                await self._over
            return {"type": "http.disconnect"}
        self._arrived = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Keep what the app sends."""
        self.sent.append(message)
        over = self._over
        if over is not None and not over.done() and self._complete():
            over.set_result(None)

    def _complete(self) -> bool:
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)

    def answer(self) -> Answer:
        """Read what was sent as one answer."""
        start, *parts = self.sent
        pieces = tuple(part["body"] for part in parts if part.get("body"))
        return Answer(start["status"], headers_of(start), pieces)


class Conversation:
    """One websocket whose client says all it has to say, and goes when it has the answers.

    It lives as long as the websocket.
    """

    __slots__ = ("_answered", "_place", "_to_say", "sent")

    def __init__(self, case: Case) -> None:
        self._to_say = case.calls
        self._place = -1  # the request to open the websocket comes first
        self._answered: asyncio.Future[None] | None = None
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        """Hand over the next message."""
        place = self._place
        self._place = place + 1
        if place < 0:
            return {"type": "websocket.connect"}
        if place < len(self._to_say):
            return {"type": "websocket.receive", "text": self._to_say[place]}
        if len(self.sent) <= len(self._to_say):
            self._answered = asyncio.get_running_loop().create_future()
            await self._answered
        return {"type": "websocket.disconnect", "code": 1000, "reason": ""}

    async def send(self, message: Message) -> None:
        """Keep what the app sends: it accepts, and answers each message with one."""
        self.sent.append(message)
        answered = self._answered
        if answered is not None and not answered.done() and len(self.sent) > len(self._to_say):
            answered.set_result(None)

    def answer(self) -> Answer:
        """Read what was sent as one answer."""
        start, *parts = self.sent
        texts = [part["text"].encode() for part in parts if part["type"] == "websocket.send"]
        accepted = start["type"] == "websocket.accept"
        return Answer(101 if accepted else 403, headers_of(start), tuple(texts))


def headers_of(message: Message) -> dict[str, str]:
    """Return the headers in *message* by lower-case name."""
    headers = message.get("headers", ())
    return {name.decode().lower(): value.decode() for name, value in headers}


class Client:
    """Opens connections to one running app; it lives as long as the app's lifespan."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state

    async def ask(self, case: Case) -> Answer:
        """Open one connection and return the answer."""
        connection, make_scope = self._means(case)
        exchange = connection(case)
        await self._app(make_scope(case), exchange.receive, exchange.send)
        return exchange.answer()

    async def seconds(self, case: Case, times: int) -> float:
        """Return the CPU time that *times* connections take, one after the other, in all threads.

        Nothing in them waits for anything outside of the process, so on an idle machine a clock
        says the same; on a busy one it also counts what other processes do.
        """
        app, (connection, make_scope) = self._app, self._means(case)
        begin = process_time()
        for _ in range(times):
            exchange = connection(case)
            await app(make_scope(case), exchange.receive, exchange.send)
        return process_time() - begin

    def _means(
        self, case: Case
    ) -> tuple[Callable[[Case], Exchange | Conversation], Callable[[Case], Scope]]:
        if case.calls:
            return Conversation, self._websocket_scope
        return Exchange, self._scope

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

    def _websocket_scope(self, case: Case) -> Scope:
        scope = self._scope(case)
        del scope["method"]
        scope["type"] = "websocket"
        scope["asgi"] = WEBSOCKET_VERSIONS
        scope["scheme"] = "ws"
        scope["subprotocols"] = []
        scope["extensions"] = {"websocket.http.response": {}}
        return scope


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
