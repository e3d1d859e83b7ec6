"""Resources of the loop in the tests of others: closed when pytest's plugin ends its loop."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

RESOURCES = """
import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hesper import loop_local


def say(event):
    with Path("events.txt").open("a") as file:
        print(event, file=file)


@loop_local.sticky_singleton_acm
@asynccontextmanager
async def resource(name):
    say(f"open {name}")
    async with asyncio.TaskGroup():
        yield name
        await asyncio.to_thread(say, f"close {name}")
"""

ON_EACH_OWN_LOOP = """
import pytest
from resources import resource, say

pytestmark = pytest.mark.{mark}


async def test_one():
    async with resource("a"), resource("b"):
        say("one")


async def test_two():
    async with resource("a"):
        say("two")
"""

ON_ONE_LOOP = """
import pytest
import pytest_asyncio
from resources import resource, say


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opened():
    async with resource("a") as name:
        yield name
    say("the fixture ends")


@pytest.mark.asyncio(loop_scope="session")
async def test_one(opened):
    async with resource("a") as name:
        assert name is opened


@pytest.mark.asyncio(loop_scope="session")
async def test_two(opened):
    async with resource("b"):
        pass
"""

WITH_A_CLIENT = """
import pytest
from hesper import Hesper, get
from hesper.testing import AsyncTestClient
from resources import resource, say


@get("/")
async def index() -> str:
    async with resource("a") as name:
        return name


app = Hesper([index])

{fixture}
async def client():
    async with AsyncTestClient(app) as client:
        yield client
        say("the client ends")


@pytest.mark.{mark}
async def test_one(client):
    assert (await client.get("/")).text == "a"


@pytest.mark.{mark}
async def test_two(client):
    assert (await client.get("/")).text == "a"
"""

ASYNCIO_ONLY = "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n\n\n"


BY_ASYNCIO = "-oasyncio_default_fixture_loop_scope=function"
BY_ANYIO = "-pno:asyncio"


def events_of(tests: str, folder: Path, plugin: str) -> list[str]:
    """Run *tests* in a pytest of their own, which must succeed, and return what they said."""
    folder.joinpath("resources.py").write_text(RESOURCES)
    folder.joinpath("test_it.py").write_text(textwrap.dedent(tests))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-Werror", "-pno:cacheprovider", plugin],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    return folder.joinpath("events.txt").read_text().splitlines()


EACH_OWN = ["open a", "open b", "one", "close b", "close a", "open a", "two", "close a"]


def test_pytest_asyncio_with_a_loop_for_each_test(tmp_path: Path) -> None:
    assert events_of(ON_EACH_OWN_LOOP.format(mark="asyncio"), tmp_path, BY_ASYNCIO) == EACH_OWN


def test_the_plugin_of_anyio_with_a_loop_for_each_test(tmp_path: Path) -> None:
    tests = ON_EACH_OWN_LOOP.format(mark="anyio").replace("pytestmark", ASYNCIO_ONLY + "pytestmark")
    assert events_of(tests, tmp_path, BY_ANYIO) == EACH_OWN


def test_pytest_asyncio_with_one_loop_for_all(tmp_path: Path) -> None:
    events = events_of(ON_ONE_LOOP, tmp_path, BY_ASYNCIO)
    assert events == ["open a", "open b", "the fixture ends", "close b", "close a"]


@pytest.mark.parametrize("mark", ["asyncio", "anyio"])
def test_a_client_s_lifespan_ends_before_the_resources(mark: str, tmp_path: Path) -> None:
    fixture = {
        "asyncio": "import pytest_asyncio\n\n@pytest_asyncio.fixture",
        "anyio": ASYNCIO_ONLY + "@pytest.fixture",
    }[mark]
    plugin = {"asyncio": BY_ASYNCIO, "anyio": BY_ANYIO}[mark]
    events = events_of(WITH_A_CLIENT.format(mark=mark, fixture=fixture), tmp_path, plugin)
    assert events == ["open a", "the client ends", "close a"] * 2


def test_the_plugin_of_anyio_on_trio(tmp_path: Path) -> None:
    tests = """
        import pytest
        from contextlib import asynccontextmanager
        from hesper import loop_local
        from resources import say

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "trio"

        @asynccontextmanager
        async def resource(name):
            say(f"open {name}")
            yield name
            say(f"close {name}")

        async def test_one():
            await loop_local.enter(resource("a"))

        async def test_two():
            await loop_local.enter(resource("b"))
        """
    events = events_of(tests, tmp_path, BY_ANYIO)
    assert events == ["open a", "close a", "open b", "close b"]
