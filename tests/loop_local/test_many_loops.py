"""Loops by the thousand: none of them stays, nor what was opened on them."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable

import pytest
import uvloop

from hesper import _loop, loop_local


class Resource:
    """Refers to its loop, to make trouble."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.is_open = False

    async def __aenter__(self) -> Resource:
        self.is_open = True
        self.loop = asyncio.get_running_loop()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await asyncio.sleep(0)
        self.is_open = False


resource_for = loop_local.sticky_singleton_acm(Resource)


@loop_local.singleton
async def number() -> object:
    return object()


class Seen:
    """Counts what has come, and knows what has gone."""

    def __init__(self) -> None:
        self.references: list[weakref.ref[object]] = []

    def see(self, *objects: object) -> None:
        self.references.extend(map(weakref.ref, objects))

    def alive(self) -> int:
        return sum(reference() is not None for reference in self.references)


async def use(seen: Seen) -> None:
    async with resource_for("a") as one, resource_for("b") as two:
        assert one is not two
    await number()
    loop_local.storage()["loop"] = asyncio.get_running_loop()
    seen.see(one, two, asyncio.get_running_loop())


@pytest.mark.parametrize(
    ("new_loop", "times"),
    [(asyncio.new_event_loop, 9_000), (uvloop.new_event_loop, 1_000)],
    ids=["asyncio", "uvloop"],
)
def test_of_ten_thousand_loops_nothing_is_left(
    new_loop: Callable[[], asyncio.AbstractEventLoop], times: int
) -> None:
    seen = Seen()

    def run(times: int) -> None:
        for _ in range(times):
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(use(seen))

    run(10)
    gc.collect()
    seen.references.clear()
    before = len(gc.get_objects())
    gc.disable()
    try:
        run(times)
        assert len(seen.references) == 3 * times
        # Without the collector: each loop has freed all that it had.
        assert seen.alive() == 0
    finally:
        gc.enable()
    seen.references.clear()
    assert len(gc.get_objects()) - before < 100
    assert gc.garbage == []
    assert _loop._claims == {}


@pytest.mark.parametrize(("threads", "times"), [(8, 50)])
def test_loops_in_several_threads_leave_nothing(threads: int, times: int) -> None:
    seen = Seen()

    def run() -> None:
        for _ in range(times):
            asyncio.run(use(seen))

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    gc.collect()
    assert len(seen.references) == 3 * threads * times
    assert seen.alive() == 0
    assert _loop._claims == {}


def test_a_resource_is_gone_before_the_loop_if_the_loop_is_used_on() -> None:
    async def main() -> None:
        seen = Seen()
        for _ in range(1_000):
            seen.see(await loop_local.enter(Resource()))
            await loop_local.aclose()
        assert seen.alive() <= 1

    asyncio.run(main())


def test_entering_that_fails_again_and_again_does_not_pile_up() -> None:
    class Broken(Resource):
        async def __aenter__(self) -> Resource:
            raise ConnectionError

    async def main() -> None:
        seen = Seen()
        for _ in range(1_000):
            broken = Broken()
            seen.see(broken)
            for enter in (loop_local.enter, loop_local.enter_once):
                with pytest.raises(ConnectionError):
                    await enter(broken)
            del broken
        await asyncio.sleep(0)
        assert seen.alive() <= 1

    asyncio.run(main())
