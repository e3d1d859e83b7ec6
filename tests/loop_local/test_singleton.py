"""`singleton`: one result for each loop and each combination of arguments."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import threading
import weakref
from collections.abc import Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import loop_local
from tests.loop_local.loops import Run

NO_LIMITS: list[int] = []


class Thing:
    """Made by factories; equal only to itself."""

    def __init__(self, name: str = "one", *, size: int = 1) -> None:
        self.name = name
        self.size = size


@loop_local.singleton
def make(name: str = "one", /, size: int = 1, *rest: int, color: str = "red", **more: int) -> Thing:
    return Thing(name, size=size)


def test_the_same_arguments_give_the_same_object(run: Run) -> None:
    async def main() -> None:
        assert make("a") is make("a")

    run(main)


def test_keyword_order_and_defaults_make_no_difference(run: Run) -> None:
    async def main() -> None:
        first = make("one", 1, color="red", x=1, y=2)
        assert first is make(y=2, x=1)
        assert first is make("one", y=2, size=1, x=1)
        assert make() is make("one") is make(color="red", size=1)

    run(main)


def test_other_arguments_give_another_object(run: Run) -> None:
    async def main() -> None:
        made = [make(), make("b"), make(size=2), make("one", 1, 1), make(color="b"), make(b=1)]
        assert len({id(thing) for thing in made}) == len(made)

    run(main)


def test_another_loop_gives_another_object(run: Run) -> None:
    async def main() -> Thing:
        return make("a")

    assert run(main) is not run(main)


def test_two_factories_with_the_same_arguments_share_nothing(run: Run) -> None:
    @loop_local.singleton
    def other(name: str = "one") -> Thing:
        return Thing(name)

    async def main() -> None:
        assert other("a") is not make("a")

    run(main)


def test_wrapping_the_same_factory_again_gives_the_same_object(run: Run) -> None:
    async def main() -> None:
        assert loop_local.singleton(Thing)("a") is loop_local.singleton(Thing)("a")

    run(main)


def test_it_can_be_called_before_it_decorates(run: Run) -> None:
    @loop_local.singleton()
    def other(name: str) -> Thing:
        return Thing(name)

    async def main() -> None:
        assert other("a") is other(name="a")

    run(main)


def test_none_is_a_result_like_any_other(run: Run) -> None:
    calls: list[int] = []

    @loop_local.singleton
    def nothing() -> None:
        calls.append(1)

    async def main() -> None:
        nothing()
        nothing()

    run(main)
    assert calls == [1]


def test_a_builtin_class_without_a_signature_will_do(run: Run) -> None:
    async def main() -> None:
        made = loop_local.singleton(dict[str, int])
        assert made(a=1, b=2) is made(b=2, a=1)
        assert made(a=1) == {"a": 1}
        assert made(a=1) is not made(a=2)

    run(main)


def test_methods_partials_and_callable_objects_will_do(run: Run) -> None:
    class Factory:
        def method(self, name: str) -> Thing:
            return Thing(name)

        def __call__(self, name: str) -> Thing:
            return Thing(name)

    factory = Factory()

    async def main() -> None:
        method = loop_local.singleton(factory.method)
        assert method("a") is method(name="a")
        instance = loop_local.singleton(factory)
        assert instance("a") is instance(name="a")
        partial = loop_local.singleton(functools.partial(Thing, size=3))
        assert partial("a") is partial(name="a")
        assert partial("a").size == 3

    run(main)


def test_an_instance_of_a_class_with_a_decorated_method_counts_as_an_argument(run: Run) -> None:
    class Service:
        @loop_local.singleton
        def client(self) -> Thing:
            return Thing()

    async def main() -> None:
        one, two = Service(), Service()
        assert one.client() is one.client()
        assert one.client() is not two.client()

    run(main)


def test_the_wrapper_looks_like_what_it_wraps() -> None:
    assert make.__name__ == "make"
    assert str(inspect.signature(make)) == (
        "(name: 'str' = 'one', /, size: 'int' = 1, *rest: 'int', "
        "color: 'str' = 'red', **more: 'int') -> 'Thing'"
    )


def test_arguments_that_do_not_fit_the_signature_are_a_type_error(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="missing a required argument: 'x'"):
            loop_local.singleton(lambda x: x)()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    run(main)


def test_an_unhashable_argument_is_a_type_error_that_names_it(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"must be hashable, unlike \['a'\] \(list\)"):
            loop_local.singleton(list)(["a"])
        with pytest.raises(TypeError, match=r"must be hashable, unlike \{\} \(dict\)"):
            await connect({})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    run(main)


def test_an_unhashable_default_does_no_harm(run: Run) -> None:
    @loop_local.singleton
    def unusual(
        name: str = "one", limits: list[int] = NO_LIMITS, no: frozenset[int] = frozenset()
    ) -> Thing:
        return Thing(name)

    async def main() -> None:
        assert unusual() is unusual("one") is unusual(name="one", no=frozenset())
        assert unusual() is not unusual("two")
        with pytest.raises(TypeError, match=r"must be hashable, unlike \[\]"):
            unusual("one", [])

    run(main)


def test_without_a_running_loop_it_is_an_error_that_says_so() -> None:
    with pytest.raises(RuntimeError, match="no event loop is running here"):
        make()


def test_a_failure_is_not_remembered(run: Run) -> None:
    outcomes: list[type[Exception] | None] = [ValueError, None]

    @loop_local.singleton
    def unlucky() -> str:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return "made"

    async def main() -> None:
        with pytest.raises(ValueError):
            unlucky()
        assert unlucky() == "made"

    run(main)


def test_a_factory_may_use_another(run: Run) -> None:
    @loop_local.singleton
    def outer() -> tuple[Thing, Thing]:
        return make("inner"), make("other")

    async def main() -> None:
        assert outer()[0] is make("inner")

    run(main)


@loop_local.singleton
async def connect(name: str = "one", *, size: int = 1) -> Thing:
    loop_local.storage()["calls"] = loop_local.storage().get("calls", 0) + 1
    await anyio.lowlevel.checkpoint()
    return Thing(name, size=size)


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


def test_a_decorated_function_can_be_dropped() -> None:
    def factory() -> Thing:
        return Thing()

    decorated = [loop_local.singleton(factory)]

    async def main() -> None:
        decorated[0]()

    asyncio.run(main())
    gone = weakref.ref(decorated[0])
    decorated.clear()
    assert gone() is None


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


arguments = st.tuples(
    st.lists(st.integers(0, 1), max_size=3),
    st.dictionaries(st.sampled_from("abcxy"), st.integers(0, 1)),
)


@given(st.lists(arguments, min_size=2, max_size=6), st.randoms())
def test_calls_share_a_value_exactly_if_the_factory_would_see_the_same(
    calls: list[tuple[list[int], dict[str, int]]], random: Any
) -> None:
    def seen(a: int = 0, b: int = 1, *rest: int, c: int = 0, **more: int) -> object:
        return (a, b, rest, c, tuple(sorted(more.items())))

    def factory(a: int = 0, b: int = 1, *rest: int, c: int = 0, **more: int) -> Thing:
        return Thing()

    made = loop_local.singleton(factory)

    async def main() -> None:
        objects: dict[object, Thing] = {}
        for positional, keywords in calls:
            shuffled = list(keywords.items())
            random.shuffle(shuffled)
            try:
                same = seen(*positional, **keywords)
            except TypeError:
                with pytest.raises(TypeError):
                    made(*positional, **dict(shuffled))
                continue
            found = made(*positional, **dict(shuffled))
            assert objects.setdefault(same, found) is found
        assert len({id(thing) for thing in objects.values()}) == len(objects)

    asyncio.run(main())


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
