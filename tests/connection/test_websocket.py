"""A websocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

import pytest

from hesper._types import Message
from hesper.connection import WebSocket
from hesper.exceptions import SerializationException, WebSocketDisconnect, WebSocketException
from hesper.response import Response
from hesper.serialization import encode_msgpack
from tests.peers import DeafServer, Peer, socket_scope

pytestmark = pytest.mark.anyio

CONNECT: Message = {"type": "websocket.connect"}


def says_text(text: str) -> Message:
    return {"type": "websocket.receive", "text": text}


def says_bytes(data: bytes) -> Message:
    return {"type": "websocket.receive", "bytes": data, "text": None}


def opened(*says: Message, **scope: Any) -> tuple[WebSocket, Peer]:
    peer = Peer(CONNECT, *says, gone_type="websocket.disconnect")
    return WebSocket(socket_scope(**scope), peer.receive, peer.send), peer


async def accepted(*says: Message) -> tuple[WebSocket, Peer]:
    socket, peer = opened(*says)
    await socket.accept()
    peer.heard.clear()
    return socket, peer


async def test_accepting_receives_the_clients_request_first() -> None:
    socket, peer = opened()
    await socket.accept("chat", {"X-Shelf": "7"})
    assert peer.heard == [
        {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-shelf", b"7")]}
    ]
    assert socket.connection_state == "receive"


async def test_it_can_be_accepted_after_the_request_was_received() -> None:
    socket, _ = opened()
    states = [socket.connection_state]
    assert await socket.receive() == CONNECT
    states.append(socket.connection_state)
    await socket.accept()
    assert states == ["init", "connect"]


async def test_it_cannot_be_accepted_twice() -> None:
    socket, _ = await accepted()
    with pytest.raises(RuntimeError, match="has been accepted"):
        await socket.accept()


async def test_a_client_that_is_gone_before_it_is_accepted_is_told() -> None:
    peer = Peer(gone_type="websocket.disconnect")
    peer.left.set()
    with pytest.raises(WebSocketDisconnect):
        await WebSocket(socket_scope(), peer.receive, peer.send).accept()


async def test_no_line_break_gets_into_a_header() -> None:
    socket, peer = opened()
    with pytest.raises(ValueError, match="control character"):
        await socket.accept(headers={"x-shelf": "7\r\nset-cookie: a=1"})
    assert peer.heard == []


async def test_closing_sends_code_and_reason() -> None:
    socket, peer = await accepted()
    await socket.close(4000, "done")
    assert peer.heard == [{"type": "websocket.close", "code": 4000, "reason": "done"}]
    assert socket.connection_state == "disconnect"


async def test_a_long_reason_is_cut_between_characters() -> None:
    socket, peer = await accepted()
    await socket.close(reason="ä" * 100)
    assert peer.heard[0]["reason"] == "ä" * 61


async def test_closing_before_accepting_refuses() -> None:
    socket, peer = opened()
    await socket.close(4403)
    assert [message["type"] for message in peer.heard] == ["websocket.close"]


async def test_closing_twice_is_an_error() -> None:
    socket, _ = await accepted()
    await socket.close()
    with pytest.raises(RuntimeError, match="has been closed here"):
        await socket.close()


async def test_closing_what_the_client_has_closed_does_nothing() -> None:
    socket, peer = await accepted()
    peer.left.set()
    with pytest.raises(WebSocketDisconnect):
        await socket.receive_text()
    await socket.close()
    assert peer.heard == []


async def test_closing_when_the_server_cannot_send_does_nothing() -> None:
    peer = DeafServer(hears=1)
    peer.says.append(CONNECT)
    socket = WebSocket(socket_scope(), peer.receive, peer.send)
    await socket.accept()
    await socket.close()
    assert socket.connection_state == "disconnect"


async def test_text_and_bytes_are_received() -> None:
    socket, _ = await accepted(says_text("a"), says_bytes(b"b"), says_text("c"), says_bytes(b"d"))
    assert await socket.receive_text() == "a"
    assert await socket.receive_bytes() == b"b"
    assert await socket.receive_data() == "c"
    assert await socket.receive_data("binary") == b"d"


async def test_json_and_msgpack_are_received() -> None:
    value = {"a": [1]}
    socket, _ = await accepted(
        says_text('{"a": [1]}'), says_bytes(b'{"a": [1]}'), says_bytes(encode_msgpack(value))
    )
    assert await socket.receive_json() == value
    assert await socket.receive_json("binary") == value
    assert await socket.receive_msgpack() == value


@pytest.mark.parametrize("text", ["{", "NaN", "[" * 100_000, "1" * 5000, "\ud800"])
async def test_text_that_is_not_json_is_invalid_data(text: str) -> None:
    socket, _ = await accepted(says_text(text))
    with pytest.raises(WebSocketException) as caught:
        await socket.receive_json()
    assert caught.value.code == 1007


async def test_a_frame_of_the_other_kind_cannot_be_accepted() -> None:
    socket, _ = await accepted(says_bytes(b"a"), says_text("b"))
    for receive in (socket.receive_text, socket.receive_bytes):
        with pytest.raises(WebSocketException) as caught:
            await receive()
        assert caught.value.code == 1003


async def test_a_client_that_goes_is_told_with_its_code() -> None:
    socket, _ = await accepted({"type": "websocket.disconnect", "code": 1001, "reason": "bye"})
    with pytest.raises(WebSocketDisconnect, match="bye") as caught:
        await socket.receive_text()
    assert caught.value.code == 1001


async def test_iterators_end_when_the_client_goes() -> None:
    packed = encode_msgpack(1)
    socket, peer = await accepted(says_text("1"), says_text("2"))
    peer.left.set()
    assert [text async for text in socket.iter_text()] == ["1", "2"]
    assert [text async for text in socket.iter_text()] == []
    for method, message, value in (
        ("iter_data", says_text("1"), "1"),
        ("iter_bytes", says_bytes(b"1"), b"1"),
        ("iter_json", says_text("1"), 1),
        ("iter_msgpack", says_bytes(packed), 1),
    ):
        socket, peer = await accepted(message)
        peer.left.set()
        assert [data async for data in getattr(socket, method)()] == [value]


async def test_an_iterator_passes_other_errors_on() -> None:
    socket, _ = await accepted(says_bytes(b"a"))
    with pytest.raises(WebSocketException, match="text frame"):
        await anext(socket.iter_text())


Sending = Callable[[WebSocket], Awaitable[None]]


@pytest.mark.parametrize(
    ("sending", "heard"),
    [
        (lambda s: s.send_text("a"), {"text": "a"}),
        (lambda s: s.send_text(b"a"), {"text": "a"}),
        (lambda s: s.send_bytes(b"a"), {"bytes": b"a"}),
        (lambda s: s.send_bytes("ä", "latin-1"), {"bytes": b"\xe4"}),
        (lambda s: s.send_data("a"), {"text": "a"}),
        (lambda s: s.send_data(b"a", "binary"), {"bytes": b"a"}),
        (lambda s: s.send_json([1]), {"text": "[1]"}),
        (lambda s: s.send_json([1], "binary"), {"bytes": b"[1]"}),
        (lambda s: s.send_json([object()], serializer=lambda _: 2), {"text": "[2]"}),
        (lambda s: s.send_msgpack(1), {"bytes": b"\x01"}),
        (lambda s: s.send_msgpack([object()], lambda _: 2), {"bytes": b"\x91\x02"}),
    ],
)
async def test_data_is_sent(sending: Sending, heard: dict[str, Any]) -> None:
    socket, peer = await accepted()
    await sending(socket)
    assert peer.heard == [{"type": "websocket.send", **heard}]


async def test_what_cannot_be_encoded_is_not_sent() -> None:
    socket, peer = await accepted()
    with pytest.raises(SerializationException):
        await socket.send_json(object())
    assert peer.heard == []


async def test_before_it_is_accepted_no_data_comes_or_goes() -> None:
    socket, _ = opened()
    with pytest.raises(RuntimeError, match=r"await socket\.accept\(\)"):
        await socket.receive_text()
    with pytest.raises(RuntimeError, match=r"await socket\.accept\(\)"):
        await socket.send_text("a")


async def test_after_closing_no_data_goes() -> None:
    socket, _ = await accepted()
    await socket.close()
    with pytest.raises(RuntimeError, match="closed here"):
        await socket.send_text("a")


async def test_sending_to_a_client_that_has_gone_is_no_mistake() -> None:
    socket, peer = await accepted()
    peer.left.set()
    with pytest.raises(WebSocketDisconnect):
        await socket.receive_text()
    with pytest.raises(WebSocketDisconnect):
        await socket.send_text("a")


async def test_it_can_be_refused_with_a_response() -> None:
    socket, peer = opened(extensions={"websocket.http.response": {}})
    await socket.send_denial(Response("no", status_code=403))
    assert [message["type"] for message in peer.heard] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert peer.status == 403
    assert peer.body == b"no"
    assert socket.connection_state == "disconnect"


async def test_a_server_that_cannot_send_a_response_refuses_without() -> None:
    socket, peer = opened()
    await socket.send_denial(Response("no", status_code=403))
    assert [message["type"] for message in peer.heard] == ["websocket.close"]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in dir(WebSocket)
        if name.startswith(("receive_", "send_")) or name in {"accept", "close"}
    ],
)
async def test_what_waits_is_an_async_function(name: str) -> None:
    assert iscoroutinefunction(getattr(WebSocket, name))


@pytest.mark.parametrize("kind", ["text", "bytes", "json", "msgpack"])
async def test_all_data_goes_through_the_methods_of_a_subclass(kind: str) -> None:
    calls: list[str] = []

    class Counted(WebSocket):
        async def receive_data(self, mode: Any = "text") -> Any:
            calls.append("receive")
            return await super().receive_data(mode)

        async def send_data(self, data: Any, mode: Any = "text", encoding: str = "utf-8") -> None:
            calls.append("send")
            await super().send_data(data, mode, encoding)

    said = says_bytes(b"1") if kind in {"bytes", "msgpack"} else says_text("1")
    peer = Peer(CONNECT, said, gone_type="websocket.disconnect")
    socket = Counted(socket_scope(), peer.receive, peer.send)
    await socket.accept()
    await getattr(socket, f"send_{kind}")("1")
    async for _ in getattr(socket, f"iter_{kind}")():
        peer.left.set()
    assert calls == ["send", "receive", "receive"]
