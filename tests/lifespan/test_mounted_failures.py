"""Mounted apps whose lifespans break off, and what becomes of the others."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

from hesper import Hesper
from hesper._types import Receive, Scope, Send
from hesper.handlers import mount
from hesper.lifespan import MountedAppFailed, mounted
from hesper.testing import TestClient
from tests.lifespan.journal import Journal, RefusalError, forever, leaves

pytestmark = pytest.mark.anyio


async def test_a_mounted_app_starts_and_stops_in_one_task_of_its_own() -> None:
    tasks: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        tasks.append(asyncio.current_task())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        tasks.append(asyncio.current_task())
        await send({"type": "lifespan.shutdown.complete"})

    async with Hesper([mount("/app", app)]).lifespan():
        pass
    assert tasks[0] is tasks[1]
    assert tasks[0] is not asyncio.current_task()


def scripted(*, starting: str = "", running: str = "", stopping: str = "", last: str = "") -> Any:
    """Return an app that raises or returns at one point of its lifespan."""

    async def at(what: str) -> bool:
        if what == "raise":
            raise RefusalError
        if what == "hang":
            await forever()
        return what == "return"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if await at(starting):
            return
        await send({"type": "lifespan.startup.complete"})
        if await at(running):
            return
        await receive()
        if await at(stopping):
            return
        await send({"type": "lifespan.shutdown.complete"})
        await at(last)

    return app


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({"starting": "raise"}, "ended without an answer (startup)"),
        ({"starting": "return"}, "ended without an answer (startup)"),
        ({"running": "raise"}, "ended without an answer (shutdown)"),
        ({"stopping": "raise"}, "ended without an answer (shutdown)"),
        ({"stopping": "return"}, "ended without an answer (shutdown)"),
        ({"last": "raise"}, "raised after it had answered (shutdown)"),
    ],
)
async def test_an_app_that_breaks_off_is_an_error_that_names_it(
    script: dict[str, str], message: str
) -> None:
    journal = Journal()
    app = Hesper([mount("/broken", scripted(**script))], lifespan=journal.manager("a"))
    with pytest.raises(MountedAppFailed, match=re.escape(message)) as caught:
        async with app.lifespan():
            await asyncio.sleep(0)
    assert "/broken" in str(caught.value)
    raises = "raise" in script.values()
    assert isinstance(caught.value.__cause__, RefusalError if raises else type(None))
    assert journal == ["enter a", "exit a"]


async def test_an_app_that_has_started_and_returned_needs_no_stop() -> None:
    async with Hesper([mount("/app", scripted(running="return"))]).lifespan():
        await asyncio.sleep(0)


async def test_an_app_that_stays_after_its_last_answer_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mounted, "LAST_WORDS", 0)
    before = asyncio.all_tasks()
    async with Hesper([mount("/app", scripted(last="hang"))]).lifespan():
        pass
    assert asyncio.all_tasks() == before


async def test_an_app_that_fails_while_its_start_is_cancelled_comes_out_too() -> None:
    reached = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            reached.set()
            await forever()
        finally:
            raise RefusalError

    starting = asyncio.create_task(Hesper([mount("/app", app)]).lifespan().start())
    await reached.wait()
    starting.cancel()
    with pytest.raises(BaseExceptionGroup) as caught:
        await starting
    assert {type(e) for e in leaves(caught.value)} == {asyncio.CancelledError, RefusalError}


def test_a_failing_second_starlette_app_unwinds_the_first() -> None:
    journal = Journal()

    @asynccontextmanager
    async def first(app: object) -> AsyncIterator[None]:
        journal.append("start first")
        yield
        journal.append("stop first")

    @asynccontextmanager
    async def second(app: object) -> AsyncIterator[None]:
        raise RefusalError("no database")
        yield

    app = Hesper([mount("/1", Starlette(lifespan=first)), mount("/2", Starlette(lifespan=second))])
    with (
        pytest.raises(
            Exception, match=r"(?s)the app mounted at /2 failed: .*no database"
        ) as caught,
        TestClient(app),
    ):
        raise AssertionError("it started")
    assert "/2" in str(caught.value)
    assert journal == ["start first", "stop first"]


def test_mounted_apps_stop_after_one_that_failed_to() -> None:
    journal = Journal()

    @asynccontextmanager
    async def failing(app: object) -> AsyncIterator[None]:
        yield
        raise RefusalError("stuck")

    app = Hesper(
        [mount("/1", journal.app("first")), mount("/2", Starlette(lifespan=failing))],
        lifespan=journal.manager("a"),
    )
    with pytest.raises(Exception, match="the app mounted at /2 failed"), TestClient(app):
        pass
    assert journal == ["enter a", "start first", "stop first", "exit a"]
