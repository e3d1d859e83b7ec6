"""The same work in Litestar: msgspec models, typed arguments, its own dependencies."""

from __future__ import annotations

from litestar import Litestar, MediaType, get, post
from litestar.di import Provide

from benchmarks.driver import ASGIApp
from benchmarks.work import (
    GREETING,
    Access,
    Order,
    provide_access,
    provide_connection,
    provide_session,
    provide_settings,
    provide_user,
    whale,
)


@get("/text", media_type=MediaType.TEXT)
async def text() -> str:
    return GREETING


@get("/json")
async def json() -> dict[str, object]:
    return whale()


@get("/items/{item_id:int}")
async def item(item_id: int) -> dict[str, int]:
    return {"item_id": item_id}


@get("/search")
async def search(text: str, tag: list[str], limit: int = 10) -> dict[str, object]:
    return {"text": text, "limit": limit, "tag": tag}


@post("/orders")
async def order(data: Order) -> Order:
    return data


@get(
    "/access",
    dependencies={
        "settings": Provide(provide_settings),
        "connection": Provide(provide_connection),
        "session": Provide(provide_session),
        "user": Provide(provide_user),
        "access": Provide(provide_access),
    },
)
async def access(access: Access) -> Access:
    return access


def build() -> ASGIApp:
    """Return the app, without the OpenAPI routes that nobody asks for here."""
    return Litestar([text, json, item, search, order, access], openapi_config=None)
