"""How a lifespan hears that the server is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import weakref
from collections.abc import Iterator
from types import FrameType

import pytest

from hesper import Hesper, Lifespan, mount
from hesper.lifespan import Phase

pytestmark = pytest.mark.anyio


class Server:
    """The handler that a server has installed for SIGTERM, and what it has heard."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.heard.append(number)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    before = signal.signal(signal.SIGTERM, server.handle)
    yield server
    signal.signal(signal.SIGTERM, before)


async def turned(lifespan: Lifespan) -> None:
    async with asyncio.timeout(30):
        await lifespan.closing


async def test_a_signal_turns_the_lifespan_and_reaches_the_server(server: Server) -> None:
    async with Hesper().lifespan() as lifespan:
        signal.raise_signal(signal.SIGTERM)
        assert server.heard == [signal.SIGTERM]
        await turned(lifespan)
        assert lifespan.phase is Phase.CLOSING


async def test_a_second_signal_reaches_the_server_too(server: Server) -> None:
    async with Hesper().lifespan() as lifespan:
        signal.raise_signal(signal.SIGTERM)
        await turned(lifespan)
        signal.raise_signal(signal.SIGTERM)
        assert server.heard == [signal.SIGTERM] * 2


async def test_a_signal_while_starting_is_heard(server: Server) -> None:
    async def hook(lifespan: Lifespan) -> None:
        signal.raise_signal(signal.SIGTERM)
        await turned(lifespan)

    async with Hesper(on_startup=hook).lifespan() as lifespan:
        assert lifespan.phase is Phase.CLOSING


async def test_the_handler_of_the_server_is_back_after_the_shutdown(server: Server) -> None:
    def hook() -> None:
        assert signal.getsignal(signal.SIGTERM) != server.handle

    async with Hesper(on_startup=hook).lifespan():
        pass
    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_the_handler_of_the_server_is_back_after_a_start_that_failed(server: Server) -> None:
    def hook() -> None:
        raise LookupError

    lifespan = Hesper(on_startup=hook).lifespan()
    with pytest.raises(LookupError):
        await lifespan.start()
    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_a_handler_that_was_installed_later_stays(server: Server) -> None:
    later = Server()
    async with Hesper().lifespan():
        signal.signal(signal.SIGTERM, later.handle)
    assert signal.getsignal(signal.SIGTERM) == later.handle


async def test_the_default_of_the_system_is_left_alone() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        async with Hesper().lifespan():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_signal_that_is_ignored_is_heard_and_nothing_else() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        async with Hesper().lifespan() as lifespan:
            signal.raise_signal(signal.SIGTERM)
            await turned(lifespan)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_an_exception_of_the_server_s_handler_comes_out_and_the_lifespan_turns() -> None:
    async with Hesper().lifespan() as lifespan:
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        await turned(lifespan)
        assert signal.getsignal(signal.SIGINT) is before


async def test_all_lifespans_of_a_process_hear_it_and_the_last_gives_the_handler_back(
    server: Server,
) -> None:
    one, two = Hesper().lifespan(), Hesper().lifespan()
    await one.start()
    await two.start()
    await one.stop()
    assert signal.getsignal(signal.SIGTERM) != server.handle
    signal.raise_signal(signal.SIGTERM)
    assert server.heard == [signal.SIGTERM]
    await turned(two)
    await two.stop()
    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_lifespans_of_two_servers_hear_it_and_each_server_once(server: Server) -> None:
    other = Server()
    one, two = Hesper().lifespan(), Hesper().lifespan()
    await one.start()
    inner = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        other.handle(number, frame)
        assert callable(inner)
        inner(number, frame)

    signal.signal(signal.SIGTERM, handle)
    await two.start()
    signal.raise_signal(signal.SIGTERM)
    assert (server.heard, other.heard) == ([signal.SIGTERM], [signal.SIGTERM])
    await turned(one)
    await turned(two)
    await one.stop()
    await two.stop()
    assert signal.getsignal(signal.SIGTERM) is handle
    signal.raise_signal(signal.SIGTERM)
    assert server.heard == [signal.SIGTERM] * 2


async def test_handlers_that_nobody_needs_go_together(server: Server) -> None:
    one, two = Hesper().lifespan(), Hesper().lifespan()
    await one.start()
    link = signal.getsignal(signal.SIGTERM)
    await two.start()
    assert signal.getsignal(signal.SIGTERM) is link
    await two.stop()
    await one.stop()
    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_a_mounted_app_hears_it_too(server: Server) -> None:
    inners: list[Lifespan] = []

    def hook(lifespan: Lifespan) -> None:
        inners.append(lifespan)

    app = Hesper([mount("/inner", Hesper(on_startup=hook))])
    async with app.lifespan():
        signal.raise_signal(signal.SIGTERM)
        await turned(inners[0])


async def test_a_lifespan_in_another_thread_hears_nothing_and_changes_nothing(
    server: Server,
) -> None:
    started, go_on = threading.Event(), threading.Event()

    async def run() -> bool:
        async with Hesper().lifespan() as lifespan:
            started.set()
            await asyncio.to_thread(go_on.wait, 30)
            return lifespan.closing.is_set()

    running = asyncio.ensure_future(asyncio.to_thread(asyncio.run, run()))
    await asyncio.to_thread(started.wait, 30)
    assert signal.getsignal(signal.SIGTERM) == server.handle
    signal.raise_signal(signal.SIGTERM)
    go_on.set()
    assert await running is False


async def test_a_lifespan_in_another_thread_does_not_join_one_in_the_main_thread(
    server: Server,
) -> None:
    inner, main = Hesper().lifespan(), Hesper().lifespan()
    started, go_on = threading.Event(), threading.Event()

    async def run() -> bool:
        async with inner:
            started.set()
            await asyncio.to_thread(go_on.wait, 30)
            return inner.closing.is_set()

    async with main:
        running = asyncio.ensure_future(asyncio.to_thread(asyncio.run, run()))
        await asyncio.to_thread(started.wait, 30)
        signal.raise_signal(signal.SIGTERM)
        await turned(main)
        go_on.set()
        assert await running is False


async def test_a_lifespan_that_was_dropped_is_not_kept_and_hears_nothing(server: Server) -> None:
    lifespan = Hesper().lifespan()
    await lifespan.start()
    reference = weakref.ref(lifespan)
    with pytest.warns(ResourceWarning, match="dropped before it was stopped"):
        del lifespan
    gc.collect()
    assert reference() is None
    signal.raise_signal(signal.SIGTERM)
    assert server.heard == [signal.SIGTERM]
    async with Hesper().lifespan():
        pass
    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_a_signal_after_the_loop_has_been_closed_is_no_error() -> None:
    lifespan = Hesper().lifespan()

    await asyncio.to_thread(asyncio.run, lifespan.start())
    lifespan.heard()
    with pytest.warns(ResourceWarning, match="dropped before it was stopped"):
        del lifespan
