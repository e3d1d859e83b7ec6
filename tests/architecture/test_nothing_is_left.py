"""What is dropped is freed, and everything that Hesper made for it, without the collector."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import types
import weakref
from collections.abc import Callable, Iterator

import httpx
import pytest

from hesper import (
    Controller,
    Hesper,
    get,
)
from hesper.registry import Registry
from hesper.testing import LiveServer, TestClient, client_for
from tests.architecture.every_use import USES, Use, asking, fail, failing, make, markers, used


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Switch the logs off: pytest keeps what they show."""
    logging.disable(logging.CRITICAL)
    markers.clear()
    yield
    logging.disable(logging.NOTSET)


def hesper_objects() -> list[object]:
    """Return all objects of Hesper's own making that the collector knows of."""
    return [
        found
        for found in gc.get_objects()
        if str(type(found).__module__).partition(".")[0] == "hesper"
        or (isinstance(found, types.FunctionType) and found.__code__.co_filename[:7] == "<hesper")
    ]


def left_by(work: Callable[[], object]) -> list[str]:
    """Return what *work* leaves behind, the collector being off."""
    work()  # what is made once for good is made now
    gc.collect()
    gc.disable()
    try:
        before = hesper_objects()
        known, threads = set(map(id, before)), set(threading.enumerate())
        work()
        for thread in set(threading.enumerate()) - threads:
            thread.join(10)  # what a worker thread has done last is its own until it ends
            del thread  # one of anyio's knows its loop
        return [repr(found)[:200] for found in hesper_objects() if id(found) not in known]
    finally:
        gc.enable()


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_app_that_was_used_and_dropped_leaves_nothing(use: Use) -> None:
    gone: list[weakref.ref[Hesper]] = []

    def work() -> None:
        app = make()
        gone.append(weakref.ref(app))
        asyncio.run(used(use, app))

    assert left_by(work) == []
    assert [reference() for reference in gone] == [None, None]
    assert [reference() for reference in markers if reference() is not None] == []


def test_an_app_that_was_never_used_leaves_nothing() -> None:
    assert left_by(make) == []


def test_an_app_that_was_run_twice_leaves_nothing() -> None:
    def work() -> None:
        app = make()
        for _ in range(2):
            asyncio.run(used(USES["answer"], app))

    assert left_by(work) == []


def test_an_app_that_could_not_be_started_leaves_nothing() -> None:
    def work() -> None:
        assert asyncio.run(failing(make(on_startup=[fail])))

    assert left_by(work) == []
    assert markers
    assert all(reference() is None for reference in markers)


def test_an_app_that_could_not_be_stopped_leaves_nothing() -> None:
    def work() -> None:
        assert asyncio.run(failing(make(on_shutdown=[fail])))

    assert left_by(work) == []
    assert markers
    assert all(reference() is None for reference in markers)


def test_an_app_without_a_server_leaves_nothing() -> None:
    async def main() -> None:
        async with make().lifespan() as lifespan:
            lifespan.state.lifespan = lifespan
            await lifespan.tasks.start(asyncio.sleep, 0)

    assert left_by(lambda: asyncio.run(main())) == []


def test_an_app_behind_the_plain_client_leaves_nothing() -> None:
    def work() -> None:
        with TestClient(make()) as client:
            assert client.get("/api/books/one").status_code == 200
            with client.websocket_connect("/api/echo") as session:
                session.send_text("hello")
                assert session.receive_text() == "hello"

    assert left_by(work) == []


def test_an_app_behind_a_real_server_leaves_nothing() -> None:
    def work() -> None:
        with LiveServer(make()) as server:
            response = httpx.get(f"{server.url}/api/books/one", trust_env=False)
            assert response.status_code == 200

    assert left_by(work) == []


def test_nothing_is_left_that_even_the_collector_cannot_free() -> None:
    asyncio.run(used(USES["error"], make()))
    gc.collect()
    assert gc.garbage == []


def test_an_app_of_local_handlers_and_controllers_goes_with_their_classes() -> None:
    class Local(Controller):
        path = "/"

        @get("/")
        async def index(self) -> str:
            return "local"

    app = Hesper([Local])
    asyncio.run(used(asking("/", 200), app))
    gone = weakref.ref(app)
    del app
    assert gone() is None  # the class is a cycle of its own, and the app no part of it


@get("/")
async def index() -> str:
    return "served"


def test_a_thousand_apps_with_clients_for_them_are_freed_without_the_collector() -> None:
    async def main(times: int) -> Registry[Hesper]:
        apps = Registry[Hesper]()
        for _ in range(times):
            app = Hesper([index])
            apps.add(app)
            assert (await client_for(app).get("/")).text == "served"
            assert client_for(app) is client_for(app)
            assert len(apps) <= 1 + (app not in apps)
            del app
        return apps

    def work() -> None:
        assert list(asyncio.run(main(1_000))) == []

    assert left_by(work) == []
