"""The same work in BlackSheep: typed arguments, pydantic models, msgspec as its JSON library."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
from blacksheep import Application, Content, FromJSON, Response, json, text
from blacksheep.server.routing import Router
from blacksheep.settings.json import json_settings

from benchmarks.driver import ASGIApp
from benchmarks.models import Order
from benchmarks.raw import admitted
from benchmarks.work import GREETING, whale


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


def build() -> ASGIApp:
    """Return the app; its dependencies cannot be asynchronous, so they are called by hand."""
    configure: Callable[..., None] = json_settings.use
    configure(loads=msgspec.json.decode, dumps=dumps)
    router = Router()
    router.add_get("/text", greeting)
    router.add_get("/json", book)
    router.add_get("/items/{int:item_id}", item)
    router.add_get("/search", search)
    router.add_post("/orders", order)
    router.add_get("/access", access)
    app = Application(router=router)
    # It logs every refusal at the level INFO; no other app here logs anything.
    logging.getLogger("blacksheep.server").setLevel(logging.WARNING)
    return app
