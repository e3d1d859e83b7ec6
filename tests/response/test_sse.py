"""Server-sent events, read back as the standard says that a client reads them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.enums import MediaType
from hesper.response import ServerSentEvent, ServerSentEventMessage
from hesper.response.defaults import Defaults
from tests.peers import Peer, request_scope

pytestmark = pytest.mark.anyio


def read(stream: bytes) -> list[dict[str, str]]:
    """Return the events of a stream, with all of their fields (WHATWG HTML 9.2.6)."""
    events: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    data: list[str] = []
    for line in re.split(r"\r\n|\r|\n", stream.decode()):
        if not line:
            if data:
                fields["data"] = "\n".join(data)
            if fields:
                events.append(fields)
            fields, data = {}, []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name:
            assert name in {"event", "id", "retry"}, f"an unknown field: {name!r}"
            assert name not in fields, f"{name!r} is there twice"
            fields[name] = value
    return events


async def events(*items: Any, **options: Any) -> list[dict[str, str]]:
    peer = Peer()
    await ServerSentEvent(list(items), **options)(request_scope(), peer.receive, peer.send)
    return read(peer.body)


async def test_text_bytes_and_integers_are_data() -> None:
    assert await events("a", b"b", 3) == [{"data": "a"}, {"data": "b"}, {"data": "3"}]


async def test_a_mapping_has_the_fields() -> None:
    fields = {"data": "a", "event": "lent", "id": 7, "retry": 100, "comment": "c"}
    expected = {"data": "a", "event": "lent", "id": "7", "retry": "100"}
    assert await events(fields) == [expected]


async def test_a_message_is_sent_as_it_is() -> None:
    message = ServerSentEventMessage(data="a", event="lent", id=0)
    assert await events(message, event_type="other") == [{"data": "a", "event": "lent", "id": "0"}]


async def test_what_events_do_not_say_the_response_says() -> None:
    found = await events("a", {"data": "b", "event": "own"}, event_type="lent", event_id=1)
    assert found == [
        {"data": "a", "event": "lent", "id": "1"},
        {"data": "b", "event": "own", "id": "1"},
    ]


def test_an_event_has_a_documented_form() -> None:
    message = ServerSentEventMessage("a\nb", "lent", 1, 5, "x\ry", sep="\n")
    assert message.encode() == (b": x\n: y\nid: 1\nevent: lent\ndata: a\ndata: b\nretry: 5\n\n")


def test_an_event_without_data_has_other_fields_only() -> None:
    assert ServerSentEventMessage(None, comment="ping").encode() == b": ping\r\n\r\n"


def test_the_header_says_that_it_is_a_stream_not_to_be_kept() -> None:
    prepared = ServerSentEvent(["a"]).prepare(Defaults(media_type=MediaType.JSON))
    assert prepared.streaming
    assert dict(prepared.headers) == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-cache",
        b"x-accel-buffering": b"no",
    }


def test_the_header_can_be_said_otherwise() -> None:
    own = ServerSentEvent(["a"], headers={"Cache-Control": "no-store"})
    assert dict(own.prepare().headers)[b"cache-control"] == b"no-store"


@pytest.mark.parametrize("item", [1.5, None, object(), ["a"]])
async def test_what_is_no_event_is_an_error_that_says_so(item: object) -> None:
    with pytest.raises(TypeError, match=type(item).__name__):
        await events(item)


@pytest.mark.parametrize("data", [{"a": 1}, [1], object()])
async def test_data_that_is_no_text_is_an_error_and_not_sent_as_python_shows_it(data: Any) -> None:
    with pytest.raises(TypeError, match=r"the data of an event is a .*encode_json"):
        ServerSentEventMessage(data).encode()


async def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="evnt"):
        await events({"data": "a", "evnt": "b"})


def test_a_separator_that_is_no_line_break_is_an_error() -> None:
    with pytest.raises(ValueError, match="separator"):
        ServerSentEventMessage("a", sep="\n\n").encode()


def test_half_a_surrogate_pair_is_an_error() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        ServerSentEventMessage("\ud800").encode()


ANY_TEXT = st.text(
    alphabet=st.sampled_from("\r\n\0\x0b\x0c\x1c\x85\u2028:da ta") | st.characters(codec="utf-8")
)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.sampled_from(["\r\n", "\n", "\r"]))
def test_no_text_becomes_a_field_of_its_own(
    data: str, event: str, id_: str, comment: str, sep: str
) -> None:
    message = ServerSentEventMessage(data, event, id_, 5, comment, sep)
    if set(event + id_) & set("\r\n\0"):
        with pytest.raises(ValueError, match="line breaks"):
            message.encode()
        return
    assert read(message.encode() * 2) == 2 * [
        {"data": re.sub("\r\n|\r", "\n", data), "event": event, "id": id_, "retry": "5"}
    ]
