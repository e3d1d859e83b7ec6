from __future__ import annotations

import asyncio

import httpx2
import pytest

from hesper._types import Message, Receive, Scope, Send
from hesper.exceptions import SerializationException, WebSocketDisconnect
from hesper.testing import ASGIProtocolError, AsyncTestClient, WebSocketDeniedError
from tests.testing.apps import http

pytestmark = pytest.mark.anyio


async def accept(receive: Receive, send: Send, subprotocol: str | None = None) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", "subprotocol": subprotocol})


@http
async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends back what it receives, until the client closes."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send(dict(message) | {"type": "websocket.send"})


async def test_text_bytes_json_and_msgpack_go_both_ways() -> None:
    async with AsyncTestClient(echo).websocket_connect("/") as socket:
        await socket.send_text("é")
        assert await socket.receive_text() == "é"
        await socket.send_bytes(b"\0")
        assert await socket.receive_bytes() == b"\0"
        await socket.send_json({"a": [1]})
        assert await socket.receive() == {"type": "websocket.send", "text": '{"a":[1]}'}
        await socket.send_json({"a": [1]})
        assert await socket.receive_json() == {"a": [1]}
        await socket.send_json([2], mode="binary")
        assert await socket.receive_json(mode="binary") == [2]
        await socket.send_msgpack({"a": 1})
        assert await socket.receive_msgpack() == {"a": 1}


async def test_the_session_may_be_awaited_before_it_is_entered() -> None:
    async with await AsyncTestClient(echo).websocket_connect("/") as socket:
        await socket.send_text("a")
        assert await socket.receive_text() == "a"


async def test_a_message_of_the_other_kind_is_a_type_error() -> None:
    async with AsyncTestClient(echo).websocket_connect("/") as socket:
        await socket.send_text("a")
        await socket.send_bytes(b"a")
        await socket.send_text("not JSON")
        with pytest.raises(TypeError, match=r"receive_text\(\)"):
            await socket.receive_bytes()
        with pytest.raises(TypeError, match=r"receive_bytes\(\)"):
            await socket.receive_text()
        with pytest.raises(SerializationException):
            await socket.receive_json()


async def test_the_handshake_is_in_the_scope() -> None:
    seen: list[Scope] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await accept(receive, send, "superchat")

    client = AsyncTestClient(app, base_url="https://host", cookies={"a": "1"})
    session = client.websocket_connect(
        "/ws", ["chat", "superchat"], params={"q": "1"}, headers={"x-key": "k"}
    )
    async with session as socket:
        assert socket.accepted_subprotocol == "superchat"
    (scope,) = seen
    assert (scope["type"], scope["scheme"], scope["path"]) == ("websocket", "wss", "/ws")
    assert scope["query_string"] == b"q=1"
    assert scope["subprotocols"] == ["chat", "superchat"]
    headers = dict(scope["headers"])
    assert headers[b"upgrade"] == b"websocket"
    assert headers[b"sec-websocket-protocol"] == b"chat, superchat"
    assert headers[b"x-key"] == b"k"
    assert headers[b"cookie"] == b"a=1"


async def test_the_headers_of_the_answer_are_there() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-a", b"1")]})

    async with AsyncTestClient(app).websocket_connect("/") as socket:
        assert socket.extra_headers == [(b"x-a", b"1")]


async def test_iterating_ends_when_the_app_closes() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.send", "text": "a"})
        await send({"type": "websocket.send", "bytes": b"b"})
        await send({"type": "websocket.close"})

    async with AsyncTestClient(app).websocket_connect("/") as socket:
        assert [data async for data in socket] == ["a", b"b"]


async def test_a_closing_of_the_app_has_a_code_and_a_reason() -> None:
    received: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.close", "code": 4001, "reason": "bye"})
        received.append(await receive())

    async with AsyncTestClient(app).websocket_connect("/") as socket:
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect, match="bye") as caught:
                await socket.receive_text()
            assert caught.value.code == 4001
        with pytest.raises(WebSocketDisconnect):
            await socket.send_text("too late")
    assert received == [{"type": "websocket.disconnect", "code": 4001, "reason": "bye"}]


async def test_an_app_that_returns_has_its_websocket_closed_with_1000() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)

    async with AsyncTestClient(app).websocket_connect("/") as socket:
        with pytest.raises(WebSocketDisconnect) as caught:
            await socket.receive()
    assert caught.value.code == 1000


async def test_closing_tells_the_app_the_code_and_the_reason_after_what_was_sent() -> None:
    received: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        received.extend([await receive(), await receive()])

    async with AsyncTestClient(app).websocket_connect("/") as socket:
        await socket.send_text("last")
        await socket.close(4002, "enough")
        with pytest.raises(WebSocketDisconnect) as caught:
            await socket.receive()
        assert caught.value.code == 4002
    assert received == [
        {"type": "websocket.receive", "text": "last"},
        {"type": "websocket.disconnect", "code": 4002, "reason": "enough"},
    ]


async def test_leaving_without_closing_closes_with_1000() -> None:
    received: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        received.append(await receive())

    async with AsyncTestClient(app).websocket_connect("/"):
        pass
    assert received == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]


async def test_a_refusal_by_closing_is_a_disconnect_with_its_code() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4403, "reason": "no entry"})

    with pytest.raises(WebSocketDisconnect, match="no entry") as caught:
        async with AsyncTestClient(app).websocket_connect("/"):
            raise AssertionError("the block is not entered")
    assert caught.value.code == 4403


async def test_a_refusal_by_a_response_is_a_disconnect_with_its_status() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"www-authenticate", b"Bearer")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"are you?"})

    with pytest.raises(WebSocketDeniedError, match=r"who are you\?") as caught:
        async with AsyncTestClient(app).websocket_connect("/"):
            raise AssertionError("the block is not entered")
    assert caught.value.code == 401
    assert caught.value.response.headers["www-authenticate"] == "Bearer"
    assert caught.value.response.text == "who are you?"


@pytest.mark.parametrize("accepted", [False, True])
async def test_an_exception_of_the_app_comes_out(accepted: bool) -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if accepted:
            await accept(receive, send)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        async with AsyncTestClient(app).websocket_connect("/") as socket:
            await socket.receive()


async def test_an_exception_of_the_app_comes_out_of_leaving() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await receive()
        raise KeyError("cleaning up")

    with pytest.raises(KeyError, match="cleaning up"):
        async with AsyncTestClient(app).websocket_connect("/"):
            pass


async def test_an_exception_in_the_handshake_can_be_a_500_instead() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("lost")

    client = AsyncTestClient(app, raise_server_exceptions=False)
    with pytest.raises(WebSocketDeniedError) as caught:
        async with client.websocket_connect("/"):
            raise AssertionError("the block is not entered")
    assert caught.value.code == 500


async def test_an_exception_later_can_be_a_closing_with_1011_instead() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        raise KeyError("lost")

    client = AsyncTestClient(app, raise_server_exceptions=False)
    async with client.websocket_connect("/") as socket:
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect) as caught:
                await socket.receive()
            assert caught.value.code == 1011


def accepting(*messages: Message) -> list[Message]:
    return [{"type": "websocket.accept"}, *messages]


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([{"type": "websocket.send", "text": "a"}], "before it has accepted"),
        ([{"type": "http.response.start", "status": 200}], "before it has accepted"),
        ([{"type": "websocket.accept", "subprotocol": "chat"}], "the subprotocol 'chat'"),
        (accepting({"type": "websocket.accept"}), "while the websocket is open"),
        (accepting({"type": "websocket.send"}), "either a str as 'text'"),
        (accepting({"type": "websocket.close", "code": 1006}), "the code 1006"),
        (
            accepting({"type": "websocket.close"}, {"type": "websocket.close"}),
            "after it has closed",
        ),
        (
            [
                {"type": "websocket.http.response.start", "status": 403},
                {"type": "websocket.accept"},
            ],
            "while it refuses",
        ),
    ],
)
async def test_messages_out_of_order_or_shape_are_errors(
    messages: list[Message], found: str
) -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)

    with pytest.raises(ASGIProtocolError, match=found):
        async with AsyncTestClient(app).websocket_connect("/") as socket:
            assert [data async for data in socket] == []


async def test_an_app_that_returns_without_an_answer_is_in_error() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    with pytest.raises(ASGIProtocolError, match="without an answer"):
        async with AsyncTestClient(app).websocket_connect("/"):
            raise AssertionError("the block is not entered")


async def test_an_error_that_the_app_swallows_is_raised_all_the_same() -> None:
    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        try:
            await send({"type": "websocket.accept"})
        except ASGIProtocolError:
            await receive()

    async with AsyncTestClient(app).websocket_connect("/") as socket:
        with pytest.raises(ASGIProtocolError, match="while the websocket is open"):
            await socket.receive()


async def test_a_handshake_that_is_cancelled_is_a_disconnect_for_the_app() -> None:
    received: list[Message] = []

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.extend([await receive(), await receive()])

    async def connect() -> None:
        async with client.websocket_connect("/"):
            raise AssertionError("the block is not entered")

    async with AsyncTestClient(app) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connect(), 0.01)
    assert [message["type"] for message in received] == [
        "websocket.connect",
        "websocket.disconnect",
    ]


async def test_a_message_that_does_not_come_in_time_is_a_timeout() -> None:
    async with AsyncTestClient(echo).websocket_connect("/") as socket:
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.01)
        await socket.send_text("still there")
        assert await socket.receive_text() == "still there"


async def test_data_is_sent_in_a_message_of_the_kind_that_is_named() -> None:
    async with AsyncTestClient(echo).websocket_connect("/") as socket:
        await socket.send("ä")
        assert await socket.receive_text() == "ä"
        await socket.send("ä", mode="binary", encoding="latin-1")
        assert await socket.receive_bytes() == b"\xe4"
        await socket.send(b"\xe4", encoding="latin-1")
        assert await socket.receive_text() == "ä"
        await socket.send(b"\x00", mode="binary")
        assert await socket.receive_bytes() == b"\x00"


async def test_a_message_that_is_not_there_yet_is_a_timeout_if_nobody_is_to_wait() -> None:
    async with AsyncTestClient(echo).websocket_connect("/") as socket:
        for receive in (socket.receive, socket.receive_text, socket.receive_bytes):
            with pytest.raises(TimeoutError):
                await receive(block=False)
        with pytest.raises(TimeoutError):
            await socket.receive_json(block=False)
        with pytest.raises(TimeoutError):
            await socket.receive_msgpack(False)
        await socket.send_text("here")
        assert await socket.receive_text() == "here"


async def test_an_app_that_sends_without_end_is_paused_and_ends_when_left() -> None:
    sent = 0

    @http
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await accept(receive, send)
        while True:
            await send({"type": "websocket.send", "text": "x" * 1000})
            sent += 1

    before = asyncio.all_tasks()
    async with AsyncTestClient(app).websocket_connect("/") as socket:
        for _ in range(500):
            await asyncio.sleep(0)
        assert 60 < sent < 70
        await socket.receive()
    assert asyncio.all_tasks() == before


async def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(httpx2.UnsupportedProtocol, match="not a URL for a websocket"):
        async with AsyncTestClient(echo).websocket_connect("ftp://host/"):
            raise AssertionError("the block is not entered")
