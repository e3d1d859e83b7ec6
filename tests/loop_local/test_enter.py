"""`enter`, `enter_once` and `atexit`: what is entered on a loop, and its value."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import anyio
import anyio.lowlevel
import pytest

from hesper import loop_local
from tests.loop_local.loops import Journal, Run


class Manager:
    """Can be entered any number of times, and counts."""

    def __init__(self) -> None:
        self.entered = 0
        self.exited = 0

    async def __aenter__(self) -> Manager:
        await anyio.lowlevel.checkpoint()
        self.entered += 1
        return self

    async def __aexit__(self, *raised: object) -> None:
        await anyio.lowlevel.checkpoint()
        self.exited += 1


class Slotted:
    """Cannot be weakly referenced, nor hashed."""

    __slots__ = ()

    async def __aenter__(self) -> str:
        return "slotted"

    async def __aexit__(self, *raised: object) -> None:
        return None

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def test_entering_gives_the_value_and_exits_with_the_loop(run: Run, journal: Journal) -> None:
    async def main() -> str:
        value = await loop_local.enter(journal.resource("a"))
        journal.append("main is done")
        return value

    assert run(main) == "a"
    assert journal == ["enter a", "main is done", "exit a"]


def test_entering_a_manager_twice_enters_and_exits_it_twice(run: Run) -> None:
    manager = Manager()

    async def main() -> None:
        await loop_local.enter(manager)
        await loop_local.enter(manager)

    run(main)
    assert (manager.entered, manager.exited) == (2, 2)


def test_entering_once_does_nothing_the_second_time(run: Run) -> None:
    manager = Manager()

    async def main() -> None:
        first = await loop_local.enter_once(manager)
        assert await loop_local.enter_once(manager) is first is manager

    run(main)
    assert (manager.entered, manager.exited) == (1, 1)


def test_entering_once_gives_many_tasks_the_same_value(run: Run, journal: Journal) -> None:
    async def main() -> None:
        resource = journal.resource("a")

        async def ask() -> None:
            assert await loop_local.enter_once(resource) == "a"

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask)

    run(main)
    assert journal == ["enter a", "exit a"]


def test_managers_are_told_apart_by_identity(run: Run) -> None:
    async def main() -> None:
        one, two = Slotted(), Slotted()
        assert await loop_local.enter_once(one) == "slotted"
        assert await loop_local.enter_once(two) == "slotted"

    run(main)


def test_a_new_manager_in_the_place_of_an_old_one_is_entered(run: Run) -> None:
    async def main() -> int:
        return sum([(await loop_local.enter_once(Manager())).entered for _ in range(100)])

    assert run(main) == 100


def test_a_manager_can_be_entered_once_on_each_loop_in_turn(run: Run) -> None:
    manager = Manager()

    async def main() -> None:
        await loop_local.enter_once(manager)

    run(main)
    run(main)
    assert (manager.entered, manager.exited) == (2, 2)


def test_a_failure_to_enter_comes_out_and_leaves_nothing_to_exit(run: Run) -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        await anyio.lowlevel.checkpoint()
        raise ConnectionError("refused")
        yield

    async def main() -> None:
        for enter in (loop_local.enter, loop_local.enter_once):
            with pytest.raises(ConnectionError, match="refused"):
                await enter(broken())
        await loop_local.aclose()

    run(main)


def test_a_manager_that_could_not_be_entered_can_be_tried_again(run: Run) -> None:
    class Unlucky(Manager):
        async def __aenter__(self) -> Manager:
            await super().__aenter__()
            if self.entered == 1:
                raise ConnectionError
            return self

    manager = Unlucky()

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await loop_local.enter_once(manager)
        assert await loop_local.enter_once(manager) is manager

    run(main)
    assert (manager.entered, manager.exited) == (2, 1)


def test_a_manager_that_could_not_be_entered_here_can_be_entered_elsewhere(run: Run) -> None:
    class Unlucky(Manager):
        async def __aenter__(self) -> Manager:
            await super().__aenter__()
            if self.entered == 1:
                raise ConnectionError
            return self

    manager = Unlucky()

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await loop_local.enter(manager)
        other = threading.Thread(target=lambda: run(elsewhere))
        other.start()
        other.join()

    async def elsewhere() -> None:
        await loop_local.enter(manager)

    run(main)
    assert (manager.entered, manager.exited) == (2, 1)


@pytest.mark.parametrize("kind", [Manager, Slotted])
def test_what_is_entered_on_another_loop_is_an_error_that_says_so(
    kind: type[Manager] | type[Slotted], run: Run
) -> None:
    manager = kind()

    async def main() -> None:
        await loop_local.enter(manager)
        failures: list[BaseException] = []

        def elsewhere() -> None:
            for enter in (loop_local.enter, loop_local.enter_once):
                with pytest.raises(RuntimeError, match="is entered on another event loop") as info:
                    run(functools.partial(enter, manager))
                failures.append(info.value)

        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
        assert len(failures) == 2

    run(main)


def test_of_loops_that_enter_one_manager_at_once_one_succeeds() -> None:
    loops = 8
    for _ in range(20):
        manager = Manager()
        before, after = threading.Barrier(loops), threading.Barrier(loops)
        outcomes: list[str] = []

        async def main(
            manager: Manager = manager,
            before: threading.Barrier = before,
            after: threading.Barrier = after,
            outcomes: list[str] = outcomes,
        ) -> None:
            before.wait()
            try:
                await loop_local.enter_once(manager)
            except RuntimeError:
                outcomes.append("refused")
            else:
                outcomes.append("entered")
            after.wait()

        threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(loops)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["entered"] + ["refused"] * (loops - 1)
        assert (manager.entered, manager.exited) == (1, 1)


def test_a_function_that_makes_a_manager_is_an_error_that_says_what_to_do(run: Run) -> None:
    @asynccontextmanager
    async def database() -> AsyncIterator[None]:
        yield

    async def main() -> None:
        for enter in (loop_local.enter, loop_local.enter_once):
            with pytest.raises(TypeError, match=r"no asynchronous context manager.*call it"):
                await enter(database)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    run(main)


def test_a_plain_context_manager_is_refused(run: Run) -> None:
    @contextmanager
    def plain() -> Iterator[None]:
        yield

    async def main() -> None:
        with pytest.raises(TypeError, match="no asynchronous context manager"):
            await loop_local.enter(plain())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    run(main)


def test_without_a_running_loop_each_is_an_error_that_says_so() -> None:
    for coroutine in (
        loop_local.enter(Manager()),
        loop_local.enter_once(Manager()),
        loop_local.sticky_acm(Manager()).__aenter__(),
        loop_local.aclose(),
    ):
        with pytest.raises(RuntimeError, match="no event loop is running here"):
            coroutine.send(None)
    with pytest.raises(RuntimeError, match="no event loop is running here"):
        loop_local.atexit(print)
    with pytest.raises(RuntimeError, match="no event loop is running here"):
        loop_local.sticky_singleton_acm(Manager)()


def test_one_resource_may_enter_another_and_outlives_it_not(run: Run, journal: Journal) -> None:
    inner = journal.resource("inner")

    @asynccontextmanager
    async def outer() -> AsyncIterator[str]:
        value = await loop_local.enter_once(inner)
        async with journal.resource("outer"):
            yield f"outer with {value}"

    async def main() -> None:
        assert await loop_local.enter(outer()) == "outer with inner"
        assert await loop_local.enter_once(inner) == "inner"

    run(main)
    assert journal == ["enter inner", "enter outer", "exit outer", "exit inner"]


def test_two_resources_may_start_at_the_same_time(run: Run) -> None:
    async def main() -> None:
        events = [anyio.Event(), anyio.Event()]

        @asynccontextmanager
        async def meet(number: int) -> AsyncIterator[None]:
            events[number].set()
            with anyio.fail_after(5):
                await events[1 - number].wait()
            yield

        async with anyio.create_task_group() as group:
            group.start_soon(loop_local.enter, meet(0))
            group.start_soon(loop_local.enter_once, meet(1))

    run(main)


def test_values_are_freed_with_their_loop_without_the_collector(run: Run) -> None:
    async def main() -> weakref.ref[Manager]:
        return weakref.ref(await loop_local.enter_once(Manager()))

    gc.collect()
    gc.disable()
    try:
        assert run(main)() is None
    finally:
        gc.enable()


def test_a_failure_to_enter_keeps_nothing_alive(run: Run) -> None:
    class Broken(Manager):
        async def __aenter__(self) -> Manager:
            raise RefusedError

    class RefusedError(Exception): ...

    async def main() -> list[weakref.ref[object]]:
        caught: list[weakref.ref[object]] = []
        for enter in (loop_local.enter, loop_local.enter_once):
            try:
                await enter(Broken())
            except RefusedError as error:
                caught.append(weakref.ref(error))
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            assert caught[-1]() is None
        return caught

    gc.collect()
    gc.disable()
    try:
        assert len(run(main)) == 2
    finally:
        gc.enable()


def test_resources_see_one_shared_context_and_not_their_callers(run: Run) -> None:
    variable = ContextVar("variable", default="nobody's")
    seen: list[str] = []

    @asynccontextmanager
    async def setting(value: str) -> AsyncIterator[None]:
        seen.append(variable.get())
        variable.set(value)
        yield
        seen.append(variable.get())

    async def main() -> None:
        variable.set("the caller's")
        await loop_local.enter(setting("the first's"))
        await loop_local.enter(setting("the second's"))
        assert variable.get() == "the caller's"

    run(main)
    assert seen == ["nobody's", "the first's", "the second's", "the second's"]


def test_atexit_calls_back_in_its_turn(run: Run, journal: Journal) -> None:
    async def asynchronous(word: str) -> None:
        await anyio.lowlevel.checkpoint()
        journal.append(word)

    async def main() -> None:
        loop_local.atexit(journal.append, "first")
        await loop_local.enter(journal.resource("a"))
        loop_local.atexit(asynchronous, word="second")

        @loop_local.atexit
        def third() -> None:
            journal.append("third")

        third()

    run(main)
    assert journal == ["enter a", "third", "third", "second", "exit a", "first"]
