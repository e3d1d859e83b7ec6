"""`storage`: a mapping of the running loop."""

from __future__ import annotations

import asyncio
import threading
import weakref

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hesper import loop_local
from tests.loop_local.loops import Run


def test_what_is_stored_is_found_again_on_the_same_loop(run: Run) -> None:
    async def write() -> None:
        loop_local.storage()["answer"] = 42

    async def main() -> object:
        await write()
        async with anyio.create_task_group() as group:
            group.start_soon(asyncio_free_read)
        return loop_local.storage()["answer"]

    async def asyncio_free_read() -> None:
        assert loop_local.storage()["answer"] == 42

    assert run(main) == 42


def test_each_loop_has_a_storage_of_its_own(run: Run) -> None:
    async def main() -> bool:
        was_there = "answer" in loop_local.storage()
        loop_local.storage()["answer"] = 42
        return was_there

    assert [run(main), run(main)] == [False, False]


def test_two_loops_at_once_have_two_storages() -> None:
    barrier = threading.Barrier(2)
    seen: dict[str, object] = {}

    async def main(name: str) -> None:
        loop_local.storage()["name"] = name
        await asyncio.to_thread(barrier.wait)
        seen[name] = loop_local.storage()["name"]

    threads = [threading.Thread(target=asyncio.run, args=(main(name),)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"a": "a", "b": "b"}


def test_a_callback_of_the_loop_may_use_it() -> None:
    async def main() -> object:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def callback() -> None:
            loop_local.storage()["by"] = "the callback"
            done.set()

        loop.call_soon(callback)
        await done.wait()
        return loop_local.storage()["by"]

    assert asyncio.run(main()) == "the callback"


def test_without_a_running_loop_it_is_an_error_that_says_so() -> None:
    with pytest.raises(RuntimeError, match="no event loop is running here"):
        loop_local.storage()


def test_in_a_worker_thread_it_is_an_error_that_says_so(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="no event loop is running here"):
            await anyio.to_thread.run_sync(loop_local.storage)

    run(main)


def test_what_is_stored_does_not_outlive_its_loop(run: Run) -> None:
    class Value: ...

    async def main() -> weakref.ref[Value]:
        value = Value()
        loop_local.storage()["value"] = value
        return weakref.ref(value)

    assert run(main)() is None


def test_a_value_that_refers_to_its_loop_does_not_keep_it() -> None:
    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.get_running_loop()
        loop_local.storage()["loop"] = loop
        loop_local.storage()[loop] = loop_local.storage()
        return weakref.ref(loop)

    assert asyncio.run(main())() is None


class Locked(dict[str, int]):
    """A dict that is its own lock."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()

    async def __aenter__(self) -> Locked:
        await self._lock.acquire()
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._lock.release()


def test_a_dict_that_is_its_own_lock_can_be_kept_there(run: Run) -> None:
    async def count() -> None:
        async with loop_local.storage().setdefault("counts", Locked()) as counts:
            before = counts.get("calls", 0)
            await anyio.lowlevel.checkpoint()  # others would come in between
            counts["calls"] = before + 1

    async def main() -> int:
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(count)
        async with loop_local.storage()["counts"] as counts:
            calls: int = counts["calls"]
            return calls

    assert run(main) == 50


def test_it_is_a_mapping_of_its_own_for_keys_of_any_hashable_kind(run: Run) -> None:
    async def main() -> None:
        loop_local.storage()[("a", 1)] = "tuple"
        loop_local.storage()[Locked] = "class"
        assert dict(loop_local.storage()) == {("a", 1): "tuple", Locked: "class"}
        with pytest.raises(TypeError, match="unhashable"):
            loop_local.storage()[[]] = 1  # type: ignore[index]  # pyright: ignore[reportArgumentType]

    run(main)
