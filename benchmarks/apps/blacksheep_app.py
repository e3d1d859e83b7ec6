"""The same work in BlackSheep: typed arguments, pydantic models, msgspec as its JSON library."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from blacksheep import Application, Content, FromJSON, Request, Response, WebSocket, json, text
from blacksheep.contents import StreamedContent
from blacksheep.server.routing import Router
from blacksheep.server.websocket import WebSocketDisconnectError
from blacksheep.settings.json import json_settings

from benchmarks.apps.models import Order
from benchmarks.apps.raw_app import admitted
from benchmarks.driver import ASGIApp
from benchmarks.work import (
    GATE,
    GREETING,
    PassThrough,
    in_thread,
    note_after,
    note_before,
    pieces,
    shelves,
    whale,
)


def dumps(content: object) -> str:
    return msgspec.json.encode(content).decode()


async def greeting() -> Response:
    return text(GREETING)


async def book() -> Response:
    return json(whale())


async def item(item_id: int) -> Response:
    return json({"item_id": item_id})


async def search(text: str, tag: list[str], limit: int = 10) -> Response:
    return json({"text": text, "limit": limit, "tag": tag})


async def order(data: FromJSON[Order]) -> Response:
    encoded = data.value.model_dump_json().encode()
    return Response(201, None, Content(b"application/json", encoded))


async def access() -> Response:
    return json(await admitted())


@dataclass
class Desk:
    """What the lifespan opens; handlers ask for it by its type."""

    greeting: str


async def prepare(app: Application) -> None:
    app.services.register(Desk, instance=Desk(GREETING))


async def state(desk: Desk) -> Response:
    return text(desk.greeting)


async def stream() -> Response:
    return Response(200, None, StreamedContent(b"text/plain", pieces))


async def thread() -> Response:
    return json({"in_thread": await asyncio.to_thread(in_thread)})


async def wait() -> Response:
    await GATE.wait()
    return text(GREETING)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnectError:
        pass


def made(router: Router) -> Application:
    """Return an app with the routes of *router*, that encodes and decodes with msgspec."""
    configure: Callable[..., None] = json_settings.use
    configure(loads=msgspec.json.decode, dumps=dumps)
    app = Application(router=router)
    # It logs every refusal at the level INFO; no other app here logs anything.
    logging.getLogger("blacksheep.server").setLevel(logging.WARNING)
    return app


def build() -> ASGIApp:
    """Return the app; its dependencies cannot be asynchronous, so they are called by hand.

    Nor are its synchronous handlers called in threads, so one is by hand as well.
    """
    router = Router()
    router.add_get("/text", greeting)
    router.add_get("/json", book)
    router.add_get("/items/{int:item_id}", item)
    router.add_get("/search", search)
    router.add_post("/orders", order)
    router.add_get("/access", access)
    router.add_get("/state", state)
    router.add_get("/stream", stream)
    router.add_get("/thread", thread)
    router.add_get("/wait", wait)
    router.add_ws("/echo", echo)
    app = made(router)
    app.on_start += prepare
    return app


def handlers(count: int) -> dict[str, Callable[..., Awaitable[Response]]]:
    """Return *count* handlers by pattern, each a function of its own."""
    return {
        pattern: handler for shelf in shelves(count) for pattern, handler in on_shelf(shelf).items()
    }


def of(handlers: dict[str, Callable[..., Awaitable[Response]]]) -> ASGIApp:
    """Return an app of *handlers*; a router belongs to one app."""
    router = Router()
    for pattern, handler in handlers.items():
        router.add_get(pattern, handler)
    return made(router)


def on_shelf(shelf: str) -> dict[str, Callable[..., Awaitable[Response]]]:
    async def greeting() -> Response:
        return text(GREETING)

    async def item(item_id: int) -> Response:
        return json({"item_id": item_id})

    return {shelf: greeting, f"{shelf}/{{int:item_id}}": item}


async def hooks(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
    await note_before()
    response = await handler(request)
    await note_after()
    return response


def with_middlewares(count: int) -> ASGIApp:
    """Return an app behind *count* middlewares; the hooks are a middleware of its own kind."""
    router = Router()
    router.add_get("/text", greeting)
    inner = made(router)
    inner.middlewares.append(hooks)
    app: ASGIApp = inner
    for _ in range(count):
        app = PassThrough(app)
    return app
