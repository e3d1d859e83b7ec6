"""The same work in Litestar: msgspec models, typed arguments, its own dependencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Litestar, MediaType, Request, Response, Router, WebSocket, get, post, websocket
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import WebSocketDisconnect
from litestar.response import Stream

from benchmarks.driver import ASGIApp
from benchmarks.work import (
    GATE,
    GREETING,
    Access,
    Order,
    PassThrough,
    chain,
    in_thread,
    note_after,
    note_before,
    pieces,
    provide_access,
    provide_connection,
    provide_session,
    provide_settings,
    provide_user,
    shelves,
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


async def prepare(app: Litestar) -> None:
    app.state.greeting = GREETING


@get("/state", media_type=MediaType.TEXT)
async def read(state: State) -> str:
    greeting: str = state.greeting
    return greeting


@get("/stream")
async def stream() -> Stream:
    return Stream(pieces(), media_type=MediaType.TEXT)


@get("/thread", sync_to_thread=True)
def thread() -> dict[str, bool]:
    return {"in_thread": in_thread()}


@get("/wait", media_type=MediaType.TEXT)
async def wait() -> str:
    await GATE.wait()
    return GREETING


@websocket("/echo")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


def build() -> ASGIApp:
    """Return the app, without the OpenAPI routes that nobody asks for here."""
    handlers = [text, json, item, search, order, access, read, stream, thread, wait, echo]
    return Litestar(handlers, on_startup=[prepare], openapi_config=None)


def handlers(count: int) -> list[Callable[..., Any]]:
    """Return *count* handlers, each with a function of its own."""
    return [handler for shelf in shelves(count) for handler in on_shelf(shelf)]


def of(handlers: list[Callable[..., Any]]) -> ASGIApp:
    """Return an app of *handlers*."""
    return Litestar(handlers, openapi_config=None)


def on_shelf(shelf: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    @get(shelf, media_type=MediaType.TEXT)
    async def text() -> str:
        return GREETING

    @get(f"{shelf}/{{item_id:int}}")
    async def item(item_id: int) -> dict[str, int]:
        return {"item_id": item_id}

    return text, item


async def before(request: Request[Any, Any, Any]) -> None:
    await note_before()


async def after(response: Response[object]) -> Response[object]:
    await note_after()
    return response


def with_middlewares(count: int) -> ASGIApp:
    """Return an app behind *count* middlewares, with a hook before and one after the handler.

    Its handler is made here: one that another app has asked already keeps that app's hooks.
    """

    @get("/text", media_type=MediaType.TEXT)
    async def text() -> str:
        return GREETING

    return Litestar(
        [text],
        middleware=[PassThrough] * count,
        before_request=before,
        after_request=after,
        openapi_config=None,
    )


def with_dependencies(depth: int) -> ASGIApp:
    """Return an app whose handler needs the last of a chain of *depth* dependencies."""

    @get("/depth")
    async def deep(last: int) -> dict[str, int]:
        return {"depth": last + 1}

    dependencies = {name: Provide(provider) for name, provider in chain(depth).items()}
    dependencies["last"] = dependencies.pop(f"value_{depth - 1}")
    return Litestar([deep], dependencies=dependencies, openapi_config=None)


def with_layers(depth: int) -> ASGIApp:
    """Return an app whose handler is in *depth* routers, one in the other."""

    @get("/text", media_type=MediaType.TEXT)
    async def layered() -> str:
        return GREETING

    layer: Any = layered
    for _ in range(depth):
        layer = Router("/layer", route_handlers=[layer])
    return Litestar([layer], openapi_config=None)
