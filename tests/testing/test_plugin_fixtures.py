"""The fixtures of the pytest plugin, in a pytest of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.pytest_runs import run_pytest

APP = """
import asyncio
import pytest

from hesper import Hesper, Lifespan, get
from hesper.datastructures import State
from hesper.testing import AsyncTestClient, TestClient

EVENTS = []


async def opened(app):
    app.state.loop = asyncio.get_running_loop()
    EVENTS.append("startup")


def closed():
    EVENTS.append("shutdown")


@get("/")
async def index(state: State) -> bool:
    return state.loop is asyncio.get_running_loop()


@pytest.fixture(scope="session")
def hesper_app():
    return Hesper([index], on_startup=opened, on_shutdown=closed)


@pytest.fixture
def anyio_backend():
    return "asyncio"


pytestmark = pytest.mark.hesper_no_leaks

"""

SYNC = """
def test_the_client(hesper_client):
    assert isinstance(hesper_client, TestClient)
    assert hesper_client.get("/").json() is True
    assert EVENTS == ["startup"]


def test_the_lifespan(hesper_client, hesper_lifespan, hesper_app):
    assert EVENTS == ["startup", "shutdown", "startup"]
    assert isinstance(hesper_lifespan, Lifespan)
    assert hesper_lifespan is hesper_client.lifespan
    assert hesper_lifespan.app is hesper_app
"""

ASYNC = """
@pytest.fixture{asynchronous}
async def answer(hesper_client):
    return (await hesper_client.get("/")).json()


{mark}
async def test_the_client(hesper_client):
    assert isinstance(hesper_client, AsyncTestClient)
    assert (await hesper_client.get("/")).json() is True
    assert EVENTS == ["startup"]


{mark}
async def test_the_lifespan(hesper_client, hesper_lifespan, hesper_app):
    assert EVENTS == ["startup", "shutdown", "startup"]
    assert hesper_lifespan is hesper_client.lifespan
    assert hesper_lifespan.loop is asyncio.get_running_loop()
    assert hesper_app.state.loop is asyncio.get_running_loop()
    assert (await hesper_lifespan.client().get("/")).json() is True


{mark}
async def test_a_fixture_that_needs_the_client(answer):
    assert answer is True
"""


def test_a_sync_test_gets_a_sync_client(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, APP + SYNC)
    assert "2 passed" in run.output, run.output


def test_a_test_of_anyio_gets_an_async_client(tmp_path: Path) -> None:
    code = ASYNC.format(asynchronous="", mark="@pytest.mark.anyio")
    run = run_pytest(tmp_path, APP + code)
    assert "3 passed" in run.output, run.output


@pytest.mark.parametrize(
    ("mark", "fixture_loop", "ini"),
    [
        ("@pytest.mark.asyncio", "function", ""),
        ('@pytest.mark.asyncio(loop_scope="module")', "module", ""),
        ("", "session", "asyncio_mode = auto\nasyncio_default_test_loop_scope = session"),
    ],
)
def test_a_test_of_pytest_asyncio_gets_an_async_client_on_its_loop(
    tmp_path: Path, mark: str, fixture_loop: str, ini: str
) -> None:
    code = ASYNC.format(asynchronous="", mark=mark).replace(
        "@pytest.fixture\nasync", f'@pytest_asyncio.fixture(loop_scope="{fixture_loop}")\nasync'
    )
    run = run_pytest(tmp_path, "import pytest_asyncio\n" + APP + code, ini=ini)
    assert "3 passed" in run.output, run.output


def test_sync_tests_and_those_of_both_plugins_go_together(tmp_path: Path) -> None:
    code = """
@pytest.mark.anyio
async def test_anyio(hesper_client):
    assert (await hesper_client.get("/")).json() is True


@pytest.mark.asyncio
async def test_asyncio(hesper_client):
    assert (await hesper_client.get("/")).json() is True


def test_sync(hesper_client):
    assert hesper_client.get("/").json() is True
"""
    run = run_pytest(tmp_path, APP + code, "-n", "2")
    assert "3 passed" in run.output, run.output


def test_without_an_app_the_error_says_what_to_define(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, "def test_lost(hesper_lifespan): ...")
    report = run.report("ERROR at setup of test_lost")
    assert "define a fixture called hesper_app that returns it" in report
    assert "Traceback" not in report


def test_a_test_that_nobody_runs_says_how_to_mark_it(tmp_path: Path) -> None:
    code = """
async def test_lost(hesper_client):
    pass
"""
    run = run_pytest(tmp_path, APP + code)
    assert "mark it with pytest.mark.anyio, or" in run.report("ERROR at setup of test_lost")


def test_an_app_that_cannot_be_started_fails_the_test_in_its_setup(tmp_path: Path) -> None:
    code = """
from hesper import Hesper
import pytest

def fail():
    raise KeyError("lost")

@pytest.fixture
def hesper_app():
    return Hesper(on_startup=fail)

@pytest.mark.hesper_no_leaks
def test_lost(hesper_client): ...
"""
    run = run_pytest(tmp_path, code)
    assert "KeyError: 'lost'" in run.report("ERROR at setup of test_lost")
    assert "left" not in run.report("ERROR at setup of test_lost")
    assert "1 error" in run.output
