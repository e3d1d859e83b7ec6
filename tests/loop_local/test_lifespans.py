"""Resources of a loop that a server's lifespan runs on: closed with the last, if they are its."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hesper import Hesper, Lifespan, get, loop_local, mount
from hesper.testing import AsyncTestClient
from hesper.testing.errors import LifespanError
from tests.loop_local.loops import Journal

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


def app_with(journal: Journal, name: str, *mounted: mount) -> Hesper:
    """Return an app whose lifespan and handler use resources of the loop."""

    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        await loop_local.enter(journal.resource(f"{name}'s first"))
        yield
        journal.append(f"{name} ends")

    @get("/")
    async def index() -> str:
        return await loop_local.enter(journal.resource(f"{name}'s second"))

    return Hesper([index, *mounted], lifespan=[manager])


async def test_they_are_closed_after_the_lifespan_s_own_exits(journal: Journal) -> None:
    async with AsyncTestClient(app_with(journal, "app")) as client:
        await client.get("/")
        assert journal == ["enter app's first", "enter app's second"]
    assert journal[2:] == ["app ends", "exit app's second", "exit app's first"]


async def test_each_lifespan_in_turn_has_its_own(journal: Journal) -> None:
    app = app_with(journal, "app")
    for _ in range(2):
        journal.clear()
        async with AsyncTestClient(app):
            pass
        assert journal == ["enter app's first", "app ends", "exit app's first"]


async def test_they_wait_for_the_last_lifespan_on_the_loop(journal: Journal) -> None:
    async with AsyncTestClient(app_with(journal, "one")):
        async with AsyncTestClient(app_with(journal, "two")):
            pass
        assert journal[2:] == ["two ends"]
    assert journal[3:] == ["one ends", "exit two's first", "exit one's first"]


async def test_a_mounted_app_does_not_close_them(journal: Journal) -> None:
    inner = app_with(journal, "inner")
    outer = app_with(journal, "outer", mount("/inner", inner))
    async with AsyncTestClient(outer):
        pass
    assert journal == [
        "enter outer's first",
        "enter inner's first",
        "inner ends",
        "outer ends",
        "exit inner's first",
        "exit outer's first",
    ]


async def test_a_mounted_app_does_not_close_them_in_a_lifespan_without_a_server(
    journal: Journal,
) -> None:
    outer = app_with(journal, "outer", mount("/inner", app_with(journal, "inner")))
    async with outer.lifespan():
        pass
    assert journal[2:] == ["inner ends", "outer ends"]
    await loop_local.aclose()


async def test_an_app_s_lifespan_without_a_server_leaves_them_to_the_loop(
    journal: Journal,
) -> None:
    async with app_with(journal, "app").lifespan():
        pass
    assert journal == ["enter app's first", "app ends"]
    await loop_local.aclose()
    assert journal[2:] == ["exit app's first"]


async def test_a_lifespan_without_a_server_counts_as_one(journal: Journal) -> None:
    async with app_with(journal, "one").lifespan():
        async with AsyncTestClient(app_with(journal, "two")):
            pass
        assert journal[2:] == ["two ends"]
    await loop_local.aclose()


async def test_a_loop_that_had_resources_before_keeps_all_until_its_end(journal: Journal) -> None:
    await loop_local.enter(journal.resource("mine"))
    async with AsyncTestClient(app_with(journal, "app")):
        pass
    assert journal == ["enter mine", "enter app's first", "app ends"]
    await loop_local.aclose()
    assert journal[3:] == ["exit app's first", "exit mine"]


async def test_a_start_that_fails_closes_them(journal: Journal) -> None:
    async def fail(lifespan: Lifespan) -> None:
        raise ConnectionError("there is no database")

    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        await loop_local.enter(journal.resource("a"))
        yield
        journal.append("the manager is exited")

    with pytest.raises(LifespanError, match="there is no database"):
        async with AsyncTestClient(Hesper([], lifespan=[manager], on_startup=[fail])):
            raise AssertionError("started")
    assert journal == ["enter a", "the manager is exited", "exit a"]


async def test_their_errors_come_out_with_those_of_the_lifespan(journal: Journal) -> None:
    def fail() -> None:
        raise LookupError("the hook failed")

    async def start() -> None:
        await loop_local.enter(journal.resource("a", fails=OSError("the exit failed")))

    client = AsyncTestClient(Hesper([], on_startup=[start], on_shutdown=[fail]))
    with pytest.raises(LifespanError) as info:
        async with client:
            pass
    assert "the hook failed" in str(info.value)
    assert "the exit failed" in str(info.value)
