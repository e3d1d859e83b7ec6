"""Preconditions: what their headers say, and what becomes of a response."""

from __future__ import annotations

import time
from collections.abc import Iterable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import Request
from hesper._types import Message, Receive, Scope, Send
from hesper.datastructures import ETag
from hesper.exceptions import ClientException
from hesper.response import Response, check_preconditions
from hesper.response.conditional import Conditional, refuse_unmatched

OLD = b"Sun, 06 Nov 1994 08:49:37 GMT"
NEW = b"Sun, 06 Nov 2005 08:49:37 GMT"


def scope_of(headers: Iterable[tuple[bytes, bytes]], method: str = "GET") -> Scope:
    return {"type": "http", "method": method, "path": "/", "headers": list(headers)}


def sent(
    response_headers: list[tuple[bytes, bytes]],
    *conditions: tuple[bytes, bytes],
    status: int = 200,
    method: str = "GET",
) -> list[Message]:
    """Return what is sent for a response of these headers to a request of these conditions."""
    messages: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": status, "headers": response_headers}
        await send(start)
        await send({"type": "http.response.body", "body": b"x"})

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        messages.append(message)

    anyio.run(Conditional(app), scope_of(conditions, method), receive, send)
    return messages


def status_for(
    etag: bytes, *conditions: tuple[bytes, bytes], status: int = 200, method: str = "GET"
) -> int:
    """Return the status of a response that has an `ETag`."""
    try:
        messages = sent([(b"etag", etag)], *conditions, status=status, method=method)
    except ClientException as error:
        return error.status_code
    found: int = messages[0]["status"]
    return found


@pytest.mark.parametrize(
    "members",
    [
        b'"a"',
        b'W/"a"',
        b'"b", "a"',
        b'"b" ,\t"a" ',
        b',, "b",,"a",',
        b'"a","b"',
        b'W/"b", W/"a"',
        b"*",
        b" * ",
    ],
)
def test_a_client_that_has_the_response_is_told_so(members: bytes) -> None:
    assert status_for(b'"a"', (b"if-none-match", members)) == 304
    assert status_for(b'W/"a"', (b"if-none-match", members)) == 304


@pytest.mark.parametrize(
    "members",
    [
        b"",
        b",",
        b'"b"',
        b'"A"',
        b'"a',
        b"a",
        b'w/"a"',
        b'x"a"',
        b'"a"x',
        b'"b" "a"',
        b'"a", *',
        b'"*"',
        b"**",
        b'"\xff"',
        b'"\x00", "a"',
        b'W/ "a"',
    ],
)
def test_what_names_another_response_or_cannot_be_read_gets_the_response(members: bytes) -> None:
    assert status_for(b'"a"', (b"if-none-match", members)) == 200
    assert status_for(b'"a"', (b"if-match", members)) == 412


def test_several_lines_are_one_list() -> None:
    lines = (b"if-none-match", b'"b"'), (b"if-none-match", b'"a"')
    assert status_for(b'"a"', *lines) == 304


def test_a_tag_may_hold_commas() -> None:
    assert status_for(b'"a,b"', (b"if-none-match", b'"x", "a,b"')) == 304
    assert status_for(b'"b"', (b"if-none-match", b'"a,b"')) == 200


@pytest.mark.parametrize(
    ("etag", "members", "status"),
    [
        (b'"a"', b'"a"', 200),
        (b'"a"', b'"b", "a"', 200),
        (b'"a"', b"*", 200),
        (b'W/"a"', b"*", 200),
        (b'"a"', b'"b"', 412),
        (b'"a"', b'W/"a"', 412),  # RFC 9110 8.8.3.2: by the strong comparison
        (b'W/"a"', b'"a"', 412),
        (b'W/"a"', b'W/"a"', 412),
    ],
)
def test_only_the_version_that_must_be_there_is_sent(
    etag: bytes, members: bytes, status: int
) -> None:
    assert status_for(etag, (b"if-match", members)) == status


@given(st.binary(max_size=60), st.sampled_from([b"if-match", b"if-none-match"]))
def test_no_list_of_tags_is_an_error(members: bytes, name: bytes) -> None:
    assert status_for(b'"a"', (name, members)) in {200, 304, 412}


@given(st.binary(max_size=60), st.sampled_from([b"if-modified-since", b"if-unmodified-since"]))
def test_no_date_is_an_error(date: bytes, name: bytes) -> None:
    headers = [(b"last-modified", OLD)]
    assert sent(headers, (name, date))[0]["status"] in {200, 304}


@given(
    st.lists(st.text("abc,*", max_size=3), max_size=4), st.text("abc,*", max_size=3), st.booleans()
)
def test_a_list_names_what_stands_in_it(values: list[str], value: str, weak: bool) -> None:
    members = ", ".join(ETag(value=one).to_header() for one in values).encode()
    etag = ETag(value=value, weak=weak).to_header().encode()
    assert (status_for(etag, (b"if-none-match", members)) == 304) is (value in values)
    is_there = value in values and not weak
    assert (status_for(etag, (b"if-match", members)) == 200) is is_there


@pytest.mark.parametrize("own", [b"a", b'"a', b"", b'"a", "b"', b'"a",'])
def test_a_response_whose_own_tag_is_none_is_sent(own: bytes) -> None:
    assert status_for(own, (b"if-none-match", own)) == 200
    assert status_for(own, (b"if-none-match", b"*")) == 200
    assert status_for(own, (b"if-match", b'"a"')) == 200


@pytest.mark.parametrize("status", [199, 300, 302, 304, 404, 500])
def test_conditions_do_not_count_where_the_response_is_no_success(status: int) -> None:
    found = status_for(b'"a"', (b"if-none-match", b"*"), (b"if-match", b'"b"'), status=status)
    assert found == status


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "OPTIONS"])
def test_the_response_to_a_change_is_sent_as_it_is(method: str) -> None:
    # Its tag is of what is there now; the client's, of what was there before.
    assert status_for(b'"new"', (b"if-match", b'"old"'), method=method) == 200


def test_if_match_is_looked_at_first() -> None:
    conditions = (b"if-none-match", b'"a"'), (b"if-match", b'"b"')
    assert status_for(b'"a"', *conditions) == 412


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ((b"if-modified-since", OLD), 304),
        ((b"if-modified-since", NEW), 304),
        ((b"if-modified-since", b"Sun Nov  6 08:49:37 1994"), 304),
        ((b"if-modified-since", b"Sunday, 06-Nov-94 08:49:37 GMT"), 304),
        ((b"if-modified-since", b"Sun, 06 Nov 1994 08:49:36 GMT"), 200),
        ((b"if-modified-since", b"yesterday"), 200),
        ((b"if-modified-since", b"Sun, 06 Nov 1994 10:49:37 +0100"), 200),
        ((b"if-modified-since", b"Sun, 06 Nov 99999999999999999999 08:49:37 GMT"), 200),
        ((b"if-unmodified-since", OLD), 200),
        ((b"if-unmodified-since", b"yesterday"), 200),
        ((b"if-unmodified-since", b"Sun, 06 Nov 1994 08:49:36 GMT"), 412),
    ],
)
def test_dates_are_compared(condition: tuple[bytes, bytes], status: int) -> None:
    try:
        found = sent([(b"last-modified", OLD)], condition)[0]["status"]
    except ClientException as error:
        found = error.status_code
    assert found == status


def test_a_date_without_a_zone_is_not_of_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    condition = (b"if-modified-since", b"Sun Nov  6 08:49:37 1994")
    with monkeypatch.context() as away:
        away.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        status = sent([(b"last-modified", OLD)], condition)[0]["status"]
    time.tzset()
    assert status == 304


def test_tags_go_before_dates() -> None:
    headers = [(b"etag", b'"a"'), (b"last-modified", OLD)]
    other = (b"if-none-match", b'"b"'), (b"if-modified-since", NEW)
    assert sent(headers, *other)[0]["status"] == 200
    same = (b"if-match", b'"a"'), (b"if-unmodified-since", b"Sun, 06 Nov 1983 08:49:37 GMT")
    assert sent(headers, *same)[0]["status"] == 200


def test_a_304_has_no_body_and_nothing_that_describes_one() -> None:
    kept = [
        (b"etag", b'"a"'),
        (b"cache-control", b"max-age=5"),
        (b"content-location", b"/a"),
        (b"content-security-policy", b"default-src 'none'"),
        (b"date", OLD),
        (b"expires", NEW),
        (b"vary", b"accept"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]
    dropped = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"1"),
        (b"content-language", b"en"),
        (b"content-encoding", b"gzip"),
        (b"last-modified", OLD),
    ]
    messages = sent([*dropped, *kept], (b"if-none-match", b'"a"'))
    start = {"type": "http.response.start", "status": 304, "headers": kept}
    assert messages == [start, {"type": "http.response.body", "body": b""}]


def test_a_304_without_a_tag_says_when_it_was_modified() -> None:
    messages = sent([(b"last-modified", OLD)], (b"if-modified-since", OLD))
    assert messages[0]["headers"] == [(b"last-modified", OLD)]


CHANGES = ["PUT", "PATCH", "POST", "DELETE"]


def refused(etag: bytes | None, name: bytes, members: bytes, method: str = "PUT") -> bool:
    try:
        refuse_unmatched(scope_of([(name, members)], method), etag)
    except ClientException as error:
        return error.status_code == 412
    return False


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize(
    ("etag", "name", "members", "is_refused"),
    [
        (b'"a"', b"if-match", b'"a"', False),
        (b'"a"', b"if-match", b"*", False),
        (b'"a"', b"if-match", b'"b"', True),
        (b'"a"', b"if-match", b"garbage", True),
        (None, b"if-match", b"*", True),
        (None, b"if-match", b'"a"', True),
        (b'"a"', b"if-none-match", b'"a"', True),
        (b'"a"', b"if-none-match", b'W/"a"', True),
        (b'"a"', b"if-none-match", b"*", True),
        (b'"a"', b"if-none-match", b'"b"', False),
        (b'"a"', b"if-none-match", b"garbage", False),
        (None, b"if-none-match", b"*", False),
        (None, b"if-none-match", b'"a"', False),
    ],
)
def test_a_change_of_what_the_client_does_not_know_is_refused(
    etag: bytes | None, name: bytes, members: bytes, is_refused: bool, method: str
) -> None:
    assert refused(etag, name, members, method) is is_refused


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT"])
def test_what_changes_nothing_is_not_refused(method: str) -> None:
    assert not refused(b'"a"', b"if-match", b'"b"', method)


def test_a_handler_can_look_at_the_preconditions_itself() -> None:
    request: Request = Request(scope_of([(b"if-match", b'"a"')], "PUT"))
    check_preconditions(request, ETag(value="a"))
    with pytest.raises(ClientException, match="The precondition If-Match failed"):
        check_preconditions(request, ETag(value="b"))
    with pytest.raises(ClientException):
        check_preconditions(request, None)


def test_a_response_used_alone_answers_conditional_requests() -> None:
    messages: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        messages.append(message)

    response = Response("a", etag=ETag(value="1"))
    anyio.run(response, scope_of([(b"if-none-match", b'"1"')]), receive, send)
    assert messages[0]["status"] == 304
    assert messages[0]["headers"] == [(b"etag", b'"1"')]
