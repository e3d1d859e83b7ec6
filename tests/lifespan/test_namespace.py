"""The names set while starting reach every connection's `state`, whatever the server offers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import Hesper, Request, WebSocket, get, post, websocket
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.datastructures import State
from hesper.testing import AsyncTestClient, TestClient
from tests.asgi_driver import serve
from tests.lifespan.journal import Journal

pytestmark = pytest.mark.anyio

offered_or_not = pytest.mark.parametrize("state", [True, False], ids=["offered", "not offered"])


@asynccontextmanager
async def starting(app: Hesper) -> AsyncIterator[dict[str, Any]]:
    app.state.assigned = "assigned"
    app.state.shared = []
    yield {"yielded": "yielded"}


@get("/names")
async def names(request: Request) -> dict[str, Any]:
    return request.state.dict()


@post("/bind")
async def bind(request: Request) -> None:
    request.state.mine = "bound"
    assert request.state.mine == "bound"
    del request.state.assigned


@post("/mutate")
async def mutate(request: Request) -> None:
    request.state.shared.append(1)


@post("/late")
async def late(request: Request, state: State) -> None:
    state.late = "bound to the lifespan's state"
    assert request.app.state.late == state.late


@get("/lifespan")
async def of_lifespan(state: State) -> dict[str, Any]:
    return state.dict()


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json(socket.state.dict())
    socket.state.mine = "bound"
    await socket.close()


STATE = {"initial": "initial", "assigned": "assigned", "shared": [], "yielded": "yielded"}


def app() -> Hesper:
    return Hesper(
        [names, bind, mutate, late, of_lifespan, socket],
        lifespan=starting,
        state={"initial": "initial"},
    )


@offered_or_not
def test_every_connection_has_the_names_set_while_starting(state: bool) -> None:
    with TestClient(app(), state=state) as client:
        assert client.get("/names").json() == STATE
        with client.websocket_connect("/socket") as session:
            assert session.receive_json() == STATE


@offered_or_not
def test_a_name_bound_in_one_connection_is_invisible_to_the_next(state: bool) -> None:
    with TestClient(app(), state=state) as client:
        client.post("/bind")
        assert client.get("/names").json() == STATE
        with client.websocket_connect("/socket"):
            pass
        assert client.get("/names").json() == STATE
        assert client.get("/lifespan").json() == STATE


@offered_or_not
def test_a_change_inside_a_shared_object_is_seen_by_all(state: bool) -> None:
    with TestClient(app(), state=state) as client:
        client.post("/mutate")
        client.post("/mutate")
        assert client.get("/names").json() == {**STATE, "shared": [1, 1]}
        assert client.get("/lifespan").json() == {**STATE, "shared": [1, 1]}


@offered_or_not
def test_a_name_bound_later_is_in_the_lifespan_s_state_alone(state: bool) -> None:
    with TestClient(app(), state=state) as client:
        client.post("/late")
        assert client.get("/names").json() == STATE
        assert client.get("/lifespan").json() == {
            **STATE,
            "late": "bound to the lifespan's state",
        }


@offered_or_not
def test_any_asgi_middleware_reads_the_names_as_the_specification_says(state: bool) -> None:
    seen: list[str] = []

    def reading(app: ASGIApp) -> ASGIApp:
        async def read(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["state"]["assigned"])
            scope["state"]["set"] = "by the middleware"
            await app(scope, receive, send)

        return read

    layered = Hesper([names], lifespan=starting, middleware=[reading])
    with TestClient(layered, state=state) as client:
        assert client.get("/names").json()["set"] == "by the middleware"
    assert seen == ["assigned"]


@offered_or_not
def test_middleware_around_the_app_may_add_to_what_the_server_gave(state: bool) -> None:
    inner = app()

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "state": {**scope.get("state", {}), "around": "added"}}
        await inner(scope, receive, send)

    with TestClient(around, state=state) as client:
        assert client.get("/names").json() == {**STATE, "around": "added"}


async def test_a_connection_without_lifespan_keeps_what_an_outer_app_gave() -> None:
    inner = Hesper([names], state={"initial": "initial"})

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        await inner({**scope, "state": {"around": "added"}}, receive, send)

    assert (await serve(around, "GET", "/names")).json() == {
        "initial": "initial",
        "around": "added",
    }


@offered_or_not
def test_the_framework_s_own_name_is_not_shown(state: bool) -> None:
    @get("/")
    async def look(request: Request) -> list[bool]:
        return ["hesper.lifespan" in request.state, "hesper.lifespan" in request.scope["state"]]

    with TestClient(Hesper([look]), state=state) as client:
        assert client.get("/").json() == [False, True]


@offered_or_not
async def test_two_lifespans_have_two_namespaces(state: bool) -> None:
    number = iter(range(10))
    counted = Hesper([names], on_startup=lambda app: app.state.update(number=next(number)))
    async with AsyncTestClient(counted, state=state) as client:
        assert (await client.get("/names")).json() == {"number": 0}
    async with AsyncTestClient(counted, state=state) as client:
        assert (await client.get("/names")).json() == {"number": 1}


async def test_a_state_that_is_offered_to_two_lifespans_at_once_tells_them_apart() -> None:
    number = iter(range(10))
    counted = Hesper([names], on_startup=lambda app: app.state.update(number=next(number)))
    async with AsyncTestClient(counted) as one, AsyncTestClient(counted) as two:
        for _ in range(2):
            assert (await one.get("/names")).json() == {"number": 0}
            assert (await two.get("/names")).json() == {"number": 1}


@offered_or_not
def test_a_hook_s_plain_class_of_state_reaches_the_connection(state: bool) -> None:
    journal = Journal()
    hooked = Hesper(
        [names],
        lifespan=journal.manager("a"),
        on_startup=lambda state: state.update(pool="a pool"),
    )
    with TestClient(hooked, state=state) as client:
        assert client.get("/names").json() == {"pool": "a pool"}
