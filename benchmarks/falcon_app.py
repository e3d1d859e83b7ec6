"""The same work in Falcon: resources, its compiled router, msgspec as its media handler."""

from __future__ import annotations

import falcon
import falcon.asgi
import msgspec
from falcon.asgi import Request, Response

from benchmarks.driver import ASGIApp
from benchmarks.raw import admitted
from benchmarks.work import GREETING, Order, whale

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


def build() -> ASGIApp:
    """Return the app; Falcon has no dependencies, so they are called by hand."""
    app = falcon.asgi.App()
    handler = falcon.media.JSONHandler(dumps=msgspec.json.encode, loads=msgspec.json.decode)
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
    app.add_route("/text", Text())
    app.add_route("/json", Json())
    app.add_route("/items/{item_id:int}", Item())
    app.add_route("/search", Search())
    app.add_route("/orders", Orders())
    app.add_route("/access", Access())
    return app
