"""Context variables: set while starting, seen by every connection, and never the other way."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import Hesper, Request, WebSocket, get, websocket
from hesper._types import Receive, Scope, Send
from hesper.handlers import mount
from hesper.testing import AsyncTestClient, TestClient
from tests.lifespan.journal import Journal

pytestmark = pytest.mark.anyio

pool: contextvars.ContextVar[str] = contextvars.ContextVar("pool")
user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

offered_or_not = pytest.mark.parametrize("state", [True, False], ids=["offered", "not offered"])


@asynccontextmanager
async def pooled() -> AsyncIterator[None]:
    token = pool.set("a pool")
    yield
    pool.reset(token)


@get("/async")
async def asynchronous() -> list[str]:
    return [pool.get("no pool"), user.get()]


@get("/thread", sync_to_thread=True)
def in_thread() -> list[str]:
    return [pool.get("no pool"), user.get()]


@get("/direct", sync_to_thread=False)
def direct() -> list[str]:
    return [pool.get("no pool"), user.get()]


@get("/set/{name:str}")
async def setting(name: str) -> str:
    await asyncio.sleep(0)
    before = user.get()
    user.set(name)
    pool.set(name)
    await asyncio.sleep(0)
    assert user.get() == name
    return before


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json([pool.get("no pool"), user.get()])
    user.set("the socket")
    await socket.close()


HANDLERS: list[Callable[..., Any]] = [asynchronous, in_thread, direct, setting, socket]


@offered_or_not
@pytest.mark.parametrize("place", ["manager", "hook", "async hook"])
def test_what_is_set_while_starting_is_seen_by_every_connection(place: str, state: bool) -> None:
    async def asynchronous_hook() -> None:
        await asyncio.sleep(0)
        pool.set("a pool")

    app = {
        "manager": Hesper(HANDLERS, lifespan=pooled),
        "hook": Hesper(HANDLERS, on_startup=lambda: pool.set("a pool")),
        "async hook": Hesper(HANDLERS, on_startup=asynchronous_hook),
    }[place]
    with TestClient(app, state=state) as client:
        for path in ("/async", "/thread", "/direct"):
            assert client.get(path).json() == ["a pool", "nobody"]
        with client.websocket_connect("/socket") as session:
            assert session.receive_json() == ["a pool", "nobody"]


@offered_or_not
async def test_what_a_connection_sets_is_seen_by_no_other(state: bool) -> None:
    async with AsyncTestClient(Hesper(HANDLERS, lifespan=pooled), state=state) as client:
        for name in ("one", "two"):
            assert (await client.get(f"/set/{name}")).text == "nobody"
        async with client.websocket_connect("/socket"):
            pass
        found = await asyncio.gather(*(client.get(f"/set/{n}") for n in range(10)))
        assert {answer.text for answer in found} == {"nobody"}
        assert (await client.get("/async")).json() == ["a pool", "nobody"]
        assert user.get() == "nobody"
        assert pool.get("no pool") == "no pool"


async def test_a_variable_set_again_while_starting_is_seen_in_its_last_value() -> None:
    pool.set("outer")
    app = Hesper(HANDLERS, on_startup=[lambda: pool.set("one"), lambda: pool.set("two")])
    async with AsyncTestClient(app) as client:
        assert (await client.get("/async")).json() == ["two", "nobody"]
        assert pool.get() == "outer"


async def test_two_lifespans_have_their_own_variables() -> None:
    number = iter(range(10))
    app = Hesper(HANDLERS, on_startup=lambda: pool.set(f"pool {next(number)}"))
    async with AsyncTestClient(app) as one, AsyncTestClient(app) as two:
        for _ in range(2):
            assert (await one.get("/async")).json()[0] == "pool 0"
            assert (await two.get("/thread")).json()[0] == "pool 1"


async def test_there_are_none_where_none_was_set() -> None:
    journal = Journal()
    app = Hesper(
        [mount("/app", journal.app("app"))],
        lifespan=journal.manager("a"),
        on_startup=[journal.hook("up"), journal.async_hook("up")],
    )
    async with app.lifespan() as lifespan:
        assert lifespan.variables == ()


async def test_there_are_none_where_they_were_set_before() -> None:
    pool.set("outer")
    async with Hesper(lifespan=Journal().manager("a")).lifespan() as lifespan:
        assert lifespan.variables == ()


async def test_they_are_carried_only_while_two_lifespans_share_a_loop() -> None:
    app = Hesper()
    async with app.lifespan() as one:
        async with app.lifespan() as two:
            assert len(one.variables) == len(two.variables) == 1
        assert [variable.name for variable, _ in one.variables] == []


async def test_a_hook_that_resets_its_variable_leaves_none() -> None:
    def hook() -> None:
        token = user.set("somebody")
        user.reset(token)

    async with Hesper(on_startup=hook).lifespan() as lifespan:
        assert lifespan.variables == ()


async def test_what_a_mounted_app_sets_while_starting_stays_in_its_task() -> None:
    seen: list[Any] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        seen.append(pool.get("no pool"))
        user.set("the mounted app")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    app = Hesper([mount("/inner", inner), asynchronous], lifespan=pooled)
    async with AsyncTestClient(app) as client:
        assert (await client.get("/async")).json() == ["a pool", "nobody"]
    assert seen == ["a pool"]


async def test_the_request_sees_what_the_client_s_caller_had_set() -> None:
    user.set("the caller")

    @get("/")
    async def index(request: Request) -> str:
        return user.get()

    async with AsyncTestClient(Hesper([index])) as client:
        assert (await client.get("/")).text == "the caller"
