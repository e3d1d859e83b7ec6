"""The initial state: `app.state` outside lifespans, and what each of them starts with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hesper import Hesper, Request, get
from hesper.datastructures import ImmutableState, State
from hesper.testing import TestClient
from tests.asgi_driver import serve
from tests.peers import Peer, chunk, request_scope

pytestmark = pytest.mark.anyio


class Shop(State):
    name: str


def test_outside_it_is_the_initial_state() -> None:
    app = Hesper(state={"a": 1})
    assert app.state == {"a": 1}
    assert app.state.a == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda state: setattr(state, "a", 2),
        lambda state: delattr(state, "a"),
        lambda state: state.__setitem__("a", 2),
        lambda state: state.__delitem__("a"),
        lambda state: state.update(a=2),
        lambda state: state.update({"b": 2}),
        lambda state: state.setdefault("b", 2),
        lambda state: state.pop("a"),
        lambda state: state.pop("a", None),
        lambda state: state.popitem(),
        lambda state: state.clear(),
    ],
)
def test_outside_it_refuses_every_write_and_says_where_to_write(write: Any) -> None:
    app = Hesper(state={"a": 1})
    with pytest.raises(RuntimeError, match=r"as state=\{\.\.\.\}, or set it in a start-up hook"):
        write(app.state)
    assert app.state == {"a": 1}


def test_before_and_after_a_lifespan_it_is_the_initial_state() -> None:
    app = Hesper(on_startup=lambda app: app.state.update(b=2), state={"a": 1})
    with TestClient(app):
        pass
    assert app.state == {"a": 1}
    with pytest.raises(RuntimeError, match="belongs to a lifespan, and none is running here"):
        app.state.b = 3


async def test_the_initial_state_is_copied_for_every_lifespan() -> None:
    shared: list[int] = []
    app = Hesper(state=State({"shared": shared}))
    async with app.lifespan():
        app.state.name = "first"
        app.state.shared.append(1)
    async with app.lifespan():
        assert app.state == {"shared": [1]}


async def test_a_deep_initial_state_is_copied_deeply_for_every_lifespan() -> None:
    given: list[int] = []
    app = Hesper(state=State({"own": given}, deep_copy=True))
    given.append(0)
    for _ in range(2):
        async with app.lifespan():
            assert app.state.own == []
            app.state.own.append(1)
    assert app.state.own == []


async def test_the_initial_state_may_be_of_a_class_of_its_own() -> None:
    app = Hesper(state=Shop({"name": "books"}))
    async with app.lifespan():
        assert isinstance(app.state, Shop)


async def test_an_immutable_initial_state_is_written_to_while_a_lifespan_runs() -> None:
    app = Hesper(state=ImmutableState({"a": 1}))
    async with app.lifespan():
        app.state.a = 2
        assert app.state == {"a": 2}
    assert app.state == {"a": 1}


@get("/")
async def counting(request: Request, state: State) -> list[int]:
    assert request.app.state == state
    state.count = state.get("count", 0) + 1
    return [state.count, request.app.state.count]


async def test_a_connection_without_lifespan_has_a_copy_of_the_initial_state_for_itself() -> None:
    app = Hesper([counting], state={"count": 5})
    for _ in range(3):
        assert (await serve(app, "GET", "/")).json() == [6, 6]
    assert app.state == {"count": 5}


async def test_connections_without_lifespan_at_once_have_their_own_copies() -> None:
    @get("/")
    async def slow(request: Request) -> int:
        state = request.app.state
        state.count += 1
        await asyncio.sleep(0)
        state.count += 1
        count: int = request.app.state.count
        return count

    app = Hesper([slow], state={"count": 0})
    answers = await asyncio.gather(*(serve(app, "GET", "/") for _ in range(10)))
    assert [answer.json() for answer in answers] == [2] * 10


async def test_a_thread_of_a_connection_without_lifespan_sees_its_copy() -> None:
    @get("/", sync_to_thread=True)
    def in_thread(request: Request) -> int:
        request.app.state.count += 1
        count: int = request.app.state.count
        return count

    app = Hesper([in_thread], state={"count": 0})
    assert [(await serve(app, "GET", "/")).json() for _ in range(3)] == [1, 1, 1]


async def test_a_connection_of_a_lifespan_that_ended_sees_nothing_of_it() -> None:
    app = Hesper([state_names], state={"initial": 1})
    async with app.lifespan() as lifespan:
        app.state.pool = "a pool"
        lifespan.state.more = 2
        old = lifespan.namespace | {"late": 3}
    peer = Peer(chunk(b""))
    await app(request_scope(state=old), peer.receive, peer.send)
    assert peer.body == b'[["initial"],["initial"]]'


@get("/")
async def state_names(request: Request) -> list[list[str]]:
    return [list(request.app.state), list(request.state)]
