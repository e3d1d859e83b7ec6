"""`singleton`: one result for each loop and each combination of arguments."""

from __future__ import annotations

import asyncio
import functools
import inspect
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import loop_local
from tests.loop_local.loops import Run
from tests.loop_local.things import Thing, connect, make

NO_LIMITS: list[int] = []


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
