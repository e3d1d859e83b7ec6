"""How the server's lifespan protocol is answered."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import Hesper
from hesper._types import Message, Scope
from hesper.handlers import mount
from tests.lifespan.journal import Journal, RefusalError, forever

pytestmark = pytest.mark.anyio

COMPLETE = [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


class Server:
    """A server that speaks the lifespan protocol with one app.

    Args:
        state: The mapping that it offers; `None` offers none.
    """

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self.answers: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: list[Message] = []
        self.scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
        }
        if state is not None:
            self.scope["state"] = state
        self.task: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        self.heard.append(message)
        self.answers.put_nowait(message)

    async def ask(self, app: Hesper, phase: str) -> Message:
        if self.task is None:
            self.task = asyncio.ensure_future(app(self.scope, self.events.get, self.send))
        self.events.put_nowait({"type": f"lifespan.{phase}"})
        return await self.answers.get()

    async def run(self, app: Hesper) -> list[Message]:
        """Start and stop the app, and return what it answered."""
        if (await self.ask(app, "startup"))["type"] == "lifespan.startup.complete":
            await self.ask(app, "shutdown")
        assert self.task is not None
        await self.task
        return self.heard


async def test_an_app_answers_each_event_once() -> None:
    journal = Journal()
    app = Hesper(lifespan=journal.manager("a"), on_startup=journal.hook("up"))
    assert await Server().run(app) == COMPLETE
    assert journal == ["enter a", "up", "exit a"]


async def test_nothing_runs_after_the_last_answer() -> None:
    journal = Journal()
    server = Server()

    async def send(message: Message) -> None:
        journal.append(message["type"])
        server.answers.put_nowait(message)

    server.send = send  # type: ignore[method-assign]
    app = Hesper(
        [mount("/app", journal.app("app"))],
        lifespan=journal.manager("a"),
        on_shutdown=journal.async_hook("down"),
    )
    await server.run(app)
    assert journal[-1] == "lifespan.shutdown.complete"
    assert journal.index("start app") < journal.index("lifespan.startup.complete")


async def test_a_start_that_fails_is_answered_and_not_raised() -> None:
    journal = Journal()
    app = Hesper(
        lifespan=journal.manager("a"),
        on_startup=journal.hook("connect", fails=RefusalError("no database")),
    )
    (answer,) = await Server().run(app)
    assert answer["type"] == "lifespan.startup.failed"
    assert answer["message"] == (
        "RefusalError: no database (raised by the start-up hook tests.lifespan.journal.connect)"
    )
    assert journal == ["enter a", "connect", "exit a"]


@pytest.mark.parametrize("what", ["manager", "hook", "mounted app"])
async def test_the_answer_to_a_failed_start_names_what_failed(what: str) -> None:
    journal = Journal()
    app = {
        "manager": Hesper(lifespan=journal.manager("broken", enters=RefusalError())),
        "hook": Hesper(on_startup=journal.hook("broken", fails=RefusalError())),
        "mounted app": Hesper([mount("/broken", journal.app("it", starts="failed"))]),
    }[what]
    (answer,) = await Server().run(app)
    assert "broken" in answer["message"]


async def test_a_stop_that_fails_is_answered_after_everything_was_tried() -> None:
    journal = Journal()
    app = Hesper(
        lifespan=[journal.manager("a"), journal.manager("b", exits=RefusalError("stuck"))],
        on_shutdown=[journal.hook("down", fails=RefusalError("too")), journal.hook("last")],
    )
    _, answer = await Server().run(app)
    assert answer["type"] == "lifespan.shutdown.failed"
    for part in ("stuck", "journal.b was exited", "too", "the shutdown hook"):
        assert part in answer["message"]
    assert journal[-4:] == ["exit b", "exit a", "down", "last"]


async def test_failures_are_logged_with_their_traceback(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()
    await Server().run(Hesper(on_startup=journal.hook("up", fails=RefusalError("no database"))))
    assert "startup failed" in caplog.text
    assert "Traceback" in caplog.text
    assert "no database" in caplog.text


async def test_a_start_that_is_cancelled_from_inside_is_answered() -> None:
    async def cancel() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    server = Server()
    answer = await server.ask(Hesper(on_startup=cancel), "startup")
    assert answer["type"] == "lifespan.startup.failed"
    assert re.search(r"CancelledError.*the start-up hook .*cancel", answer["message"])
    assert server.task is not None
    await asyncio.wait([server.task])


async def test_a_server_that_gives_up_starting_has_everything_closed() -> None:
    journal, reached = Journal(), asyncio.Event()

    async def hang() -> None:
        reached.set()
        await forever()

    server = Server()
    app = Hesper(lifespan=journal.manager("a"), on_startup=hang)
    asking = asyncio.create_task(server.ask(app, "startup"))
    await reached.wait()
    assert server.task is not None
    server.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server.task
    assert (await asking)["type"] == "lifespan.startup.failed"
    assert journal == ["enter a", "exit a"]


async def test_a_server_that_gives_up_waiting_has_everything_closed() -> None:
    journal = Journal()
    server = Server()
    app = Hesper(lifespan=journal.manager("a"), on_shutdown=journal.hook("down"))
    await server.ask(app, "startup")
    assert server.task is not None
    server.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server.task
    assert journal == ["enter a", "exit a", "down"]


async def test_a_server_that_cannot_be_answered_has_everything_closed() -> None:
    journal = Journal()
    server = Server()

    async def send(message: Message) -> None:
        raise OSError("the server is gone")

    server.events.put_nowait({"type": "lifespan.startup"})
    with pytest.raises(OSError, match="is gone"):
        await Hesper(lifespan=journal.manager("a"))(server.scope, server.events.get, send)
    assert journal == ["enter a", "exit a"]


async def test_the_names_set_while_starting_are_copied_into_what_the_server_offers() -> None:
    @asynccontextmanager
    async def pool(app: Hesper) -> AsyncIterator[dict[str, str]]:
        app.state.pool = "a pool"
        yield {"cache": "a cache"}

    offered: dict[str, Any] = {"server's": "own"}
    server = Server(offered)
    app = Hesper(lifespan=pool, on_startup=lambda app: app.state.update(up=1), state={"a": 0})
    await server.ask(app, "startup")
    lifespan = offered.pop("hesper.lifespan")
    assert lifespan.app is app
    assert offered == {"server's": "own", "a": 0, "pool": "a pool", "cache": "a cache", "up": 1}
    await server.ask(app, "shutdown")


async def test_the_state_is_whole_while_stopping_though_the_server_cleared_what_it_offered() -> (
    None
):
    seen: list[dict[str, Any]] = []

    def look(app: Hesper) -> None:
        seen.append(app.state.dict())

    offered: dict[str, Any] = {}
    server = Server(offered)
    app = Hesper(on_startup=lambda app: app.state.update(pool="a pool"), on_shutdown=look)
    await server.ask(app, "startup")
    offered.clear()
    await server.ask(app, "shutdown")
    assert seen == [{"pool": "a pool"}]


async def test_a_server_may_run_one_app_several_times() -> None:
    journal = Journal()
    app = Hesper(lifespan=journal.manager("a"))
    for _ in range(3):
        assert await Server({}).run(app) == COMPLETE
    assert journal == ["enter a", "exit a"] * 3


async def test_several_servers_may_run_one_app_at_once() -> None:
    app = Hesper(on_startup=lambda app: app.state.update(mine=object()))
    offered: list[dict[str, Any]] = [{}, {}]
    servers = [Server(state) for state in offered]
    for server in servers:
        await server.ask(app, "startup")
    assert offered[0]["mine"] is not offered[1]["mine"]
    assert offered[0]["hesper.lifespan"] is not offered[1]["hesper.lifespan"]
    for server in servers:
        await server.ask(app, "shutdown")


def test_a_loop_that_ends_without_a_shutdown_is_warned_about() -> None:
    app = Hesper(on_shutdown=Journal().hook("down"))

    async def main() -> None:
        lifespan = app.lifespan()
        await lifespan.start()

    def run() -> None:
        asyncio.run(main())
        gc.collect()

    with pytest.warns(ResourceWarning, match="was dropped before it was stopped"):
        run()


def test_a_failed_start_is_never_taken_for_a_lifespan_that_is_not_supported() -> None:
    """An app that raises before it answers is served without lifespan; this one must answer."""
    heard: list[str] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        heard.append(message["type"])

    app = Hesper(on_startup=Journal().hook("up", fails=RefusalError()))
    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert heard == ["lifespan.startup.failed"]
