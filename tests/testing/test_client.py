from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from hesper._types import Message, Receive, Scope, Send
from hesper.exceptions import WebSocketDisconnect
from hesper.testing import ASGIProtocolError, LifespanError, TestClient
from tests.testing.apps import Lifespan, answer, answer_json, body, http, read, say, start


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)  # one that has been told to end may be on its way
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("options", [None, {"use_uvloop": True}])
def test_the_block_starts_the_app_and_shuts_it_down(options: dict[str, Any] | None) -> None:
    app = Lifespan()
    with TestClient(app, backend_options=options) as client:
        assert app.events == ["startup"]
        assert client.get("/x").json()["state"] == {"started": True}
    assert app.events == ["startup", "/x", "shutdown"]


def test_uvloop_is_used_when_it_is_asked_for() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, type(asyncio.get_running_loop()).__module__.encode())

    with TestClient(http(handler), backend_options={"use_uvloop": True}) as client:
        assert client.get("/").text == "uvloop"
    with TestClient(http(handler)) as client:
        assert client.get("/").text != "uvloop"


def test_another_backend_is_refused() -> None:
    backend: Any = "trio"
    with pytest.raises(ValueError, match="'trio'; the test clients run on 'asyncio' only"):
        TestClient(http(say), backend=backend)


def test_without_a_block_requests_are_answered_and_no_lifespan_runs() -> None:
    app = Lifespan()
    client = TestClient(app)
    assert client.get("/x").json()["path"] == "/x"
    assert client.get("/y").json()["path"] == "/y"
    assert app.events == ["/x", "/y"]


def test_the_lifespan_and_all_requests_of_a_block_run_on_one_loop() -> None:
    loops: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        loops.append(asyncio.get_running_loop())
        if scope["type"] == "lifespan":
            raise ValueError("no lifespan here")
        await answer(send)

    with TestClient(app) as client:
        client.get("/")
        client.get("/")
        with client.portal() as portal:
            portal.call(loops.append, loops[0])
    assert len(loops) == 4
    assert len(set(loops)) == 1


def test_a_body_is_sent_and_read() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_json(send, [data.decode() for data, _ in await read(receive)])

    client = TestClient(app)
    assert client.post("/", content=b"abc").json() == ["abc"]
    assert client.post("/", content=iter([b"a", b"b"])).json() == ["a", "b", ""]
    assert client.post("/", json={"a": 1}).json() == ['{"a":1}']


def test_a_body_that_waits_does_not_hold_up_the_app() -> None:
    arrived = threading.Event()

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b"first"
        arrived.set()
        assert await read(receive) == [(b"second", True), (b"", False)]
        await answer(send)

    def chunks() -> Iterator[bytes]:
        yield b"first"
        assert arrived.wait(10)
        yield b"second"

    assert TestClient(app).post("/", content=chunks()).status_code == 200


@pytest.mark.parametrize("block", [False, True])
def test_chunks_arrive_while_the_app_still_sends(block: bool) -> None:
    messages: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await start(send)
        await body(send, b"one", more=True)
        messages.append(await receive())

    def first_chunk(client: TestClient[Any]) -> bytes:
        with client.stream("GET", "/") as response:
            return next(response.iter_raw())

    client = TestClient(app)
    if block:
        with client:
            assert first_chunk(client) == b"one"
    else:
        assert first_chunk(client) == b"one"
    assert messages == [{"type": "http.disconnect"}]


@pytest.mark.parametrize("block", [False, True])
def test_an_app_that_sleeps_through_the_leaving_is_cancelled_in_the_end(block: bool) -> None:
    ended: list[str] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("app")

    client = TestClient(app)
    if block:
        with client, client.stream("GET", "/"):
            pass
    else:
        with client.stream("GET", "/"):
            pass
    assert ended == ["app"]


def test_a_response_that_is_never_closed_ends_with_the_client() -> None:
    messages: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await start(send)
        messages.append(await receive())

    before = set(threading.enumerate())
    with TestClient(app) as client:
        response = client.send(client.build_request("GET", "/"), stream=True)
    assert messages == [{"type": "http.disconnect"}]
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx2.ReadError, match="has left the response"):
        response.read()
    response.close()


def test_closing_a_client_ends_responses_that_are_open() -> None:
    messages: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await start(send)
        messages.append(await receive())

    client = TestClient(app)
    response = client.send(client.build_request("GET", "/"), stream=True)
    client.close()
    assert messages == [{"type": "http.disconnect"}]
    response.close()


def test_closing_a_client_lets_go_of_responses_that_the_app_has_ended() -> None:
    client = TestClient(http(say))
    response = client.send(client.build_request("GET", "/"), stream=True)
    assert next(response.iter_raw())
    client.close()


def test_what_an_open_response_raises_comes_out_of_closing_the_client() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await start(send)
        await receive()
        raise KeyError("cleaning up")

    client = TestClient(app)
    client.send(client.build_request("GET", "/"), stream=True)
    with pytest.raises(KeyError, match="cleaning up"):
        client.close()


def test_an_exception_of_the_app_comes_out_as_it_is() -> None:
    error = KeyError("lost")

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with TestClient(app) as client, pytest.raises(KeyError) as caught:
        client.get("/")
    assert caught.value is error
    assert caught.traceback[-1].name == "app"


def test_an_exception_can_be_answered_with_500_instead() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("lost")

    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500


def test_a_message_out_of_order_is_an_error() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await body(send)

    with pytest.raises(ASGIProtocolError):
        TestClient(app).get("/")


def test_an_app_that_takes_too_long_for_the_timeout_is_a_read_timeout() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await receive()

    with pytest.raises(httpx2.ReadTimeout):
        TestClient(app, timeout=0.01).get("/")


def names_on_the_stack(thread: int) -> list[str]:
    """The functions that *thread* is in."""
    return [frame.name for frame in traceback.extract_stack(sys._current_frames()[thread])]


def test_an_interrupted_call_is_a_disconnect_for_the_app() -> None:
    messages: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        while "result" not in names_on_the_stack(main_thread):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)
        signal.pthread_kill(main_thread, signal.SIGINT)
        messages.append(await receive())

    with TestClient(app) as client, pytest.raises(KeyboardInterrupt):
        client.get("/")
    assert messages == [{"type": "http.disconnect"}]


def test_leaving_a_client_that_was_not_entered_does_nothing() -> None:
    app = Lifespan()
    TestClient(app).__exit__()
    assert app.events == []


def test_a_startup_that_fails_raises_out_of_the_block() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(LifespanError, match="no database"), TestClient(app):
        raise AssertionError("the block is not entered")


def test_a_shutdown_that_fails_raises_out_of_the_block() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise KeyError("busy")

    with pytest.raises(KeyError, match="busy"), TestClient(app):
        pass


def test_a_request_sees_the_callers_context_and_no_other_request() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen = variable.get()
        variable.set("a request")
        await answer(send, seen.encode())

    def requests() -> None:
        with TestClient(app) as client:
            assert client.get("/").text == "nothing"
            assert client.get("/").text == "nothing"
            variable.set("the caller")
            assert client.get("/").text == "the caller"

    contextvars.copy_context().run(requests)


@http
async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends back what it receives, until the client closes, or sends "close"."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": [(b"a", b"b")]})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4000, "reason": "asked to"})
        else:
            await send(dict(message) | {"type": "websocket.send"})


@pytest.mark.parametrize("block", [False, True])
def test_a_websocket_goes_both_ways(block: bool) -> None:
    def talk(client: TestClient[Any]) -> None:
        with client.websocket_connect("/") as socket:
            assert socket.accepted_subprotocol is None
            assert socket.extra_headers == [(b"a", b"b")]
            socket.send_text("a")
            assert socket.receive() == {"type": "websocket.send", "text": "a"}
            socket.send_text("é")
            assert socket.receive_text() == "é"
            socket.send_bytes(b"\0")
            assert socket.receive_bytes() == b"\0"
            socket.send_json({"a": 1})
            assert socket.receive_json() == {"a": 1}
            socket.send_json([2], mode="binary")
            assert socket.receive_json(mode="binary") == [2]
            socket.send_msgpack({"a": 1})
            assert socket.receive_msgpack() == {"a": 1}
            socket.send("é", mode="binary")
            assert socket.receive_bytes() == "é".encode()
            with pytest.raises(TimeoutError):
                socket.receive(block=False)

    client = TestClient(echo)
    if block:
        with client:
            talk(client)
    else:
        talk(client)


def test_iterating_a_websocket_ends_when_the_app_closes() -> None:
    with TestClient(echo).websocket_connect("/") as socket:
        socket.send_text("a")
        socket.send_text("close")
        assert list(socket) == ["a"]
        with pytest.raises(WebSocketDisconnect, match="asked to") as caught:
            socket.receive()
    assert caught.value.code == 4000


def test_closing_a_websocket_twice_is_as_closing_it_once() -> None:
    with TestClient(echo).websocket_connect("/") as socket:
        socket.close(4001)
        socket.close(4002)
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive(timeout=10)
    assert caught.value.code == 4001


def test_a_refused_websocket_is_a_disconnect() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4403})

    with pytest.raises(WebSocketDisconnect), TestClient(app).websocket_connect("/"):
        raise AssertionError("the block is not entered")
    with (
        TestClient(app) as client,
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/"),
    ):
        raise AssertionError("the block is not entered")


def test_an_exception_of_a_websockets_app_comes_out_of_leaving() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        raise KeyError("cleaning up")

    with (
        TestClient(app) as client,
        pytest.raises(KeyError, match="cleaning up"),
        client.websocket_connect("/"),
    ):
        pass


def test_a_websocket_outside_its_block_says_how_to_open_it() -> None:
    socket = TestClient(echo).websocket_connect("/")
    with pytest.raises(RuntimeError, match=r"with client\.websocket_connect"):
        socket.send_text("a")
    socket.__exit__(None, None, None)


def test_nothing_is_left_when_the_client_is_dropped() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fails":
            raise KeyError("lost")
        await answer(send, b"x")

    gc.collect()
    gc.disable()
    try:
        app = Lifespan(handler)
        client = TestClient(app)
        refs = weakref.ref(app), weakref.ref(client)
        with client:
            client.get("/")
            with pytest.raises(KeyError):
                client.get("/fails")
        del app, client
        assert [ref() for ref in refs] == [None, None]
    finally:
        gc.enable()
