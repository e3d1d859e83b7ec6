"""The same work in FastAPI: pydantic models, typed arguments, its own dependencies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse

from benchmarks import work
from benchmarks.apps.models import Access, Found, Item, Order, Whale, Where
from benchmarks.driver import ASGIApp

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


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    yield {"greeting": work.GREETING}


async def state(request: Request) -> str:
    greeting: str = request.state.greeting
    return greeting


async def stream() -> StreamingResponse:
    return StreamingResponse(work.pieces(), media_type="text/plain")


def thread() -> Where:
    return Where(in_thread=work.in_thread())


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for said in websocket.iter_text():
        await websocket.send_text(said)


def build() -> ASGIApp:
    """Return the app, without the documentation that nobody asks for here."""
    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.get("/text", response_class=PlainTextResponse)(text)
    app.get("/json")(json)
    app.get("/items/{item_id}")(item)
    app.get("/search")(search)
    app.post("/orders", status_code=201)(order)
    app.get("/access")(access)
    app.get("/state", response_class=PlainTextResponse)(state)
    app.get("/stream")(stream)
    app.get("/thread")(thread)
    app.websocket("/echo")(echo)
    return app


def with_routes(count: int) -> ASGIApp:
    """Return an app of *count* routes, each with a function of its own."""
    app = FastAPI(openapi_url=None)
    for shelf in work.shelves(count):
        add_shelf(app, shelf)
    return app


def add_shelf(app: FastAPI, shelf: str) -> None:
    @app.get(shelf, response_class=PlainTextResponse)
    async def text() -> str:
        return work.GREETING

    @app.get(f"{shelf}/{{item_id}}")
    async def item(item_id: int) -> Item:
        return Item(item_id=item_id)


def with_middlewares(count: int) -> ASGIApp:
    """Return an app behind *count* middlewares, and one that calls the hooks."""
    app = FastAPI(openapi_url=None)
    app.get("/text", response_class=PlainTextResponse)(text)
    app.add_middleware(work.Hooked)
    for _ in range(count):
        app.add_middleware(work.PassThrough)
    return app
