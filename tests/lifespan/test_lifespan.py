"""A lifespan: its phases, its event, its connections, and how often it can run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hesper import Hesper, Lifespan, Request, WebSocket, get, websocket
from hesper.lifespan import Phase
from hesper.testing import AsyncTestClient, TestClient
from tests.lifespan.journal import Journal, RefusalError, forever

pytestmark = pytest.mark.anyio


def lifespan_of(request: Request) -> Lifespan:
    found = request.scope["state"]["hesper.lifespan"]
    assert isinstance(found, Lifespan)
    return found


async def test_the_phase_says_how_far_a_lifespan_has_come() -> None:
    phases: list[Phase] = []

    def write(lifespan: Lifespan) -> None:
        phases.append(lifespan.phase)

    @asynccontextmanager
    async def manager(lifespan: Lifespan) -> AsyncIterator[None]:
        write(lifespan)
        yield
        write(lifespan)

    lifespan = Hesper(lifespan=manager, on_startup=write, on_shutdown=write).lifespan()
    write(lifespan)
    async with lifespan:
        write(lifespan)
    write(lifespan)
    assert phases == ["new", "starting", "starting", "ready", "closing", "closing", "closed"]


async def test_closing_is_set_before_anything_is_closed() -> None:
    seen: list[bool] = []

    @asynccontextmanager
    async def manager(lifespan: Lifespan) -> AsyncIterator[None]:
        seen.append(lifespan.closing.is_set())
        yield
        seen.append(lifespan.closing.is_set())

    async with Hesper(lifespan=manager).lifespan() as lifespan:
        seen.append(lifespan.closing.is_set())
    assert seen == [False, False, True]


async def test_closing_can_be_awaited_by_any_number() -> None:
    woken: list[int] = []

    async def wait(lifespan: Lifespan, number: int) -> None:
        await lifespan.closing
        await lifespan.closing.wait()
        woken.append(number)

    async with Hesper().lifespan() as lifespan:
        waiting = [asyncio.create_task(wait(lifespan, n)) for n in range(3)]
        await asyncio.sleep(0)
        assert woken == []
    await asyncio.gather(*waiting)
    assert sorted(woken) == [0, 1, 2]


async def test_a_lifespan_runs_once() -> None:
    lifespan = Hesper().lifespan()
    async with lifespan:
        with pytest.raises(RuntimeError, match=r"is ready, and it can run once; call app\.lifesp"):
            await lifespan.start()
    with pytest.raises(RuntimeError, match="is closed, and it can run once"):
        await lifespan.start()


async def test_a_lifespan_that_failed_does_not_run_again() -> None:
    lifespan = Hesper(on_startup=Journal().hook("up", fails=RefusalError())).lifespan()
    with pytest.raises(RefusalError):
        await lifespan.start()
    with pytest.raises(RuntimeError, match="is failed, and it can run once"):
        await lifespan.start()


async def test_a_lifespan_that_was_stopped_stays_so() -> None:
    journal = Journal()
    app = Hesper(lifespan=journal.manager("a"), on_shutdown=journal.hook("down"))
    lifespan = app.lifespan()
    await lifespan.start()
    await lifespan.stop()
    await lifespan.stop()
    assert journal == ["enter a", "exit a", "down"]


async def test_a_lifespan_may_be_stopped_inside_its_block() -> None:
    journal = Journal()
    async with Hesper(on_shutdown=journal.hook("down")).lifespan() as lifespan:
        await lifespan.stop()
        assert journal == ["down"]
    assert journal == ["down"]


async def test_two_that_stop_a_lifespan_both_wait_for_its_end() -> None:
    journal = Journal()
    lifespan = Hesper(lifespan=journal.manager("a"), on_shutdown=journal.hook("down")).lifespan()
    await lifespan.start()
    await asyncio.gather(lifespan.stop(), lifespan.stop())
    assert journal == ["enter a", "exit a", "down"]


async def test_what_was_not_started_cannot_be_stopped() -> None:
    with pytest.raises(RuntimeError, match="is new, and what has not been started"):
        await Hesper().lifespan().stop()


async def test_a_start_is_not_stopped_from_aside() -> None:
    reached = asyncio.Event()

    async def hook() -> None:
        reached.set()
        await forever()

    lifespan = Hesper(on_startup=hook).lifespan()
    starting = asyncio.create_task(lifespan.start())
    await reached.wait()
    with pytest.raises(RuntimeError, match=r"is starting, .* cancel the task that waits for it"):
        await lifespan.stop()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert lifespan.phase is Phase.FAILED


async def test_closing_and_tasks_of_one_that_was_not_started_say_so() -> None:
    lifespan = Hesper().lifespan()
    for attribute in ("closing", "tasks"):
        with pytest.raises(RuntimeError, match="has not been started"):
            getattr(lifespan, attribute)


async def test_a_lifespan_knows_its_app_state_and_loop() -> None:
    app = Hesper(state={"a": 1})
    async with app.lifespan() as lifespan:
        assert lifespan.app is app
        assert lifespan.state == {"a": 1}
        assert lifespan.loop is asyncio.get_running_loop()
        assert "ready" in repr(lifespan)


async def test_the_state_is_gone_after_the_shutdown() -> None:
    app = Hesper(state={"a": 1})
    async with app.lifespan() as lifespan:
        app.state.b = 2
    assert lifespan.state == {}


async def test_shutdown_hooks_still_see_the_state() -> None:
    seen: list[int] = []
    app = Hesper(on_shutdown=lambda app: seen.append(app.state.a), state={"a": 1})
    async with app.lifespan():
        app.state.a = 2
    assert seen == [2]


async def test_connections_in_flight_are_listed_while_they_are_served() -> None:
    seen: list[list[str]] = []

    @get("/")
    async def index(request: Request) -> None:
        seen.append([scope["path"] for scope in lifespan_of(request).connections])

    @websocket("/ws")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        seen.append(
            [scope["path"] for scope in socket.scope["state"]["hesper.lifespan"].connections]
        )

    app = Hesper([index, socket])
    async with AsyncTestClient(app) as client:
        await client.get("/")
        async with client.websocket_connect("/ws"):
            pass
        (lifespan,) = app._lifespans
        assert lifespan.connections == ()
    assert seen == [["/"], ["/ws"]]


@pytest.mark.parametrize("state", [True, False])
async def test_connections_at_once_are_all_listed(state: bool) -> None:
    counts: list[int] = []
    arrived = asyncio.Event()

    @get("/")
    async def index(request: Request) -> None:
        lifespan = lifespan_of(request)
        counts.append(len(lifespan.connections))
        if len(lifespan.connections) == 5:
            arrived.set()
        await arrived.wait()

    async with AsyncTestClient(Hesper([index]), state=state) as client:
        await asyncio.gather(*(client.get("/") for _ in range(5)))
    assert sorted(counts) == [1, 2, 3, 4, 5]


async def test_a_connection_that_fails_is_listed_no_more() -> None:
    @get("/")
    async def index() -> None:
        raise RefusalError

    app = Hesper([index])
    async with AsyncTestClient(app) as client:
        assert (await client.get("/")).status_code == 500
        (lifespan,) = app._lifespans
        assert lifespan.connections == ()


def test_an_app_may_run_any_number_of_lifespans_one_after_another() -> None:
    journal = Journal()
    app = Hesper(lifespan=journal.manager("a"))
    for _ in range(3):
        with TestClient(app):
            pass
    assert journal == ["enter a", "exit a"] * 3


@get("/")
async def count(request: Request) -> int:
    state = request.app.state
    state.counter = state.get("counter", 0) + 1
    number: int = state.counter
    return number


@pytest.mark.parametrize("state", [True, False])
def test_an_app_that_counts_starts_again_in_every_lifespan(state: bool) -> None:
    app = Hesper([count])
    counts = []
    for _ in range(3):
        with TestClient(app, state=state) as client:
            counts.append(client.get("/").json())
    assert counts == [1, 1, 1]


@pytest.mark.parametrize("state", [True, False])
def test_an_app_that_counts_goes_on_within_a_lifespan(state: bool) -> None:
    with TestClient(Hesper([count]), state=state) as client:
        assert [client.get("/").json() for _ in range(3)] == [1, 2, 3]
