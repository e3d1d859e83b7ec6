"""The pytest plugin: fixtures for a client and a lifespan, and the check for leaks.

pytest loads this module wherever Hesper is installed, so it imports nothing of the framework until
something of it is used.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Generator
from typing import Any, Final

import pytest

__all__ = ("hesper_app", "hesper_client", "hesper_lifespan")

MARK: Final = "hesper_no_leaks"

_WATCHES: Final[list[Any]] = []
"""The watch of the test that runs now, if it is checked: none or one, unless pytest runs pytest."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting that check the whole suite for leaks."""
    text = "fail tests that leave lifespans, tasks, responses, servers ... open"
    group = parser.getgroup("hesper")
    group.addoption("--hesper-no-leaks", action="store_true", default=False, help=text)
    parser.addini(MARK, text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the mark, and let pytest-asyncio, if it is there, run the async fixture."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(enabled=True): fail the test if it leaves lifespans, tasks, loop-local resources, "
        "responses, websockets or servers open",
    )
    # Its name depends on how it was loaded: by itself, or by pytest's option -p.
    if any(map(config.pluginmanager.has_plugin, ("asyncio", "pytest_asyncio.plugin"))):
        # pytest-asyncio is optional, and only this module is about it.
        from hesper.testing import plugin_asyncio

        config.pluginmanager.register(plugin_asyncio, "hesper_asyncio")


@pytest.fixture
def hesper_app() -> Any:
    """The app of `hesper_client`: to be defined by whoever uses that."""
    pytest.fail(
        "hesper_client and hesper_lifespan need to know the app: define a fixture called "
        "hesper_app that returns it, in the test's module or in conftest.py",
        pytrace=False,
    )


@pytest.fixture
def hesper_client(request: pytest.FixtureRequest) -> Any:
    """A client of `hesper_app`, whose lifespan runs for the test.

    An `AsyncTestClient` in asynchronous tests, a `TestClient` in others.
    """
    return request.getfixturevalue(_client_fixture(request))


@pytest.fixture
def hesper_lifespan(hesper_client: Any) -> Any:
    """The lifespan that `hesper_client` runs: a `Lifespan`."""
    return hesper_client.lifespan


def _client_fixture(request: pytest.FixtureRequest) -> str:
    """Return the name of the fixture that makes a client for the way the test is run."""
    function = getattr(request.node, "function", None)
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    if not inspect.iscoroutinefunction(inner):
        return "_hesper_sync_client"
    if "anyio_backend" in request.fixturenames:
        return "_hesper_anyio_client"
    marker = request.node.get_closest_marker("asyncio")
    if marker is None or not request.config.pluginmanager.has_plugin("hesper_asyncio"):
        pytest.fail(
            "hesper_client does not know who runs this asynchronous test; mark it with "
            "pytest.mark.anyio, or with pytest.mark.asyncio where pytest-asyncio is installed",
            pytrace=False,
        )
    default = request.config.getini("asyncio_default_test_loop_scope")
    scope = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope") or default
    return f"_hesper_asyncio_{scope}_client"


@pytest.fixture
def _hesper_sync_client(hesper_app: Any) -> Generator[Any]:
    from hesper.testing.client import TestClient  # the framework, which not every suite needs

    with TestClient(hesper_app) as client:
        yield client


@pytest.fixture
async def _hesper_anyio_client(hesper_app: Any) -> AsyncGenerator[Any]:
    from hesper.testing.async_client import AsyncTestClient  # as above

    async with AsyncTestClient(hesper_app) as client:
        yield client


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch what is opened from before the test's fixtures are set up until they are gone."""
    if not _is_checked(item):
        return (yield)
    from hesper.testing.leaks import LeakWatch  # the framework, which not every suite needs

    with LeakWatch() as watch:
        _WATCHES.append(watch)
        try:
            return (yield)
        finally:
            _WATCHES.pop()


def _is_checked(item: pytest.Item) -> bool:
    marker = item.get_closest_marker(MARK)
    if marker is not None:
        return bool(marker.kwargs.get("enabled", marker.args[0] if marker.args else True))
    return bool(item.config.getoption("--hesper-no-leaks") or item.config.getini(MARK))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any],
) -> Generator[None, object, object]:
    """Leave out what belongs to fixtures that outlive the test."""
    if not _WATCHES or fixturedef.scope == "function":
        return (yield)
    with _WATCHES[-1].paused():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test if anything is left once its fixtures are gone."""
    if not _is_checked(item):
        return (yield)
    try:
        result = yield
    except BaseException as error:
        if text := _report(item):
            error.add_note(text)
        raise
    if text := _report(item):
        pytest.fail(text, pytrace=False)
    return result


def _report(item: pytest.Item) -> str:
    from hesper.testing.leak_report import report  # as above

    return report(_WATCHES[-1].left(), item.name, item.config.rootpath)
