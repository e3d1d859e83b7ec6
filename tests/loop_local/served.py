"""Apps that use resources of the loop, for real servers: one of Hesper, one of nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hesper import Hesper, get, loop_local
from hesper._types import Receive, Scope, Send
from tests.servers.saying import say


@loop_local.sticky_singleton_acm
@asynccontextmanager
async def resource(name: str) -> AsyncIterator[str]:
    say(f"{name} is opened")
    async with asyncio.TaskGroup():
        yield name
        await asyncio.to_thread(say, f"{name} is being closed, with a thread")
    await asyncio.sleep(0)
    say(f"{name} is closed")


@asynccontextmanager
async def manager() -> AsyncIterator[None]:
    async with resource("the first"):
        say("the manager is entered")
    yield
    say("the manager is exited")


@get("/")
async def index() -> str:
    async with resource("the second") as name:
        return name


app = Hesper([index], lifespan=[manager])


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """Know no lifespan: only the end of the loop tells."""
    if scope["type"] != "http":
        raise NotImplementedError("no lifespan here")
    async with resource("the only"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def closing(scope: Scope, receive: Receive, send: Send) -> None:
    """Close the loop's resources when the server says that it is time."""
    if scope["type"] != "lifespan":
        await raw(scope, receive, send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await loop_local.aclose()
    await send({"type": "lifespan.shutdown.complete"})
