"""In which order a lifespan starts and stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hesper import Hesper, Router
from hesper._types import Receive, Scope, Send
from hesper.handlers import mount
from hesper.testing import TestClient
from tests.lifespan.journal import Journal, forever

pytestmark = pytest.mark.anyio


def everything(journal: Journal) -> Hesper:
    return Hesper(
        [mount("/first", journal.app("first")), mount("/second", journal.app("second"))],
        lifespan=[journal.manager("a"), journal.manager("b")],
        on_startup=[journal.hook("up 1"), journal.async_hook("up 2")],
        on_shutdown=[journal.hook("down 1"), journal.async_hook("down 2")],
    )


STARTED = ["enter a", "enter b", "up 1", "up 2", "start first", "start second"]
STOPPED = ["stop second", "stop first", "exit b", "exit a", "down 1", "down 2"]


async def test_a_lifespan_starts_managers_then_hooks_then_mounted_apps() -> None:
    journal = Journal()
    async with everything(journal).lifespan():
        assert journal == STARTED


async def test_a_lifespan_stops_mounted_apps_then_managers_in_reverse_then_hooks_in_order() -> None:
    journal = Journal()
    async with everything(journal).lifespan():
        journal.clear()
    assert journal == STOPPED


async def test_the_order_is_the_same_every_time() -> None:
    journal = Journal()
    app = everything(journal)
    for _ in range(3):
        async with app.lifespan():
            pass
    assert journal == [*STARTED, *STOPPED] * 3


def test_the_order_is_the_same_under_the_protocol() -> None:
    journal = Journal()
    with TestClient(everything(journal)):
        assert journal == STARTED
    assert journal == [*STARTED, *STOPPED]


async def test_supervised_tasks_end_before_anything_is_closed() -> None:
    journal = Journal()
    app = Hesper(lifespan=[journal.manager("a")], on_shutdown=[journal.hook("down")])

    async def work() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            journal.append("work ended")

    async with app.lifespan() as lifespan:
        _ = lifespan.tasks.start(work)
        await asyncio.sleep(0)
    assert journal == ["enter a", "work ended", "exit a", "down"]


async def test_shutdown_hooks_run_where_there_is_no_start_up_hook() -> None:
    journal = Journal()
    async with Hesper(on_shutdown=[journal.hook("down")]).lifespan():
        pass
    assert journal == ["down"]


async def test_a_manager_sees_what_the_one_before_it_set() -> None:
    seen: list[Any] = []

    async def first(app: Hesper) -> None:
        app.state.pool = "a pool"

    async def second(app: Hesper) -> None:
        seen.append(app.state.pool)

    async with Hesper(on_startup=[first, second], on_shutdown=second).lifespan():
        pass
    assert seen == ["a pool", "a pool"]


async def test_one_mount_at_several_paths_is_started_once() -> None:
    journal = Journal()
    mounted = mount(["/a", "/b"], journal.app("it"))
    router = Router(path="/deep", route_handlers=[mounted])
    async with Hesper([mounted, router]).lifespan():
        pass
    assert journal == ["start it", "stop it"]


async def test_the_next_app_is_started_when_the_one_before_has_answered() -> None:
    journal = Journal()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for _ in range(5):
            await asyncio.sleep(0)
        journal.append("start slow")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async with Hesper([mount("/slow", slow), mount("/next", journal.app("next"))]).lifespan():
        assert journal == ["start slow", "start next"]
