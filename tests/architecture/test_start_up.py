"""What a process loads to build an app and to serve it, and what it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hesper import _late

DECLARING = """
import asyncio, json, sys
before = set(sys.modules)
from hesper import Hesper, get
"""

SERVING = f"""{DECLARING}
@get("/books/{{number:int}}")
async def book(number: int, copy: int = 1) -> dict[str, int]:
    return {{"number": number, "copy": copy}}

async def serve(app):
    sent = []
    scope = {{"type": "http", "method": "GET", "path": "/books/7", "query_string": b"copy=2",
             "raw_path": b"/books/7", "root_path": "", "headers": [], "http_version": "1.1"}}
    async def receive():
        return {{"type": "http.request", "body": b"", "more_body": False}}
    async def send(message):
        sent.append(message)
    async with app.lifespan():
        await app(scope, receive, send)
    assert sent[1]["body"] == b'{{"number":7,"copy":2}}', sent

asyncio.run(serve(Hesper([book])))
"""


def loaded(script: str) -> list[str]:
    """Return the modules that *script* loads in a process of its own, besides asyncio's."""
    modules: list[str] = json.loads(
        printed(f"{script}\nprint(json.dumps(sorted(set(sys.modules) - before)))")
    )
    return modules


def printed(script: str) -> str:
    """Return what *script* prints in a process of its own."""
    unmeasured = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=unmeasured
    )
    return done.stdout


@pytest.mark.parametrize("script", [DECLARING, SERVING], ids=["declaring", "serving"])
def test_what_is_loaded_late_is_not_loaded_by_a_plain_app(script: str) -> None:
    late = set(vars(_late)["_HOME"].values())
    assert not late.intersection(loaded(script))


def test_what_every_app_needs_is_loaded_with_the_framework() -> None:
    assert set(loaded(SERVING)) == set(loaded(DECLARING))


def test_the_modules_that_are_loaded_are_few() -> None:
    assert len(loaded(DECLARING)) <= 130


LATER = """
import asyncio, json, sys
from hesper import Hesper, Request, WebSocket, asgi, get, websocket

async def drive(app, type):
    scope = {{"type": type, "method": "GET", "path": "/", "query_string": b"", "raw_path": b"/",
             "root_path": "", "headers": [(b"cookie", b"session=1")], "http_version": "1.1"}}
    told, sent = asyncio.Event(), []
    async def receive():
        if type == "websocket":
            return {{"type": "websocket.connect"}}
        if told.is_set():
            await asyncio.Event().wait()
        told.set()
        return {{"type": "http.request", "body": b"", "more_body": False}}
    async def send(message):
        sent.append(message)
    await app(scope, receive, send)
    return sent

def passing(app):
    async def middleware(scope, receive, send):
        await app(scope, receive, send)
    return middleware

{route}

async def serve():
    app = Hesper([handle])
    async with app.lifespan():
        before = set(sys.modules)
        sent = await drive(app, "{type}")
        assert sent[0].get("status", 200) == 200, sent
    print(json.dumps(sorted(set(sys.modules) - before)))

asyncio.run(serve())
"""

KINDS = {
    "websocket": "@websocket('/')\nasync def handle(socket: WebSocket) -> None:\n"
    "    await socket.accept()",
    "failing websocket": "@websocket('/')\nasync def handle(socket: WebSocket) -> None:\n"
    "    raise ValueError",
    "websocket inside middleware": "@websocket('/', middleware=[passing])\n"
    "async def handle(socket: WebSocket) -> None:\n    await socket.accept()",
    "asgi": "@asgi('/')\nasync def handle(scope, receive, send) -> None:\n"
    "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
    "    await send({'type': 'http.response.body', 'body': b''})",
    "cancelled": "@get('/', when_disconnected='cancel')\nasync def handle() -> str:\n    return ''",
    "inside middleware": "@get('/', middleware=[passing])\nasync def handle() -> str:\n"
    "    return ''",
    "tagged": "from hesper.datastructures import ETag\n@get('/', etag=ETag(value='a'))\n"
    "async def handle() -> str:\n    return ''",
    "tagged by a header": "@get('/', response_headers={'ETag': '\"a\"'})\n"
    "async def handle() -> str:\n    return ''",
    "file": "from hesper.response import File\n@get('/')\n"
    "async def handle() -> File:\n    return File(sys.executable)",
    "cookies": "@get('/')\nasync def handle(cookies: dict[str, str]) -> str:\n"
    "    return cookies['session']",
    "cookie": "from typing import Annotated\nfrom hesper.params import Parameter\n@get('/')\n"
    "async def handle(session: Annotated[str, Parameter(cookie='session')]) -> str:\n"
    "    return session",
}


IN_THREADS = {
    "handler": "@get('/')\ndef handle() -> str:\n    return ''",
    "dependency": "def find() -> str:\n    return ''\n@get('/', dependencies={'found': find})\n"
    "async def handle(found: str) -> str:\n    return found",
    "exit": "def find():\n    yield ''\n@get('/', dependencies={'found': find})\n"
    "async def handle(found: str) -> str:\n    return found",
}


def first_request_loads(route: str, type: str = "http") -> list[str]:
    """Return the modules that the first request to a route loads."""
    modules: list[str] = json.loads(printed(LATER.format(route=route, type=type)))
    return modules


@pytest.mark.parametrize("kind", KINDS)
def test_no_request_is_the_first_to_need_what_a_route_is_served_by(kind: str) -> None:
    modules = first_request_loads(KINDS[kind], "websocket" if "websocket" in kind else "http")
    assert [name for name in modules if name.startswith("hesper")] == []


@pytest.mark.parametrize("step", IN_THREADS)
def test_what_threads_take_is_loaded_with_the_routes_that_need_them(step: str) -> None:
    assert first_request_loads(IN_THREADS[step]) == []


@pytest.mark.parametrize("script", [DECLARING, SERVING], ids=["declaring", "serving"])
def test_an_app_without_threads_goes_without_anyio(script: str) -> None:
    assert "anyio" not in loaded(script)


def test_names_are_found_late_where_modules_have_been_forgotten() -> None:
    script = """
import sys
from unittest import mock
with mock.patch.dict(sys.modules):
    from hesper import get
try:
    get(pth="/")
except TypeError as error:
    print(error)
"""
    assert "did you mean 'path'" in printed(script)
