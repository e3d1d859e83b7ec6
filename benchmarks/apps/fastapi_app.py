"""The same work in FastAPI: pydantic models, typed arguments, its own dependencies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse

from benchmarks import work
from benchmarks.apps.models import Access, Depth, Found, Item, Order, Whale, Where
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


async def wait() -> str:
    await work.GATE.wait()
    return work.GREETING


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
    app.get("/wait", response_class=PlainTextResponse)(wait)
    app.websocket("/echo")(echo)
    return app


def handlers(count: int) -> APIRouter:
    """Return a router of *count* routes, each with a function of its own."""
    router = APIRouter()
    for shelf in work.shelves(count):
        add_shelf(router, shelf)
    return router


def of(router: APIRouter) -> ASGIApp:
    """Return an app of the routes in *router*."""
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    return app


def add_shelf(router: APIRouter, shelf: str) -> None:
    @router.get(shelf, response_class=PlainTextResponse)
    async def text() -> str:
        return work.GREETING

    @router.get(f"{shelf}/{{item_id}}")
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


def with_dependencies(depth: int) -> ASGIApp:
    """Return an app whose handler needs the last of a chain of *depth* dependencies."""
    app = FastAPI(openapi_url=None)
    last: Callable[..., Awaitable[int]] = work.value_0
    for _ in range(depth - 1):
        last = one_after(last)

    @app.get("/depth")
    async def deep(value: int = Depends(last)) -> Depth:
        return Depth(depth=value + 1)

    return app


def one_after(previous: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    async def value(before: int = Depends(previous)) -> int:
        return before + 1

    return value


def with_layers(depth: int) -> ASGIApp:
    """Return an app whose handler is in *depth* routers, one in the other."""
    layer = APIRouter()
    layer.get("/text", response_class=PlainTextResponse)(text)
    for _ in range(depth):
        outer = APIRouter()
        outer.include_router(layer, prefix="/layer")
        layer = outer
    app = FastAPI(openapi_url=None)
    app.include_router(layer)
    return app
