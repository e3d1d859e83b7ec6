"""The same work in Hesper: msgspec models, typed arguments, its own dependencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.driver import ASGIApp
from benchmarks.work import (
    GREETING,
    Access,
    Order,
    PassThrough,
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
from hesper import Hesper, Provide, Request, Response, WebSocket, get, post, websocket
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


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for said in socket.iter_text():
        await socket.send_text(said)


def build() -> ASGIApp:
    """Return the app."""
    return Hesper(
        [text, json, item, search, order, access, read, stream, thread, echo], on_startup=prepare
    )


def with_routes(count: int) -> ASGIApp:
    """Return an app of *count* routes, each with a function of its own."""
    return Hesper([handler for shelf in shelves(count) for handler in on_shelf(shelf)])


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
