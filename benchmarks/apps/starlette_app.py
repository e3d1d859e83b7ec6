"""The same work in Starlette: its routing, requests and responses, with msgspec for the bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from benchmarks.apps.raw_app import admitted
from benchmarks.driver import ASGIApp
from benchmarks.work import (
    GATE,
    GREETING,
    Hooked,
    Order,
    PassThrough,
    in_thread,
    pieces,
    shelves,
    whale,
)

decode_order = msgspec.json.Decoder(Order).decode


class MsgspecResponse(Response):
    """A JSON response, encoded by msgspec."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return msgspec.json.encode(content)


async def text(request: Request) -> Response:
    return PlainTextResponse(GREETING)


async def json(request: Request) -> Response:
    return MsgspecResponse(whale())


async def item(request: Request) -> Response:
    return MsgspecResponse({"item_id": request.path_params["item_id"]})


async def search(request: Request) -> Response:
    query = request.query_params
    try:
        text, limit = query["text"], int(query.get("limit", "10"))
    except (KeyError, ValueError) as fault:
        raise HTTPException(400, str(fault)) from fault
    return MsgspecResponse({"text": text, "limit": limit, "tag": query.getlist("tag")})


async def order(request: Request) -> Response:
    try:
        placed = decode_order(await request.body())
    except msgspec.MsgspecError as fault:
        raise HTTPException(400, str(fault)) from fault
    return MsgspecResponse(placed, status_code=201)


async def access(request: Request) -> Response:
    return MsgspecResponse(await admitted())


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    yield {"greeting": GREETING}


async def state(request: Request) -> Response:
    return PlainTextResponse(request.state.greeting)


async def stream(request: Request) -> Response:
    return StreamingResponse(pieces(), media_type="text/plain")


def thread(request: Request) -> Response:
    return MsgspecResponse({"in_thread": in_thread()})


async def wait(request: Request) -> Response:
    await GATE.wait()
    return PlainTextResponse(GREETING)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for said in websocket.iter_text():
        await websocket.send_text(said)


def build() -> ASGIApp:
    """Return the app; Starlette has no dependencies, so they are called by hand."""
    return Starlette(
        routes=[
            Route("/text", text),
            Route("/json", json),
            Route("/items/{item_id:int}", item),
            Route("/search", search),
            Route("/orders", order, methods=["POST"]),
            Route("/access", access),
            Route("/state", state),
            Route("/stream", stream),
            Route("/thread", thread),
            Route("/wait", wait),
            WebSocketRoute("/echo", echo),
        ],
        lifespan=lifespan,
    )


def handlers(count: int) -> list[Route]:
    """Return *count* routes, each with a function of its own."""
    return [route for shelf in shelves(count) for route in on_shelf(shelf)]


def of(routes: list[Route]) -> ASGIApp:
    """Return an app of *routes*."""
    return Starlette(routes=routes)


def on_shelf(shelf: str) -> Iterator[Route]:
    async def text(request: Request) -> Response:
        return PlainTextResponse(GREETING)

    async def item(request: Request) -> Response:
        return MsgspecResponse({"item_id": request.path_params["item_id"]})

    yield Route(shelf, text)
    yield Route(f"{shelf}/{{item_id:int}}", item)


def with_middlewares(count: int) -> ASGIApp:
    """Return an app behind *count* middlewares, and one that calls the hooks."""
    middleware = [Middleware(PassThrough)] * count
    return Starlette(routes=[Route("/text", text)], middleware=[*middleware, Middleware(Hooked)])


def with_layers(depth: int) -> ASGIApp:
    """Return an app whose route is in *depth* mounts, one in the other."""
    layer: BaseRoute = Route("/text", text)
    for _ in range(depth):
        layer = Mount("/layer", routes=[layer])
    return Starlette(routes=[layer])
