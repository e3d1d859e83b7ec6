"""`lifespan.client()`: several clients on one lifespan."""

from __future__ import annotations

import asyncio
import threading
import typing

import pytest

from hesper import Hesper, Lifespan, Request, WebSocket, get, websocket
from hesper.datastructures import State
from hesper.testing import TestClient

pytestmark = pytest.mark.anyio


@get("/visits")
async def visits(state: State) -> int:
    state.visits += 1
    number: int = state.visits
    return number


@get("/key")
async def key(request: Request) -> str | None:
    return request.headers.get("x-key")


@get("/cookies")
async def cookies(request: Request) -> dict[str, str]:
    return request.cookies


@websocket("/visits")
async def visit(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json(socket.app.state.visits)


app = Hesper([visits, key, cookies, visit], state={"visits": 0})


async def test_its_clients_are_served_in_the_lifespan() -> None:
    async with app.lifespan() as lifespan:
        one, two = lifespan.client(), lifespan.client()
        assert (await one.get("/visits")).json() == 1
        assert (await two.get("/visits")).json() == 2
        assert lifespan.state.visits == 2
        async with one.websocket_connect("/visits") as session:
            assert await session.receive_json() == 2
        assert one.app is app


async def test_two_lifespans_at_once_have_clients_of_their_own() -> None:
    async with app.lifespan() as one, app.lifespan() as two:
        assert (await one.client().get("/visits")).json() == 1
        assert (await one.client().get("/visits")).json() == 2
        assert (await two.client().get("/visits")).json() == 1


async def test_each_client_has_options_and_cookies_of_its_own() -> None:
    async with app.lifespan() as lifespan:
        plain, keyed = (
            lifespan.client(),
            lifespan.client(headers={"x-key": "k"}, cookies={"a": "1"}),
        )
        assert (await plain.get("/key")).json() is None
        assert (await keyed.get("/key")).json() == "k"
        assert (await plain.get("/cookies")).json() == {}
        assert (await keyed.get("/cookies")).json() == {"a": "1"}


async def test_the_block_of_a_client_runs_no_other_lifespan_and_ends_none() -> None:
    async with app.lifespan() as lifespan:
        async with lifespan.client() as client:
            assert client.lifespan is lifespan
            assert (await client.get("/visits")).json() == 1
        assert (await lifespan.client().get("/visits")).json() == 2


async def test_a_lifespan_that_does_not_run_has_no_clients() -> None:
    lifespan = app.lifespan()
    with pytest.raises(RuntimeError, match="this lifespan is new, and serves nothing"):
        lifespan.client()
    async with lifespan:
        client = lifespan.client()
    with pytest.raises(RuntimeError, match="this lifespan is closed, and serves nothing"):
        await client.get("/visits")


async def test_a_client_on_another_loop_says_so() -> None:
    async with app.lifespan() as lifespan:
        client = lifespan.client()
        errors: list[BaseException] = []

        def ask() -> None:
            try:
                asyncio.run(asyncio.wait_for(client.get("/visits"), 5))
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert "runs on another loop" in str(errors.pop())


def test_the_lifespan_of_a_sync_client_has_clients_in_its_thread() -> None:
    with TestClient(app) as client:
        other = client.lifespan.client()
        with client.portal() as portal:
            assert portal.call(other.get, "/visits").json() == 1


def test_the_types_of_clients_are_found_when_they_are_asked_for() -> None:
    assert "AsyncTestClient" in str(typing.get_type_hints(Lifespan.client)["return"])
