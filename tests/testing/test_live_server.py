"""`LiveServer`: a real server on this machine, for the length of a block."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import weakref
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from hesper import Hesper, Lifespan, WebSocket, get, live, websocket
from hesper._types import Receive, Scope, Send
from hesper.response import Stream
from hesper.testing import LiveServer
from hesper.testing.uvicorn_server import UvicornServer

events: list[str] = []


@pytest.fixture(autouse=True)
def nothing_has_happened() -> None:
    events.clear()


@asynccontextmanager
async def manager() -> AsyncIterator[None]:
    events.append("start")
    yield
    events.append("stop")


@get("/")
async def index() -> str:
    return "served"


@get("/thread")
def thread_name() -> str:
    return threading.current_thread().name


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


def ask(server: LiveServer, path: str = "/") -> httpx2.Response:
    return httpx2.get(server.url + path, trust_env=False, timeout=30)


def server_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "hesper: LiveServer"]


def test_it_serves_and_runs_the_lifespan() -> None:
    with LiveServer(Hesper([index, thread_name], lifespan=[manager])) as server:
        assert events == ["start"]
        assert ask(server).text == "served"
        assert ask(server, "/thread").text != threading.current_thread().name
    assert events == ["start", "stop"]
    assert server_threads() == []


def test_it_speaks_websockets() -> None:
    with LiveServer(Hesper([echo])) as server:
        address = server.url.replace("http", "ws") + "/echo"
        with connect(address, open_timeout=30, proxy=None) as connection:
            connection.send("hello")
            assert connection.recv(30) == "hello"


def test_it_takes_a_free_port_each_time() -> None:
    app = Hesper([index])
    with LiveServer(app) as one, LiveServer(app) as two:
        assert one.port != two.port
        assert ask(one).text == ask(two).text == "served"


def test_it_can_be_entered_again_after_it_was_left() -> None:
    server = LiveServer(Hesper([index], lifespan=[manager]))
    for _ in range(2):
        with server:
            assert ask(server).text == "served"
    assert events == ["start", "stop", "start", "stop"]


def test_it_serves_at_the_port_that_is_asked_for() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LiveServer(Hesper([index]), port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert ask(server).text == "served"


def test_it_serves_on_ipv6() -> None:
    with LiveServer(Hesper([index]), host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert ask(server).text == "served"


def test_it_serves_any_asgi_app() -> None:
    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"raw"})

    with LiveServer(raw) as server:
        assert ask(server).text == "raw"


def test_it_is_listed_while_it_runs() -> None:
    before = live.servers
    with LiveServer(Hesper([index])) as server:
        [record] = [record for record in live.servers if record not in before]
        assert record.kind == "server"
        assert record.name == server.url
        assert record.details == {"host": "127.0.0.1", "port": server.port}
    assert record not in live.servers


def test_its_lifespan_is_listed_while_it_runs() -> None:
    app = Hesper([index])

    def count() -> int:
        return sum(f"{id(app):#x}" in record.name for record in live.lifespans)

    with LiveServer(app):
        assert count() == 1
    assert count() == 0


def test_before_and_after_it_has_no_url() -> None:
    server = LiveServer(Hesper([index]))
    with pytest.raises(RuntimeError, match="is not running"):
        _ = server.url
    with server:
        pass
    with pytest.raises(RuntimeError, match="is not running"):
        _ = server.url


def test_entering_it_while_it_runs_is_an_error() -> None:
    with LiveServer(Hesper([index])) as server:
        with pytest.raises(RuntimeError, match=f"runs already, at {server.url}"):
            server.__enter__()
        assert ask(server).text == "served"


def test_an_app_that_cannot_be_started_is_an_error_that_says_why() -> None:
    def connect_to_the_database() -> None:
        raise ConnectionError("there is no database")

    server = LiveServer(Hesper([index], lifespan=[manager], on_startup=[connect_to_the_database]))
    before = live.servers
    with pytest.raises(RuntimeError, match=r"could not start: .*there is no database"), server:
        raise AssertionError("it started")
    assert events == ["start", "stop"]
    assert live.servers == before
    assert server_threads() == []


def test_a_port_that_is_taken_is_an_error() -> None:
    with LiveServer(Hesper([index])) as server:
        with pytest.raises(OSError, match="in use"), LiveServer(Hesper([index]), port=server.port):
            raise AssertionError("it started")
        assert ask(server).text == "served"


def test_an_exception_in_the_block_stops_it_and_comes_out() -> None:
    with (
        pytest.raises(LookupError, match="in the block"),
        LiveServer(Hesper([index], lifespan=[manager])),
    ):
        raise LookupError("in the block")
    assert events == ["start", "stop"]


def test_a_request_that_does_not_end_is_cancelled_when_its_time_is_up() -> None:
    arrived = threading.Event()

    @get("/forever")
    async def forever() -> None:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cancelled")

    with LiveServer(Hesper([forever]), drain_timeout=0) as server:
        url = server.url

        def ask_for_ever() -> None:
            httpx2.get(f"{url}/forever", trust_env=False, timeout=30)

        thread = threading.Thread(target=ask_for_ever)
        thread.start()
        arrived.wait(30)
    thread.join()
    assert events == ["cancelled"]


def test_what_waits_when_it_is_left_ends_as_when_a_server_is_told_to_stop() -> None:
    closed: list[int] = []

    @get("/news")
    async def news() -> Stream:
        async def chunks() -> AsyncIterator[str]:
            yield "hello"
            await asyncio.Event().wait()

        return Stream(chunks())

    with (
        httpx2.Client(trust_env=False, timeout=30) as client,
        ThreadPoolExecutor() as pool,
        LiveServer(Hesper([news, echo]), drain_timeout=600) as server,
        connect(f"{server.url.replace('http', 'ws')}/echo", proxy=None) as connection,
        client.stream("GET", f"{server.url}/news") as response,
    ):
        chunks = response.iter_text()
        assert next(chunks) == "hello"

        def listen() -> list[str]:
            with pytest.raises(ConnectionClosed) as ended:
                connection.recv(30)
            assert ended.value.rcvd is not None
            closed.append(ended.value.rcvd.code)
            return list(chunks)

        rest = pool.submit(listen)
        server.__exit__(None, None, None)
        assert rest.result(30) == []  # an end that is not complete is an error
    assert closed == [1012]


def test_dropped_without_being_left_it_stops_and_warns() -> None:
    server = LiveServer(Hesper([index], lifespan=[manager]))
    server.__enter__()
    url, gone = server.url, weakref.ref(server)
    [thread] = server_threads()
    gc.disable()
    try:
        with pytest.warns(ResourceWarning, match=f"at {url} was dropped while it ran"):
            del server
        assert gone() is None
    finally:
        gc.enable()
    thread.join(30)
    assert not thread.is_alive()
    assert events == ["start", "stop"]
    assert url not in [record.name for record in live.servers]


def test_the_running_server_does_not_hold_the_live_server_but_the_app() -> None:
    app = Hesper([index])
    gone = weakref.ref(app)
    with LiveServer(app) as server:
        del app
        assert gone() is not None
        assert ask(server).text == "served"
    del server
    gc.collect()
    assert gone() is None


def test_the_lifespan_runs_in_the_server_s_thread() -> None:
    names: list[str] = []

    async def start(lifespan: Lifespan) -> None:
        names.append(threading.current_thread().name)

    with LiveServer(Hesper([index], on_startup=[start])):
        assert names == ["hesper: LiveServer"]


def test_a_server_that_fails_by_itself_says_how() -> None:
    closed = socket.socket()
    closed.close()
    with pytest.raises(RuntimeError, match="the server could not start: ") as info:
        UvicornServer(Hesper([index]), drain_timeout=1).start(closed)
    assert isinstance(info.value.__cause__, OSError)
    assert server_threads() == []
