"""The limit: an app written by hand for exactly this work, with msgspec and nothing else."""

from __future__ import annotations

from asyncio import to_thread
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import unquote_plus

import msgspec

from benchmarks.driver import ASGIApp, Receive, Scope, Send
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
    value_0,
    whale,
)

JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain; charset=utf-8")
NOT_FOUND = b'{"status_code":404,"detail":"Not Found"}'
NOT_ALLOWED = b'{"status_code":405,"detail":"Method Not Allowed"}'
ITEMS = "/items/"

encode = msgspec.json.encode
decode_order = msgspec.json.Decoder(Order).decode
connected = asynccontextmanager(provide_connection)


async def respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    head = [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, detail: str) -> None:
    await respond(send, 400, encode({"status_code": 400, "detail": detail}), JSON)


async def text(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, 200, GREETING.encode(), TEXT)


async def json(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, 200, encode(whale()), JSON)


async def item(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        item_id = int(scope["path"][len(ITEMS) :])
    except ValueError:
        await respond(send, 404, NOT_FOUND, JSON)
        return
    await respond(send, 200, encode({"item_id": item_id}), JSON)


def parsed(query: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if "+" in value or "%" in value:
            value = unquote_plus(value)
        values.setdefault(name, []).append(value)
    return values


async def search(scope: Scope, receive: Receive, send: Send) -> None:
    query = parsed(scope["query_string"].decode("latin-1"))
    try:
        found = {
            "text": query["text"][-1],
            "limit": int(query["limit"][-1]) if "limit" in query else 10,
            "tag": query.get("tag", []),
        }
    except (KeyError, ValueError) as fault:
        await refuse(send, str(fault))
        return
    await respond(send, 200, encode(found), JSON)


async def order(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    body = message.get("body", b"")
    if message.get("more_body", False):
        parts = [body]
        while message.get("more_body", False):
            message = await receive()
            parts.append(message.get("body", b""))
        body = b"".join(parts)
    try:
        placed = decode_order(body)
    except msgspec.MsgspecError as fault:
        await refuse(send, str(fault))
        return
    await respond(send, 201, encode(placed), JSON)


async def admitted() -> Access:
    """Call the five dependencies as one would by hand."""
    settings = await provide_settings()
    async with connected(settings) as connection:
        session = await provide_session(connection)
        user = await provide_user(session)
        return await provide_access(user, settings)


async def access(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, 200, encode(await admitted()), JSON)


async def state(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, 200, scope["state"]["greeting"].encode(), TEXT)


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    async for piece in pieces():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def thread(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, 200, encode({"in_thread": await to_thread(in_thread)}), JSON)


async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    await GATE.wait()
    await respond(send, 200, GREETING.encode(), TEXT)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": message["text"]})


ROUTES: dict[str, dict[str, ASGIApp]] = {
    "/text": {"GET": text},
    "/json": {"GET": json},
    "/search": {"GET": search},
    "/orders": {"POST": order},
    "/access": {"GET": access},
    "/state": {"GET": state},
    "/stream": {"GET": stream},
    "/thread": {"GET": thread},
    "/wait": {"GET": wait},
}
ITEM: dict[str, ASGIApp] = {"GET": item}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a connection, or accompany the lifespan."""
    if scope["type"] != "http":
        await other(scope, receive, send)
        return
    path = scope["path"]
    methods = ROUTES.get(path)
    if methods is None:
        if not path.startswith(ITEMS):
            await respond(send, 404, NOT_FOUND, JSON)
            return
        methods = ITEM
    endpoint = methods.get(scope["method"])
    if endpoint is None:
        allow = (b"allow", ", ".join(methods).encode())
        await respond(send, 405, NOT_ALLOWED, JSON, allow)
        return
    await endpoint(scope, receive, send)


async def other(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is no request."""
    if scope["type"] == "websocket":
        await echo(scope, receive, send)
        return
    scope["state"]["greeting"] = GREETING
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


def build() -> ASGIApp:
    """Return the app."""
    return app


Endpoints: TypeAlias = tuple[dict[str, ASGIApp], dict[str, ASGIApp]]
"""Endpoints by path, and by what is before a number."""


def handlers(count: int) -> Endpoints:
    """Return *count* endpoints."""
    paths = shelves(count)
    return dict.fromkeys(paths, text), {f"{shelf}/": item_below(shelf) for shelf in paths}


def of(endpoints: Endpoints) -> ASGIApp:
    """Return an app of *endpoints*."""
    static, prefixes = endpoints

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await other(scope, receive, send)
            return
        path = scope["path"]
        endpoint = static.get(path) or prefixes.get(path[: path.rfind("/") + 1])
        if endpoint is None:
            await respond(send, 404, NOT_FOUND, JSON)
        elif scope["method"] != "GET":
            await respond(send, 405, NOT_ALLOWED, JSON, (b"allow", b"GET"))
        else:
            await endpoint(scope, receive, send)

    return app


def item_below(shelf: str) -> ASGIApp:
    """Return the endpoint for an item of *shelf*."""
    begin = len(shelf) + 1

    async def item(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            item_id = int(scope["path"][begin:])
        except ValueError:
            await respond(send, 404, NOT_FOUND, JSON)
            return
        await respond(send, 200, encode({"item_id": item_id}), JSON)

    return item


def with_middlewares(count: int) -> ASGIApp:
    """Return an app behind *count* middlewares, whose only route awaits two hooks."""
    app: ASGIApp = hooked
    for _ in range(count):
        app = PassThrough(app)
    return app


def with_dependencies(depth: int) -> ASGIApp:
    """Return an app that answers how deep the chain of its dependencies is."""
    steps = [step for name, step in chain(depth).items() if name != "value_0"]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await other(scope, receive, send)
        elif scope["path"] != "/depth":
            await respond(send, 404, NOT_FOUND, JSON)
        else:
            value = await value_0()
            for step in steps:
                value = await step(value)
            await respond(send, 200, encode({"depth": value + 1}), JSON)

    return app


def with_layers(depth: int) -> ASGIApp:
    """Return an app that answers below *depth* segments of a path."""
    return of(({f"{'/layer' * depth}/text": text}, {}))


async def hooked(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await other(scope, receive, send)
    elif scope["path"] != "/text":
        await respond(send, 404, NOT_FOUND, JSON)
    elif scope["method"] != "GET":
        await respond(send, 405, NOT_ALLOWED, JSON, (b"allow", b"GET"))
    else:
        await note_before()
        body = GREETING.encode()
        await note_after()
        await respond(send, 200, body, TEXT)
