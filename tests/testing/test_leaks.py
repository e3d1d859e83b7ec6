"""`LeakWatch`: what the check for leaks does, without pytest around it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hesper import Hesper, Lifespan, get, loop_local, mount
from hesper._loop import LoopContainer
from hesper.registry import Live
from hesper.testing import TestClient
from hesper.testing.leak_report import report
from hesper.testing.leaks import LeakWatch
from hesper.testing.openings import watch

pytestmark = pytest.mark.anyio


@get("/")
async def index() -> str:
    return "here"


def text_of(watching: LeakWatch) -> str:
    return report(watching.left(), "the test", Path(__file__).parent)


def methods() -> list[object]:
    return [
        Lifespan.start,
        LoopContainer.enter,
        LoopContainer.defer,
        Live.discard,
        asyncio.BaseEventLoop.create_task,
        asyncio.Runner.run,
        asyncio.Runner.get_loop,
        asyncio.Runner.close,
    ]


async def test_everything_is_as_it_was_afterwards() -> None:
    before, watching = methods(), watch.watch
    with LeakWatch() as inner:
        assert not set(map(id, methods())) & set(map(id, before))
        assert watch.watch is inner
    assert methods() == before
    assert watch.watch is watching
    assert vars(LoopContainer).keys() & {"enter", "defer"} == {"defer"}


async def test_what_a_lifespan_that_is_left_has_started_goes_without_saying() -> None:
    app = Hesper([mount("/inner", Hesper([index]))])
    with LeakWatch() as watching:
        lifespan = app.lifespan()
        await lifespan.start()
        assert text_of(watching).count("\n  a ") == 1
        await lifespan.stop()
        assert text_of(watching) == ""


async def test_a_resource_that_could_not_be_entered_is_not_left() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        raise KeyError("lost")
        yield

    with LeakWatch() as watching:
        with pytest.raises(KeyError):
            await loop_local.enter(broken())
        assert text_of(watching) == ""


class Failing:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None:
        raise KeyError("lost")

    def __repr__(self) -> str:
        return "<Failing>"


async def test_errors_name_what_the_user_has_written() -> None:
    def fail() -> None:
        raise KeyError("lost, too")

    with LeakWatch() as watching:
        await loop_local.enter(Failing())
        loop_local.atexit(fail)
        assert "a loop-local resource <Failing>" in text_of(watching)
        with pytest.raises(ExceptionGroup) as caught:
            await loop_local.aclose()
        assert text_of(watching) == ""
    notes = [note for error in caught.value.exceptions for note in error.__notes__]
    assert sum("<Failing>" in note for note in notes) == 1
    assert sum(".fail at" in note for note in notes) == 1


def test_what_no_line_of_the_test_has_opened_is_told_by_its_thread() -> None:
    loop = asyncio.new_event_loop()
    try:
        with LeakWatch() as watching:
            coroutine = asyncio.sleep(1000)
            # A thread that begins in the library has no frame of the test.
            thread = threading.Thread(target=loop.create_task, args=(coroutine,), name="other")
            thread.start()
            thread.join()
            text = text_of(watching)
        assert "opened in the thread 'other', not by a line of the test" in text
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def test_the_watch_keeps_nothing_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        with LeakWatch() as watching:
            app = Hesper([index])
            async with app.lifespan() as lifespan:
                assert (await lifespan.client().get("/")).text == "here"
            task = asyncio.create_task(asyncio.sleep(0))
            await task
            await asyncio.sleep(0)
            gone = [weakref.ref(it) for it in (app, lifespan, task)]
            del app, lifespan, task
            assert [reference() for reference in gone] == [None] * 3
            assert text_of(watching) == ""
    finally:
        gc.enable()


def test_what_belongs_to_something_longer_is_left_out() -> None:
    client = TestClient(Hesper([index]))
    with LeakWatch() as watching:
        with watching.paused():
            client.__enter__()
        assert client.get("/").text == "here"
        assert text_of(watching) == ""
    client.__exit__()
