"""Dependencies of a route: how each is called, in which order, and what cannot be."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import Controller, Hesper, Provide, Replace, Request, Router, get
from hesper._plan.manner import Manner, manner_of, manner_of_handler, manner_of_hook
from hesper.exceptions import ConfigurationError
from hesper.params import Dependency, NamedDependency, Parameter
from tests.asgi_driver import answer


def sync() -> int:
    return 1


async def asynchronous() -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@contextmanager
def context() -> Iterator[int]:
    yield 1


@asynccontextmanager
async def async_context() -> AsyncIterator[int]:
    yield 1


def passing_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Service:
    def __init__(self) -> None:
        self.number = 1


class Entered:
    def __enter__(self) -> int:
        return 1

    def __exit__(self, *_error: object) -> None: ...


class AsyncEntered:
    async def __aenter__(self) -> int:
        return 1

    async def __aexit__(self, *_error: object) -> None: ...


def making_context() -> AbstractAsyncContextManager[int]:
    return AsyncEntered()


class Callables:
    def sync(self) -> int:
        return 1

    async def asynchronous(self) -> int:
        return 1

    async def generator(self) -> AsyncIterator[int]:
        yield 1

    def __call__(self) -> int:
        return 1

    @staticmethod
    async def static() -> AsyncIterator[int]:
        yield 1


class AsyncCallable:
    async def __call__(self) -> int:
        return 1


MANNERS: dict[str, tuple[Callable[..., Any], Manner]] = {
    "function": (sync, Manner.THREAD),
    "lambda": (lambda: 1, Manner.THREAD),
    "coroutine function": (asynchronous, Manner.AWAITED),
    "generator": (generator, Manner.GENERATOR),
    "async generator": (async_generator, Manner.ASYNC_GENERATOR),
    "context manager": (context, Manner.CONTEXT),
    "async context manager": (async_context, Manner.ASYNC_CONTEXT),
    "function annotated with a context": (making_context, Manner.ASYNC_CONTEXT),
    "class": (Service, Manner.DIRECT),
    "class with an exit": (Entered, Manner.CONTEXT),
    "class with an async exit": (AsyncEntered, Manner.ASYNC_CONTEXT),
    "method": (Callables().sync, Manner.THREAD),
    "coroutine method": (Callables().asynchronous, Manner.AWAITED),
    "generator method": (Callables().generator, Manner.ASYNC_GENERATOR),
    "static method": (vars(Callables)["static"], Manner.ASYNC_GENERATOR),
    "callable object": (Callables(), Manner.THREAD),
    "async callable object": (AsyncCallable(), Manner.AWAITED),
    "partial": (functools.partial(sync), Manner.THREAD),
    "partial of a coroutine function": (functools.partial(asynchronous), Manner.AWAITED),
    "partial of a generator": (functools.partial(generator), Manner.GENERATOR),
    "partial of a context manager": (functools.partial(context), Manner.CONTEXT),
    "partial of a callable object": (functools.partial(AsyncCallable()), Manner.AWAITED),
    "decorated coroutine function": (passing_on(asynchronous), Manner.AWAITED),
    "decorated generator": (passing_on(generator), Manner.GENERATOR),
    "decorated async generator": (passing_on(async_generator), Manner.ASYNC_GENERATOR),
    "decorated context manager": (passing_on(context), Manner.CONTEXT),
    "decorated async context manager": (passing_on(async_context), Manner.ASYNC_CONTEXT),
}

DIRECT = {
    Manner.THREAD: Manner.DIRECT,
    Manner.GENERATOR: Manner.DIRECT_GENERATOR,
    Manner.CONTEXT: Manner.DIRECT_CONTEXT,
}

every_kind = pytest.mark.parametrize(("make", "manner"), MANNERS.values(), ids=MANNERS)


@every_kind
def test_each_kind_of_provider_has_its_manner(make: Callable[..., Any], manner: Manner) -> None:
    if manner is Manner.CONTEXT and make is Entered:
        manner = Manner.DIRECT_CONTEXT
    assert manner_of(make, to_thread=True) is manner
    assert manner_of(make, to_thread=False) is DIRECT.get(manner, manner)


@pytest.mark.parametrize("to_thread", [True, False])
@every_kind
def test_each_kind_of_provider_provides(
    make: Callable[..., Any], manner: Manner, to_thread: bool
) -> None:
    @get("/")
    async def handle(value: Any) -> Any:
        return getattr(value, "number", value)

    app = Hesper([handle], dependencies={"value": Provide(make, sync_to_thread=to_thread)})
    assert answer(app, "GET", "/").json() == 1


def test_hooks_never_run_in_threads() -> None:
    assert manner_of_hook(sync) is Manner.DIRECT
    assert manner_of_hook(asynchronous) is Manner.AWAITED
    assert manner_of_hook(AsyncCallable()) is Manner.AWAITED


def test_handlers_run_in_threads_unless_told_otherwise() -> None:
    assert manner_of_handler(sync, to_thread=True) is Manner.THREAD
    assert manner_of_handler(sync, to_thread=False) is Manner.DIRECT
    assert manner_of_handler(functools.partial(asynchronous), to_thread=True) is Manner.AWAITED


@pytest.mark.parametrize("to_thread", [True, False])
def test_a_sync_handler_runs_where_it_is_told(to_thread: bool) -> None:
    @get("/", sync_to_thread=to_thread)
    def handle() -> Any:
        return threading.current_thread() is threading.main_thread()

    assert answer(Hesper([handle]), "GET", "/").json() is not to_thread


# What is provided.


def test_providers_take_what_handlers_take() -> None:
    async def make(
        request: Request, number: int, page: int, token: Annotated[str, Parameter(header="x-token")]
    ) -> list[Any]:
        return [request.method, number, page, token]

    @get("/{number:int}", dependencies={"made": make})
    async def handle(made: list[Any]) -> Any:
        return made

    found = answer(Hesper([handle]), "GET", "/5?page=2", headers=[("x-token", "t")])
    assert found.json() == ["GET", 5, 2, "t"]


def test_a_provider_may_need_others_of_outer_and_inner_layers() -> None:
    async def outer(inner: str) -> str:
        return f"outer of {inner}"

    async def inner() -> str:
        return "inner"

    @get("/", dependencies={"inner": inner})
    async def handle(outer: str) -> str:
        return outer

    assert (
        answer(Hesper([handle], dependencies={"outer": outer}), "GET", "/").text == "outer of inner"
    )


def test_a_dependency_is_found_by_type_whatever_the_argument_is_called() -> None:
    @get("/")
    async def handle(
        anything: Service, other: Annotated[Service, "marked"], named: NamedDependency[Service]
    ) -> Any:
        return anything is other is named

    app = Hesper([handle], dependencies={Service: Service})
    assert answer(app, "GET", "/").json() is True


def test_the_name_wins_over_the_type() -> None:
    def other() -> Service:
        service = Service()
        service.number = 2
        return service

    @get("/")
    async def handle(service: Service) -> Any:
        return service.number

    app = Hesper([handle], dependencies={Service: Service, "service": other})
    assert answer(app, "GET", "/").json() == 2


def test_a_generic_type_is_a_key_too() -> None:
    @get("/")
    async def handle(numbers: list[int]) -> Any:
        return numbers

    key: Any = list[int]
    app = Hesper([handle], dependencies={key: lambda: [1, 2]})
    assert answer(app, "GET", "/?numbers=3").json() == [1, 2]


@dataclass
class Settings:
    page: int = 1


class Paging(msgspec.Struct):
    page: int
    size: int = 10


@pytest.mark.parametrize(("kind", "fields"), [(Settings, ["page"]), (Paging, ["page", "size"])])
def test_a_class_is_filled_from_the_request(kind: Any, fields: list[str]) -> None:
    @get("/")
    async def handle(paging: Any) -> Any:
        return [getattr(paging, name) for name in fields]

    app = Hesper([handle], dependencies={"paging": kind})
    assert answer(app, "GET", "/?page=3").json() == [3, 10][: len(fields)]


def test_a_declared_source_wins_over_a_dependency_of_that_name() -> None:
    @get("/")
    async def handle(v: Annotated[str, Parameter(query="v")]) -> str:
        return v

    app = Hesper([handle], dependencies={"v": lambda: "dependency"})
    assert answer(app, "GET", "/?v=query").text == "query"


def test_without_a_provider_a_dependency_has_its_default() -> None:
    @get("/")
    async def handle(a: Annotated[int, Dependency(default=1)], b: NamedDependency[int] = 2) -> Any:
        return [a, b]

    assert answer(Hesper([handle]), "GET", "/").json() == [1, 2]
    assert answer(Hesper([handle], dependencies={"b": lambda: 5}), "GET", "/").json() == [1, 5]


def test_guards_hooks_and_handler_share_one_value() -> None:
    made: list[Service] = []

    def make() -> Service:
        made.append(Service())
        return made[-1]

    def guard(connection: object, handler: object, service: Service) -> None:
        assert service is made[0]

    def before(request: Request, service: Service) -> None:
        assert service is made[0]

    @get("/", guards=[guard], before_request=before)
    async def handle(service: Service, own: Service) -> Any:
        return service is made[0] is own

    assert answer(Hesper([handle], dependencies={Service: make}), "GET", "/").json() is True
    assert len(made) == 1


def test_what_nobody_needs_is_not_made() -> None:
    def make() -> None:
        raise AssertionError("made")

    @get("/")
    async def handle() -> str:
        return "fine"

    assert answer(Hesper([handle], dependencies={"unused": make}), "GET", "/").text == "fine"


# What cannot be.


def problems(*handlers: Any, **options: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        Hesper(list(handlers), **options)
    return raised.value.problems


def test_dependencies_in_a_circle_are_an_error_that_shows_it() -> None:
    async def a(b: int) -> int: ...  # type: ignore[empty-body]

    async def b(c: int) -> int: ...  # type: ignore[empty-body]

    async def c(a: int) -> int: ...  # type: ignore[empty-body]

    @get("/")
    async def handle(b: int) -> None: ...

    (problem,) = problems(handle, dependencies={"a": a, "b": b, "c": c})
    assert "depend on each other in a circle: b → c → a → b" in problem


def test_a_dependency_on_itself_is_a_circle() -> None:
    async def own(own: int) -> int: ...  # type: ignore[empty-body]

    @get("/")
    async def handle(own: int) -> None: ...

    (problem,) = problems(handle, dependencies={"own": own})
    assert "in a circle: own → own" in problem


def test_a_circle_of_types_is_shown_by_name() -> None:
    async def make(service: Service) -> Service: ...  # type: ignore[empty-body]

    @get("/")
    async def handle(service: Service) -> None: ...

    (problem,) = problems(handle, dependencies={Service: make})
    assert "in a circle: Service → Service" in problem


def test_a_circle_that_no_route_enters_is_nobodys_problem() -> None:
    async def own(own: int) -> int: ...  # type: ignore[empty-body]

    @get("/")
    async def handle() -> None: ...

    Hesper([handle], dependencies={"own": own})


def test_a_missing_dependency_of_a_provider_is_an_error_that_names_the_provider() -> None:
    async def session(databse: Service) -> int: ...  # type: ignore[empty-body]

    @get("/")
    async def handle(session: int) -> None: ...

    (problem,) = problems(handle, dependencies={"session": session, "database": Service})
    assert problem.startswith("GET / (")
    assert "<locals>.session takes 'databse' of type Service" in problem
    assert "did you mean 'database'?" in problem


def test_a_provider_that_takes_anything_is_an_error_that_names_it() -> None:
    def session(**options: int) -> int: ...  # type: ignore[empty-body]

    @get("/")
    async def handle(session: int) -> None: ...

    (problem,) = problems(handle, dependencies={"session": session})
    assert "<locals>.session: it takes **options, and nothing tells what to pass there" in problem


def test_replace_takes_a_needed_dependency_away() -> None:
    @get("/", dependencies=Replace({}))
    async def handle(service: NamedDependency[Service]) -> None: ...

    (problem,) = problems(handle, dependencies={"service": Service})
    assert "needs the dependency 'service', which no layer provides" in problem


@pytest.mark.parametrize("name", ["request", "state", "data", "body", "scope", "app", "headers"])
@pytest.mark.parametrize("layer", ["app", "router", "controller", "handler"])
def test_a_reserved_name_is_no_dependency(name: str, layer: str) -> None:
    def at(place: str) -> dict[str, Any]:
        return {"dependencies": {name: sync}} if place == layer else {}

    class Books(Controller):
        locals().update(at("controller"))

        @get("/", **at("handler"))
        async def handle(self) -> None: ...

        @get("/other")
        async def other(self) -> None: ...

    (problem,) = problems(Router("/r", [Books], **at("router")), **at("app"))
    assert f"the dependency {name!r} would never be injected" in problem


# Any graph.


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, list[int]]:
    """Draw dependencies by number, each on lower ones only."""
    count = draw(st.integers(1, 8))
    return {
        node: draw(st.lists(st.integers(0, node - 1), unique=True)) if node else []
        for node in range(count)
    }


@given(graphs())
def test_any_graph_is_made_in_order_and_each_value_once(graph: dict[int, list[int]]) -> None:
    made: list[int] = []

    def provider(node: int) -> Callable[..., Any]:
        async def make(**needed: Any) -> int:
            assert list(needed.values()) == graph[node]
            made.append(node)
            return node

        return named(make, [f"d{needed}" for needed in graph[node]])

    last = max(graph)

    async def handle(**needed: Any) -> Any:
        return list(needed.values())

    dependencies = {f"d{node}": provider(node) for node in graph}
    app = Hesper([get("/")(named(handle, [f"d{last}"]))], dependencies=dependencies)
    assert answer(app, "GET", "/").json() == [last]
    assert len(made) == len(set(made))
    assert all(made.index(needed) < made.index(node) for node in made for needed in graph[node])
    reachable, ahead = set[int](), [last]
    while ahead:
        node = ahead.pop()
        reachable.add(node)
        ahead += graph[node]
    assert set(made) == reachable


def named(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """Return *function* with keyword parameters of these names."""
    call: dict[str, Any] = {"function": function}
    parameters = ", ".join(f"{name}: int" for name in names)
    arguments = ", ".join(f"{name}={name}" for name in names)
    exec(f"async def call({parameters}): return await function({arguments})", call)
    made: Callable[..., Any] = call["call"]
    return made
