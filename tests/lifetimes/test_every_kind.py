"""Every kind of provider with every lifetime."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, NewType

import anyio
import pytest

from hesper import Hesper, Lifetime, Provide, get
from hesper.exceptions import ConfigurationError
from hesper.params import NamedDependency
from hesper.testing import TestClient
from tests.asgi_driver import serve
from tests.lifetimes.kinds import KINDS, LIFETIMES, WITH_END, Log

every_kind = pytest.mark.parametrize("kind", KINDS)
every_lifetime = pytest.mark.parametrize("lifetime", LIFETIMES)


@pytest.mark.parametrize("to_thread", [True, False])
@every_lifetime
@every_kind
def test_it_is_made_and_ended_as_often_as_its_lifetime_says(
    kind: str, lifetime: Lifetime, to_thread: bool
) -> None:
    log: Log = []

    @get("/")
    async def handle(value: Any, again: Any) -> str:
        log.append("handler")
        return f"{value} {again}"

    make = Provide(KINDS[kind](log, "value"), lifetime=lifetime, sync_to_thread=to_thread)

    async def again(value: Any) -> str:
        return str(value)

    app = Hesper([handle], dependencies={"value": make, "again": again})
    with TestClient(app) as client:
        assert [client.get("/").text for _ in range(2)] == ["value value"] * 2
    end = ["-value"] if kind in WITH_END else []
    if lifetime >= Lifetime.LIFESPAN:
        assert log == ["+value", "handler", "handler", *end]
    else:
        assert log == ["+value", "handler", *end] * 2


@every_kind
def test_the_first_value_is_kept_if_it_has_no_end(kind: str) -> None:
    log: Log = []

    @get("/")
    async def handle(value: Any) -> str:
        return str(value)

    def app() -> Hesper:
        provide = Provide(KINDS[kind](log, "value"), use_cache=True)
        return Hesper([handle], dependencies={"value": provide})

    if kind in WITH_END:
        with pytest.raises(ConfigurationError, match=r"has an end, but use_cache=True"):
            app()
        return
    with TestClient(app()) as client:
        assert log == []
        assert [client.get("/").text for _ in range(2)] == ["value"] * 2
    assert log == ["+value"]


@pytest.mark.parametrize("to_thread", [True, False])
@every_lifetime
def test_a_sync_generator_runs_where_it_is_told(lifetime: Lifetime, to_thread: bool) -> None:
    threads: list[int] = []

    def make() -> Iterator[int]:
        threads.append(threading.get_ident())
        yield 1
        threads.append(threading.get_ident())

    @get("/")
    async def handle(value: int) -> None:
        threads.append(threading.get_ident())

    provide = Provide(make, lifetime=lifetime, sync_to_thread=to_thread)
    with TestClient(Hesper([handle], dependencies={"value": provide})) as client:
        client.get("/")
    entered, loop, exited = threads
    assert (entered != loop, exited != loop) == (to_thread, to_thread)


@every_lifetime
def test_an_end_is_in_the_task_that_made_the_value(lifetime: Lifetime) -> None:
    tasks: list[object] = []

    async def make() -> AsyncIterator[int]:
        async with asyncio.TaskGroup() as group:  # ends where it began, or not at all
            beside = group.create_task(asyncio.Event().wait())
            tasks.append(asyncio.current_task())
            yield 1
            tasks.append(asyncio.current_task())
            beside.cancel()

    @get("/")
    async def handle(value: int) -> None: ...

    app = Hesper([handle], dependencies={"value": Provide(make, lifetime=lifetime)})
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
    begun, ended = tasks
    assert begun is ended


@every_lifetime
def test_a_cancel_scope_may_be_held_open(lifetime: Lifetime) -> None:
    async def make() -> AsyncIterator[int]:
        with anyio.fail_after(60):
            yield 1

    @get("/")
    async def handle(value: int) -> int:
        await anyio.lowlevel.checkpoint()
        return value

    app = Hesper([handle], dependencies={"value": Provide(make, lifetime=lifetime)})
    with TestClient(app) as client:
        assert client.get("/").json() == 1


@pytest.mark.parametrize("lifetime", [Lifetime.CALL, Lifetime.CONNECTION])
def test_what_it_sets_in_the_context_is_seen_by_the_handler(lifetime: Lifetime) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def make() -> AsyncIterator[str]:
        token = variable.set("set")
        yield "value"
        variable.reset(token)  # an error in another context

    @get("/")
    async def handle(value: str) -> str:
        return variable.get()

    app = Hesper([handle], dependencies={"value": Provide(make, lifetime=lifetime)})
    with TestClient(app) as client:
        assert client.get("/").text == "set"


def test_what_a_value_of_the_lifespan_sets_is_seen_by_all_its_connections() -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def make() -> AsyncIterator[str]:
        token = variable.set("set")
        yield "value"
        variable.reset(token)

    @get("/")
    async def handle(value: str) -> str:
        return variable.get()

    provide = Provide(make, lifetime=Lifetime.LIFESPAN)
    with TestClient(Hesper([handle], dependencies={"value": provide})) as client:
        assert [client.get("/").text for _ in range(2)] == ["set"] * 2


@every_lifetime
def test_a_value_may_be_keyed_by_its_type(lifetime: Lifetime) -> None:
    class Client: ...

    made: list[Client] = []

    async def make() -> Client:
        made.append(Client())
        return made[-1]

    @get("/")
    async def handle(anything: Client, other: Client | None) -> bool:
        return anything is other is made[-1]

    app = Hesper([handle], dependencies={Client: Provide(make, lifetime=lifetime)})
    with TestClient(app) as client:
        assert client.get("/").json() is True


UserId = NewType("UserId", int)
Reading = Annotated[str, "for reading"]


def test_types_that_differ_in_name_or_in_markers_are_keys_of_their_own() -> None:
    @get("/")
    async def handle(
        one: UserId, same: NamedDependency[UserId | None], number: int, reading: Reading, text: str
    ) -> list[object]:
        return [one, same, number, reading, text]

    made: dict[Any, object] = {UserId: 1, int: 2, Reading: "reading", str: "text"}

    def providing(value: object) -> Provide:
        return Provide(lambda: value, sync_to_thread=False)

    dependencies = {key: providing(value) for key, value in made.items()}
    with TestClient(Hesper([handle], dependencies=dependencies)) as client:
        assert client.get("/").json() == [1, 1, 2, "reading", "text"]


def test_a_type_is_the_key_of_what_is_made_of_it() -> None:
    @get("/")
    async def handle(one: UserId, reading: Reading) -> list[object]:
        return [one, reading]

    dependencies: dict[Any, Any] = {int: lambda: 2, str: lambda: "text"}
    with TestClient(Hesper([handle], dependencies=dependencies)) as client:
        assert client.get("/").json() == [2, "text"]


@every_lifetime
@pytest.mark.anyio
async def test_a_value_depends_on_values_of_its_own_lifetime(lifetime: Lifetime) -> None:
    log: Log = []

    async def inner() -> AsyncIterator[str]:
        log.append("+inner")
        yield "inner"
        log.append("-inner")

    async def outer(inner: str) -> AsyncIterator[str]:
        log.append(f"+outer of {inner}")
        yield "outer"
        log.append("-outer")

    @get("/")
    async def handle(outer: str) -> None: ...

    dependencies = {
        "outer": Provide(outer, lifetime=lifetime),
        "inner": Provide(inner, lifetime=lifetime),
    }
    app = Hesper([handle], dependencies=dependencies)

    async def run() -> None:
        async with app.lifespan():
            assert (await serve(app, "GET", "/")).status == 200

    if lifetime is Lifetime.LOOP:
        await anyio.to_thread.run_sync(lambda: asyncio.run(run()))
    else:
        await run()
    assert log == ["+inner", "+outer of inner", "-outer", "-inner"]
