from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref

import httpx2
import pytest

from hesper._types import Receive, Scope, Send
from hesper.testing import AsyncTestClient, LifespanError
from tests.testing.apps import Lifespan, answer, answer_json, body, http, read, say, start

pytestmark = pytest.mark.anyio


async def test_the_block_starts_the_app_and_shuts_it_down() -> None:
    app = Lifespan()
    async with AsyncTestClient(app) as client:
        assert app.events == ["startup"]
        await client.get("/x")
    assert app.events == ["startup", "/x", "shutdown"]


async def test_without_a_block_requests_are_answered_and_no_lifespan_runs() -> None:
    app = Lifespan()
    await AsyncTestClient(app).get("/x")
    assert app.events == ["/x"]


async def test_the_lifespan_can_be_left_out() -> None:
    app = Lifespan()
    async with AsyncTestClient(app, lifespan=False) as client:
        await client.get("/x")
    assert app.events == ["/x"]


async def test_an_app_without_lifespan_is_served_all_the_same() -> None:
    async with AsyncTestClient(http(say)) as client:
        assert (await client.get("/x")).json()["path"] == "/x"


async def test_each_request_gets_a_copy_of_what_the_startup_left_in_the_state() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_json(send, scope["state"])
        scope["state"]["mine"] = True

    async with AsyncTestClient(Lifespan(handler)) as client:
        assert (await client.get("/")).json() == {"started": True}
        assert (await client.get("/")).json() == {"started": True}


async def test_a_client_without_state_offers_none() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_json(send, "state" in scope)

    async with AsyncTestClient(Lifespan(handler), state=False) as client:
        assert (await client.get("/")).json() is False
    assert (await AsyncTestClient(http(handler)).get("/")).json() is True


async def test_a_startup_that_fails_raises_out_of_the_block_and_leaves_no_task() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    before = asyncio.all_tasks()
    with pytest.raises(LifespanError, match="no database"):
        async with AsyncTestClient(app):
            raise AssertionError("the block is not entered")
    assert asyncio.all_tasks() == before


async def test_an_exception_of_the_block_shuts_the_app_down() -> None:
    app = Lifespan()
    with pytest.raises(ZeroDivisionError):
        async with AsyncTestClient(app):
            raise ZeroDivisionError
    assert app.events == ["startup", "shutdown"]


async def test_responses_left_open_end_before_the_shutdown() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await start(send)
        assert await receive() == {"type": "http.disconnect"}
        app.events.append("told")

    app = Lifespan(handler)
    async with AsyncTestClient(app) as client:
        await client.send(client.build_request("GET", "/x"), stream=True)
        response = await client.send(client.build_request("GET", "/x"), stream=True)
    assert app.events == ["startup", "/x", "/x", "told", "told", "shutdown"]
    with pytest.raises(httpx2.ReadError, match="has left the response"):
        await response.aread()


async def test_a_closing_that_is_cancelled_leaves_no_task() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await start(send)
        await receive()
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    client = AsyncTestClient(http(handler))
    await client.send(client.build_request("GET", "/"), stream=True)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.aclose(), 0.01)
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_what_a_left_call_raises_comes_out_of_the_end_of_the_client() -> None:
    go_on = asyncio.Event()

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await go_on.wait()
        raise KeyError(scope["path"])

    app = Lifespan(handler)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with AsyncTestClient(app) as client:
            for path in ("/a", "/b"):
                async with client.stream("GET", path):
                    pass
            go_on.set()
    assert sorted(repr(each) for each in caught.value.exceptions) == [
        "KeyError('/a')",
        "KeyError('/b')",
    ]
    assert app.events[-1] == "shutdown"


async def test_requests_run_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await both.wait()
        await answer(send)

    client = AsyncTestClient(app)
    responses = await asyncio.gather(client.get("/"), client.get("/"))
    assert [response.status_code for response in responses] == [200, 200]


async def test_a_request_sees_the_callers_context_and_no_other_request() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen = variable.get()
        variable.set("a request")
        await answer(send, seen.encode())

    client = AsyncTestClient(app)
    assert (await client.get("/")).text == "nothing"
    assert (await client.get("/")).text == "nothing"
    variable.set("the caller")
    assert (await client.get("/")).text == "the caller"
    assert variable.get() == "the caller"


async def test_cookies_are_kept_and_sent_back() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        cookies = [value for name, value in scope["headers"] if name == b"cookie"]
        await start(send, headers=[(b"set-cookie", b"seen=yes; Path=/")])
        await body(send, b";".join(cookies))

    client = AsyncTestClient(app, cookies={"given": "1"})
    assert (await client.get("/")).text == "given=1"
    assert (await client.get("/")).text in {"given=1; seen=yes", "seen=yes; given=1"}


async def test_redirects_are_followed_unless_told_not_to() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/old":
            await start(send, 307, [(b"location", b"/new")])
            await body(send)
        else:
            await answer(send, scope["path"].encode())

    assert (await AsyncTestClient(app).get("/old")).text == "/new"
    client = AsyncTestClient(app, follow_redirects=False)
    assert (await client.get("/old")).status_code == 307


async def test_headers_of_the_client_go_with_every_request() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_json(send, {k.decode(): v.decode() for k, v in scope["headers"]})

    client = AsyncTestClient(app, headers={"X-Key": "secret"})
    headers = (await client.get("/")).json()
    assert headers["x-key"] == "secret"
    assert headers["user-agent"] == "testclient"
    assert headers["host"] == "testserver.local"


async def test_the_peer_and_the_root_path_are_what_was_asked_for() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_json(send, [scope["client"], scope["root_path"], scope["path"]])

    client = AsyncTestClient(app, client=("10.0.0.1", 7), root_path="/api")
    assert (await client.get("/x")).json() == [["10.0.0.1", 7], "/api", "/api/x"]


async def test_a_websocket_url_is_not_one_for_a_request() -> None:
    with pytest.raises(httpx2.UnsupportedProtocol, match="websocket_connect"):
        await AsyncTestClient(http(say)).get("ws://testserver.local/")


async def test_nothing_is_left_when_the_client_is_dropped() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fails":
            raise KeyError("lost")
        await answer(send, b"x")

    before = asyncio.all_tasks()
    gc.collect()
    gc.disable()
    try:
        app = Lifespan(handler)
        client = AsyncTestClient(app)
        refs = weakref.ref(app), weakref.ref(client)
        async with client:
            await client.get("/")
            with pytest.raises(KeyError):
                await client.get("/fails")
            async with client.stream("GET", "/"):
                pass
        assert asyncio.all_tasks() == before
        await asyncio.sleep(0)
        del app, client
        assert [ref() for ref in refs] == [None, None]
    finally:
        gc.enable()
