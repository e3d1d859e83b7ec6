"""The same work in Quart: its routing and requests, with msgspec for the bodies."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import Blueprint, Quart, Response, abort, current_app, request, websocket

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


def in_json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, mimetype="application/json")


async def text() -> Response:
    return Response(GREETING, mimetype="text/plain")


async def json() -> Response:
    return in_json(whale())


async def item(item_id: int) -> Response:
    return in_json({"item_id": item_id})


async def search() -> Response:
    query = request.args
    try:
        text, limit = query["text"], int(query.get("limit", "10"))
    except ValueError as fault:
        abort(400, str(fault))
    return in_json({"text": text, "limit": limit, "tag": query.getlist("tag")})


async def order() -> Response:
    try:
        placed = decode_order(await request.get_data())
    except msgspec.MsgspecError as fault:
        abort(400, str(fault))
    return in_json(placed, 201)


async def access() -> Response:
    return in_json(await admitted())


async def prepare() -> None:
    current_app.config["GREETING"] = GREETING


async def state() -> Response:
    return Response(current_app.config["GREETING"], mimetype="text/plain")


async def stream() -> Response:
    return Response(pieces(), mimetype="text/plain")


def thread() -> Response:
    return in_json({"in_thread": in_thread()})


async def wait() -> Response:
    await GATE.wait()
    return Response(GREETING, mimetype="text/plain")


async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())


def build() -> ASGIApp:
    """Return the app; Quart has no dependencies, so they are called by hand."""
    app = Quart(__name__, static_folder=None)
    app.get("/text")(text)
    app.get("/json")(json)
    app.get("/items/<int:item_id>")(item)
    app.get("/search")(search)
    app.post("/orders")(order)
    app.get("/access")(access)
    app.get("/state")(state)
    app.get("/stream")(stream)
    app.get("/thread")(thread)
    app.get("/wait")(wait)
    app.websocket("/echo")(echo)
    app.before_serving(prepare)
    return app


def handlers(count: int) -> Blueprint:
    """Return a blueprint of *count* routes, each with a function of its own."""
    blueprint = Blueprint("shelves", __name__)
    for shelf in shelves(count):
        add_shelf(blueprint, shelf)
    return blueprint


def of(blueprint: Blueprint) -> ASGIApp:
    """Return an app of the routes in *blueprint*."""
    app = Quart(__name__, static_folder=None)
    app.register_blueprint(blueprint)
    return app


def add_shelf(blueprint: Blueprint, shelf: str) -> None:
    @blueprint.get(shelf, endpoint=shelf[1:])
    async def text() -> Response:
        return Response(GREETING, mimetype="text/plain")

    @blueprint.get(f"{shelf}/<int:item_id>", endpoint=f"{shelf[1:]}-item")
    async def item(item_id: int) -> Response:
        return in_json({"item_id": item_id})


async def after(response: Response) -> Response:
    await note_after()
    return response


def with_middlewares(count: int) -> ASGIApp:
    """Return an app behind *count* middlewares, with a hook before and one after the handler."""
    app: Any = Quart(__name__, static_folder=None)
    app.get("/text")(text)
    app.before_request(note_before)
    app.after_request(after)
    for _ in range(count):
        app.asgi_app = PassThrough(app.asgi_app)
    return app


def with_layers(depth: int) -> ASGIApp:
    """Return an app whose handler is in *depth* blueprints, one in the other."""
    layer = Blueprint("innermost", __name__)
    layer.get("/text")(text)
    for number in range(depth):
        outer = Blueprint(f"layer_{number}", __name__)
        outer.register_blueprint(layer, url_prefix="/layer")
        layer = outer
    app = Quart(__name__, static_folder=None)
    app.register_blueprint(layer)
    return app
