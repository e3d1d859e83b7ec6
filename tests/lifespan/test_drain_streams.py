"""How streams, and what else waits, end when their lifespan turns to closing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from weakref import ref

import pytest

from hesper import Hesper, Lifespan, get
from hesper._closing import Closing, Interruption
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.response import ServerSentEvent, Stream
from tests.lifespan.exchange import Exchange
from tests.lifespan.journal import Journal, RefusalError, forever

pytestmark = pytest.mark.anyio

LAST = {"type": "http.response.body", "body": b""}


def streaming(chunks: Callable[[], object], kind: type[Stream] = Stream) -> Hesper:
    @get("/")
    async def handler() -> Stream:
        return kind(chunks())  # type: ignore[arg-type]  # pyright: ignore

    return Hesper([handler])


@pytest.mark.parametrize("kind", [Stream, ServerSentEvent])
async def test_a_stream_that_waits_ends_at_once_and_completely(kind: type[Stream]) -> None:
    journal = Journal()

    async def chunks() -> AsyncIterator[str]:
        task = asyncio.current_task()
        try:
            yield "one"
            await forever()
        finally:
            assert asyncio.current_task() is task
            await asyncio.sleep(0)
            journal.append("closed")

    async with (
        streaming(chunks, kind).lifespan() as lifespan,
        Exchange(lifespan, "/") as exchange,
    ):
        assert b"one" in await exchange.body()
        lifespan.begin_closing()
        assert await exchange.rest() == [LAST]
        assert exchange.task.cancelling() == 0
        assert journal == ["closed"]


async def test_each_chunk_that_was_made_is_sent_and_no_other_is_made() -> None:
    asked: list[int] = []

    async def chunks() -> AsyncIterator[str]:
        for number in range(10):
            asked.append(number)
            yield str(number)

    async with (
        streaming(chunks).lifespan() as lifespan,
        Exchange(lifespan, "/", ahead=1) as exchange,
    ):
        sent = [await exchange.body()]
        lifespan.begin_closing()
        while sent[-1]:
            sent.append(await exchange.body())
        assert sent == [*(str(number).encode() for number in asked), b""]
        assert len(asked) < 5


async def test_a_last_chunk_that_the_interrupted_generator_gives_is_sent() -> None:
    async def chunks() -> AsyncIterator[str]:
        yield "one"
        try:
            await forever()
        except asyncio.CancelledError:
            yield "goodbye"

    async with streaming(chunks).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        assert await exchange.body() == b"one"
        lifespan.begin_closing()
        assert await exchange.body() == b"goodbye"
        assert await exchange.rest() == [LAST]


async def test_what_the_interrupted_generator_raises_comes_out() -> None:
    async def chunks() -> AsyncIterator[str]:
        yield "one"
        try:
            await forever()
        finally:
            raise RefusalError

    async with streaming(chunks).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        assert await exchange.body() == b"one"
        lifespan.begin_closing()
        with pytest.raises(RefusalError):
            await exchange.task


async def test_a_generator_that_turns_its_own_lifespan_is_interrupted_too() -> None:
    app = Hesper()

    @get("/")
    async def handler(lifespan: Lifespan) -> Stream:
        async def chunks() -> AsyncIterator[str]:
            yield "one"
            lifespan.begin_closing()
            await forever()

        return Stream(chunks())

    app = Hesper([handler])
    async with app.lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        assert await exchange.body() == b"one"
        assert await exchange.rest() == [LAST]


async def test_a_stream_in_a_thread_ends_after_its_chunk() -> None:
    go_on = threading.Event()

    def chunks() -> Iterator[str]:
        yield "one"
        assert go_on.wait(30)
        yield "two"
        yield "three"

    async with streaming(chunks).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        assert await exchange.body() == b"one"
        lifespan.begin_closing()
        go_on.set()
        assert await exchange.body() == b"two"
        assert await exchange.rest() == [LAST]


async def test_a_stream_that_is_to_be_whole_is_sent_to_its_end() -> None:
    go_on = asyncio.Event()

    async def chunks() -> AsyncIterator[str]:
        yield "one"
        await go_on.wait()
        yield "two"

    @get("/")
    async def handler() -> Stream:
        return Stream(chunks(), until_closing=False)

    async with Hesper([handler]).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        assert await exchange.body() == b"one"
        lifespan.begin_closing()
        go_on.set()
        assert await exchange.body() == b"two"
        assert await exchange.rest() == [LAST]


async def test_a_stream_that_begins_while_closing_is_sent_to_its_end() -> None:
    async def chunks() -> AsyncIterator[str]:
        yield "one"
        await asyncio.sleep(0)
        yield "two"

    async with streaming(chunks).lifespan() as lifespan:
        lifespan.begin_closing()
        async with Exchange(lifespan, "/") as exchange:
            assert [await exchange.body() for _ in range(3)] == [b"one", b"two", b""]


async def test_an_event_stream_that_begins_while_closing_ends_at_once() -> None:
    async def events() -> AsyncIterator[str]:
        yield "never"

    async with streaming(events, ServerSentEvent).lifespan() as lifespan:
        lifespan.begin_closing()
        async with Exchange(lifespan, "/") as exchange:
            assert (await exchange.message("http.response.start"))["status"] == 200
            assert await exchange.rest() == [LAST]


async def test_a_client_that_goes_while_the_lifespan_turns_ends_the_stream() -> None:
    async def chunks() -> AsyncIterator[str]:
        yield "one"
        await forever()

    async with streaming(chunks).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        assert await exchange.body() == b"one"
        exchange.incoming.put_nowait({"type": "http.disconnect"})
        lifespan.begin_closing()
        await exchange.task
        assert exchange.task.cancelling() == 0


class Ticks:
    """An endless source, and whether it has been closed."""

    def __init__(self) -> None:
        self.closed_in: asyncio.Task[object] | None = None
        self.more = asyncio.Event()

    async def __call__(self) -> AsyncGenerator[int, None]:
        try:
            yield 1
            await self.more.wait()
            yield 2
            await forever()
        finally:
            await asyncio.sleep(0)
            self.closed_in = asyncio.current_task()


async def test_an_iteration_until_closing_ends_and_closes_its_source() -> None:
    ticks = Ticks()
    seen: list[int] = []

    async def work(lifespan: Lifespan) -> None:
        async for tick in lifespan.until_closing(ticks()):
            seen.append(tick)
            ticks.more.set()
            if tick == 2:
                asyncio.get_running_loop().call_soon(lifespan.begin_closing)
        seen.append(0)

    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(work, lifespan)
        await task
        assert seen == [1, 2, 0]
        assert ticks.closed_in is task
        assert task.cancelling() == 0


async def test_an_iteration_until_closing_ends_with_its_source() -> None:
    async def two() -> AsyncIterator[int]:
        yield 1
        yield 2

    async with Hesper().lifespan() as lifespan:
        assert [item async for item in lifespan.until_closing(two())] == [1, 2]


async def test_an_iteration_that_begins_while_closing_gives_nothing() -> None:
    ticks = Ticks()
    async with Hesper().lifespan() as lifespan:
        lifespan.begin_closing()
        assert [item async for item in lifespan.until_closing(ticks())] == []


async def test_leaving_an_iteration_closes_its_source() -> None:
    ticks = Ticks()
    async with Hesper().lifespan() as lifespan:
        async with aclosing(lifespan.until_closing(ticks())) as iteration:
            assert await anext(iteration) == 1
        assert ticks.closed_in is not None


async def test_an_iteration_within_another_and_within_a_stream_ends_once() -> None:
    journal = Journal()

    @get("/")
    async def handler(lifespan: Lifespan) -> Stream:
        async def chunks() -> AsyncIterator[str]:
            async for tick in lifespan.until_closing(lifespan.until_closing(Ticks()())):
                yield str(tick)
            journal.append("the iteration ended")
            yield "goodbye"
            journal.append("never")

        return Stream(chunks())

    async with Hesper([handler]).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        assert await exchange.body() == b"1"
        lifespan.begin_closing()
        assert await exchange.body() == b"goodbye"
        assert await exchange.rest() == [LAST]
        assert exchange.task.cancelling() == 0
        assert journal == ["the iteration ended"]


async def test_what_waits_after_an_iteration_has_ended_is_interrupted_too() -> None:
    @get("/")
    async def handler(lifespan: Lifespan) -> Stream:
        async def chunks() -> AsyncIterator[str]:
            async for tick in lifespan.until_closing(Ticks()()):
                yield str(tick)
            await forever()

        return Stream(chunks())

    async with Hesper([handler]).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        assert await exchange.body() == b"1"
        lifespan.begin_closing()
        assert await exchange.rest() == [LAST]


async def test_a_cancellation_by_others_is_passed_on() -> None:
    ticks = Ticks()
    began = asyncio.Event()

    async def work(lifespan: Lifespan) -> None:
        async for _ in lifespan.until_closing(ticks()):
            began.set()

    async with Hesper().lifespan() as lifespan:
        task = lifespan.tasks.start(work, lifespan)
        await began.wait()
        await asyncio.sleep(0)
        task.cancel()
        lifespan.begin_closing()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ticks.closed_in is task


async def test_a_deadline_of_the_waiting_holds_besides() -> None:
    interruption = Interruption(Closing())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await interruption.wait(forever, None)


async def test_closing_is_set_once_and_tells_no_one_that_is_gone() -> None:
    told: list[str] = []

    class Listener:
        def __init__(self, name: str) -> None:
            self.name = name

        def turned(self) -> None:
            told.append(self.name)

    closing = Closing()
    stays = Listener("stays")
    closing.tell(stays)
    goes = Listener("goes")
    closing.tell(goes)
    del goes
    closing.set()
    closing.set()
    await closing
    await asyncio.sleep(0)
    assert told == ["stays"]


async def test_who_wants_to_be_told_of_a_turn_that_has_come_is_told_soon() -> None:
    told: list[str] = []

    class Listener:
        def turned(self) -> None:
            told.append("turned")

    closing, listener = Closing(), Listener()
    closing.set()
    closing.tell(listener)
    assert told == []
    await asyncio.sleep(0)
    assert told == ["turned"]


async def test_a_source_that_is_no_generator_is_interrupted_and_closed() -> None:
    journal = Journal()

    class Source:
        def __init__(self) -> None:
            self.given = 0

        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> str:
            self.given += 1
            if self.given > 1:
                await forever()
            return "one"

        async def aclose(self) -> None:
            journal.append("closed")

    async with (
        streaming(Source).lifespan() as lifespan,
        Exchange(lifespan, "/") as exchange,
    ):
        assert await exchange.body() == b"one"
        lifespan.begin_closing()
        assert await exchange.rest() == [LAST]
        assert journal == ["closed"]


async def test_what_is_being_sent_is_not_interrupted() -> None:
    async def chunks() -> AsyncIterator[str]:
        yield "one"
        yield "never"

    interrupted: list[str] = []
    sending, go_on = asyncio.Event(), asyncio.Event()

    def slow(app: ASGIApp) -> ASGIApp:
        async def around(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_slowly(message: Message) -> None:
                if message.get("body"):
                    sending.set()
                    try:
                        await go_on.wait()
                    except asyncio.CancelledError:
                        interrupted.append("interrupted")
                        raise
                await send(message)

            await app(scope, receive, send_slowly)

        return around

    @get("/", middleware=[slow])
    async def handler() -> Stream:
        return Stream(chunks())

    async with Hesper([handler]).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        await sending.wait()
        lifespan.begin_closing()
        for _ in range(5):
            await asyncio.sleep(0)
        go_on.set()
        assert await exchange.body() == b"one"
        assert await exchange.rest() == [LAST]
        assert interrupted == []


async def test_a_stream_ends_at_once_although_a_cancellation_was_swallowed_before() -> None:
    async def chunks() -> AsyncIterator[str]:
        yield "one"
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        with suppress(asyncio.CancelledError):  # as older libraries do, which never uncancel
            await forever()
        yield "two"
        await forever()

    async with (
        streaming(chunks).lifespan() as lifespan,
        Exchange(lifespan, "/") as exchange,
    ):
        assert b"one" in await exchange.body()
        assert b"two" in await exchange.body()
        lifespan.begin_closing()
        assert await exchange.rest() == [LAST]


async def test_a_clean_up_after_the_cancellation_was_caught_is_not_cut_short() -> None:
    journal = Journal()
    go_on = asyncio.Event()

    async def chunks() -> AsyncIterator[str]:
        with suppress(asyncio.CancelledError):
            yield "one"
            await forever()
        await go_on.wait()
        journal.append("flushed")

    async def pump(lifespan: Lifespan) -> None:
        async for _ in lifespan.until_closing(chunks()):
            pass

    async with streaming(chunks).lifespan() as lifespan, Exchange(lifespan, "/") as exchange:
        pumping = asyncio.create_task(pump(lifespan))
        assert b"one" in await exchange.body()
        await asyncio.sleep(0)
        for task in (pumping, exchange.task):
            task.cancel()
        await asyncio.sleep(0)
        lifespan.begin_closing()
        for _ in range(5):
            await asyncio.sleep(0)
        assert journal == []
        go_on.set()
        await asyncio.wait({pumping, exchange.task})
    assert journal == ["flushed", "flushed"]


class Chunk(bytearray):
    """A chunk that can be referred to weakly."""


async def test_a_turn_of_another_lifespan_keeps_no_chunk() -> None:
    made: list[ref[Chunk]] = []

    async def chunks() -> AsyncIterator[Chunk | str]:
        first = Chunk(b"one")
        made.append(ref(first))
        yield first
        del first
        yield "two"
        await forever()

    app = streaming(chunks)
    async with (
        app.lifespan() as lifespan,
        app.lifespan() as other,
        Exchange(lifespan, "/", ahead=1) as exchange,
    ):
        for _ in range(5):  # the first chunk waits behind the header, which nobody has read
            await asyncio.sleep(0)
        assert made[0]() is not None
        other.begin_closing()
        for _ in range(3):
            await asyncio.sleep(0)
        for expected in (b"one", b"two"):
            assert await exchange.body() == expected
        for _ in range(5):
            await asyncio.sleep(0)
        assert made[0]() is None
