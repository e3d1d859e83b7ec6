"""A connection to an app of which no lifespan is running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest

from hesper import Hesper, Request, WebSocket, get, websocket
from hesper.exceptions import HesperException, LifespanNotStarted
from hesper.handlers import mount
from hesper.testing import AsyncTestClient, TestClient
from tests.asgi_driver import serve
from tests.lifespan.exchange import Exchange
from tests.lifespan.journal import Journal, RefusalError
from tests.peers import Peer, socket_scope

pytestmark = pytest.mark.anyio


@get("/")
async def index(request: Request) -> list[str]:
    return ["served", *request.state]


@websocket("/")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("served")
    await socket.close()


def with_everything(journal: Journal) -> Hesper:
    return Hesper(
        [index, socket, mount("/admin", journal.app("admin"), lifespan="required")],
        lifespan=[journal.manager("database"), journal.manager("cache")],
        on_startup=[journal.hook("warm_up"), journal.async_hook("subscribe")],
        on_shutdown=journal.hook("farewell"),
    )


PARTS = [
    "the lifespan manager tests.lifespan.journal.database",
    "the lifespan manager tests.lifespan.journal.cache",
    "the start-up hook tests.lifespan.journal.warm_up",
    "the start-up hook tests.lifespan.journal.subscribe",
    "the app mounted at /admin",
    "with TestClient(app)",
    "async with app.lifespan():",
]


async def test_a_request_is_refused_with_all_that_was_not_started() -> None:
    journal = Journal()
    with pytest.raises(LifespanNotStarted) as caught:
        await serve(with_everything(journal), "GET", "/")
    for part in PARTS:
        assert part in str(caught.value)
    assert "farewell" not in str(caught.value)
    assert journal == []


async def test_a_request_after_its_lifespan_has_ended_is_told_so() -> None:
    async with with_everything(Journal()).lifespan() as lifespan:
        pass
    late = Exchange(lifespan, "/")
    with pytest.raises(LifespanNotStarted, match=r"has ended before its server.*warm_up") as caught:
        await late.task
    assert "TestClient" not in str(caught.value)


async def test_a_websocket_is_refused_in_the_same_way() -> None:
    peer = Peer({"type": "websocket.connect"})
    with pytest.raises(LifespanNotStarted) as caught:
        await with_everything(Journal())(socket_scope(), peer.receive, peer.send)
    for part in PARTS:
        assert part in str(caught.value)
    assert peer.heard == []


def test_the_error_is_one_of_the_framework_s() -> None:
    assert issubclass(LifespanNotStarted, HesperException)


@pytest.mark.parametrize("path", ["/", "/unknown"])
async def test_every_path_is_refused(path: str) -> None:
    with pytest.raises(LifespanNotStarted):
        await serve(Hesper([index], on_startup=Journal().hook("up")), "GET", path)


async def test_a_lifespan_on_another_loop_does_not_count() -> None:
    app = Hesper([index], on_startup=Journal().hook("up"))
    async with app.lifespan():
        with pytest.raises(LifespanNotStarted):
            await asyncio.to_thread(asyncio.run, serve(app, "GET", "/"))


async def test_a_lifespan_that_ended_does_not_count() -> None:
    app = Hesper([index], on_startup=Journal().hook("up"))
    async with app.lifespan():
        assert (await serve(app, "GET", "/")).status == 200
    with pytest.raises(LifespanNotStarted):
        await serve(app, "GET", "/")


async def test_a_lifespan_that_is_starting_does_not_count() -> None:
    refused: list[str] = []

    async def hook(app: Hesper) -> None:
        try:
            await serve(app, "GET", "/")
        except LifespanNotStarted as error:
            refused.append(str(error))

    async with Hesper([index], on_startup=hook).lifespan():
        pass
    assert len(refused) == 1


async def test_a_connection_is_refused_though_the_lifespan_of_another_app_is_running() -> None:
    app = Hesper([index], on_startup=Journal().hook("up"))
    async with Hesper([index]).lifespan() as other:
        peer = Peer()
        with pytest.raises(LifespanNotStarted):
            await app(socket_scope(state=other.namespace), peer.receive, peer.send)


@pytest.mark.parametrize(
    "nothing",
    [
        {},
        {"state": {"a": 1}},
        {"on_shutdown": Journal().hook("down")},
        {"route_handlers": [index, socket, mount("/auto", Journal().app("auto"))]},
    ],
    ids=["nothing", "state", "shutdown hook", "mount"],
)
async def test_an_app_with_nothing_to_start_serves_as_it_is(nothing: dict[str, Any]) -> None:
    app = Hesper(**{"route_handlers": [index, socket], **nothing})
    assert (await serve(app, "GET", "/")).json() == ["served", *nothing.get("state", ())]
    peer = Peer({"type": "websocket.connect"})
    await app(socket_scope(), peer.receive, peer.send)
    assert [message["type"] for message in peer.heard][:2] == ["websocket.accept", "websocket.send"]


async def test_httpx_needs_no_ceremony() -> None:
    transport = httpx.ASGITransport(app=Hesper([index], state={"a": 1}))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for _ in range(2):
            assert (await client.get("/")).json() == ["served", "a"]


async def test_httpx2_needs_no_ceremony() -> None:
    transport = httpx2.ASGITransport(app=Hesper([index], state={"a": 1}))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        for _ in range(2):
            assert (await client.get("/")).json() == ["served", "a"]


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_httpx_is_refused_where_something_is_to_be_started(library: Any) -> None:
    app = Hesper([index], on_startup=Journal().hook("warm_up"))
    transport = library.ASGITransport(app=app)
    async with library.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(LifespanNotStarted, match="warm_up"):
            await client.get("/")
        async with app.lifespan():
            assert (await client.get("/")).json() == ["served"]


def test_a_test_client_without_its_block_is_refused() -> None:
    with pytest.raises(LifespanNotStarted, match="warm_up"):
        TestClient(Hesper([index], on_startup=Journal().hook("warm_up"))).get("/")


async def test_a_test_client_that_runs_no_lifespan_is_refused() -> None:
    app = Hesper([index], on_startup=Journal().hook("warm_up"))
    async with AsyncTestClient(app, lifespan=False) as client:
        with pytest.raises(LifespanNotStarted, match="warm_up"):
            await client.get("/")


class TestTheFoundingExample:
    """A finished test's connection is never handed to a test that forgot the lifespan."""

    @asynccontextmanager
    async def database(self, app: Hesper) -> AsyncIterator[None]:
        app.state.connection = object()
        yield

    @pytest.mark.parametrize("order", [[0, 1], [1, 0], [0, 1, 0, 1], [1, 1, 0, 0]])
    def test_in_any_order(self, order: list[int]) -> None:
        used: list[object] = []

        @get("/", sync_to_thread=False)
        def use(request: Request) -> None:
            used.append(request.app.state.connection)

        app = Hesper([use], lifespan=self.database)

        def right() -> None:
            with TestClient(app) as client:
                assert client.get("/").status_code == 200

        def forgetful() -> None:
            with pytest.raises(LifespanNotStarted, match="database"):
                TestClient(app).get("/")

        for which in order:
            (right, forgetful)[which]()
        assert len(used) == order.count(0)
        assert len({id(connection) for connection in used}) == len(used)


async def test_a_failed_start_leaves_the_app_refusing() -> None:
    app = Hesper([index], on_startup=Journal().hook("up", fails=RefusalError()))
    with pytest.raises(RefusalError):
        await app.lifespan().start()
    with pytest.raises(LifespanNotStarted):
        await serve(app, "GET", "/")
