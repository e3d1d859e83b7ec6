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
    unmeasured = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nprint(json.dumps(sorted(set(sys.modules) - before)))"],
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured,
    )
    modules: list[str] = json.loads(done.stdout)
    return modules


@pytest.mark.parametrize("script", [DECLARING, SERVING], ids=["declaring", "serving"])
def test_what_is_loaded_late_is_not_loaded_by_a_plain_app(script: str) -> None:
    late = set(vars(_late)["_HOME"].values())
    assert not late.intersection(loaded(script))


def test_what_every_app_needs_is_loaded_with_the_framework() -> None:
    assert set(loaded(SERVING)) == set(loaded(DECLARING))


def test_the_modules_that_are_loaded_are_few() -> None:
    assert len(loaded(DECLARING)) <= 130
