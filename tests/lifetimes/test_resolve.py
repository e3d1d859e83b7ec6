"""`connection.resolve(key)`: dependencies for middleware, into which nothing is injected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hesper import Hesper, Lifetime, Provide, Request, Router, WebSocket, get, mount, websocket
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.connection import ASGIConnection
from hesper.exceptions import ConfigurationError, ImproperlyConfiguredException
from hesper.testing import TestClient
from tests.asgi_driver import answer, serve
from tests.lifetimes.kinds import LIFETIMES, Log, opens

pytestmark = pytest.mark.anyio


class Client: ...


Ask = Callable[[ASGIConnection], Coroutine[Any, Any, Any]]


def asking(ask: Ask) -> Callable[[ASGIApp], ASGIApp]:
    """Return a middleware that runs *ask* for each request and websocket."""

    def factory(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await ask(ASGIConnection(scope, receive, send))
            await app(scope, receive, send)

        return serve

    return factory


@get("/")
async def nothing() -> str:
    return "fine"


LONGER = [one for one in LIFETIMES if one is not Lifetime.CALL]


@pytest.mark.parametrize("key", ["client", Client])
@pytest.mark.parametrize("lifetime", LONGER)
def test_middleware_finds_what_handlers_are_given(lifetime: Lifetime, key: Any) -> None:
    found: list[object] = []

    async def client() -> Client:
        return Client()

    async def ask(connection: ASGIConnection) -> None:
        found.append(await connection.resolve(key))

    @get("/")
    async def handle(client: Client, request: Request) -> None:
        found.extend([client, await request.resolve(key)])

    app = Hesper(
        [handle],
        dependencies={key: Provide(client, lifetime=lifetime)},
        middleware=[asking(ask)],
    )
    with TestClient(app) as test_client:
        test_client.get("/")
    assert len(found) == 3
    assert len(set(map(id, found))) == 1
    assert isinstance(found[0], Client)


@pytest.mark.parametrize("lifetime", LONGER)
def test_what_nobody_else_needs_is_made_and_ended_too(lifetime: Lifetime) -> None:
    log: Log = []

    async def ask(connection: ASGIConnection) -> None:
        log.append(await connection.resolve("client"))

    inner = Router(
        "/",
        [nothing],
        dependencies={"client": opens(log, "client", lifetime)},
        middleware=[asking(ask)],
    )
    with TestClient(Hesper([inner])) as client:
        assert client.get("/").text == "fine"
    assert log == ["+client", "client", "-client"]


def test_a_value_that_is_kept_is_found() -> None:
    found: list[object] = []

    async def ask(connection: ASGIConnection) -> None:
        found.append(await connection.resolve("kept"))

    async def kept() -> object:
        return object()

    app = Hesper(
        [nothing],
        dependencies={"kept": Provide(kept, use_cache=True)},
        middleware=[asking(ask)],
    )
    with TestClient(app) as client:
        client.get("/")
        client.get("/")
    assert len(found) == 2
    assert found[0] is found[1]


def test_before_routing_the_apps_own_is_meant_and_after_it_the_routes() -> None:
    found: list[object] = []

    async def ask(connection: ASGIConnection) -> None:
        found.append(await connection.resolve("place"))

    def named(name: str) -> Provide:
        return Provide(lambda: name, lifetime=Lifetime.CONNECTION, sync_to_thread=False)

    inner = Router(
        "/r", [nothing], dependencies={"place": named("router")}, middleware=[asking(ask)]
    )
    app = Hesper([inner], dependencies={"place": named("app")}, middleware=[asking(ask)])
    answer(app, "GET", "/r")
    assert found == ["app", "router"]
    answer(app, "GET", "/nowhere")
    assert found[2:] == ["app"]


def test_a_websocket_resolves() -> None:
    log: Log = []

    async def ask(connection: ASGIConnection) -> None:
        log.append(f"asked for {await connection.resolve('user')}")

    @websocket("/")
    async def talk(socket: WebSocket, user: str) -> None:
        await socket.accept()
        await socket.send_text(await socket.resolve("user"))

    app = Hesper(
        [talk],
        dependencies={"user": opens(log, "user", Lifetime.CONNECTION)},
        middleware=[asking(ask)],
    )
    with TestClient(app) as client, client.websocket_connect("/") as socket:
        assert socket.receive_text() == "user"
    assert log == ["+user", "asked for user", "-user"]


async def resolving(key: Any, **options: Any) -> Any:
    """Return what resolving *key* gives in a handler, or raise what it raises."""
    found: list[Any] = []

    @get("/")
    async def handle(request: Request) -> None:
        try:
            found.append(await request.resolve(key))
        except BaseException as error:
            found.append(error)

    await serve(Hesper([handle], **options), "GET", "/")
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


async def make() -> str:
    return "made"


async def test_what_lives_for_one_call_belongs_to_no_connection() -> None:
    with pytest.raises(
        LookupError, match=r"'user' lives for one call .*lifetime=Lifetime\.CONNECTION"
    ):
        await resolving("user", dependencies={"user": make})


async def test_an_unknown_key_names_the_nearest() -> None:
    provide = Provide(make, lifetime=Lifetime.CONNECTION)
    with pytest.raises(LookupError, match="the dependency 'usr'; did you mean 'user'"):
        await resolving("usr", dependencies={"user": provide})
    with pytest.raises(LookupError, match="the dependency 'Client'"):
        await resolving(Client, dependencies={"user": provide})


async def test_a_provider_that_cannot_be_used_says_why() -> None:
    async def user(page: Client) -> str:
        return ""

    provide = Provide(user, lifetime=Lifetime.CONNECTION)
    with pytest.raises(ConfigurationError, match="takes 'page' of type Client"):
        await resolving("user", dependencies={"user": provide})


async def test_a_connection_without_an_app_says_so() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="is served by no application"):
        await Request({"type": "http", "path": "/"}).resolve("user")


def test_a_mounted_app_and_the_one_around_it_have_values_of_their_own() -> None:
    log: Log = []

    @get("/")
    async def handle(user: str, request: Request) -> str:
        return f"{user} {await request.resolve('user')}"

    async def ask(connection: ASGIConnection) -> None:
        log.append(await connection.resolve("user"))

    inner = Hesper([handle], dependencies={"user": opens(log, "inner", Lifetime.CONNECTION)})
    outer = Hesper(
        [mount("/in", inner), handle],
        dependencies={"user": opens(log, "outer", Lifetime.CONNECTION)},
        middleware=[asking(ask)],
    )
    with TestClient(outer) as client:
        assert client.get("/in/").text == "inner inner"
        assert client.get("/").text == "outer outer"
    assert log == [
        *["+outer", "outer", "+inner", "-inner", "-outer"],
        *["+outer", "outer", "-outer"],
    ]


async def test_it_is_made_once_however_many_ask() -> None:
    made: list[int] = []

    async def user() -> int:
        made.append(1)
        await asyncio.sleep(0)
        return len(made)

    @get("/")
    async def handle(request: Request, user: int) -> list[int]:
        return [user, *await asyncio.gather(*(request.resolve("user") for _ in range(5)))]

    provide = Provide(user, lifetime=Lifetime.CONNECTION)
    app = Hesper([handle], dependencies={"user": provide})
    assert (await serve(app, "GET", "/")).json() == [1] * 6
