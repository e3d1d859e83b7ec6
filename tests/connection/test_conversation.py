"""The order of a websocket's messages."""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._closing import Closing
from hesper._types import LIFESPAN_KEY, Message
from hesper.connection import WebSocket
from hesper.connection.conversation import ConnectionState, Conversation
from hesper.exceptions import WebSocketDisconnect, WebSocketException
from tests.peers import DeafServer, Peer, socket_scope

pytestmark = pytest.mark.anyio

CONNECT: Message = {"type": "websocket.connect"}
ACCEPT: Message = {"type": "websocket.accept"}
DATA: Message = {"type": "websocket.send", "text": "a"}
CLOSE: Message = {"type": "websocket.close", "code": 1000}
DENY: Message = {"type": "websocket.http.response.start", "status": 403, "headers": []}
DENY_BODY: Message = {"type": "websocket.http.response.body", "body": b""}
GONE: Message = {"type": "websocket.disconnect", "code": 1001, "reason": "tab closed"}


async def conversation(*sends: Message, hears: Message | None = None) -> Conversation:
    peer = Peer(CONNECT)
    talk = Conversation(peer.receive, peer.send)
    await talk.receive()
    for message in sends:
        await talk.send(message)
    if hears:
        peer.says.append(hears)
        await talk.receive()
    return talk


def test_it_begins_before_the_clients_request() -> None:
    peer = Peer()
    assert Conversation(peer.receive, peer.send).state == "init"


@pytest.mark.parametrize(
    ("sends", "state"),
    [
        ((), "connect"),
        ((ACCEPT,), "receive"),
        ((ACCEPT, DATA), "receive"),
        ((ACCEPT, DATA, CLOSE), "disconnect"),
        ((CLOSE,), "disconnect"),
        ((DENY, DENY_BODY), "disconnect"),
    ],
)
async def test_messages_in_order_move_it_on(
    sends: tuple[Message, ...], state: ConnectionState
) -> None:
    assert (await conversation(*sends)).state == state


@pytest.mark.parametrize(
    ("before", "message", "advice"),
    [
        ((), DATA, "has not been accepted"),
        ((ACCEPT,), ACCEPT, "has been accepted"),
        ((ACCEPT,), DENY, "has been accepted"),
        ((ACCEPT, CLOSE), DATA, "has been closed here"),
        ((ACCEPT, CLOSE), CLOSE, "has been closed here"),
        ((CLOSE,), ACCEPT, "has been closed here"),
        ((DENY,), CLOSE, "has been closed here"),
    ],
)
async def test_a_message_out_of_order_is_an_error_that_explains_itself(
    before: tuple[Message, ...], message: Message, advice: str
) -> None:
    talk = await conversation(*before)
    with pytest.raises(RuntimeError, match=advice):
        await talk.send(message)


@pytest.mark.parametrize("message", [ACCEPT, DATA, CLOSE])
async def test_before_the_clients_request_nothing_can_be_sent(message: Message) -> None:
    peer = Peer()
    with pytest.raises(RuntimeError, match=r"await socket\.accept\(\)"):
        await Conversation(peer.receive, peer.send).send(message)


async def test_after_closing_nothing_can_be_received() -> None:
    talk = await conversation(ACCEPT, CLOSE)
    with pytest.raises(RuntimeError, match="closed here"):
        await talk.receive()


async def test_what_the_client_said_when_it_went_is_told_to_who_goes_on() -> None:
    talk = await conversation(ACCEPT, hears=GONE)
    for attempt in (lambda: talk.send(DATA), talk.receive):
        with pytest.raises(WebSocketDisconnect, match="tab closed") as caught:
            await attempt()
        assert caught.value.code == 1001


async def test_a_client_that_goes_without_a_code_is_reported_as_such() -> None:
    talk = await conversation(ACCEPT, hears={"type": "websocket.disconnect"})
    with pytest.raises(WebSocketDisconnect) as caught:
        talk.demand_open("send to")
    assert caught.value.code == 1005


async def test_a_server_that_cannot_send_means_that_the_client_has_gone() -> None:
    peer = DeafServer(hears=1)
    peer.says.append(CONNECT)
    talk = Conversation(peer.receive, peer.send)
    await talk.receive()
    await talk.send(ACCEPT)
    with pytest.raises(WebSocketDisconnect) as caught:
        await talk.send(DATA)
    assert caught.value.code == 1006
    assert talk.state == "disconnect"


MODES: list[Literal["text", "binary"]] = ["text", "binary"]
FRAMES: list[Message] = [
    {"type": "websocket.receive", "text": "a"},
    {"type": "websocket.receive", "text": "", "bytes": None},
    {"type": "websocket.receive", "bytes": b"b"},
    {"type": "websocket.receive", "bytes": b"", "text": None},
    {"type": "websocket.receive"},
    {"type": "websocket.disconnect"},
    {"type": "websocket.disconnect", "code": 4000, "reason": "bye"},
]


async def heard(talk: Conversation, mode: Literal["text", "binary"]) -> str | bytes:
    """Hear data in the plain way: the order is asked about, and any message received."""
    talk.demand_open("receive data from")
    message = await talk.receive()
    if message["type"] == "websocket.disconnect":
        talk.demand_open("receive data from")
    data: str | bytes | None = message.get("text" if mode == "text" else "bytes")
    if data is None:
        raise WebSocketException(f"Expected a {mode} frame", code=1003)
    return data


async def said(talk: Conversation, mode: Literal["text", "binary"]) -> None:
    """Say data in the plain way: the order is asked about, and a message sent."""
    talk.demand_open("send data to")
    data = {"text": "c"} if mode == "text" else {"bytes": b"c"}
    await talk.send({"type": "websocket.send", **data})


async def course(
    frames: list[Message], modes: list[Literal["text", "binary"]], way: str, *, is_in: bool
) -> list[object]:
    """Return what is told to who hears, and then says something, until the client has gone."""
    peer = Peer(CONNECT, *frames)
    lifespan = SimpleNamespace(turn=Closing())
    state = {LIFESPAN_KEY: lifespan} if is_in else {}
    socket = WebSocket(socket_scope(state=state), peer.receive, peer.send)
    talk = socket._conversation
    await socket.accept()
    told: list[object] = []
    for mode, _ in zip(modes, [*frames, DATA], strict=False):
        is_text = mode == "text"
        hears = socket.receive_text if is_text else socket.receive_bytes
        says = partial(socket.send_text, "c") if is_text else partial(socket.send_bytes, b"c")
        iterator = socket.iter_text() if is_text else socket.iter_bytes()
        try:
            if way == "iterated":
                told.append(await anext(iterator))
            else:
                told.append(await (heard(talk, mode) if way == "plain" else hears()))
        except (WebSocketDisconnect, StopAsyncIteration):
            told.append("gone")
        except Exception as error:
            told.append((type(error), str(error), getattr(error, "code", None)))
        try:
            await (said(talk, mode) if way == "plain" else says())
        except Exception as error:
            told.append((type(error), str(error), getattr(error, "code", None)))
    return [*told, talk.state, peer.heard]


@given(
    st.lists(st.sampled_from(FRAMES), max_size=5).map(lambda frames: [*frames, FRAMES[-1]]),
    st.lists(st.sampled_from(MODES), min_size=7, max_size=7),
)
def test_data_is_heard_and_said_as_by_single_messages(
    frames: list[Message], modes: list[Literal["text", "binary"]]
) -> None:
    plain = asyncio.run(course(frames, modes, "plain", is_in=False))
    for way in ("plain", "one by one", "iterated"):
        for is_in in (False, True):
            assert asyncio.run(course(frames, modes, way, is_in=is_in)) == plain
