"""The same work in FastAPI: pydantic models, typed arguments, its own dependencies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Query
from fastapi.responses import PlainTextResponse

from benchmarks import work
from benchmarks.driver import ASGIApp
from benchmarks.models import Access, Found, Item, Order, Whale

Settings = Annotated[work.Settings, Depends(work.provide_settings)]


async def connection(settings: Settings) -> AsyncIterator[work.Connection]:
    async for opened in work.provide_connection(settings):
        yield opened


async def session(
    connection: Annotated[work.Connection, Depends(connection)],
) -> work.Session:
    return await work.provide_session(connection)


async def user(session: Annotated[work.Session, Depends(session)]) -> work.User:
    return await work.provide_user(session)


async def granted(user: Annotated[work.User, Depends(user)], settings: Settings) -> work.Access:
    return await work.provide_access(user, settings)


async def text() -> str:
    return work.GREETING


async def json() -> Whale:
    return Whale.model_validate(work.whale())


async def item(item_id: int) -> Item:
    return Item(item_id=item_id)


async def search(text: str, tag: Annotated[list[str], Query()], limit: int = 10) -> Found:
    return Found(text=text, limit=limit, tag=tag)


async def order(placed: Order) -> Order:
    return placed


async def access(access: Annotated[work.Access, Depends(granted)]) -> Access:
    return Access(name=access.name, tenant=access.tenant)


def build() -> ASGIApp:
    """Return the app, without the documentation that nobody asks for here."""
    app = FastAPI(openapi_url=None)
    app.get("/text", response_class=PlainTextResponse)(text)
    app.get("/json")(json)
    app.get("/items/{item_id}")(item)
    app.get("/search")(search)
    app.post("/orders", status_code=201)(order)
    app.get("/access")(access)
    return app
