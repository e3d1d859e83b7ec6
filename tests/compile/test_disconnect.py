"""Handlers whose client goes: what is cancelled, what is not, and what happens then."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from hesper import Hesper, Request, Router, WebSocket, asgi, get, post, websocket
from hesper._compile import disconnect
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from hesper.exceptions import WebSocketDisconnect
from hesper.response import Stream
from tests.compile.driver import http_scope

pytestmark = pytest.mark.anyio

Events = list[str]


class Client:
    """A client in memory, which sends what it is told to and goes when it is told to."""

    def __init__(self, app: ASGIApp, scope: Scope, *messages: Message) -> None:
        self.sent: list[Message] = []
        self.asked = 0
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self._incoming.put_nowait(message)
        self._disconnect = {"type": f"{scope['type']}.disconnect"}
        self.task = asyncio.create_task(self._serve(app, scope))

    async def _serve(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        self.asked += 1
        return await self._incoming.get()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def say(self, message: Message) -> None:
        self._incoming.put_nowait(message)

    async def go(self) -> None:
        """Go, and wait for what the app does then."""
        self.say(self._disconnect)
        await self.task

    @property
    def said(self) -> list[str]:
        return [message["type"] for message in self.sent]


def body(data: bytes = b"", more: bool = False) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


def getting(app: ASGIApp, path: str = "/") -> Client:
    return Client(app, http_scope("GET", path), body())


def socket_scope() -> Scope:
    scope = http_scope("GET", "/")
    del scope["method"]
    return {**scope, "type": "websocket", "subprotocols": []}


def opening(app: ASGIApp) -> Client:
    return Client(app, socket_scope(), {"type": "websocket.connect"})


class Step:
    """A point in a handler that tests wait for."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.goes_on.wait()


async def settle() -> None:
    """Let all that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def noting(events: Events) -> Callable[[], AsyncIterator[str]]:
    async def session() -> AsyncIterator[str]:
        events.append("entered")
        try:
            yield "session"
        finally:
            await asyncio.sleep(0)
            events.append("exited")

    return session


async def test_by_default_a_handler_finishes() -> None:
    step, events = Step(), Events()

    @get("/")
    async def handler() -> str:
        await step()
        events.append("finished")
        return "done"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    step.goes_on.set()
    await client.go()
    assert events == ["finished"]
    assert client.asked == 0, "a route that does not ask for it does not watch its connection"


async def test_a_handler_is_cancelled_and_nothing_is_sent() -> None:
    step, events = Step(), Events()

    async def after_response(request: Request) -> None:
        await asyncio.sleep(0)
        events.append("after_response")

    async def background() -> None:
        await asyncio.sleep(0)
        events.append("background work")

    @get(
        "/",
        dependencies={"session": noting(events)},
        background=BackgroundTask(background),
        after_response=after_response,
        when_disconnected="cancel",
    )
    async def handler(session: str) -> str:
        try:
            await step()
        except asyncio.CancelledError:
            events.append("cancelled")
            raise
        return "never"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    await client.go()
    assert events == ["entered", "cancelled", "exited", "after_response", "background work"]
    assert client.sent == []
    assert not client.task.cancelling()


async def test_a_handler_whose_client_stays_answers() -> None:
    @get("/", when_disconnected="cancel")
    async def handler() -> str:
        await asyncio.sleep(0)
        return "done"

    client = getting(Hesper([handler]))
    await client.task
    assert client.sent[-1]["body"] == b"done"


async def test_over_a_handler_that_never_waits_nothing_listens() -> None:
    @get("/", when_disconnected="cancel")
    async def handler() -> str:
        return "done"

    @get("/fails", when_disconnected="cancel")
    async def fails() -> str:
        raise LookupError

    for path, status in (("/", 200), ("/fails", 500)):
        client = getting(Hesper([handler, fails]), path)
        await client.task
        assert client.sent[0]["status"] == status
        assert client.asked == 0
        assert client.task.cancelling() == 0


@pytest.mark.parametrize("layer", ["application", "router", "handler", "inner wins"])
async def test_the_option_is_layered(layer: str) -> None:
    step, events = Step(), Events()
    own = {"handler": "cancel", "inner wins": "finish"}.get(layer)

    async def handler() -> str:
        try:
            await step()
        finally:
            events.append("ended")
        events.append("finished")
        return "done"

    options: dict[str, Any] = {} if own is None else {"when_disconnected": own}
    decorated = get("/", **options)(handler)
    options = {"when_disconnected": "cancel"} if layer in {"router", "inner wins"} else {}
    router = Router("/", [decorated], **options)
    options = {"when_disconnected": "cancel"} if layer == "application" else {}
    client = getting(Hesper([router], **options))
    await step.reached.wait()
    client.say({"type": "http.disconnect"})
    await settle()
    assert events == ([] if layer == "inner wins" else ["ended"])
    step.goes_on.set()
    await client.task


def test_another_value_is_an_error() -> None:
    with pytest.raises(TypeError, match='when_disconnected: takes "finish" or "cancel"'):
        get("/", when_disconnected=cast("Any", "abort"))


async def test_what_a_handler_answers_to_its_cancellation_is_not_sent() -> None:
    step = Step()

    @get("/", when_disconnected="cancel")
    async def handler() -> str:
        try:
            await step()
        except asyncio.CancelledError:
            return "too late"
        return "never"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    await client.go()
    assert client.sent == []


async def test_an_exit_that_fails_is_observed_and_raised() -> None:
    step, observed = Step(), list[Exception]()

    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        finally:
            raise KeyError("exit")

    @get("/", dependencies={"session": session}, when_disconnected="cancel")
    async def handler(session: str) -> str:
        await step()
        return "never"

    client = getting(Hesper([handler], after_exception=lambda error, _: observed.append(error)))
    await step.reached.wait()
    with pytest.raises(KeyError, match="exit") as raised:
        await client.go()
    assert observed == [raised.value]
    assert client.sent == []


async def test_a_cancellation_that_becomes_another_exception_meets_the_exception_handlers() -> None:
    step, events = Step(), Events()

    def recover(request: Request, error: Exception) -> str:
        events.append(repr(error))
        return "recovered"

    @get("/", exception_handlers={KeyError: recover}, when_disconnected="cancel")
    async def handler() -> str:
        try:
            await step()
        finally:
            raise KeyError("another")

    client = getting(Hesper([handler]))
    await step.reached.wait()
    await client.go()
    assert events == ["KeyError('another')"]
    assert client.sent == []


async def test_middleware_of_the_route_goes_on() -> None:
    step, events = Step(), Events()

    def middleware(app: ASGIApp) -> ASGIApp:
        async def around(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)
            await asyncio.sleep(0)
            events.append("out")

        return around

    @get("/", middleware=[middleware], when_disconnected="cancel")
    async def handler() -> str:
        await step()
        return "never"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    await client.go()
    assert events == ["out"]


async def test_a_cancellation_by_others_is_passed_on() -> None:
    step = Step()

    @get("/", when_disconnected="cancel")
    async def handler() -> str:
        await step()
        return "never"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    client.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.task
    assert client.task.cancelling()


async def test_a_cancellation_by_others_at_the_same_time_is_passed_on() -> None:
    step, exiting = Step(), Step()

    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        finally:
            await exiting()

    @get("/", when_disconnected="cancel", dependencies={"session": session})
    async def handler(session: str) -> str:
        await step()
        return "never"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    client.say({"type": "http.disconnect"})
    await exiting.reached.wait()
    client.task.cancel()
    with pytest.raises(BaseException) as raised:
        await client.task
    assert is_cancellation(raised.value)


def is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancellation, error.exceptions))
    return isinstance(error, asyncio.CancelledError)


async def test_an_exit_that_takes_for_ever_is_cancelled_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disconnect, "EXIT_DEADLINE", 0.0)
    step, events = Step(), Events()

    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        finally:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                events.append("abandoned")
                raise

    async def after_response(request: Request) -> None:
        await asyncio.sleep(0)
        events.append("after_response")

    @get(
        "/",
        dependencies={"session": session, "outer": noting(events)},
        after_response=after_response,
        when_disconnected="cancel",
    )
    async def handler(outer: str, session: str) -> str:
        await step()
        return "never"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    with caplog.at_level(logging.WARNING, "hesper"):
        await client.go()
    assert events == ["entered", "abandoned", "exited", "after_response"]
    assert not client.task.cancelling()
    assert [record.getMessage() for record in caplog.records] == [
        "GET / has not ended 0 seconds after its client had gone; its exits are cancelled"
    ]


async def test_background_work_has_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disconnect, "EXIT_DEADLINE", 0.0)
    step, working = Step(), Step()
    events = Events()

    async def background() -> None:
        await working()
        events.append("worked")

    @get("/", background=BackgroundTask(background), when_disconnected="cancel")
    async def handler() -> str:
        await step()
        return "never"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    client.say({"type": "http.disconnect"})
    await working.reached.wait()
    await asyncio.sleep(0.001)  # longer than the deadline, which is none
    working.goes_on.set()
    await client.task
    assert events == ["worked"]


async def test_a_handler_in_a_thread_is_waited_for() -> None:
    begun, go_on, events = threading.Event(), threading.Event(), Events()

    @get("/", when_disconnected="cancel", dependencies={"session": noting(events)})
    def handler(session: str) -> str:
        begun.set()
        go_on.wait()
        events.append("returned")
        return "done"

    client = getting(Hesper([handler]))
    while not begun.is_set():  # noqa: ASYNC110 - set by a thread
        await asyncio.sleep(0)
    client.say({"type": "http.disconnect"})
    await settle()
    go_on.set()
    await client.task
    assert events == ["entered", "returned", "exited"]
    assert client.sent == []


# The body.


@post("/", when_disconnected="cancel")
async def upload(body: bytes) -> bytes:
    return body


async def test_the_body_reaches_the_handler_whole() -> None:
    chunks = [b"%d" % number for number in range(100)]
    client = Client(
        Hesper([upload]),
        http_scope("POST", "/"),
        *[body(chunk, more=True) for chunk in chunks],
        body(b"end"),
    )
    await client.task
    assert client.sent[-1]["body"] == b"".join(chunks) + b"end"


async def test_a_body_that_is_not_read_is_read_ahead_to_a_limit_only() -> None:
    step = Step()

    @post("/", when_disconnected="cancel")
    async def handler(request: Request) -> str:
        await step()
        return str(sum([len(chunk) async for chunk in request.stream()]))

    chunk = b"x" * 65_536
    chunks = [body(chunk, more=True) for _ in range(99)]
    client = Client(Hesper([handler]), http_scope("POST", "/"), *chunks, body(chunk))
    await step.reached.wait()
    await settle()
    assert client.asked == 4
    step.goes_on.set()
    await client.task
    assert client.sent[-1]["body"] == b"%d" % (100 * 65_536)


async def test_tiny_chunks_are_read_ahead_to_a_limit_too() -> None:
    step = Step()

    @post("/", when_disconnected="cancel")
    async def handler(request: Request) -> str:
        await step()
        return str(sum([len(chunk) async for chunk in request.stream()]))

    chunks = [body(b"x", more=True) for _ in range(999)]
    client = Client(Hesper([handler]), http_scope("POST", "/"), *chunks, body())
    await step.reached.wait()
    await settle()
    assert client.asked < 260
    step.goes_on.set()
    await client.task
    assert client.sent[-1]["body"] == b"999"


async def test_the_client_goes_while_its_body_is_read() -> None:
    client = Client(Hesper([upload]), http_scope("POST", "/"), body(b"half", more=True))
    await settle()
    await client.go()
    assert client.sent == []


async def test_a_handler_that_waits_for_the_end_itself_is_told_it_again_and_again() -> None:
    events = Events()

    @asgi("/", when_disconnected="cancel")
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await receive()
        finally:
            events.append((await receive())["type"])
            events.append((await receive())["type"])

    client = getting(Hesper([app]))
    await settle()
    await client.go()
    assert events == ["http.disconnect"] * 2


async def test_an_error_of_the_server_is_raised_where_the_body_is_read() -> None:
    @post("/", when_disconnected="cancel", exception_handlers={OSError: lambda _, __: "handled"})
    async def handler(body: bytes) -> bytes:
        return body

    sent: list[Message] = []

    async def receive() -> Message:
        raise OSError("reset")

    async def send(message: Message) -> None:
        sent.append(message)

    await Hesper([handler])(http_scope("POST", "/"), receive, send)
    assert sent[-1]["body"] == b"handled"


async def test_an_error_of_the_server_is_none_of_a_handler_that_does_not_read() -> None:
    @get("/", when_disconnected="cancel")
    async def handler() -> str:
        await settle()
        return "done"

    sent: list[Message] = []

    async def receive() -> Message:
        raise OSError("reset")

    async def send(message: Message) -> None:
        sent.append(message)

    await Hesper([handler])(http_scope("GET", "/"), receive, send)
    assert sent[-1]["body"] == b"done"


# Once the response has begun.


async def test_after_response_is_not_cancelled() -> None:
    step, events = Step(), Events()

    async def after_response(request: Request) -> None:
        await step()
        events.append("after_response")

    @get("/", when_disconnected="cancel", after_response=after_response)
    async def handler() -> str:
        return "done"

    client = getting(Hesper([handler]))
    await step.reached.wait()
    client.say({"type": "http.disconnect"})
    await settle()
    step.goes_on.set()
    await client.task
    assert events == ["after_response"]


async def test_a_stream_is_closed_by_the_task_that_ran_it() -> None:
    events: list[Any] = []
    step = Step()

    async def chunks() -> AsyncIterator[str]:
        events.append(asyncio.current_task())
        try:
            yield "first"
            await step()
        finally:
            await asyncio.sleep(0)
            events.append(asyncio.current_task())

    @get("/", when_disconnected="cancel", dependencies={"session": noting(events)})
    async def handler(session: str) -> Stream:
        return Stream(chunks())

    client = getting(Hesper([handler]))
    await step.reached.wait()
    await client.go()
    assert events == ["entered", client.task, client.task, "exited"]
    assert client.said == ["http.response.start", "http.response.body"]


async def test_a_stream_that_reads_the_body_is_told_the_end() -> None:
    events = Events()
    begun = asyncio.Event()

    @post("/", when_disconnected="cancel")
    async def handler(request: Request) -> Stream:
        async def echo() -> AsyncIterator[bytes]:
            try:
                async for chunk in incoming:
                    begun.set()
                    yield chunk
            finally:
                events.append("closed")

        incoming = request.stream()
        return Stream(echo())

    client = Client(Hesper([handler]), http_scope("POST", "/"), body(b"a", more=True))
    await begun.wait()
    client.say({"type": "http.disconnect"})
    with pytest.raises(Exception, match="the client has gone"):
        await client.task
    assert events == ["closed"]


# Websockets.


async def test_a_websocket_handler_that_does_not_receive_is_cancelled() -> None:
    step, events = Step(), Events()

    @websocket("/", when_disconnected="cancel", dependencies={"session": noting(events)})
    async def handler(socket: WebSocket, session: str) -> None:
        await socket.accept()
        await step()

    client = opening(Hesper([handler]))
    await step.reached.wait()
    await client.go()
    assert events == ["entered", "exited"]
    assert client.said == ["websocket.accept"]


async def test_a_websocket_handler_that_receives_is_told_and_not_cancelled() -> None:
    events = Events()
    receiving = asyncio.Event()

    @websocket("/", when_disconnected="cancel")
    async def handler(socket: WebSocket) -> None:
        await socket.accept()
        receiving.set()
        try:
            await socket.receive_text()
        except WebSocketDisconnect:
            await asyncio.sleep(0)
            events.append("told")

    client = opening(Hesper([handler]))
    await receiving.wait()
    await settle()
    await client.go()
    assert events == ["told"]


async def test_the_messages_of_a_websocket_reach_its_handler() -> None:
    received: list[str] = []

    @websocket("/", when_disconnected="cancel")
    async def handler(socket: WebSocket) -> None:
        await socket.accept()
        received.extend([str(text) async for text in socket.iter_text()])

    client = opening(Hesper([handler]))
    for number in range(1000):
        client.say({"type": "websocket.receive", "text": str(number)})
        await asyncio.sleep(0)
    await settle()
    await client.go()
    assert received == [str(number) for number in range(1000)]


async def test_a_websocket_handler_that_has_closed_goes_on() -> None:
    step, events = Step(), Events()

    @websocket("/", when_disconnected="cancel")
    async def handler(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()
        await step()
        events.append("went on")

    client = opening(Hesper([handler]))
    await step.reached.wait()
    client.say({"type": "websocket.disconnect"})
    await settle()
    step.goes_on.set()
    await client.task
    assert events == ["went on"]


# What is left.


@contextmanager
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Witness:
    pass


@pytest.mark.parametrize("how", ["goes", "stays", "fails"])
async def test_nothing_is_left(how: str) -> None:
    async def serve(step: Step) -> weakref.ref[Witness]:
        witness = Witness()

        async def held() -> Witness:
            return witness

        @get("/", when_disconnected="cancel", dependencies={"witness": held})
        async def handler(witness: Witness) -> str:
            await step()
            if how == "fails":
                raise KeyError(how)
            return "done"

        client = getting(Hesper([handler], exception_handlers={KeyError: lambda _, __: "failed"}))
        await step.reached.wait()
        if how != "goes":
            step.goes_on.set()
            await client.task
        else:
            await client.go()
        return weakref.ref(witness)

    before = asyncio.all_tasks()
    with collector_off():
        reference = await finished(serve(Step()))
        assert reference() is None
    assert asyncio.all_tasks() == before


async def finished(coroutine: Coroutine[Any, Any, weakref.ref[Witness]]) -> weakref.ref[Witness]:
    """Return the result of a task that is gone."""
    reference = await asyncio.create_task(coroutine)
    await settle()
    return reference
