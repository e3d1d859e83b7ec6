"""Values of the loop: shared by what runs on it, and closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hesper import Hesper, Lifetime, Provide, get, loop_local
from hesper._types import Message
from hesper.testing import TestClient
from tests.asgi_driver import answer, serve
from tests.lifetimes.kinds import Log, async_generator, opens


@get("/")
async def show(client: object) -> int:
    return id(client)


async def make_client() -> object:
    return object()


def app_with(provide: Provide, key: Any = "client") -> Hesper:
    return Hesper([show], dependencies={key: provide})


async def shown(app: Hesper) -> int:
    number: int = (await serve(app, "GET", "/")).json()
    return number


def test_it_needs_no_lifespan_and_ends_with_the_loop() -> None:
    log: Log = []
    app = app_with(opens(log, "client", Lifetime.LOOP))

    async def run() -> None:
        assert await shown(app) == await shown(app)
        log.append("end")

    asyncio.run(run())
    assert log == ["+client", "end", "-client"]


def test_apps_share_it_if_key_and_callable_are_equal() -> None:
    apps = [app_with(Provide(make_client, lifetime=Lifetime.LOOP)) for _ in range(2)]

    async def run() -> None:
        assert await shown(apps[0]) == await shown(apps[1])

    asyncio.run(run())


async def make_another() -> object:
    return object()


@pytest.mark.parametrize(
    "other",
    [
        app_with(Provide(make_another, lifetime=Lifetime.LOOP)),
        app_with(Provide(make_client, lifetime=Lifetime.LOOP), object),
        app_with(Provide(make_client, lifetime=Lifetime.LIFESPAN)),
        app_with(Provide(make_client, lifetime=Lifetime.LOOP)).override({"client": "mine"}),
    ],
    ids=["callable", "key", "lifetime", "override"],
)
def test_apps_do_not_share_it_if_they_make_it_otherwise(other: Hesper) -> None:
    app = app_with(Provide(make_client, lifetime=Lifetime.LOOP))

    async def run() -> None:
        async with other.lifespan():
            assert await shown(app) != await shown(other)

    asyncio.run(run())


def test_apps_do_not_share_it_if_it_depends_on_other_values() -> None:
    async def client(base: str) -> object:
        return f"client of {base}"

    @get("/")
    async def show(client: str) -> str:
        return client

    def app(base: str) -> Hesper:
        async def make_base() -> str:
            return base

        provides: dict[str, Any] = {"base": make_base, "client": client}
        dependencies = {
            name: Provide(make, lifetime=Lifetime.LOOP) for name, make in provides.items()
        }
        return Hesper([show], dependencies=dependencies)

    one, other = app("one"), app("other")

    async def run() -> list[str]:
        return [(await serve(app, "GET", "/")).text for app in (one, other, one)]

    assert asyncio.run(run()) == ["client of one", "client of other", "client of one"]


def test_it_is_made_at_the_start_if_a_route_needs_it() -> None:
    log: Log = []
    app = app_with(opens(log, "client", Lifetime.LOOP))

    async def run() -> None:
        async with app.lifespan():
            assert log == ["+client"]
        assert log == ["+client"]  # the loop goes on

    asyncio.run(run())
    assert log == ["+client", "-client"]


def test_it_is_not_made_if_nobody_needs_it() -> None:
    log: Log = []
    with TestClient(Hesper([], dependencies={"client": opens(log, "client", Lifetime.LOOP)})):
        pass
    assert log == []


async def run_as_server(app: Hesper, sent: Log, log: Log) -> None:
    """Run the lifespan protocol as a server does, and write down its answers."""
    messages: asyncio.Queue[Message] = asyncio.Queue()
    messages.put_nowait({"type": "lifespan.startup"})
    scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}

    async def send(message: Message) -> None:
        sent.append(message["type"])
        log.append(message["type"])
        if message["type"] == "lifespan.startup.complete":
            messages.put_nowait({"type": "lifespan.shutdown"})

    await app(scope, messages.get, send)


def test_it_ends_before_the_loops_last_lifespan_answers() -> None:
    log: Log = []
    app = app_with(opens(log, "client", Lifetime.LOOP))
    asyncio.run(run_as_server(app, [], log))
    assert log == [
        "+client",
        "lifespan.startup.complete",
        "-client",
        "lifespan.shutdown.complete",
    ]


def test_it_ends_with_a_client() -> None:
    log: Log = []
    with TestClient(app_with(opens(log, "client", Lifetime.LOOP))) as client:
        client.get("/")
        client.get("/")
        assert log == ["+client"]
    assert log == ["+client", "-client"]


def test_each_loop_has_its_own() -> None:
    log: Log = []
    app = app_with(opens(log, "client", Lifetime.LOOP))
    for _ in range(2):
        answer(app, "GET", "/")
    assert log == ["+client", "-client"] * 2


def test_many_who_ask_at_once_get_one() -> None:
    asked = 0

    async def client() -> object:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return object()

    app = app_with(Provide(client, lifetime=Lifetime.LOOP))

    async def run() -> None:
        assert len(set(await asyncio.gather(*(shown(app) for _ in range(20))))) == 1

    asyncio.run(run())
    assert asked == 1


def test_a_failure_is_forgotten() -> None:
    attempts: list[int] = []

    async def client() -> object:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        return object()

    app = app_with(Provide(client, lifetime=Lifetime.LOOP))

    async def run() -> list[int]:
        return [(await serve(app, "GET", "/")).status for _ in range(3)]

    assert asyncio.run(run()) == [500, 200, 200]
    assert len(attempts) == 2


def test_a_start_that_fails_on_it_says_so() -> None:
    async def client() -> object:
        raise OSError("nobody answers")

    app = app_with(Provide(client, lifetime=Lifetime.LOOP))
    with pytest.raises(OSError, match="nobody answers") as caught:
        asyncio.run(app.lifespan().start())
    assert caught.value.__notes__ == ["raised when the dependency 'client' was made"]


def test_it_can_be_closed_by_hand_and_is_then_made_anew() -> None:
    log: Log = []
    app = app_with(opens(log, "client", Lifetime.LOOP))

    async def run() -> None:
        await shown(app)
        await loop_local.aclose()
        assert log == ["+client", "-client"]
        await shown(app)

    asyncio.run(run())
    assert log == ["+client", "-client"] * 2


def test_ends_that_fail_are_told_to_the_loop_and_the_others_run() -> None:
    log: Log = []
    told: list[Any] = []

    async def client(base: str) -> AsyncIterator[str]:
        yield "client"
        raise OSError("broken")

    provides = {"base": async_generator(log, "base"), "client": client}
    app = Hesper(
        [show],
        dependencies={k: Provide(make, lifetime=Lifetime.LOOP) for k, make in provides.items()},
    )

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        await shown(app)

    asyncio.run(run())
    assert log == ["+base", "-base"]
    (context,) = told
    assert "raised when the dependency 'client' was exited" in context["exception"].__notes__
