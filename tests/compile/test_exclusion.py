"""Which paths a pattern of middleware takes, below mounts and root paths, through requests."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import Hesper, WebSocket, get, mount, websocket
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.enums import ScopeType
from hesper.middleware import ASGIMiddleware
from tests.compile.driver import http_scope, serve

PATH = "/{rest:path}"


class Marking(ASGIMiddleware):
    """Marks the connections that it is run for."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        scope["marked"] = True
        await next_app(scope, receive, send)


async def whether_marked(scope: Scope, receive: Receive, send: Send) -> None:
    text = b"yes" if scope.get("marked") else b"no"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text})


def excluding(patterns: Any) -> ASGIMiddleware:
    middleware = Marking()
    middleware.exclude_path_pattern = patterns
    return middleware


def left_out(app: ASGIApp, path: str, root_path: str = "") -> bool:
    scope = {**http_scope("GET", root_path + path), "root_path": root_path}
    sent = asyncio.run(serve(app, scope))
    assert sent.body in {b"yes", b"no"}, sent
    return sent.body == b"no"


def around_all(patterns: Any) -> ASGIApp:
    return Hesper([mount("/", whether_marked)], middleware=[excluding(patterns)])


def around_mount(patterns: Any) -> ASGIApp:
    return Hesper([mount("/", whether_marked, middleware=[excluding(patterns)])])


@pytest.mark.parametrize("make", [around_all, around_mount])
@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/a", "/a", True),
        ("/a", "/a/", True),
        ("/a", "/a/b", True),
        ("/a", "/ab", False),
        ("/a", "/b/a", False),
        ("/a", "/a\n", False),
        ("/a", "/", False),
        ("^/a$", "/a", True),
        ("^/a$", "/a/", True),
        ("^/a$", "/a/b", False),
        ("/a/", "/a/b", True),
        ("/a/", "/ab", False),
        ("/", "/", True),
        ("/", "/a", False),
        (".*", "/a", True),
        ("/.*/secret", "/a/b/secret/c", True),
        ("/.*/secret", "/a/secrets", False),
        ("/a|/ab", "/ab", True),
        ("(/a)?", "/b", False),
        ("(?i)/A", "/a", True),
        (r"/\d+", "/12/x", True),
        (r"/\d+", "/12x", False),
        (("/x", "/a"), "/a", True),
    ],
)
def test_a_pattern_takes_whole_segments_from_the_beginning(
    make: Any, pattern: str, path: str, expected: bool
) -> None:
    assert left_out(make(pattern), path) == expected


@given(
    st.lists(st.sampled_from(["a", "b", "ab", ""]), min_size=1, max_size=3),
    st.lists(st.sampled_from(["a", "b", "ab", ""]), min_size=0, max_size=4),
)
def test_plain_text_takes_the_paths_of_which_it_is_the_beginning(
    wanted: list[str], segments: list[str]
) -> None:
    pattern = "/" + "/".join(wanted).strip("/")
    path = "/" + "/".join(segments)
    bare = path.removesuffix("/") or "/"
    expected = path in (pattern, pattern + "/") or (
        pattern != "/" and bare.startswith(pattern + "/")
    )
    if "//" not in path:
        assert left_out(around_all(re.escape(pattern)), path) == expected


def test_the_root_path_is_no_part_of_the_path() -> None:
    for make in (around_all, around_mount):
        assert left_out(make("/a"), "/a/b", root_path="/outer")
        assert not left_out(make("/outer"), "/a", root_path="/outer")


def test_around_a_mount_the_path_is_that_of_the_app() -> None:
    app = Hesper([mount("/static/{name:str}", whether_marked, middleware=[excluding("/static/x")])])
    for root_path in ("", "/outer"):
        assert left_out(app, "/static/x/file.css", root_path)
        assert left_out(app, "/static/x", root_path)
        assert not left_out(app, "/static/y/static/x", root_path)


def test_inside_of_a_mounted_app_the_path_is_its_own() -> None:
    app = Hesper([mount("/inner", around_all("/a"))])
    assert left_out(app, "/inner/a")
    assert not left_out(app, "/inner/b")


def test_a_long_path_is_decided_in_linear_time() -> None:
    app = around_all(["/a", "/.*/secret", ".*/end"])
    started = time.thread_time()
    assert not left_out(app, "/b" * 50_000)
    assert time.thread_time() - started < 2


def test_types_of_connection_are_told_apart_where_both_come() -> None:
    told: list[str] = []

    class ForSockets(ASGIMiddleware):
        scopes = (ScopeType.WEBSOCKET,)

        async def handle(
            self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp
        ) -> None:
            told.append(scope["type"])
            await next_app(scope, receive, send)

    @websocket("/")
    async def socket_handler(socket: WebSocket) -> None:
        await socket.accept()

    @get("/")
    async def index() -> str:
        return "served"

    async def both(app: ASGIApp) -> None:
        assert (await serve(app, http_scope("GET", "/"))).status == 200
        incoming: list[Message] = [{"type": "websocket.connect"}]
        sent: list[str] = []

        async def receive() -> Message:
            return incoming.pop()

        async def send(message: Message) -> None:
            sent.append(message["type"])

        await app({**http_scope("GET", "/"), "type": "websocket"}, receive, send)
        assert sent == ["websocket.accept", "websocket.close"]

    asyncio.run(both(Hesper([index, socket_handler], middleware=[ForSockets()])))
    assert told == ["websocket"]
