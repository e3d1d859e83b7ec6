"""`hesper.live`: what is alive in this process."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from hesper import Hesper, get, live
from hesper.registry import Live, Record


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@get("/")
async def index() -> str:
    return "served"


def test_live_lists_the_apps_that_are_alive_as_plain_records() -> None:
    before = live.apps
    app = Hesper([index])
    [record] = [record for record in live.apps if record not in before]
    assert isinstance(record, Record)
    assert record.kind == "app"
    assert record.name == f"Hesper at {id(app):#x}"
    assert record.details == {"routes": 1}
    assert record.since <= time.time()
    del app
    assert record not in live.apps


def test_live_lists_the_lifespans_that_are_running() -> None:
    app = Hesper([index])

    def of_app() -> list[Record]:
        return [record for record in live.lifespans if f"{id(app):#x}" in record.name]

    async def main() -> None:
        async with app.lifespan(), app.lifespan():
            running = of_app()
            assert [record.kind for record in running] == ["lifespan", "lifespan"]
            assert running[0].details == {"phase": "ready", "connections": 0}
        assert of_app() == []

    assert of_app() == []
    asyncio.run(main())


def test_records_keep_nothing_alive() -> None:
    app = Hesper([index])
    records = live.apps
    gone = weakref.ref(app)
    del app
    assert gone() is None
    assert records


class Plain:
    """Can be listed in `live`."""

    def describe(self) -> tuple[str, dict[str, str]]:
        return "plain", {"is": "plain"}


def test_what_is_listed_in_live_can_be_taken_out_again() -> None:
    here, plain = Live(), Plain()
    here.add("server", plain)
    assert here.members("server") == (plain,)
    assert [record.name for record in here.servers] == ["plain"]
    here.discard("server", plain)
    assert here.servers == ()
    assert here.apps == here.lifespans == ()


def test_live_can_be_read_while_members_come_and_go() -> None:
    here = Live()
    failures: list[BaseException] = []
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            plain = Plain()
            here.add("server", plain)
            here.discard("server", plain)
            here.add("server", plain)

    def read() -> None:
        try:
            for _ in range(2_000):
                assert all(record.kind == "server" for record in here.servers)
        except BaseException as failure:
            failures.append(failure)
        finally:
            done.set()

    threads = [threading.Thread(target=work) for work in (come_and_go, come_and_go, read)]
    for worker in threads:
        worker.start()
    for worker in threads:
        worker.join()
    assert failures == []
    assert here.servers == ()
