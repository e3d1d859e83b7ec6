"""What is wrong with dependencies is told when the app is built: where, what, and what to write."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypedDict

import pytest

from hesper import Controller, Hesper, Lifetime, Provide, Request, Router, get, websocket
from hesper.exceptions import ConfigurationError
from hesper.params import NamedDependency
from tests.lifetimes.kinds import LIFETIMES


class Pool: ...


class SmallPool(Pool): ...


class Client: ...


def problems(*handlers: Any, **options: Any) -> list[str]:
    """Return what is wrong with an app, without the names of this module and of its functions."""
    with pytest.raises(ConfigurationError) as raised:
        Hesper(list(handlers), **options)
    found = []
    for problem in raised.value.problems:
        text = problem.replace(f"{__name__}.", "")
        while "<locals>." in text:
            before, _, after = text.partition(".<locals>.")
            text = before[: before.rindex("test_")] + after
        found.append(text)
    return found


def making(*needs: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(f"async def make({', '.join(needs)}): ...", scope)
    function: Callable[..., Any] = scope["make"]
    return function


def handling(*needs: str) -> Any:
    scope: dict[str, Any] = {"__name__": __name__}
    exec(f"async def handle({', '.join(needs)}): ...", scope)
    return get("/")(scope["handle"])


PAIRS = [(long, short) for long, short in itertools.product(LIFETIMES, LIFETIMES) if long > short]


@pytest.mark.parametrize(("long", "short"), PAIRS)
def test_what_lives_longer_cannot_depend_on_what_lives_shorter(
    long: Lifetime, short: Lifetime
) -> None:
    dependencies = {
        "pool": Provide(making("settings"), lifetime=long),
        "settings": Provide(making(), lifetime=short),
    }
    problem = problems(handling("pool"), dependencies=dependencies)[0]
    assert problem == (
        f"GET / (handle): the dependency 'pool' (application, Lifetime.{long.name}) takes "
        f"'settings' (application, Lifetime.{short.name}), which lives shorter; "
        f"give 'pool' lifetime=Lifetime.{short.name}, "
        f"or give 'settings' lifetime=Lifetime.{long.name}"
    )


@pytest.mark.parametrize(("long", "short"), [*itertools.product(LIFETIMES, LIFETIMES)])
def test_what_lives_as_long_or_longer_can_be_depended_on(long: Lifetime, short: Lifetime) -> None:
    if long < short:
        long, short = short, long
    dependencies = {
        "session": Provide(making("pool"), lifetime=short),
        "pool": Provide(making(), lifetime=long),
    }
    Hesper([handling("session")], dependencies=dependencies)


def test_a_short_life_is_found_through_several_steps() -> None:
    class Books(Controller):
        path = "/books"
        dependencies = {"middle": Provide(making("short"), lifetime=Lifetime.CONNECTION)}

        @get("/", dependencies={"short": Provide(making(), lifetime=Lifetime.CALL)})
        async def list(self, long: int) -> None: ...

    (problem,) = problems(
        Router("/r", [Books], dependencies={"next": Provide(making("middle"))}),
        dependencies={"long": Provide(making("next"))},
    )
    assert problem.startswith("GET /r/books (")
    assert "'middle' (controller " in problem
    assert "Books, Lifetime.CONNECTION) takes 'short' (get('/'), Lifetime.CALL)" in problem


def test_a_kept_value_outlives_a_call_too() -> None:
    dependencies = {"kept": Provide(making("user"), use_cache=True), "user": making()}
    (problem,) = problems(handling("kept"), dependencies=dependencies)
    assert problem.endswith(
        "the dependency 'kept' (application, use_cache=True) takes 'user' (application, "
        "Lifetime.CALL), which lives shorter; leave use_cache out, "
        "or give 'user' lifetime=Lifetime.LIFESPAN"
    )


@pytest.mark.parametrize("lifetime", [Lifetime.LIFESPAN, Lifetime.LOOP])
@pytest.mark.parametrize("name", ["request", "headers", "data", "scope", "query", "page"])
def test_what_belongs_to_a_request_is_not_there_for_longer(lifetime: Lifetime, name: str) -> None:
    provide = Provide(making(name), lifetime=lifetime)
    problem = problems(handling("pool"), dependencies={"pool": provide})[0]
    assert f"lives as long as its {lifetime.name.lower()} (Lifetime.{lifetime.name})" in problem
    assert repr(name) in problem
    assert "it provides 'pool' (application)" in problem


@pytest.mark.parametrize("name", ["app", "state", "lifespan"])
def test_what_belongs_to_a_lifespan_is_not_there_for_the_loop(name: str) -> None:
    provide = Provide(making(name), lifetime=Lifetime.LOOP)
    problem = problems(handling("pool"), dependencies={"pool": provide})[0]
    assert f"takes {name!r}, which does not; leave it out" in problem
    assert "give the provider lifetime=Lifetime.LIFESPAN" in problem


def test_a_missing_dependency_names_the_provider_its_layer_and_the_nearest() -> None:
    async def session(databse: Pool) -> None: ...

    router = Router("/r", [handling("session")], dependencies={"session": session})
    (problem,) = problems(router, dependencies={"database": Pool})
    assert problem == (
        "GET /r (handle): session takes 'databse' of type Pool, which is no dependency and cannot "
        "be read from a query parameter; did you mean 'database'? "
        "(it provides 'session' (router /r))"
    )


def test_a_circle_names_its_layers() -> None:
    router = Router("/r", [handling("a")], dependencies={"a": making("b")})
    (problem,) = problems(router, dependencies={"b": making("a")})
    assert problem == (
        "GET /r (handle): dependencies depend on each other in a circle: a → b → a; "
        "have one of them take something else: 'a' (router /r), 'b' (application)"
    )


@pytest.mark.parametrize("lifetime", LIFETIMES)
def test_a_circle_is_found_for_each_lifetime(lifetime: Lifetime) -> None:
    dependencies = {
        "a": Provide(making("b"), lifetime=lifetime),
        "b": Provide(making("a"), lifetime=lifetime),
    }
    assert "in a circle: a → b → a" in problems(handling("a"), dependencies=dependencies)[0]


def test_an_end_contradicts_a_kept_value() -> None:
    async def pool() -> AsyncIterator[int]:
        yield 1

    (problem,) = problems(handling("pool"), dependencies={"pool": Provide(pool, use_cache=True)})
    assert problem == (
        "GET / (handle): the dependency 'pool' (application) has an end, but use_cache=True keeps "
        "its value beyond that; write lifetime=Lifetime.LIFESPAN instead"
    )


@pytest.mark.parametrize("lifetime", ["lifespan", 3, None, Lifetime])
def test_an_unknown_lifetime_is_an_error(lifetime: Any) -> None:
    with pytest.raises(
        TypeError,
        match=r"lifetime takes one of Lifetime\.LOOP, Lifetime\.LIFESPAN, Lifetime\.CONNECTION, "
        r"Lifetime\.CALL, not",
    ):
        Provide(making(), lifetime=lifetime)


@pytest.mark.parametrize("lifetime", [one for one in LIFETIMES if one is not Lifetime.CALL])
def test_a_kept_value_has_no_other_lifetime(lifetime: Lifetime) -> None:
    with pytest.raises(TypeError, match="leave one of them out"):
        Provide(making(), use_cache=True, lifetime=lifetime)


# What is made, and what is asked for.


async def a_client() -> Client:
    return Client()


def a_sync_client() -> Client:
    return Client()


async def yields_a_client() -> AsyncIterator[Client]:
    yield Client()


def sync_yields_a_client() -> Iterator[Client]:
    yield Client()


@asynccontextmanager
async def opens_a_client() -> AsyncIterator[Client]:
    yield Client()


@pytest.mark.parametrize(
    "make",
    [a_client, a_sync_client, yields_a_client, sync_yields_a_client, opens_a_client, Client],
)
@pytest.mark.parametrize("lifetime", LIFETIMES)
def test_a_provider_that_makes_something_else_is_told(
    make: Callable[..., Any], lifetime: Lifetime
) -> None:
    @get("/")
    async def handle(pool: Pool) -> None: ...

    (problem,) = problems(handle, dependencies={"pool": Provide(make, lifetime=lifetime)})
    assert problem == (
        f"GET / (handle): 'pool' of handle is Pool, but {make.__name__} makes Client; "
        "change one of the annotations ('pool' is provided by application)"
    )


def test_a_type_that_its_provider_does_not_make_is_told() -> None:
    @get("/")
    async def handle(pool: Pool) -> None: ...

    (problem,) = problems(handle, dependencies={Pool: a_client})
    assert problem == (
        "GET / (handle): the dependency 'Pool' (application) is Pool, but a_client makes Client; "
        "change one of the annotations"
    )


class HasName(Protocol):
    name: str


class Options(TypedDict):
    size: int


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (Pool, Pool),
        (SmallPool, Pool),
        (Pool, SmallPool),  # it may well be one
        (Pool | None, Pool),
        (Pool, Pool | None),
        (Client | Pool, Pool | None),
        (Any, Pool),
        (Pool, Any),
        (Pool, object),
        (Pool, HasName),
        (dict[str, int], Options),
        (int, float),
        (list[int], list[int]),
        (Callable[[], int], Awaitable[int]),
        (None, None),
    ],
)
def test_what_may_be_right_is_not_told(made: Any, wanted: Any) -> None:
    async def make() -> Any: ...

    async def handle(pool: Any) -> None: ...

    make.__annotations__["return"] = made
    handle.__annotations__["pool"] = wanted
    Hesper([get("/")(handle)], dependencies={"pool": make})


# Who takes what.


def test_who_is_called_after_the_call_takes_nothing_of_it() -> None:
    def recover(request: Request, error: Exception, user: str) -> str:
        return ""

    def after(request: Request, user: str) -> None: ...

    @get("/", exception_handlers={500: recover}, after_response=after)
    async def handle() -> None: ...

    found = problems(handle, dependencies={"user": making()})
    assert sorted(found) == [
        f"GET / (handle): {name} takes 'user' (application), which lives for one call, and the "
        "call has ended by then; give the provider lifetime=Lifetime.CONNECTION or a longer one"
        for name in ("after", "recover")
    ]


def test_the_apps_hooks_take_nothing_of_a_call_though_there_is_no_route() -> None:
    def recover(request: Request, error: Exception, user: str) -> str:
        return ""

    found = problems(exception_handlers={404: recover}, dependencies={"user": making()})
    assert "application: recover takes 'user' (application), which lives for one call" in found[0]


@pytest.mark.parametrize("lifetime", [Lifetime.CALL, Lifetime.CONNECTION])
def test_a_start_up_hook_takes_nothing_shorter_than_a_lifespan(lifetime: Lifetime) -> None:
    def prepare(user: str) -> None: ...

    (problem,) = problems(
        on_startup=prepare, dependencies={"user": Provide(making(), lifetime=lifetime)}
    )
    assert problem == (
        f"application: the start-up hook prepare takes 'user' (Lifetime.{lifetime.name}), which is "
        "not there then; it may take dependencies with lifetime=Lifetime.LIFESPAN or "
        "lifetime=Lifetime.LOOP"
    )


@pytest.mark.parametrize("lifetime", [one for one in LIFETIMES if one is not Lifetime.LOOP])
@pytest.mark.parametrize(
    ("option", "kind"), [("on_shutdown", "shutdown hook"), ("lifespan", "lifespan manager")]
)
def test_managers_and_shutdown_hooks_take_nothing_shorter_than_a_loop(
    option: str, kind: str, lifetime: Lifetime
) -> None:
    def clean(user: str) -> Any: ...

    options: dict[str, Any] = {option: clean}
    (problem,) = problems(**options, dependencies={"user": Provide(making(), lifetime=lifetime)})
    assert problem == (
        f"application: the {kind} clean takes 'user' (Lifetime.{lifetime.name}), which is not "
        "there then; it may take dependencies with lifetime=Lifetime.LOOP"
    )


def test_a_named_dependency_that_nobody_provides_is_told() -> None:
    @get("/")
    async def handle(pool: NamedDependency[Pool]) -> None: ...

    (problem,) = problems(handle)
    assert "handle needs the dependency 'pool', which no layer provides" in problem


def test_a_websocket_value_takes_no_request() -> None:
    @websocket("/")
    async def talk(user: str) -> None: ...

    user = Provide(making("request"), lifetime=Lifetime.CONNECTION)
    (problem,) = problems(talk, dependencies={"user": user})
    assert "take 'socket' instead (it provides 'user' (application))" in problem


def test_an_argument_that_two_types_would_fill_is_told() -> None:
    @get("/")
    async def handle(one: Pool | Client) -> None: ...

    (problem,) = problems(handle, dependencies={Pool: Pool, Client: Client})
    assert "there are the dependencies Pool and Client; annotate it with one of them" in problem


def test_all_is_told_together_each_with_its_route() -> None:
    dependencies: dict[Any, Any] = {
        "round": making("about"),
        "about": making("round"),
        "captive": Provide(making("call"), lifetime=Lifetime.LIFESPAN),
        "call": making(),
        "client": a_client,
        "kept": Provide(yields_a_client, use_cache=True),
    }

    @get("/circle")
    async def circle(round: int) -> None: ...

    @get("/captive")
    async def captive(captive: int) -> None: ...

    @get("/mistyped")
    async def mistyped(client: Pool) -> None: ...

    @get("/kept")
    async def kept(kept: Client) -> None: ...

    @get("/missing")
    async def missing(nobody: NamedDependency[int]) -> None: ...

    found = problems(
        Router("/r", [circle, captive, mistyped, kept, missing], dependencies=dependencies)
    )
    assert [problem.partition(":")[0] for problem in found] == [
        f"GET /r/{name} ({name})" for name in ("circle", "captive", "mistyped", "kept", "missing")
    ]
    assert all("(router /r" in problem or "by router /r" in problem for problem in found[:4])
