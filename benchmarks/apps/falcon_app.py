"""The same work in Falcon: resources, its compiled router, msgspec as its media handler."""

from __future__ import annotations

from typing import Any

import falcon
import falcon.asgi
import msgspec
from falcon.asgi import Request, Response, WebSocket

from benchmarks.apps.raw_app import admitted
from benchmarks.driver import ASGIApp
from benchmarks.work import (
    GATE,
    GREETING,
    Order,
    PassThrough,
    in_thread,
    note_after,
    note_before,
    pieces,
    shelves,
    whale,
)

decode_order = msgspec.json.Decoder(Order).decode


class Text:
    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.text = GREETING


class Json:
    async def on_get(self, request: Request, response: Response) -> None:
        response.media = whale()


class Item:
    async def on_get(self, request: Request, response: Response, item_id: int) -> None:
        response.media = {"item_id": item_id}


class Search:
    async def on_get(self, request: Request, response: Response) -> None:
        response.media = {
            "text": request.get_param("text", required=True),
            "limit": request.get_param_as_int("limit", default=10),
            "tag": request.get_param_as_list("tag", default=[]),
        }


class Orders:
    async def on_post(self, request: Request, response: Response) -> None:
        try:
            placed = decode_order(await request.stream.read())
        except msgspec.MsgspecError as fault:
            raise falcon.HTTPBadRequest(description=str(fault)) from fault
        response.status = 201
        response.media = placed


class Access:
    async def on_get(self, request: Request, response: Response) -> None:
        response.media = await admitted()


class Prepare:
    """A component that fills the lifespan's state."""

    async def process_startup(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        scope["state"]["greeting"] = GREETING


class State:
    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.text = request.scope["state"]["greeting"]


class Stream:
    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.stream = pieces()


class Thread:
    async def on_get(self, request: Request, response: Response) -> None:
        response.media = {"in_thread": await falcon.sync_to_async(in_thread)}


class Wait:
    async def on_get(self, request: Request, response: Response) -> None:
        await GATE.wait()
        response.content_type = falcon.MEDIA_TEXT
        response.text = GREETING


class Echo:
    async def on_websocket(self, request: Request, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except falcon.WebSocketDisconnected:
            pass


def made(*components: Any) -> Any:
    """Return an app without routes, that encodes and decodes with msgspec."""
    app = falcon.asgi.App(middleware=components)
    handler = falcon.media.JSONHandler(dumps=msgspec.json.encode, loads=msgspec.json.decode)
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
    return app


def build() -> ASGIApp:
    """Return the app; Falcon has no dependencies, so they are called by hand."""
    app = made(Prepare())
    app.add_route("/text", Text())
    app.add_route("/json", Json())
    app.add_route("/items/{item_id:int}", Item())
    app.add_route("/search", Search())
    app.add_route("/orders", Orders())
    app.add_route("/access", Access())
    app.add_route("/state", State())
    app.add_route("/stream", Stream())
    app.add_route("/thread", Thread())
    app.add_route("/wait", Wait())
    app.add_route("/echo", Echo())
    return app


def handlers(count: int) -> dict[str, object]:
    """Return *count* resources by path."""
    found: dict[str, object] = {}
    for shelf in shelves(count):
        found[shelf] = Text()
        found[f"{shelf}/{{item_id:int}}"] = Item()
    return found


def of(resources: dict[str, object]) -> ASGIApp:
    """Return an app of *resources*."""
    app = made()
    for path, resource in resources.items():
        app.add_route(path, resource)
    return app


async def before(request: Request, response: Response, resource: object, params: object) -> None:
    await note_before()


async def after(request: Request, response: Response, resource: object) -> None:
    await note_after()


class HookedText(Text):
    @falcon.before(before)
    @falcon.after(after)
    async def on_get(self, request: Request, response: Response) -> None:
        await super().on_get(request, response)


def with_middlewares(count: int) -> ASGIApp:
    """Return an app behind *count* middlewares, with a hook before and one after the responder."""
    inner = made()
    inner.add_route("/text", HookedText())
    app: ASGIApp = inner
    for _ in range(count):
        app = PassThrough(app)
    return app
