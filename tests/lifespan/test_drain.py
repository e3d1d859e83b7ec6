"""What becomes of connections and tasks between the turn to closing and the exits."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from hesper import Hesper, Lifespan, Request, get, mount
from hesper._types import LIFESPAN_KEY
from hesper.config.app import AppConfig
from hesper.lifespan import Phase, drain
from hesper.lifespan.protocol import DRAIN_TIMEOUT
from hesper.testing import AsyncTestClient, LifespanError
from tests.lifespan.exchange import Exchange
from tests.lifespan.journal import Journal, RefusalError, forever

pytestmark = pytest.mark.anyio


@pytest.fixture
def last_words(monkeypatch: pytest.MonkeyPatch) -> float:
    """Give what has been cancelled no more than a moment."""
    monkeypatch.setattr(drain, "LAST_WORDS", 0.05)
    return 0.05


@get("/")
async def index(request: Request) -> str:
    name: str = request.state.name
    return name


def name_it(app: Hesper) -> None:
    app.state.name = "named"


class Held:
    """A handler that goes on until it is let go."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.journal = Journal()

    @property
    def app(self) -> Hesper:
        @get("/held")
        async def held() -> str:
            self.began.set()
            try:
                await self.go_on.wait()
                self.journal.append("finished")
            except asyncio.CancelledError:
                self.journal.append("cancelled")
                raise
            return "finished"

        @asynccontextmanager
        async def manager() -> AsyncIterator[None]:
            yield
            self.journal.append("exited")

        return Hesper([held, index], lifespan=[manager], on_startup=name_it, drain_timeout=0.2)


async def test_the_turn_sets_closing_and_closes_nothing() -> None:
    journal = Journal()
    async with Hesper(lifespan=journal.manager("a")).lifespan() as lifespan:
        lifespan.begin_closing()
        assert lifespan.phase is Phase.CLOSING
        assert lifespan.closing.is_set()
        await lifespan.closing
        assert journal == ["enter a"]
    assert journal == ["enter a", "exit a"]


async def test_a_request_that_arrives_while_closing_is_answered_with_the_state() -> None:
    async with Hesper([index], on_startup=name_it).lifespan() as lifespan:
        lifespan.begin_closing()
        async with Exchange(lifespan, "/") as exchange:
            assert await exchange.body() == b"named"


async def test_a_request_in_flight_is_waited_for_before_anything_is_exited() -> None:
    held = Held()
    async with held.app.lifespan() as lifespan, Exchange(lifespan, "/held") as exchange:
        await held.began.wait()
        stopping = asyncio.ensure_future(lifespan.stop())
        await lifespan.closing
        assert lifespan.connections
        held.go_on.set()
        await stopping
        assert await exchange.body() == b"finished"
    assert held.journal == ["finished", "exited"]


async def test_a_request_that_arrives_while_others_are_waited_for_is_answered() -> None:
    held = Held()
    async with held.app.lifespan() as lifespan, Exchange(lifespan, "/held"):
        await held.began.wait()
        stopping = asyncio.ensure_future(lifespan.stop())
        await lifespan.closing
        async with Exchange(lifespan, "/") as late:
            assert await late.body() == b"named"
        held.go_on.set()
        await stopping


async def test_a_handler_that_does_not_end_is_cancelled_at_the_deadline(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = Held()
    loop = asyncio.get_running_loop()
    async with held.app.lifespan() as lifespan, Exchange(lifespan, "/held") as exchange:
        await held.began.wait()
        began = loop.time()
        lifespan.begin_closing()
        await asyncio.wait({exchange.task})
        assert 0.19 < loop.time() - began < 2
        assert exchange.task.cancelled()
    assert held.journal == ["cancelled", "exited"]
    assert "the time to drain is over; cancelled: GET /held" in caplog.text


class Strange(asyncio.Task[None]):
    """A task that tells nobody what it runs."""

    def get_coro(self) -> Any:
        raise LookupError


async def test_a_task_that_cannot_be_looked_at_keeps_no_other_from_its_end() -> None:
    held = Held()
    strange = Strange(asyncio.sleep(3600))
    async with held.app.lifespan() as lifespan, Exchange(lifespan, "/held") as exchange:
        await held.began.wait()
        lifespan.begin_closing(within=0)
        await asyncio.wait({exchange.task})
        assert exchange.task.cancelled()
    strange.cancel()
    await asyncio.wait({strange})


async def test_the_deadline_counts_from_the_turn_and_not_from_the_stop() -> None:
    held = Held()
    loop = asyncio.get_running_loop()
    lifespan = held.app.lifespan()
    await lifespan.start()
    async with Exchange(lifespan, "/held"):
        await held.began.wait()
        began = loop.time()
        lifespan.begin_closing(within=0.1)
        lifespan.begin_closing()  # which would be later
        await asyncio.sleep(0.05)
        await lifespan.stop()
        assert 0.09 < loop.time() - began < 0.19


async def test_a_shorter_time_cannot_be_made_longer_than_the_drain_time() -> None:
    held = Held()
    lifespan = held.app.lifespan()
    await lifespan.start()
    async with Exchange(lifespan, "/held"):
        await held.began.wait()
        lifespan.begin_closing(within=3600)
        await lifespan.stop()
    assert held.journal == ["cancelled", "exited"]


async def test_only_the_tasks_of_the_lifespan_s_own_connections_are_cancelled() -> None:
    mine, other = Held(), Held()
    app = mine.app
    async with (
        app.lifespan() as lifespan,
        app.lifespan() as sibling,
        other.app.lifespan() as stranger,
    ):
        bystander = asyncio.ensure_future(forever())
        async with (
            Exchange(lifespan, "/held") as one,
            Exchange(sibling, "/held") as two,
            Exchange(stranger, "/held") as three,
        ):
            await other.began.wait()
            lifespan.begin_closing(within=0)
            await asyncio.wait({one.task})
            await asyncio.sleep(0)
            assert not two.task.cancelling()
            assert not three.task.cancelling()
            assert not bystander.cancelling()
        bystander.cancel()


async def test_a_connection_inside_of_middleware_is_found() -> None:
    held = Held()
    app = held.app

    async def pass_on(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.wait_for(app(scope, receive, send), 600)

    async with app.lifespan() as lifespan:
        exchange = Exchange(lifespan, "/held")
        exchange.task.cancel()
        scope = {"type": "http", "method": "GET", "path": "/held", "headers": []}
        task = asyncio.ensure_future(
            pass_on(
                {**scope, "state": lifespan.namespace}, exchange.incoming.get, exchange.sent.put
            )
        )
        await held.began.wait()
        lifespan.begin_closing(within=0)
        await asyncio.wait({task})
        assert task.cancelled()


async def test_a_connection_that_arrives_after_the_deadline_is_cancelled_too(
    last_words: float,
) -> None:
    held = Held()
    async with held.app.lifespan() as lifespan:
        lifespan.begin_closing(within=0)
        for _ in range(5):
            await asyncio.sleep(0)
        async with Exchange(lifespan, "/held") as exchange:
            await asyncio.wait({exchange.task})
            assert exchange.task.cancelled()


async def test_the_clean_up_of_a_cancelled_handler_is_not_cut_short(last_words: float) -> None:
    journal = Journal()

    @get("/")
    async def handler() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(4 * last_words)
            journal.append("cleaned up")

    async with Hesper([handler]).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        await exchange.sent.put({"type": "begun"})
        lifespan.begin_closing(within=0)
        await asyncio.wait({exchange.task})
    assert journal == ["cleaned up"]


async def test_what_does_not_end_although_it_is_cancelled_is_reported_and_left(
    last_words: float, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal()
    go_on = threading.Event()
    begun = asyncio.Event()

    @get("/", sync_to_thread=True)
    def handler() -> None:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)

    loop = asyncio.get_running_loop()
    app = Hesper([handler], lifespan=journal.manager("a"), drain_timeout=0)
    lifespan = app.lifespan()
    await lifespan.start()
    async with Exchange(lifespan, "/"):
        await begun.wait()
        await lifespan.stop()
        assert journal == ["enter a", "exit a"]
        go_on.set()
    assert "closing while these go on, although cancelled: GET /" in caplog.text


async def test_a_stop_that_is_cancelled_gives_connections_no_more_time() -> None:
    held = Held()
    app = Hesper(held.app.route_handlers, on_startup=name_it, on_shutdown=held.journal.hook("down"))
    lifespan = app.lifespan()
    await lifespan.start()
    async with Exchange(lifespan, "/held"):
        await held.began.wait()
        stopping = asyncio.ensure_future(lifespan.stop())
        await lifespan.closing
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
    assert held.journal == ["cancelled", "down"]


async def test_a_connection_that_waits_for_the_end_of_its_lifespan_is_told_so() -> None:
    told: list[str] = []

    @get("/")
    async def handler(lifespan: Lifespan) -> None:
        try:
            await lifespan.stop()
        except RuntimeError as error:
            told.append(str(error))

    async with Hesper([handler]).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        await exchange.task
        assert lifespan.phase is Phase.READY
    assert len(told) == 1
    assert "call begin_closing()" in told[0]


async def test_a_task_can_end_by_itself_after_the_turn() -> None:
    journal = Journal()

    async def work(lifespan: Lifespan) -> None:
        await lifespan.closing
        await asyncio.sleep(0.01)
        journal.append("ended")

    async with Hesper(lifespan=journal.manager("a")).lifespan() as lifespan:
        _ = lifespan.tasks.start(work, lifespan)
        lifespan.begin_closing()
    assert journal == ["enter a", "ended", "exit a"]


async def test_a_task_that_goes_on_is_cancelled_at_the_deadline_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Hesper(drain_timeout=0.05).lifespan() as lifespan:
        task = lifespan.tasks.start(forever, name="polling")
        await asyncio.sleep(0)
        lifespan.begin_closing()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert "the time to drain is over; cancelled: the task 'polling'" in caplog.text


async def test_a_task_without_drain_time_is_cancelled_at_the_turn() -> None:
    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(forever, drain=False)
        await asyncio.sleep(0)
        lifespan.begin_closing()
        with pytest.raises(asyncio.CancelledError):
            await task
        late = lifespan.tasks.start(forever, drain=False)
        with pytest.raises(asyncio.CancelledError):
            await late


async def test_a_task_that_waits_for_its_restart_is_cancelled_at_the_turn() -> None:
    failed = asyncio.Event()

    async def fail() -> None:
        failed.set()
        raise RefusalError

    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(fail, on_failure="restart")
        await failed.wait()
        lifespan.begin_closing()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_task_that_fails_while_closing_is_not_restarted() -> None:
    runs: list[int] = []

    async def work(lifespan: Lifespan) -> None:
        runs.append(1)
        await lifespan.closing
        raise RefusalError

    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(work, lifespan, on_failure="restart")
        await asyncio.sleep(0)
        lifespan.begin_closing()
        await task
    assert runs == [1]


async def test_the_clean_up_of_a_task_is_cancelled_once(last_words: float) -> None:
    journal = Journal()

    async def work() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(4 * last_words)
            journal.append("cleaned up")

    async with Hesper().lifespan() as lifespan:
        for drains in (True, False):
            _ = lifespan.tasks.start(work, drain=drains)
        await asyncio.sleep(0)
        lifespan.begin_closing(within=0)
        await asyncio.wait([*lifespan.tasks])
    assert journal == ["cleaned up"] * 2


@pytest.mark.parametrize("announced", [True, False])
async def test_a_task_that_ignores_its_cancellation_is_named_and_left(
    announced: bool, last_words: float, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal()
    go_on = asyncio.Event()

    async def work() -> None:
        while not go_on.is_set():
            with suppress(asyncio.CancelledError):
                await go_on.wait()

    app = Hesper(lifespan=journal.manager("a"), drain_timeout=0)
    async with app.lifespan() as lifespan:
        task = lifespan.tasks.start(work, name="stubborn")
        await asyncio.sleep(0)
        if announced:
            lifespan.begin_closing()
    assert journal == ["enter a", "exit a"]
    assert "closing while these tasks go on, although cancelled: 'stubborn'" in caplog.text
    go_on.set()
    await task


async def test_tasks_are_not_waited_for_where_nobody_announced_the_end() -> None:
    lifespan = Hesper(drain_timeout=600).lifespan()
    await lifespan.start()
    task = lifespan.tasks.start(forever)
    await asyncio.sleep(0)
    await lifespan.stop()
    assert task.cancelled()


async def test_a_failure_while_closing_comes_out_at_the_stop() -> None:
    async def work(lifespan: Lifespan) -> None:
        await lifespan.closing
        raise RefusalError("too late")

    lifespan = Hesper().lifespan()
    await lifespan.start()
    task = lifespan.tasks.start(work, lifespan)
    await asyncio.sleep(0)
    lifespan.begin_closing()
    await task
    with pytest.raises(RefusalError, match="too late"):
        await lifespan.stop()


async def test_a_turn_while_starting_is_done_once_it_has_started() -> None:
    seen: list[object] = []

    async def work(lifespan: Lifespan) -> None:
        await lifespan.closing
        await asyncio.sleep(0.01)
        seen.append("worked")

    async def hook(lifespan: Lifespan) -> None:
        _ = lifespan.tasks.start(work, lifespan)
        lifespan.begin_closing()
        seen.append(lifespan.phase)
        await lifespan.closing

    async with Hesper(on_startup=hook).lifespan() as lifespan:
        seen.append(lifespan.phase)
    assert seen == [Phase.STARTING, Phase.CLOSING, "worked"]


async def test_a_start_that_goes_on_after_a_turn_fails_once_the_drain_time_is_over() -> None:
    journal = Journal()

    async def hook(lifespan: Lifespan) -> None:
        lifespan.begin_closing()
        try:
            await forever()
        finally:
            journal.append("cancelled")

    app = Hesper(
        lifespan=journal.manager("a"),
        on_startup=hook,
        on_shutdown=journal.hook("down"),
        drain_timeout=0,
    )
    with pytest.raises(TimeoutError, match="told to stop while the lifespan started"):
        await app.lifespan().start()
    assert journal == ["enter a", "cancelled", "exit a", "down"]


async def test_a_start_that_ends_in_time_after_a_turn_is_none_that_fails() -> None:
    def hook(lifespan: Lifespan) -> None:
        lifespan.begin_closing(within=0)

    async with Hesper(on_startup=hook).lifespan() as lifespan:
        await asyncio.sleep(0)
        assert lifespan.phase is Phase.CLOSING


async def test_a_turn_before_the_start_and_after_the_end_is_nothing() -> None:
    lifespan = Hesper().lifespan()
    lifespan.begin_closing()
    phases = [lifespan.phase]
    async with lifespan:
        phases.append(lifespan.phase)
    lifespan.begin_closing()
    assert [*phases, lifespan.phase] == [Phase.NEW, Phase.READY, Phase.CLOSED]


async def test_a_mounted_app_turns_with_the_outer_one_and_with_its_deadline() -> None:
    held = Held()
    inner = held.app
    inners: list[Lifespan] = []
    loop = asyncio.get_running_loop()

    @get("/lifespan")
    async def tell(lifespan: Lifespan) -> None:
        inners.append(lifespan)

    inner = Hesper([*inner.route_handlers, tell], on_startup=name_it, drain_timeout=600)
    outer = Hesper([mount("/inner", inner)], drain_timeout=0.1)
    async with outer.lifespan() as lifespan:
        async with Exchange(lifespan, "/inner/lifespan") as exchange:
            await exchange.task
        async with Exchange(lifespan, "/inner/held") as exchange:
            await held.began.wait()
            began = loop.time()
            lifespan.begin_closing()
            assert inners[0].phase is Phase.CLOSING
            await asyncio.wait({exchange.task})
            assert loop.time() - began < 2


async def test_a_lifespan_that_is_dropped_while_closing_warns() -> None:
    lifespan = Hesper().lifespan()
    await lifespan.start()
    lifespan.begin_closing(within=0)
    reference = weakref.ref(lifespan)
    with pytest.warns(ResourceWarning, match="dropped before it was stopped"):
        del lifespan
    assert reference() is None


@pytest.mark.parametrize("given", [-1, float("nan"), float("inf"), "10", None, True])
async def test_a_drain_time_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="drain_timeout takes seconds"):
        Hesper(drain_timeout=given)


async def test_the_drain_time_can_be_changed_while_the_app_is_built() -> None:
    def change(config: AppConfig) -> AppConfig:
        assert config.drain_timeout == 1
        config.drain_timeout = 2
        return config

    app = Hesper(drain_timeout=1, on_app_init=change)
    assert app.drain_timeout == 2
    assert app.lifespan().drain_timeout == 2


async def test_under_a_server_the_drain_time_of_the_environment_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[float] = []
    app = Hesper(on_startup=lambda lifespan: seen.append(lifespan.drain_timeout))
    for given in ("2.5", "", None):
        if given is None:
            monkeypatch.delenv(DRAIN_TIMEOUT)
        else:
            monkeypatch.setenv(DRAIN_TIMEOUT, given)
        async with AsyncTestClient(app):
            pass
    assert seen == [2.5, 10, 10]


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf"])
async def test_a_drain_time_of_the_environment_that_is_none_fails_the_start(
    given: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setenv(DRAIN_TIMEOUT, given)
    with pytest.raises(LifespanError, match=f"HESPER_DRAIN_TIMEOUT is '{given}'"):
        async with AsyncTestClient(Hesper()):
            pass


class Server:
    """The server's side of the lifespan protocol."""

    def __init__(self, app: Hesper) -> None:
        self.asks: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.namespace: dict[str, Any] = {}
        scope = {"type": "lifespan", "state": self.namespace}
        self.task = asyncio.ensure_future(app(scope, self.asks.get, self.answers.put))

    async def ask(self, what: str) -> str:
        self.asks.put_nowait({"type": f"lifespan.{what}"})
        answer: str = (await self.answers.get())["type"]
        return answer


@pytest.mark.parametrize("fails", [False, True])
async def test_the_exits_run_after_the_drain_time_even_if_the_server_does_not_ask(
    fails: bool, last_words: float
) -> None:
    journal = Journal()
    exited = asyncio.Event()
    app = Hesper(
        lifespan=journal.manager("a", exits=RefusalError() if fails else None),
        on_shutdown=exited.set,
        drain_timeout=0,
    )
    server = Server(app)
    assert await server.ask("startup") == "lifespan.startup.complete"
    server.namespace[LIFESPAN_KEY].begin_closing()
    await exited.wait()
    assert journal == ["enter a", "exit a"]
    assert server.answers.empty()
    assert await server.ask("shutdown") == f"lifespan.shutdown.{'failed' if fails else 'complete'}"
    await server.task
    assert journal == ["enter a", "exit a"]


async def test_a_server_that_gives_up_waiting_leaves_nothing_open(last_words: float) -> None:
    held = Held()
    app = Hesper(held.app.route_handlers, on_startup=name_it, on_shutdown=held.journal.hook("down"))
    server = Server(app)
    assert await server.ask("startup") == "lifespan.startup.complete"
    lifespan = server.namespace[LIFESPAN_KEY]
    async with Exchange(lifespan, "/held"):
        await held.began.wait()
        server.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await server.task
    assert held.journal == ["cancelled", "down"]
    assert lifespan.phase is Phase.CLOSED
    del lifespan
