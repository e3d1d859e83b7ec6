"""The same work in Starlette: its routing, requests and responses, with msgspec for the bodies."""

from __future__ import annotations

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.driver import ASGIApp
from benchmarks.raw import admitted
from benchmarks.work import GREETING, Order, whale

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
        ]
    )
