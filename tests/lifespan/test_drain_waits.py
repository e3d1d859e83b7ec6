"""Who waits for a client when the lifespan turns is found, and nothing else is ended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress
from types import coroutine
from typing import Any
from unittest.mock import MagicMock

import anyio
import pytest

from hesper import Hesper, Lifespan, WebSocket, _closing, websocket
from hesper._closing import Closing, until_closing
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.connection.conversation import Conversation
from hesper.exceptions import WebSocketDisconnect
from tests.lifespan.exchange import Exchange
from tests.lifespan.journal import Journal, RefusalError, forever

pytestmark = pytest.mark.anyio

CLOSED = {"type": "websocket.close", "code": 1012, "reason": "service restart"}

Handler = Callable[[WebSocket], Awaitable[object]]


@pytest.fixture
def looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once at those who waited."""
    monkeypatch.setattr(_closing, "_AGAIN", 0)


def talking(handle: Handler, *middleware: Any) -> Hesper:
    @websocket("/", middleware=middleware)
    async def handler(socket: WebSocket) -> None:
        await socket.accept()
        await handle(socket)

    return Hesper([handler])


def receiving(around: Callable[[Receive], Receive]) -> Callable[[ASGIApp], ASGIApp]:
    """Return a middleware that wraps receive."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, around(receive), send)

        return wrapped

    return middleware


async def turn(app: Hesper) -> None:
    """Have a lifespan turn while its websocket waits, which is to be closed by that alone."""
    async with app.lifespan() as lifespan, Exchange(lifespan, "/", "websocket") as exchange:
        await exchange.message("websocket.accept")
        await asyncio.sleep(0)
        lifespan.begin_closing()
        assert await exchange.rest() == [CLOSED]


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until the condition holds, which no event could tell."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


async def in_itself(socket: WebSocket) -> None:
    await socket.receive_text()


async def in_a_task(socket: WebSocket) -> None:
    await asyncio.create_task(socket.receive_text())


async def in_several_tasks(socket: WebSocket) -> None:
    told = await asyncio.gather(
        socket.receive_text(), socket.receive_bytes(), return_exceptions=True
    )
    assert [type(error) for error in told] == [WebSocketDisconnect] * 2
    raise WebSocketDisconnect("as both were told", code=1012)


async def in_a_task_group(socket: WebSocket) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(forever)
        with suppress(WebSocketDisconnect):
            await socket.receive_text()
        group.cancel_scope.cancel()
    await socket.receive_text()


async def in_wait_for(socket: WebSocket) -> None:
    await asyncio.wait_for(socket.receive_text(), 3600)


async def in_a_timeout(socket: WebSocket) -> None:
    async with asyncio.timeout(3600):
        await socket.receive_text()


async def in_a_cancel_scope(socket: WebSocket) -> None:
    with anyio.move_on_after(3600) as scope:
        await socket.receive_text()
    assert not scope.cancelled_caught


async def in_an_iteration(socket: WebSocket) -> None:
    async for _ in socket.iter_text():
        raise AssertionError
    await socket.receive_text()


async def in_a_decoding_iteration(socket: WebSocket) -> None:
    async for _ in socket.iter_json():
        raise AssertionError
    await socket.receive_text()


async def in_a_generator_around_an_iteration(socket: WebSocket) -> None:
    async def texts() -> AsyncIterator[str]:
        async for text in socket.iter_text():
            yield text

    assert await anext(texts(), None) is None
    await socket.receive_text()


async def in_a_websocket_around_it(socket: WebSocket) -> None:
    async def accepted(message: Message) -> None:
        pass

    other = WebSocket(socket.scope, connected(socket.receive), accepted)
    await other.accept()
    await other.receive_text()


def connected(receive: Receive) -> Receive:
    """Return a receive that gives a client's request first."""
    first: list[Message] = [{"type": "websocket.connect"}]

    async def receive_all() -> Message:
        return first.pop() if first else await receive()

    return receive_all


WAYS = [value for name, value in sorted(globals().items()) if name.startswith("in_")]


@pytest.mark.parametrize("wait", WAYS, ids=lambda wait: wait.__name__)
async def test_one_that_waits_in_any_way_is_told(wait: Handler) -> None:
    codes: list[int] = []

    async def handle(socket: WebSocket) -> None:
        try:
            await wait(socket)
        except WebSocketDisconnect as gone:
            codes.append(gone.code)

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        for _ in range(3):
            await asyncio.sleep(0)
        lifespan.begin_closing()
        assert await exchange.rest() == [CLOSED]
        assert exchange.task.cancelling() == 0
    assert codes == [1012]


class Received:
    """A receive that is an object."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive

    def __call__(self) -> Received:
        return self

    def __await__(self) -> Generator[Any, Any, Message]:
        return self.receive().__await__()


def by_function(receive: Receive) -> Receive:
    def receive_message() -> Awaitable[Message]:
        return receive()

    return receive_message


def by_coroutine(receive: Receive) -> Receive:
    async def receive_message() -> Message:
        return await receive()

    return receive_message


def by_generator(receive: Receive) -> Receive:
    @coroutine
    def receive_message() -> Generator[Any, Any, Message]:
        return (yield from receive().__await__())

    return receive_message


def by_asynchronous_generator(receive: Receive) -> Receive:
    async def messages() -> AsyncIterator[Message]:
        while True:
            yield await receive()

    return aiter(messages()).__anext__


@pytest.mark.parametrize(
    "around", [by_function, by_coroutine, by_generator, by_asynchronous_generator, Received]
)
async def test_one_whose_middleware_wraps_receive_is_told(
    around: Callable[[Receive], Receive],
) -> None:
    async def handle(socket: WebSocket) -> None:
        with pytest.raises(WebSocketDisconnect):
            await socket.receive_text()

    async with (
        talking(handle, receiving(around)).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        await asyncio.sleep(0)
        lifespan.begin_closing()
        assert await exchange.rest() == [CLOSED]


class Hidden:
    """An awaitable that lets nobody see whom it drives."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive

    def __call__(self) -> Hidden:
        return self

    def __await__(self) -> Any:
        self.driven: list[Any] = [self.receive().__await__()]
        return self

    def __iter__(self) -> Hidden:
        return self

    def __next__(self) -> Any:
        return next(self.driven[0])

    def throw(self, error: BaseException) -> Any:
        return self.driven[0].throw(error)


async def test_one_that_cannot_be_seen_to_wait_is_closed_and_ended_at_the_deadline() -> None:
    async def handle(socket: WebSocket) -> None:
        await Hidden(socket.receive)

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        await asyncio.sleep(0)
        lifespan.begin_closing(within=0.05)
        assert await exchange.sent.get() == CLOSED
        await asyncio.wait({exchange.task})
        assert exchange.task.cancelled()


async def test_one_that_is_not_accepted_yet_goes_on_waiting() -> None:
    heard: list[Message] = []

    @websocket("/")
    async def handler(socket: WebSocket) -> None:
        await socket.receive()
        heard.append(await socket.receive())

    async with (
        Hesper([handler]).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        for _ in range(3):
            await asyncio.sleep(0)
        lifespan.begin_closing()
        for _ in range(3):
            await asyncio.sleep(0)
        exchange.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await exchange.task
    assert [message["code"] for message in heard] == [1001]


async def test_one_of_another_lifespan_goes_on_waiting() -> None:
    app = talking(lambda socket: socket.receive_text())
    async with (
        app.lifespan() as lifespan,
        app.lifespan() as sibling,
        Exchange(lifespan, "/", "websocket") as first,
        Exchange(sibling, "/", "websocket") as second,
    ):
        await first.message("websocket.accept")
        await second.message("websocket.accept")
        lifespan.begin_closing()
        await first.rest()
        assert not second.task.cancelling()
        second.incoming.put_nowait({"type": "websocket.receive", "text": "goes on"})
        assert [message["code"] for message in await second.rest()] == [1000]


@pytest.mark.usefixtures("looks_soon")
async def test_the_clean_up_of_one_that_others_cancel_is_not_cut_short() -> None:
    journal = Journal()
    go_on = asyncio.Event()

    def cleaning(receive: Receive) -> Receive:
        async def receive_message() -> Message:
            try:
                return await receive()
            except asyncio.CancelledError:
                await go_on.wait()
                journal.append("cleaned up")
                raise

        return receive_message

    app = talking(lambda socket: socket.receive_text(), receiving(cleaning))
    async with app.lifespan() as lifespan, Exchange(lifespan, "/", "websocket") as exchange:
        await exchange.message("websocket.accept")
        exchange.task.cancel()
        await asyncio.sleep(0)
        lifespan.begin_closing()
        assert await exchange.sent.get() == CLOSED
        for _ in range(10):
            await asyncio.sleep(0)
        assert journal == []
        go_on.set()
        await asyncio.wait({exchange.task})
        assert exchange.task.cancelled()
    assert journal == ["cleaned up"]


@pytest.mark.usefixtures("looks_soon")
@pytest.mark.parametrize("wait", [in_itself, in_a_task], ids=lambda wait: wait.__name__)
async def test_a_clean_up_after_the_cancellation_was_caught_is_not_cut_short(
    wait: Handler,
) -> None:
    journal = Journal()
    go_on = asyncio.Event()

    def cleaning(receive: Receive) -> Receive:
        async def receive_message() -> Message:
            with suppress(asyncio.CancelledError):
                return await receive()
            await go_on.wait()
            journal.append("cleaned up")
            raise asyncio.CancelledError

        return receive_message

    app = talking(wait, receiving(cleaning))
    async with app.lifespan() as lifespan, Exchange(lifespan, "/", "websocket") as exchange:
        await exchange.message("websocket.accept")
        for _ in range(2):
            await asyncio.sleep(0)
        exchange.task.cancel()
        await asyncio.sleep(0)
        lifespan.begin_closing()
        assert await exchange.sent.get() == CLOSED
        for _ in range(5):
            await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait({exchange.task})
        assert exchange.task.cancelled()
    assert journal == ["cleaned up"]


async def test_a_cancellation_by_others_besides_is_passed_on() -> None:
    app = talking(lambda socket: socket.receive_text())
    async with app.lifespan() as lifespan, Exchange(lifespan, "/", "websocket") as exchange:
        await exchange.message("websocket.accept")
        lifespan.begin_closing()
        await until(lambda: exchange.task.cancelling() > 0)
        exchange.task.cancel()
        await asyncio.wait({exchange.task})
        assert exchange.task.cancelled()


@pytest.mark.usefixtures("looks_soon")
async def test_one_that_was_cancelled_long_ago_is_told() -> None:
    async def handle(socket: WebSocket) -> None:
        with suppress(asyncio.CancelledError):  # as older libraries do, which never uncancel
            await forever()
        with pytest.raises(WebSocketDisconnect):
            await socket.receive_text()

    app = talking(handle)
    async with app.lifespan() as lifespan, Exchange(lifespan, "/", "websocket") as exchange:
        await exchange.message("websocket.accept")
        exchange.task.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        lifespan.begin_closing()
        assert await exchange.rest() == [CLOSED]
        assert exchange.task.cancelling() == 1


def stubborn(receive: Receive) -> Receive:
    async def receive_message() -> Message:
        try:
            return await receive()
        except asyncio.CancelledError:
            return {"type": "websocket.receive", "text": "in spite of it"}

    return receive_message


async def test_an_interruption_that_middleware_swallows_is_taken_back() -> None:
    cancelling: list[int] = []

    async def handle(socket: WebSocket) -> None:
        assert await socket.receive_text() == "in spite of it"
        task = asyncio.current_task()
        assert task is not None
        cancelling.append(task.cancelling())

    await turn(talking(handle, receiving(stubborn)))
    assert cancelling == [0]


async def test_one_that_an_iteration_swallows_is_taken_back_a_moment_later() -> None:
    texts: list[str] = []

    async def handle(socket: WebSocket) -> None:
        async for text in socket.iter_text():
            texts.append(text)
            task = asyncio.current_task()
            assert task is not None
            for _ in range(2):
                await asyncio.sleep(0)
            assert task.cancelling() == 0

    await turn(talking(handle, receiving(stubborn)))
    assert texts == ["in spite of it"]


async def test_an_interruption_that_middleware_tells_in_its_own_way_is_taken_back() -> None:
    def telling(receive: Receive) -> Receive:
        async def receive_message() -> Message:
            try:
                return await receive()
            except asyncio.CancelledError:
                raise WebSocketDisconnect("going", code=1001) from None

        return receive_message

    cancelling: list[int] = []

    async def handle(socket: WebSocket) -> None:
        async for _ in socket.iter_text():
            raise AssertionError
        task = asyncio.current_task()
        assert task is not None
        cancelling.append(task.cancelling())

    await turn(talking(handle, receiving(telling)))
    assert cancelling == [0]


async def test_what_an_interrupted_receive_raises_comes_out() -> None:
    def failing(receive: Receive) -> Receive:
        async def receive_message() -> Message:
            try:
                return await receive()
            finally:
                if lifespan.closing.is_set():
                    raise RefusalError

        return receive_message

    cancelling: list[int] = []

    async def handle(socket: WebSocket) -> None:
        with pytest.raises(RefusalError):
            await anext(socket.iter_text())
        task = asyncio.current_task()
        assert task is not None
        cancelling.append(task.cancelling())

    lifespan: Lifespan
    app = talking(handle, receiving(failing))
    async with app.lifespan() as lifespan, Exchange(lifespan, "/", "websocket") as exchange:
        await exchange.message("websocket.accept")
        await asyncio.sleep(0)
        lifespan.begin_closing()
        assert await exchange.rest() == [CLOSED]
    assert cancelling == [0]


@pytest.mark.usefixtures("looks_soon")
async def test_one_that_waits_for_its_own_closing_is_not_interrupted_again() -> None:
    codes: list[int] = []

    async def handle(socket: WebSocket) -> None:
        try:
            await socket.receive_text()
        except WebSocketDisconnect as gone:
            codes.append(gone.code)

    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket", ahead=1) as exchange,
    ):
        await until(exchange.sent.full)
        lifespan.begin_closing()
        for _ in range(20):  # the close waits behind the accept that nobody has read
            await asyncio.sleep(0)
        assert codes == []
        await exchange.message("websocket.accept")
        assert await exchange.sent.get() == CLOSED
        await exchange.task
    assert codes == [1012]


@pytest.mark.parametrize(
    "later",
    [
        lambda socket: asyncio.create_task(socket.receive_text()),
        lambda socket: asyncio.wait_for(socket.receive_text(), 3600),
    ],
    ids=["a task", "wait_for"],
)
async def test_one_that_begins_to_wait_at_the_turn_is_told(later: Handler) -> None:
    codes: list[int] = []

    async def handle(socket: WebSocket) -> None:
        lifespan.begin_closing()
        try:
            await later(socket)
        except WebSocketDisconnect as gone:
            codes.append(gone.code)

    lifespan: Lifespan
    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        assert await exchange.rest() == [CLOSED]
    assert codes == [1012]


class Row:
    """Something whose attributes are those of its data."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


@pytest.mark.parametrize("given", [MagicMock(), Row()], ids=["a mock", "a row"])
async def test_what_a_task_that_has_not_begun_is_given_keeps_nobody_from_being_told(
    given: object,
) -> None:
    begun: list[object] = []

    async def job(thing: object) -> None:
        begun.append(thing)

    app = talking(lambda socket: socket.receive_text())
    async with app.lifespan() as lifespan, Exchange(lifespan, "/", "websocket") as exchange:
        await exchange.message("websocket.accept")
        await asyncio.sleep(0)
        lifespan.begin_closing()
        task = asyncio.create_task(job(given))
        assert await exchange.rest() == [CLOSED]
        await task
    assert begun == [given]


async def test_a_task_that_is_given_what_another_awaits_is_not_ended() -> None:
    journal = Journal()

    async def handle(socket: WebSocket) -> None:
        texts = socket.iter_text()

        async def read() -> None:
            async for _ in texts:
                raise AssertionError

        async def report(_texts: object) -> None:
            journal.append("reported")

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        lifespan.begin_closing()
        await asyncio.create_task(report(texts))
        await reading

    lifespan: Lifespan
    async with (
        talking(handle).lifespan() as lifespan,
        Exchange(lifespan, "/", "websocket") as exchange,
    ):
        await exchange.message("websocket.accept")
        assert await exchange.rest() == [CLOSED]
    assert journal == ["reported"]


class Strange(asyncio.Task[None]):
    """A task that tells nobody what it runs."""

    def get_coro(self) -> Any:
        raise RefusalError


async def test_a_task_that_cannot_be_looked_at_keeps_nobody_from_being_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = talking(lambda socket: socket.receive_text())
    strange = Strange(forever())
    async with app.lifespan() as lifespan, Exchange(lifespan, "/", "websocket") as exchange:
        await exchange.message("websocket.accept")
        await asyncio.sleep(0)
        lifespan.begin_closing()
        assert await exchange.rest() == [CLOSED]
    strange.cancel()
    await asyncio.wait({strange})
    assert "cannot tell what" in caplog.text


async def test_what_waits_around_one_that_closes_itself_is_ended_after_it() -> None:
    closing, closed = Closing(), asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nothing arrives")

    async def send(message: Message) -> None:
        if message["type"] == "websocket.close":
            # Several looks find it here.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            closed.set()

    conversation = Conversation(receive, send, closing)
    conversation.state = "connect"
    await conversation.send({"type": "websocket.accept"})

    async def source() -> AsyncIterator[str]:
        async for said in conversation.heard("text"):
            yield said
        await asyncio.Event().wait()

    async def iterate() -> list[str]:
        return [said async for said in until_closing(closing, source())]

    task = asyncio.create_task(iterate())
    await asyncio.sleep(0)
    closing.set()
    assert await asyncio.wait_for(task, 10) == []
    assert closed.is_set()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks are eager from Python 3.12 on")
async def test_one_in_an_eager_task_is_told() -> None:
    eager: Any = asyncio.Task

    def factory(loop: Any, work: Any, context: Any = None, **options: Any) -> Any:
        return eager(work, loop=loop, context=context, **{**options, "eager_start": True})

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        await test_one_that_waits_in_any_way_is_told(in_a_task)
    finally:
        loop.set_task_factory(None)
