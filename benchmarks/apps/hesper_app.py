"""The same work in Hesper: msgspec models, typed arguments, its own dependencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from hesper import Hesper, Provide, Request, Response, Router, WebSocket, get, post, websocket
from hesper.datastructures import State
from hesper.response import Stream


@get("/text")
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


async def prepare(state: State) -> None:
    state.greeting = GREETING


@get("/state")
async def read(state: State) -> str:
    greeting: str = state.greeting
    return greeting


@get("/stream")
async def stream() -> Stream:
    return Stream(pieces())


@get("/thread")
def thread() -> dict[str, bool]:
    return {"in_thread": in_thread()}


@get("/wait")
async def wait() -> str:
    await GATE.wait()
    return GREETING


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for said in socket.iter_text():
        await socket.send_text(said)


def build() -> ASGIApp:
    """Return the app."""
    return Hesper(
        [text, json, item, search, order, access, read, stream, thread, wait, echo],
        on_startup=prepare,
    )


def handlers(count: int) -> list[Callable[..., Any]]:
    """Return *count* handlers, each with a function of its own."""
    return [handler for shelf in shelves(count) for handler in on_shelf(shelf)]


def of(handlers: list[Callable[..., Any]]) -> ASGIApp:
    """Return an app of *handlers*."""
    return Hesper(handlers)


def on_shelf(shelf: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    @get(shelf)
    async def text() -> str:
        return GREETING

    @get(f"{shelf}/{{item_id:int}}")
    async def item(item_id: int) -> dict[str, int]:
        return {"item_id": item_id}

    return text, item


async def before(request: Request) -> None:
    await note_before()


async def after(response: Response[object]) -> Response[object]:
    await note_after()
    return response


def with_middlewares(count: int) -> ASGIApp:
    """Return an app behind *count* middlewares, with a hook before and one after the handler."""
    middleware = [PassThrough] * count
    return Hesper([text], middleware=middleware, before_request=before, after_request=after)


def with_dependencies(depth: int) -> ASGIApp:
    """Return an app whose handler needs the last of a chain of *depth* dependencies."""

    @get("/depth")
    async def deep(last: int) -> dict[str, int]:
        return {"depth": last + 1}

    dependencies = {name: Provide(provider) for name, provider in chain(depth).items()}
    dependencies["last"] = dependencies.pop(f"value_{depth - 1}")
    return Hesper([deep], dependencies=dependencies)


def with_layers(depth: int) -> ASGIApp:
    """Return an app whose handler is in *depth* routers, one in the other."""

    @get("/text")
    async def layered() -> str:
        return GREETING

    layer: Any = layered
    for _ in range(depth):
        layer = Router("/layer", route_handlers=[layer])
    return Hesper([layer])
