from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._types import Message
from hesper.testing.errors import ASGIProtocolError
from hesper.testing.messages import (
    ResponseMessages,
    close_reason,
    message_type,
    payload_size,
    raw_headers,
)


def start(status: object = 200, headers: object = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: object = b"", more: object = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def take(*messages: Message, head_only: bool = False) -> bytes:
    response = ResponseMessages("http.", head_only=head_only)
    data = b"".join(response.take(message) for message in messages)
    assert response.complete
    return data


@pytest.mark.parametrize("message", [{}, {"type": None}, {"type": b"http.response.start"}])
def test_a_message_without_a_text_type_is_refused(message: Message) -> None:
    with pytest.raises(ASGIProtocolError, match="a message is a dict"):
        message_type(message)


def test_something_else_than_a_message_is_refused() -> None:
    not_a_message: Any = None
    with pytest.raises(ASGIProtocolError, match="a message is a dict"):
        message_type(not_a_message)


def test_headers_may_be_missing() -> None:
    assert raw_headers({"type": "http.response.start"}) == []


def test_headers_may_be_any_iterable_of_pairs() -> None:
    pairs = iter([[b"a", b"1"], (b"b", b"2")])
    assert raw_headers({"type": "x", "headers": pairs}) == [(b"a", b"1"), (b"b", b"2")]


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (("a", b"1"), "name and value are bytes"),
        ((b"a", "1"), "name and value are bytes"),
        ((b"a", b"1", b"2"), "each header is a pair"),
        (None, "each header is a pair"),
        ((b"A", b"1"), "a token in lower case"),
        ((b"", b"1"), "a token in lower case"),
        ((b"a b", b"1"), "a token in lower case"),
        ((b"a:", b"1"), "a token in lower case"),
        ((b"a\n", b"1"), "a token in lower case"),
        ((b"a", b"1\r\nb: 2"), "no CR, LF or NUL"),
        ((b"a", b"1\n"), "no CR, LF or NUL"),
        ((b"a", b"\0"), "no CR, LF or NUL"),
    ],
)
def test_a_bad_header_is_refused(header: object, rule: str) -> None:
    with pytest.raises(ASGIProtocolError, match=rule):
        raw_headers({"type": "http.response.start", "headers": [header]})


def test_a_response_is_a_start_and_a_body() -> None:
    assert take(start(), body(b"ab", True), body(b"", True), body(b"c")) == b"abc"


def test_body_and_more_body_may_be_missing() -> None:
    assert take(start(), {"type": "http.response.body"}) == b""


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([body()], "'http.response.body' where 'http.response.start'"),
        ([start(), start()], "'http.response.start' where 'http.response.body'"),
        ([start(), body(), body()], "after the end of the response"),
        ([start(), {"type": "http.response.trailers"}], "'http.response.trailers' where"),
        ([start(status="200")], "it has to be of type int"),
        ([start(status=True)], "it has to be of type int"),
        ([start(status=None)], "it has to be of type int"),
        ([start(status=100)], "200 or more"),
        ([start(status=1000)], "200 or more"),
        ([start(), body("text")], "it has to be of type bytes"),
        ([start(), body(b"", "yes")], "it has to be of type bool"),
        ([start(headers=[(b"content-length", b"x")]), body()], "it is one number"),
        ([start(headers=[(b"content-length", b"1")] * 2), body(b"a")], "it is one number"),
        ([start(headers=[(b"content-length", b"1")]), body(b"ab")], r"longer .* \(by 1 bytes\)"),
        ([start(headers=[(b"content-length", b"3")]), body(b"a")], r"shorter .* \(by 2 bytes\)"),
        ([start(status=204), body(b"a")], "a body with the status 204"),
        ([start(status=304), body(b"a")], "a body with the status 304"),
    ],
)
def test_messages_out_of_order_or_shape_are_refused(messages: list[Message], found: str) -> None:
    with pytest.raises(ASGIProtocolError, match=found):
        take(*messages)


def test_a_head_response_has_the_length_of_the_body_and_not_the_body() -> None:
    head = start(headers=[(b"content-length", b"5")])
    assert take(head, body(), head_only=True) == b""
    assert take(head, body(b"12345"), head_only=True) == b""


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6))
def test_any_chunks_come_through_when_their_length_is_declared_right(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    head = start(headers=[(b"content-length", str(len(data)).encode())])
    messages = [body(chunk, True) for chunk in chunks]
    assert take(head, *messages, body()) == data


@pytest.mark.parametrize(
    ("message", "size"),
    [
        ({"text": "é"}, 2),
        ({"text": "a", "bytes": None}, 1),
        ({"text": None, "bytes": b"abc"}, 3),
        ({"bytes": b""}, 0),
    ],
)
def test_the_size_of_a_payload_is_in_bytes(message: Message, size: int) -> None:
    assert payload_size({"type": "websocket.send"} | dict(message)) == size


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"text": None, "bytes": None},
        {"text": "a", "bytes": b"a"},
        {"text": b"a"},
        {"bytes": "a"},
    ],
)
def test_a_payload_is_either_text_or_bytes(message: Message) -> None:
    with pytest.raises(ASGIProtocolError, match="either a str as 'text' or bytes"):
        payload_size({"type": "websocket.send"} | dict(message))


def test_a_close_says_1000_and_nothing_unless_it_says_something_else() -> None:
    assert close_reason({"type": "websocket.close"}) == (1000, "")
    assert close_reason({"type": "websocket.close", "reason": None}) == (1000, "")
    assert close_reason({"type": "websocket.close", "code": 4001, "reason": "x"}) == (4001, "x")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 5000, "1000"])
def test_a_code_that_may_not_be_sent_is_refused(code: object) -> None:
    with pytest.raises(ASGIProtocolError):
        close_reason({"type": "websocket.close", "code": code})


@pytest.mark.parametrize("reason", ["x" * 124, "é" * 62, b"x"])
def test_a_reason_is_a_text_that_fits_in_a_control_frame(reason: object) -> None:
    with pytest.raises(ASGIProtocolError, match="at most 123 bytes"):
        close_reason({"type": "websocket.close", "reason": reason})
