from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest

from hesper import Hesper, WebSocket, websocket
from hesper._types import ASGIApp, Message, Scope
from hesper.exceptions import (
    ClientException,
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    WebSocketDisconnect,
    WebSocketException,
)
from hesper.response import Stream
from hesper.testing import TestClient, WebSocketDeniedError

pytestmark = pytest.mark.anyio


async def sent_by(
    app: ASGIApp,
    *frames: Message,
    path: str = "/",
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    denial: bool = True,
    send_fails_at: int | None = None,
) -> list[Message]:
    """Return what *app* sends to a client that opens a websocket, sends frames, and goes.

    Args:
        app: Any ASGI app.
        *frames: What the client sends, once the websocket is open.
        path: The path.
        query: The query string.
        headers: The headers of the handshake.
        denial: Whether the server can send an HTTP response in the handshake's place.
        send_fails_at: The message, counted from 0, at which the client is found to have gone.
    """
    scope: Scope = {
        "type": "websocket",
        "path": path,
        "query_string": query,
        "headers": list(headers),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if denial else {},
    }
    waiting: list[Message] = [{"type": "websocket.connect"}, *frames]
    sent: list[Message] = []

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        return {"type": "websocket.disconnect", "code": 1001}

    async def send(message: Message) -> None:
        if len(sent) == send_fails_at:
            raise OSError("the client has gone")
        sent.append(message)

    await app(scope, receive, send)
    return sent


def text(data: str) -> Message:
    return {"type": "websocket.receive", "text": data}


def kinds(sent: list[Message]) -> list[str]:
    return [message["type"].removeprefix("websocket.") for message in sent]


@websocket("/")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for data in socket.iter_text():
        await socket.send_text(data.upper())


async def test_a_handler_accepts_receives_and_sends() -> None:
    sent = await sent_by(Hesper([echo]), text("a"), text("b"))
    assert kinds(sent) == ["accept", "send", "send"]
    assert [message["text"] for message in sent[1:]] == ["A", "B"]


async def test_a_websocket_that_its_handler_leaves_open_is_closed() -> None:
    @websocket("/")
    async def greet(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json({"a": 1})

    sent = await sent_by(Hesper([greet]))
    assert kinds(sent) == ["accept", "send", "close"]
    assert sent[-1]["code"] == 1000


async def test_a_websocket_that_its_handler_does_not_accept_is_refused() -> None:
    @websocket("/")
    async def ignore(socket: WebSocket) -> None:
        pass

    assert kinds(await sent_by(Hesper([ignore]))) == ["close"]


async def test_a_websocket_that_its_handler_has_closed_is_left_alone() -> None:
    @websocket("/")
    async def close(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(4001, "enough")

    sent = await sent_by(Hesper([close]))
    assert [message.get("code") for message in sent] == [None, 4001]


async def test_a_client_that_goes_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    @websocket("/")
    async def receive(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()

    assert kinds(await sent_by(Hesper([receive]))) == ["accept"]
    assert caplog.records == []


async def test_path_and_query_are_taken_as_for_http() -> None:
    seen: list[Any] = []

    @websocket("/rooms/{room:int}")
    async def join(socket: WebSocket, room: int, since: float = 0) -> None:
        seen.append((room, since))

    app = Hesper([join])
    await sent_by(app, path="/rooms/3", query=b"since=1.5")
    assert seen == [(3, 1.5)]


async def test_values_that_do_not_fit_are_denied_with_all_faults() -> None:
    @websocket("/")
    async def join(socket: WebSocket, room: int, since: float) -> None:
        raise AssertionError("not to be called")

    sent = await sent_by(Hesper([join]), query=b"room=x")
    assert kinds(sent) == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 400
    assert b'"key":"room"' in sent[1]["body"]
    assert b'"key":"since"' in sent[1]["body"]


def refuse(connection: Any, handler: Any) -> None:
    raise PermissionDeniedException("not you")


async def test_a_refusing_guard_denies_the_handshake() -> None:
    sent = await sent_by(Hesper([echo], guards=[refuse]))
    assert sent[0]["type"] == "websocket.http.response.start"
    assert sent[0]["status"] == 403
    assert b"not you" in sent[1]["body"]


async def test_a_refusing_guard_closes_where_no_response_can_be_sent() -> None:
    sent = await sent_by(Hesper([echo], guards=[refuse]), denial=False)
    assert kinds(sent) == ["close"]


async def test_the_test_client_sees_the_denial() -> None:
    with (
        TestClient(Hesper([echo], guards=[refuse])) as client,
        pytest.raises(WebSocketDeniedError) as denied,
        client.websocket_connect("/"),
    ):
        raise AssertionError("not to be opened")
    assert denied.value.code == 403


async def test_headers_of_a_refusal_are_sent() -> None:
    def challenge(connection: Any, handler: Any) -> None:
        raise NotAuthorizedException(headers={"www-authenticate": "Basic"})

    sent = await sent_by(Hesper([echo], guards=[challenge]))
    assert (b"www-authenticate", b"Basic") in sent[0]["headers"]


class Star:
    """What the layers have an encoder for."""


async def test_a_refusal_is_a_response_of_its_route() -> None:
    def refuse(connection: Any, handler: Any) -> None:
        raise PermissionDeniedException("no", extra=[Star()])

    @websocket("/", guards=[refuse], type_encoders={Star: lambda _: "star"})
    async def closed(socket: WebSocket) -> None: ...

    app = Hesper([closed], response_headers={"x-by": "us"}, response_cookies={"seen": "yes"})
    start, body = await sent_by(app)
    assert start["status"] == 403
    assert (b"x-by", b"us") in start["headers"]
    assert any(name == b"set-cookie" for name, _ in start["headers"])
    assert body["body"] == b'{"status_code":403,"detail":"no","extra":["star"]}'


async def test_a_refusal_without_a_route_has_what_the_application_says() -> None:
    start, _ = await sent_by(Hesper([echo], response_headers={"x-by": "us"}), path="/missing")
    assert (b"x-by", b"us") in start["headers"]


async def test_a_refusal_may_be_a_stream() -> None:
    def recover(socket: Any, error: Exception) -> Stream:
        return Stream(iter(["n", "o"]), status_code=403)

    @websocket("/", exception_handlers={PermissionDeniedException: recover})
    async def closed(socket: WebSocket) -> None:
        raise PermissionDeniedException

    with (
        TestClient(Hesper([closed])) as client,
        pytest.raises(WebSocketDeniedError) as denied,
        client.websocket_connect("/"),
    ):
        raise AssertionError("not to be opened")
    assert (denied.value.response.status_code, denied.value.response.text) == (403, "no")


async def test_a_stream_that_refuses_ends_when_the_client_goes() -> None:
    closed = False

    async def chunks() -> AsyncIterator[str]:
        nonlocal closed
        try:
            yield "n"
            await anyio.sleep_forever()
        finally:
            closed = True

    @websocket("/")
    async def refuse(socket: WebSocket) -> None:
        await socket.send_denial(Stream(chunks()).prepare())

    with anyio.fail_after(5):
        sent = await sent_by(Hesper([refuse]))
    assert kinds(sent)[0] == "http.response.start"
    assert closed


async def test_what_is_sent_is_encoded_as_the_route_says() -> None:
    @websocket("/", type_encoders={Star: lambda _: "star"})
    async def sky(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json([Star()])
        await socket.send_msgpack(Star())
        await socket.send_json(Star(), serializer=lambda _: "sun")

    _, *sent, _ = await sent_by(Hesper([sky]))
    assert [message.get("text", message.get("bytes")) for message in sent] == [
        '["star"]',
        b"\xa4star",
        '"sun"',
    ]


async def test_a_refusal_that_cannot_be_sent_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    def challenge(connection: Any, handler: Any) -> None:
        raise ClientException(headers={"x": "a\r\nb: c"}, extra={"a": object()})

    sent = await sent_by(Hesper([echo], guards=[challenge]))
    assert sent[0]["status"] == 500
    assert "cannot be sent" in caplog.text


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (ValueError("secret"), 1011, "Internal Server Error"),
        (HTTPException("too many", status_code=429), 4429, "too many"),
        (WebSocketException("bad frame", code=1003), 1003, "bad frame"),
        (WebSocketException("own"), 4500, "own"),
        (HTTPException("x" * 200, status_code=400), 4400, "x" * 123),
    ],
)
async def test_an_exception_after_the_handshake_closes_with_a_code(
    error: Exception, code: int, reason: str
) -> None:
    @websocket("/")
    async def fail(socket: WebSocket) -> None:
        await socket.accept()
        raise error

    sent = await sent_by(Hesper([fail]))
    assert kinds(sent) == ["accept", "close"]
    assert (sent[1]["code"], sent[1]["reason"]) == (code, reason)


async def test_an_exception_before_the_handshake_is_denied_with_a_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @websocket("/")
    async def fail(socket: WebSocket) -> None:
        raise ValueError("secret")

    sent = await sent_by(Hesper([fail]))
    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]
    assert [record.getMessage() for record in caplog.records] == ["WEBSOCKET / raised"]


async def test_a_websocket_exception_before_the_handshake_closes_with_its_code() -> None:
    @websocket("/")
    async def fail(socket: WebSocket) -> None:
        raise WebSocketException("busy", code=1013)

    sent = await sent_by(Hesper([fail]))
    assert kinds(sent) == ["close"]
    assert sent[0]["code"] == 1013


async def test_refusals_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    await sent_by(Hesper([echo], guards=[refuse]))
    assert caplog.records == []


@pytest.mark.parametrize("fails_at", [0, 1])
async def test_a_client_that_goes_while_it_is_denied_is_no_failure(fails_at: int) -> None:
    app = Hesper([echo], guards=[refuse])
    assert len(await sent_by(app, send_fails_at=fails_at)) == fails_at


async def test_the_end_of_another_websocket_closes_this_one() -> None:
    @websocket("/")
    async def proxy(socket: WebSocket) -> None:
        await socket.accept()
        raise WebSocketDisconnect("the one behind has gone", code=1006)

    sent = await sent_by(Hesper([proxy]))
    assert kinds(sent) == ["accept", "close"]
    assert sent[1]["code"] == 1000


async def test_dependencies_are_entered_before_the_handler_and_exited_after_it() -> None:
    events: list[str] = []

    async def session() -> AsyncIterator[str]:
        events.append("enter")
        try:
            yield "session"
        except ValueError:
            events.append("roll back")
            raise
        else:
            events.append("commit")

    def guard(connection: Any, handler: Any, session: str) -> None:
        events.append(f"guard {session}")

    @websocket("/", dependencies={"session": session}, guards=[guard])
    async def handler(socket: WebSocket, session: str, fail: bool = False) -> None:
        await socket.accept()
        events.append(f"handler {session}")
        if fail:
            raise ValueError

    app = Hesper([handler])
    assert kinds(await sent_by(app)) == ["accept", "close"]
    assert events == ["enter", "guard session", "handler session", "commit"]
    events.clear()
    sent = await sent_by(app, query=b"fail=1")
    assert sent[-1]["code"] == 1011
    assert events[-1] == "roll back"


async def test_a_failing_exit_closes_with_1011() -> None:
    async def session() -> AsyncIterator[int]:
        yield 1
        raise OSError("disk full")

    @websocket("/", dependencies={"session": session})
    async def handler(socket: WebSocket, session: int) -> None:
        await socket.accept()

    sent = await sent_by(Hesper([handler]))
    assert sent[-1]["code"] == 1011


async def test_a_cancelled_websocket_is_left_to_the_server() -> None:
    began = asyncio.Event()
    events: list[str] = []

    async def session() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            events.append("exit")

    @websocket("/", dependencies={"session": session})
    async def handler(socket: WebSocket, session: int) -> None:
        await socket.accept()
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(sent_by(Hesper([handler])))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["exit"]


async def test_another_websocket_class_may_be_used() -> None:
    class Own(WebSocket):
        pass

    seen: list[type] = []

    @websocket("/", websocket_class=Own)
    async def handler(socket: Own) -> None:
        seen.append(type(socket))

    await sent_by(Hesper([handler]))
    assert seen == [Own]


async def test_an_unknown_path_is_denied_with_404() -> None:
    sent = await sent_by(Hesper([echo]), path="/missing")
    assert sent[0]["status"] == 404


@pytest.mark.parametrize(
    "frame",
    [
        text("["),
        text('"' + "\ud800" + '"'),
        text("[" * 100_000),
        text("NaN"),
        text("9" * 5000),
        {"type": "websocket.receive", "bytes": b"\xff"},
    ],
)
async def test_hostile_frames_close_with_a_code_of_the_protocol(frame: Message) -> None:
    @websocket("/")
    async def handler(socket: WebSocket) -> None:
        await socket.accept()
        value = await socket.receive_json()
        raise AssertionError(f"{value!r:.20} is no JSON")

    sent = await sent_by(Hesper([handler]), frame)
    assert sent[-1]["type"] == "websocket.close"
    assert sent[-1]["code"] in {1003, 1007}


async def test_a_guard_that_returns_something_lets_no_websocket_pass() -> None:
    def says_no(connection: Any, handler: Any) -> bool:
        return False

    sent = await sent_by(Hesper([echo], guards=[says_no]))
    assert sent[0]["status"] == 500
