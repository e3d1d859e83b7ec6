"""A loop that is closed without its generators having been closed: exits run all the same."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
import weakref
from collections.abc import Callable

import pytest
import uvloop

from hesper import loop_local
from tests.loop_local.loops import Journal

NewLoop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> NewLoop:
    made: NewLoop = request.param
    return made


def test_its_exits_run_in_reverse_and_a_warning_says_what_to_do(
    new_loop: NewLoop, journal: Journal
) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await loop_local.enter(journal.resource("b"))

    loop = new_loop()
    loop.run_until_complete(main())
    with pytest.warns(ResourceWarning, match=r"left open: .*use asyncio\.run, or await") as caught:
        loop.close()
    assert [warning.filename for warning in caught] == [__file__]
    assert loop.is_closed()
    assert journal == ["enter a", "enter b", "exit b", "exit a"]


def test_after_aclose_there_is_nothing_to_warn_of(new_loop: NewLoop, journal: Journal) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        await loop_local.aclose()

    loop = new_loop()
    loop.run_until_complete(main())
    loop.close()
    assert journal == ["enter a", "exit a"]


def test_after_its_generators_were_closed_there_is_nothing_to_warn_of(
    new_loop: NewLoop, journal: Journal
) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))

    loop = new_loop()
    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert journal == ["enter a", "exit a"]
    loop.close()


def test_a_loop_with_nothing_to_exit_is_closed_in_silence_and_freed(new_loop: NewLoop) -> None:
    async def main() -> None:
        loop_local.storage()["loop"] = asyncio.get_running_loop()

    loop = new_loop()
    loop.run_until_complete(main())
    loop.close()
    loop.close()
    gone = weakref.ref(loop)
    gc.disable()
    try:
        del loop
        assert gone() is None
    finally:
        gc.enable()


def test_a_loop_with_exits_is_freed_once_it_is_closed(new_loop: NewLoop, journal: Journal) -> None:
    async def main() -> None:
        loop_local.storage()["value"] = await loop_local.enter(journal.resource("a"))

    loop = new_loop()
    loop.run_until_complete(main())
    with pytest.warns(ResourceWarning):
        loop.close()
    gone = weakref.ref(loop)
    del loop
    assert gone() is None


def test_a_running_loop_cannot_be_closed_and_keeps_what_it_has(
    new_loop: NewLoop, journal: Journal
) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))
        with pytest.raises(RuntimeError, match="running"):
            asyncio.get_running_loop().close()
        assert journal == ["enter a"]
        await loop_local.aclose()

    loop = new_loop()
    loop.run_until_complete(main())
    loop.close()


def test_errors_of_the_exits_are_reported_and_the_loop_is_closed(
    new_loop: NewLoop, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a", fails=OSError("a failed")))

    loop = new_loop()
    loop.run_until_complete(main())
    with caplog.at_level(logging.ERROR), pytest.warns(ResourceWarning):
        loop.close()
    assert "a failed" in caplog.text
    assert loop.is_closed()


def test_a_loop_that_is_dropped_unclosed_warns(journal: Journal) -> None:
    async def main() -> None:
        await loop_local.enter(journal.resource("a"))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    gone = weakref.ref(loop)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del loop
        gc.collect()
    assert gone() is None
    assert any("left open" in str(warning.message) for warning in caught)


def test_a_loop_that_is_closed_inside_of_another_cannot_run_its_exits_and_warns(
    journal: Journal,
) -> None:
    async def inner() -> None:
        await loop_local.enter(journal.resource("a"))

    loops = [asyncio.new_event_loop()]
    loops[0].run_until_complete(inner())

    async def main() -> None:
        loops.pop().close()
        gc.collect()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(main())
    assert any("left open" in str(warning.message) for warning in caught)
