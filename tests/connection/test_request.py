"""An HTTP request and its body."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._types import Scope
from hesper.connection import ClientDisconnect, Request
from hesper.connection.request import (
    DEFAULT_MAX_BODY_SIZE,
    MAX_FORM_FIELDS,
    Streamed,
    parse_content_type,
    read_body,
    stream_body,
)
from hesper.exceptions import (
    ClientException,
    RequestEntityTooLarge,
    UnsupportedMediaTypeException,
    ValidationException,
)
from hesper.serialization import encode_msgpack
from tests.peers import Peer, chunk, request_scope

pytestmark = pytest.mark.anyio


def post(
    *bodies: bytes, headers: list[tuple[bytes, bytes]] | None = None, **more: Any
) -> tuple[Request, Peer]:
    says = [chunk(body, more=place < len(bodies)) for place, body in enumerate(bodies, 1)]
    peer = Peer(*says)
    scope = request_scope("POST", headers=headers or [], **more)
    return Request(scope, peer.receive, peer.send), peer


async def collected(chunks: AsyncIterator[bytes]) -> list[bytes]:
    return [piece async for piece in chunks]


async def test_the_method_is_that_of_the_scope() -> None:
    assert post()[0].method == "POST"


async def test_a_body_in_one_message_is_read() -> None:
    request, peer = post(b"abc")
    assert await request.body() == b"abc"
    assert peer.receives == 1


async def test_a_body_in_several_messages_is_put_together() -> None:
    request, _ = post(b"a", b"", b"bc")
    assert await request.body() == b"abc"


async def test_a_message_without_a_body_is_empty() -> None:
    peer = Peer({"type": "http.request"})
    assert await Request(request_scope(), peer.receive, peer.send).body() == b""


async def test_the_body_is_shared_by_all_who_read_it() -> None:
    request, peer = post(b"abc")
    await request.body()
    other = Request(request.scope, peer.receive, peer.send)
    assert await other.body() == b"abc"
    assert await collected(other.stream()) == [b"abc"]
    assert peer.receives == 1


async def test_an_empty_body_that_was_read_is_streamed_as_nothing() -> None:
    request, _ = post(b"")
    await request.body()
    assert await collected(request.stream()) == []


async def test_a_body_at_the_limit_is_read() -> None:
    request, _ = post(b"abc", hesper_max_body_size=3)
    assert await request.body() == b"abc"


@pytest.mark.parametrize("bodies", [(b"abcd",), (b"ab", b"cd"), (b"abcd", b"")])
async def test_a_body_beyond_the_limit_is_refused(bodies: tuple[bytes, ...]) -> None:
    request, _ = post(*bodies, hesper_max_body_size=3)
    with pytest.raises(RequestEntityTooLarge, match="3 bytes") as caught:
        await request.body()
    assert caught.value.status_code == 413


async def test_reading_ends_as_soon_as_the_limit_is_passed() -> None:
    request, peer = post(*[b"ab"] * 100, hesper_max_body_size=3)
    with pytest.raises(RequestEntityTooLarge):
        await request.body()
    assert peer.receives == 2


async def test_a_body_announced_as_too_long_is_not_read_further() -> None:
    request, peer = post(b"a", b"b", headers=[(b"content-length", b"4")], hesper_max_body_size=3)
    with pytest.raises(RequestEntityTooLarge):
        await request.body()
    assert peer.receives == 1


@pytest.mark.parametrize("length", [b"0", b"-1", b"x", b"\xb2", b"1", b""])
async def test_a_content_length_that_lies_is_no_way_around_the_limit(length: bytes) -> None:
    headers = [(b"content-length", length)]
    request, _ = post(b"ab", b"cd", headers=headers, hesper_max_body_size=3)
    with pytest.raises(RequestEntityTooLarge):
        await request.body()


async def test_a_content_length_of_thousands_of_digits_is_too_long() -> None:
    request, _ = post(b"a", b"b", headers=[(b"content-length", b"9" * 5000)])
    with pytest.raises(RequestEntityTooLarge):
        await request.body()


async def test_ten_megabytes_are_the_limit_where_nothing_is_said() -> None:
    request, _ = post(b"a" * DEFAULT_MAX_BODY_SIZE, b"a")
    with pytest.raises(RequestEntityTooLarge):
        await request.body()


async def test_there_may_be_no_limit() -> None:
    request, _ = post(b"a" * DEFAULT_MAX_BODY_SIZE, b"a", hesper_max_body_size=None)
    assert len(await request.body()) == DEFAULT_MAX_BODY_SIZE + 1


@pytest.mark.parametrize("before", [(), (chunk(b"a", more=True),)])
async def test_a_client_that_goes_meanwhile_is_an_error(before: tuple[Any, ...]) -> None:
    peer = Peer(*before)
    peer.left.set()
    with pytest.raises(ClientDisconnect):
        await Request(request_scope("POST"), peer.receive, peer.send).body()


async def test_a_body_that_could_not_be_read_cannot_be_read_again() -> None:
    request, _ = post(b"abcd", hesper_max_body_size=3)
    with pytest.raises(RequestEntityTooLarge):
        await request.body()
    with pytest.raises(RuntimeError, match="could not be read to its end"):
        await request.body()


async def test_a_body_cannot_be_read_twice_at_once() -> None:
    peer = Peer()
    request = Request(request_scope("POST"), peer.receive, peer.send)
    async with anyio.create_task_group() as group:
        group.start_soon(request.body)
        while not peer.receives:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(RuntimeError, match="is being read elsewhere"):
            await request.body()
        group.cancel_scope.cancel()
    assert request.scope["hesper_body"] is Streamed.FAILED


async def test_a_stream_gives_chunks_as_they_arrive() -> None:
    request, peer = post(b"a", b"", b"bc")
    stream = request.stream()
    assert await anext(stream) == b"a"
    assert peer.receives == 1
    assert await collected(stream) == [b"bc"]


async def test_a_streamed_body_is_gone() -> None:
    request, _ = post(b"a")
    await collected(request.stream())
    with pytest.raises(RuntimeError, match=r"has been streamed.*await request\.body\(\)"):
        await request.body()
    with pytest.raises(RuntimeError, match="has been streamed"):
        request.stream()


async def test_a_stream_takes_the_body_when_it_is_made() -> None:
    request, _ = post(b"a")
    stream = request.stream()
    with pytest.raises(RuntimeError, match="is being read elsewhere"):
        await request.body()
    assert await collected(stream) == [b"a"]


async def test_a_stream_has_the_limit_too() -> None:
    request, _ = post(b"ab", b"cd", b"ef", hesper_max_body_size=3)
    stream = request.stream()
    assert await anext(stream) == b"ab"
    with pytest.raises(RequestEntityTooLarge):
        await anext(stream)
    assert request.scope["hesper_body"] is Streamed.FAILED


async def test_a_client_that_goes_while_streaming_is_an_error() -> None:
    peer = Peer(chunk(b"a", more=True))
    peer.left.set()
    stream = stream_body(request_scope("POST"), peer.receive, None)
    assert await anext(stream) == b"a"
    with pytest.raises(ClientDisconnect):
        await anext(stream)


@given(st.lists(st.binary(max_size=8)), st.integers(0, 40))
async def test_however_it_is_cut_the_limit_decides(bodies: list[bytes], limit: int) -> None:
    says = [chunk(body, more=True) for body in bodies]
    whole = b"".join(bodies)
    for read in (read_body, streamed):
        peer = Peer(*says, chunk(b""))
        if len(whole) <= limit:
            assert await read(request_scope("POST"), peer.receive, limit) == whole
        else:
            with pytest.raises(RequestEntityTooLarge):
                await read(request_scope("POST"), peer.receive, limit)


async def streamed(scope: Scope, receive: Any, limit: int) -> bytes:
    return b"".join(await collected(stream_body(scope, receive, limit)))


async def test_json_is_decoded_once() -> None:
    request, _ = post(b'{"a": [1]}')
    value = await request.json()
    assert value == {"a": [1]}
    assert await request.json() is value


async def test_msgpack_is_decoded_once() -> None:
    request, _ = post(encode_msgpack({"a": [1]}))
    value = await request.msgpack()
    assert value == {"a": [1]}
    assert await request.msgpack() is value


async def test_an_empty_body_is_none() -> None:
    assert await post(b"")[0].json() is None
    assert await post(b"")[0].msgpack() is None


@pytest.mark.parametrize("body", [b"{", b"NaN", b"\xff", b"[" * 100_000, b"1" * 5000])
async def test_a_body_that_is_not_json_is_a_400_that_says_why(body: bytes) -> None:
    with pytest.raises(ValidationException) as caught:
        await post(body)[0].json()
    assert caught.value.status_code == 400
    assert isinstance(caught.value.extra, list)
    assert caught.value.extra[0]["source"] == "body"


async def test_a_body_that_is_not_msgpack_is_a_400() -> None:
    with pytest.raises(ValidationException):
        await post(b"\xc1")[0].msgpack()


URL_ENCODED = [(b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")]


async def test_a_url_encoded_form_is_decoded_once() -> None:
    request, _ = post(b"a=1&a=2&b=%C3%A4+b", headers=URL_ENCODED)
    form = await request.form()
    assert form.dict() == {"a": ["1", "2"], "b": ["ä b"]}
    assert await request.form() is form


async def test_a_form_without_a_body_is_empty() -> None:
    assert len(await post(b"")[0].form()) == 0


@pytest.mark.parametrize(
    "headers", [[], [(b"content-type", b"multipart/form-data; boundary=x")]], ids=repr
)
async def test_a_form_of_another_media_type_is_a_415(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UnsupportedMediaTypeException, match="application/x-www-form-urlencoded"):
        await post(b"a=1", headers=headers)[0].form()


async def test_the_fields_of_a_form_are_limited() -> None:
    fields = b"&".join([b"a=1"] * MAX_FORM_FIELDS)
    assert len((await post(fields, headers=URL_ENCODED)[0].form()).getall("a")) == MAX_FORM_FIELDS
    with pytest.raises(ClientException, match=f"{MAX_FORM_FIELDS}"):
        await post(fields + b"&a=1", headers=URL_ENCODED)[0].form()


async def test_the_media_types_that_the_client_accepts_are_put_together() -> None:
    headers = [(b"accept", b"text/html;q=0.5"), (b"accept", b"application/json")]
    request, _ = post(headers=headers)
    assert request.accept.best_match(["text/html", "application/json"]) == "application/json"
    assert request.accept is request.accept
    assert post()[0].accept.accepts("image/png")


async def test_the_content_type_is_that_of_the_header() -> None:
    request, _ = post(headers=[(b"content-type", b"Text/HTML; Charset=UTF-8")])
    assert request.content_type == ("text/html", {"charset": "UTF-8"})
    assert request.content_type is request.content_type


async def test_of_several_content_types_the_last_one_counts() -> None:
    lines = [(b"content-type", b"text/plain"), (b"content-type", b"application/json")]
    assert post(headers=lines)[0].content_type == ("application/json", {})


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("", ("", {})),
        ("text/plain", ("text/plain", {})),
        ("a/b;c=d;e=f", ("a/b", {"c": "d", "e": "f"})),
        ('a/b; c="d;e=\\"f"; g=h', ("a/b", {"c": 'd;e="f', "g": "h"})),
        ('a/b; c="d', ("a/b", {"c": '"d'})),
        ("a/b; c=1; C=2", ("a/b", {"c": "1"})),
        ("a/b; ;; c", ("a/b", {})),
        ("a/b; c=", ("a/b", {"c": ""})),
    ],
)
def test_a_content_type_is_taken_apart(value: str, parsed: tuple[str, dict[str, str]]) -> None:
    assert parse_content_type(value) == parsed


@given(st.text())
def test_no_content_type_is_an_error(value: str) -> None:
    media_type, _ = parse_content_type(value)
    assert media_type == media_type.lower()


token = st.text(alphabet="abcXYZ019-", min_size=1)
latin = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126))


@given(token, st.dictionaries(token.map(str.lower), latin, max_size=3))
def test_quoted_parameters_come_back_as_they_were(media: str, parameters: dict[str, str]) -> None:
    escaped = {k: v.replace("\\", "\\\\").replace('"', '\\"') for k, v in parameters.items()}
    value = media + "".join(f'; {key}="{text}"' for key, text in escaped.items())
    assert parse_content_type(value) == (media.lower(), parameters)


@pytest.mark.parametrize("piece", ['; a="', "; a=\\", ";", '; a="\\"', "; a ", ' ;"'])
def test_a_hostile_content_type_takes_linear_time(piece: str) -> None:
    def seconds(text: str) -> float:
        begin = time.thread_time()
        parse_content_type(text)
        return time.thread_time() - begin

    once = min(seconds(piece * 2_000) for _ in range(5))
    tenfold = min(seconds(piece * 20_000) for _ in range(3))
    assert tenfold < 40 * once + 0.02
