from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from types import MethodType

import httpx2
import pytest

from hesper._types import Message, Receive, Scope, Send
from hesper.testing import ASGIProtocolError, AsyncTestClient, ClientGoneError
from tests.testing.apps import answer, body, http, read, start

pytestmark = pytest.mark.anyio


async def test_a_response_has_the_status_headers_and_body_that_the_app_sent() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 418, [(b"x-two", b"1"), (b"x-two", b"2")])
        await body(send, b"tea", more=True)
        await body(send, b"pot")

    response = await AsyncTestClient(app).get("/")
    assert response.status_code == 418
    assert response.headers.raw == [(b"x-two", b"1"), (b"x-two", b"2")]
    assert response.content == b"teapot"
    assert response.http_version == "HTTP/1.1"


async def test_the_app_reads_the_request_as_a_server_passes_it_on() -> None:
    found: list[tuple[bytes, bool]] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.extend(await read(receive))
        await answer(send)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    client = AsyncTestClient(app)
    await client.post("/", content=b"abc")
    await client.post("/", content=chunks())
    assert found == [(b"abc", False), (b"a", True), (b"b", True), (b"", False)]


async def test_chunks_arrive_while_the_app_still_sends() -> None:
    go_on = asyncio.Event()

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"one", more=True)
        await go_on.wait()
        await body(send, b"two")

    async with AsyncTestClient(app).stream("GET", "/") as response:
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"one"
        go_on.set()
        assert await anext(chunks) == b"two"


async def test_the_head_arrives_before_any_of_the_body() -> None:
    go_on = asyncio.Event()

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 201)
        await go_on.wait()
        await body(send)

    async with AsyncTestClient(app).stream("GET", "/") as response:
        assert response.status_code == 201
        go_on.set()


async def test_work_after_the_response_is_done_when_the_response_has_been_read() -> None:
    done = False

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal done
        await answer(send, b"first")
        await asyncio.sleep(0)
        done = True

    response = await AsyncTestClient(app).get("/")
    assert response.content == b"first"
    assert done


async def test_after_the_response_the_app_receives_a_disconnect() -> None:
    messages: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await answer(send)
        messages.append(await receive())

    await AsyncTestClient(app).get("/")
    assert messages == [{"type": "http.disconnect"}]


async def test_an_app_is_paused_when_nobody_reads() -> None:
    sent = 0

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await start(send)
        while sent < 10_000:
            await body(send, b"x" * 1000, more=True)
            sent += 1
        await body(send)

    async with AsyncTestClient(app).stream("GET", "/") as response:
        for _ in range(1000):
            await asyncio.sleep(0)
        paused_at = sent
        assert 60 < paused_at < 70
        assert len(await response.aread()) == 10_000_000


async def test_an_endless_response_ends_with_a_disconnect_when_it_is_left() -> None:
    ended: list[str] = []

    async def watch(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.append("told")

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        watcher = asyncio.create_task(watch(receive))
        while not watcher.done():
            await body(send, b"tick", more=True)
        ended.append("returned")

    async with AsyncTestClient(app).stream("GET", "/") as response:
        assert await anext(response.aiter_raw()) == b"tick"
    assert ended == ["told", "returned"]


async def test_before_2_4_sending_to_a_client_that_has_gone_does_nothing() -> None:
    left = asyncio.Event()
    sent_after_leaving = 0

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent_after_leaving
        await start(send)
        await left.wait()
        for _ in range(3):
            await body(send, b"late", more=True)
            sent_after_leaving += 1

    async with AsyncTestClient(app) as client:
        async with client.stream("GET", "/"):
            pass
        left.set()
    assert sent_after_leaving == 3


async def test_since_2_4_sending_to_a_client_that_has_gone_is_an_os_error() -> None:
    errors: list[OSError] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            while True:
                await body(send, b"tick", more=True)
        except OSError as error:
            errors.append(error)
            raise

    client = AsyncTestClient(app, spec_version="2.4")
    async with client.stream("GET", "/") as response:
        await anext(response.aiter_raw())
    assert [type(error) for error in errors] == [ClientGoneError]


async def test_an_endless_response_that_never_listens_is_cancelled() -> None:
    cancelled = False

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal cancelled
        await start(send)
        try:
            while True:
                await body(send, b"tick", more=True)
        except asyncio.CancelledError:
            cancelled = True
            raise

    async with AsyncTestClient(app).stream("GET", "/") as response:
        await anext(response.aiter_raw())
    assert cancelled


async def test_an_app_that_sleeps_through_the_leaving_is_cancelled_with_the_client() -> None:
    ended: list[str] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("app")

    async with AsyncTestClient(app) as client:
        async with client.stream("GET", "/"):
            pass
        assert ended == []
    assert ended == ["app"]


async def test_an_exception_of_the_app_comes_out_as_it_is() -> None:
    error = KeyError("lost")

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        await AsyncTestClient(app).get("/")
    assert caught.value is error
    assert caught.traceback[-1].name == "app"


async def test_an_exception_after_the_start_comes_out_of_reading() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"half", more=True)
        raise KeyError("lost")

    async with AsyncTestClient(app).stream("GET", "/") as response:
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"half"
        with pytest.raises(KeyError, match="lost"):
            await anext(chunks)


async def test_an_exception_after_the_response_comes_out_too() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)
        raise KeyError("late")

    with pytest.raises(KeyError, match="late"):
        await AsyncTestClient(app).get("/")


async def test_an_exception_after_leaving_comes_out_too() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await read(receive)
        await receive()
        raise KeyError("cleaning up")

    with pytest.raises(KeyError, match="cleaning up"):
        async with AsyncTestClient(app).stream("GET", "/"):
            pass


async def test_an_exception_can_be_answered_with_500_instead() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("lost")

    response = await AsyncTestClient(app, raise_server_exceptions=False).get("/")
    assert response.status_code == 500
    assert response.text == "Internal Server Error"
    assert response.headers["content-length"] == "21"


async def test_a_response_that_breaks_off_is_an_error_even_if_exceptions_are_not_raised() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        raise KeyError("lost")

    with pytest.raises(httpx2.RemoteProtocolError, match="failed amid"):
        await AsyncTestClient(app, raise_server_exceptions=False).get("/")


async def test_an_exception_that_ends_programs_is_always_raised() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        await AsyncTestClient(app, raise_server_exceptions=False).get("/")


@pytest.mark.parametrize("begun", [False, True])
async def test_an_app_that_returns_too_early_is_in_error(begun: bool) -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await start(send)

    with pytest.raises(ASGIProtocolError, match=f"before the {'end' if begun else 'start'}"):
        await AsyncTestClient(app).get("/")


@pytest.mark.parametrize("raise_server_exceptions", [False, True])
async def test_a_message_out_of_order_is_an_error_even_if_the_app_swallows_it(
    raise_server_exceptions: bool,
) -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await body(send)
        except ASGIProtocolError:
            await answer(send, b"as if nothing had been")

    client = AsyncTestClient(app, raise_server_exceptions=raise_server_exceptions)
    with pytest.raises(ASGIProtocolError, match=r"where 'http\.response\.start' has to come"):
        await client.get("/")


async def test_a_response_too_short_for_its_content_length_is_an_error() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=[(b"content-length", b"9")])
        await body(send, b"short")

    with pytest.raises(ASGIProtocolError, match="shorter than its content-length"):
        await AsyncTestClient(app).get("/")


async def test_a_head_request_gets_no_body() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, headers=[(b"content-length", b"4")])
        await body(send, b"body")

    response = await AsyncTestClient(app).head("/")
    assert response.content == b""
    assert response.headers["content-length"] == "4"


async def test_a_request_that_is_cut_off_is_a_disconnect_and_an_error_of_the_client() -> None:
    kinds: list[str] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kinds.extend([(await receive())["type"], (await receive())["type"]])

    with pytest.raises(httpx2.LocalProtocolError, match="shorter than its content-length"):
        await AsyncTestClient(app).post("/", content=b"abc", headers={"content-length": "9"})
    assert kinds == ["http.request", "http.disconnect"]


async def test_an_exception_of_the_requests_own_body_comes_out() -> None:
    kinds: list[str] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kinds.extend([(await receive())["type"], (await receive())["type"]])

    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await AsyncTestClient(app).post("/", content=chunks())
    assert kinds == ["http.request", "http.disconnect"]


async def test_an_app_that_takes_too_long_for_the_timeout_is_a_read_timeout() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await receive()

    with pytest.raises(httpx2.ReadTimeout, match=r"nothing for 0\.01 seconds"):
        await AsyncTestClient(app, timeout=0.01).get("/")


async def test_a_cancelled_call_is_a_disconnect_and_does_not_cancel_the_app() -> None:
    entered, told = asyncio.Event(), asyncio.Event()

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        entered.set()
        await receive()
        told.set()

    client = AsyncTestClient(app)
    call = asyncio.create_task(client.get("/"))
    await entered.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await told.wait()
    await client.aclose()


async def test_nothing_of_a_request_is_left_without_the_cyclic_collector() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert isinstance(receive, MethodType)
        exchanges.append(weakref.ref(receive.__self__))
        if scope["path"] == "/fails":
            raise KeyError("lost")
        if scope["path"] == "/wrong":
            await body(send)
        await read(receive)
        await answer(send, b"x")

    exchanges: list[weakref.ref[object]] = []
    client = AsyncTestClient(app)
    gc.disable()
    try:
        await client.post("/", content=b"abc")
        with pytest.raises(KeyError):
            await client.get("/fails")
        with pytest.raises(ASGIProtocolError):
            await client.get("/wrong")
        await asyncio.sleep(0)
        assert [ref() for ref in exchanges] == [None, None, None]
    finally:
        gc.enable()
