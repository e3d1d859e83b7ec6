"""`singleton` around asynchronous factories: awaited once, however many callers wait."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hesper import loop_local
from tests.loop_local.loops import Run
from tests.loop_local.things import Thing, connect, make


def test_an_asynchronous_factory_is_awaited_once(run: Run) -> None:
    async def main() -> None:
        found: list[Thing] = []

        async def ask() -> None:
            found.append(await connect("one", size=1))
            found.append(await connect(size=1, name="one"))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask)
        assert len(found) == 40
        assert len({id(thing) for thing in found}) == 1
        assert loop_local.storage()["calls"] == 1
        assert await connect("two") is not found[0]

    run(main)


def test_an_asynchronous_factory_gives_each_loop_its_own(run: Run) -> None:
    async def main() -> Thing:
        return await connect()

    assert run(main) is not run(main)


def test_an_asynchronous_factory_without_a_loop_is_an_error_that_says_so() -> None:
    coroutine = connect()
    with pytest.raises(RuntimeError, match="no event loop is running here"):
        coroutine.send(None)


def test_an_object_with_an_asynchronous_call_is_awaited_once(run: Run) -> None:
    class Connector:
        async def __call__(self, name: str) -> Thing:
            await anyio.lowlevel.checkpoint()
            return Thing(name)

    connector = loop_local.singleton(Connector())

    async def main() -> None:
        assert await connector("a") is await connector(name="a")

    run(main)


def test_a_class_whose_instances_have_an_asynchronous_call_is_an_ordinary_factory(
    run: Run,
) -> None:
    class Connector:
        async def __call__(self) -> None: ...

    async def main() -> None:
        made = loop_local.singleton(Connector)
        assert isinstance(made(), Connector)
        assert made() is made()

    run(main)


def test_a_plain_function_that_returns_a_coroutine_is_refused(run: Run) -> None:
    def plain() -> Coroutine[Any, Any, Thing]:
        return connect()

    async def main() -> None:
        with pytest.raises(TypeError, match=r"plain.* returned a coroutine.*`async def`"):
            _ = loop_local.singleton(plain)()

    run(main)


def test_a_failure_reaches_every_waiter_and_is_forgotten(run: Run) -> None:
    calls: list[int] = []

    @loop_local.singleton
    async def unlucky() -> str:
        calls.append(1)
        await anyio.lowlevel.checkpoint()
        if len(calls) == 1:
            raise ConnectionError("refused")
        return "made"

    async def main() -> None:
        failures: list[str] = []

        async def ask() -> None:
            with pytest.raises(ConnectionError, match="refused"):
                await unlucky()
            failures.append("refused")

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(ask)
        assert len(failures) == 10
        assert calls == [1]
        assert await unlucky() == "made"

    run(main)


def test_each_waiter_sees_its_own_frames_in_the_traceback(run: Run) -> None:
    @loop_local.singleton
    async def unlucky() -> None:
        await anyio.lowlevel.checkpoint()
        raise ConnectionError

    async def main() -> None:
        lengths: list[int] = []

        async def ask() -> None:
            try:
                await unlucky()
            except ConnectionError as error:
                trace, length = error.__traceback__, 0
                while trace is not None:
                    trace, length = trace.tb_next, length + 1
                lengths.append(length)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(ask)
        assert len(lengths) == 10
        assert len(set(lengths)) == 1

    run(main)


def test_a_failure_keeps_nothing_alive(run: Run) -> None:
    class RefusedError(Exception): ...

    @loop_local.singleton
    async def unlucky() -> None:
        await anyio.lowlevel.checkpoint()
        raise RefusedError

    async def main() -> list[weakref.ref[RefusedError]]:
        caught: list[weakref.ref[RefusedError]] = []

        async def ask() -> None:
            try:
                await unlucky()
            except RefusedError as error:
                caught.append(weakref.ref(error))

        await ask()
        await ask()
        return caught

    gc.collect()
    gc.disable()
    try:
        assert [reference() for reference in run(main)] == [None, None]
    finally:
        gc.enable()


def test_a_cancelled_waiter_cancels_nothing(run: Run) -> None:
    async def main() -> None:
        found: list[Thing] = []

        async def ask() -> None:
            found.append(await connect())

        async def give_up() -> None:
            with anyio.CancelScope() as impatient:
                impatient.cancel()
                await connect()
            assert impatient.cancelled_caught

        async with anyio.create_task_group() as group:
            group.start_soon(give_up)
            group.start_soon(ask)
        assert loop_local.storage()["calls"] == 1
        assert await connect() is found[0]

    run(main)


def test_all_waiters_may_be_cancelled_and_the_value_is_made_nevertheless(run: Run) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(connect)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        await connect()
        assert loop_local.storage()["calls"] == 1

    run(main)


def test_two_values_can_be_made_at_the_same_time(run: Run) -> None:
    async def main() -> None:
        events = [anyio.Event(), anyio.Event()]

        @loop_local.singleton
        async def meet(number: int) -> int:
            events[number].set()
            with anyio.fail_after(5):
                await events[1 - number].wait()
            return number

        async with anyio.create_task_group() as group:
            group.start_soon(meet, 0)
            group.start_soon(meet, 1)
        assert [await meet(0), await meet(1)] == [0, 1]

    run(main)


def test_an_asynchronous_factory_may_await_another(run: Run) -> None:
    @loop_local.singleton
    async def outer() -> Thing:
        return await connect("inner")

    async def main() -> None:
        assert await outer() is await connect("inner")

    run(main)


def test_the_factory_does_not_see_the_variables_of_whoever_came_first(run: Run) -> None:
    async def main() -> None:
        import contextvars

        variable = contextvars.ContextVar("variable", default="nobody's")

        @loop_local.singleton
        async def seen() -> str:
            return variable.get()

        variable.set("the first caller's")
        assert await seen() == "nobody's"

    run(main)


def test_values_do_not_outlive_their_loop(run: Run) -> None:
    async def main() -> list[weakref.ref[Thing]]:
        return [weakref.ref(make()), weakref.ref(await connect())]

    assert [reference() for reference in run(main)] == [None, None]


@pytest.mark.parametrize("threads", [8])
def test_loops_in_several_threads_never_share_a_value(threads: int) -> None:
    made: list[Thing] = []
    barrier = threading.Barrier(threads)

    async def main() -> None:
        barrier.wait()
        for number in range(50):
            made.extend((make(str(number)), await connect(str(number))))
            assert make(str(number)) is made_here(number)

    def made_here(number: int) -> Thing:
        return make(str(number))

    workers = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len({id(thing) for thing in made}) == threads * 50 * 2


@loop_local.singleton
async def waiting_for_itself() -> object:
    return await waiting_for_itself()


@loop_local.singleton
async def waiting_for_the_other() -> object:
    return await waiting_for_the_one()


@loop_local.singleton
async def waiting_for_the_one() -> object:
    return await waiting_for_the_other()


class Opening:
    """Enters itself while it is entered."""

    async def __aenter__(self) -> Opening:
        return await loop_local.enter_once(self)

    async def __aexit__(self, *raised: object) -> None: ...


def test_a_value_that_waits_for_itself_is_an_error_that_says_so(run: Run) -> None:
    async def main() -> None:
        for value in (
            waiting_for_itself,
            waiting_for_the_one,
            lambda: loop_local.enter_once(Opening()),
        ):
            with anyio.fail_after(5), pytest.raises(RuntimeError, match="waits for itself"):
                await value()

    run(main)


def test_a_value_may_wait_for_another_that_has_waited(run: Run) -> None:
    @loop_local.singleton
    async def first() -> str:
        await connect()
        return "first"

    @loop_local.singleton
    async def second() -> str:
        return await first() + await first()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(second)
            group.start_soon(first)
        assert await second() == "firstfirst"

    run(main)
