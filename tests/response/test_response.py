"""A response, in its two phases."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.background_tasks import BackgroundTask
from hesper.datastructures import Cookie, ETag, ResponseHeader
from hesper.enums import MediaType
from hesper.exceptions import ImproperlyConfiguredException, SerializationException
from hesper.response import Response
from hesper.response.defaults import DEFAULTS, Defaults
from hesper.response.response import is_untouched, plain_response
from hesper.serialization import json_encoder, msgpack_encoder
from tests.peers import Peer, request_scope

pytestmark = pytest.mark.anyio


class Once:
    """Rows that can be read once, and not to their end."""

    def __init__(self) -> None:
        self.times = 0

    def __iter__(self) -> Iterator[int]:
        self.times += 1
        if self.times == 1:
            raise ValueError("no more rows")
        return iter([])


class UnwrittenText(str):
    """Text whose encoding fails as the rows do."""

    rows: Once

    def __new__(cls, text: str, rows: Once) -> Self:
        made = super().__new__(cls, text)
        made.rows = rows
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return bytes(self.rows)


def head(response: Response[Any], defaults: Defaults = DEFAULTS) -> dict[bytes, bytes]:
    return dict(response.prepare(defaults).headers)


def cookies(response: Response[Any], defaults: Defaults = DEFAULTS) -> list[bytes]:
    lines = response.prepare(defaults).headers
    return [value.partition(b";")[0] for name, value in lines if name == b"set-cookie"]


async def test_used_alone_it_is_sent_whole() -> None:
    peer = Peer()
    await Response({"a": 1})(request_scope(), peer.receive, peer.send)
    assert peer.heard == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"7")],
        },
        {"type": "http.response.body", "body": b'{"a":1}'},
    ]


async def test_to_head_the_same_header_is_sent_without_a_body() -> None:
    whole, bare = Peer(), Peer()
    await Response("abc")(request_scope("GET"), whole.receive, whole.send)
    await Response("abc")(request_scope("HEAD"), bare.receive, bare.send)
    assert bare.headers == whole.headers
    assert bare.body == b""


async def test_background_work_is_done_after_it_is_sent() -> None:
    peer = Peer()
    sent_before: list[int] = []
    work = BackgroundTask(lambda: sent_before.append(len(peer.heard)))
    await Response("a", background=work)(request_scope(), peer.receive, peer.send)
    assert sent_before == [2]


def test_preparing_does_not_touch_the_response() -> None:
    response = Response({"a": 1}, headers={"x-shelf": "7"})
    first, second = response.prepare(), response.prepare()
    first.headers.append((b"a", b"b"))
    assert (b"a", b"b") not in second.headers
    assert dict(response.headers) == {"x-shelf": "7"}


def test_it_says_what_it_says_and_the_route_the_rest() -> None:
    defaults = Defaults(status_code=201, media_type=MediaType.HTML)
    assert Response("a").prepare(defaults).status == 201
    assert Response("a", status_code=202).prepare(defaults).status == 202
    assert head(Response("a"), defaults)[b"content-type"] == b"text/html; charset=utf-8"
    assert head(Response("a", media_type="text/css"), defaults)[b"content-type"].startswith(
        b"text/css"
    )


def test_a_content_type_among_the_headers_is_the_media_type() -> None:
    response = Response({"a": 1}, headers={"Content-Type": "application/vnd.api+json"})
    lines = response.prepare(Defaults(media_type=MediaType.TEXT)).headers
    assert [value for name, value in lines if name == b"content-type"] == [
        b"application/vnd.api+json"
    ]


def test_the_content_length_is_always_that_of_the_body() -> None:
    response = Response("ä", headers={"content-length": "7"})
    lines = response.prepare(Defaults(headers=((b"content-length", b"8"),))).headers
    assert [value for name, value in lines if name == b"content-length"] == [b"2"]


def test_headers_of_the_route_are_replaced_by_its_own() -> None:
    defaults = Defaults(headers=((b"a", b"1"), (b"b", b"2")))
    lines = Response("x", headers={"B": "3"}).prepare(defaults).headers
    assert lines[1:-1] == [(b"a", b"1"), (b"b", b"3")]


def test_declared_headers_are_sent() -> None:
    assert head(Response("x", headers=[ResponseHeader("A", value="1")]))[b"a"] == b"1"


def test_a_header_can_be_set_later() -> None:
    response = Response("x")
    response.set_header("X-Shelf", "7")
    response.headers["x-other"] = "8"
    lines = head(response)
    assert (lines[b"x-shelf"], lines[b"x-other"]) == (b"7", b"8")


@pytest.mark.parametrize(
    ("etag", "line"),
    [(ETag(value="a"), b'"a"'), (ETag(value="a", weak=True), b'W/"a"'), ('"b"', b'"b"')],
)
def test_an_etag_can_be_set(etag: str | ETag, line: bytes) -> None:
    response = Response("x")
    response.set_etag(etag)
    assert head(response)[b"etag"] == line


def test_an_etag_can_be_given() -> None:
    assert head(Response("a", etag=ETag(value="1", weak=True)))[b"etag"] == b'W/"1"'


def test_an_etag_for_documentation_only_sets_nothing() -> None:
    assert b"etag" not in head(Response("a", etag=ETag(documentation_only=True, value="1")))


@pytest.mark.parametrize("status", [200, 201, 299])
def test_a_route_adds_lines_to_successes(status: int) -> None:
    defaults = Defaults(headers=((b"a", b"1"), (b"b", b"1")), success_headers=((b"a", b"2"),))
    lines = Response(None, status_code=status).prepare(defaults).headers
    assert [line for line in lines if line[0] in {b"a", b"b"}] == [(b"b", b"1"), (b"a", b"2")]


@pytest.mark.parametrize("status", [199, 300, 404, 500])
def test_a_route_adds_those_lines_to_nothing_else(status: int) -> None:
    defaults = Defaults(headers=((b"a", b"1"),), success_headers=((b"a", b"2"), (b"c", b"2")))
    lines = Response(None, status_code=status).prepare(defaults).headers
    assert [line for line in lines if line[0] in {b"a", b"c"}] == [(b"a", b"1")]


def test_an_own_line_replaces_those_of_successes() -> None:
    defaults = Defaults(success_headers=((b"a", b"2"),))
    assert dict(Response(headers={"A": "own"}).prepare(defaults).headers)[b"a"] == b"own"


def test_cookies_are_given_as_mapping_or_sequence() -> None:
    assert cookies(Response("x", cookies={"a": "1", "b": "2"})) == [b"a=1", b"b=2"]
    assert cookies(Response("x", cookies=[Cookie("a", value="1")])) == [b"a=1"]


def test_a_cookie_of_the_route_is_replaced_by_its_own_of_that_identity() -> None:
    defaults = Defaults(cookies=(Cookie("a", value="1"), Cookie("b", value="2")))
    assert cookies(Response("x", cookies={"a": "3"}), defaults) == [b"a=3", b"b=2"]
    other_path = Response("x", cookies=[Cookie("a", value="3", path="/books")])
    assert cookies(other_path, defaults) == [b"a=1", b"b=2", b"a=3"]


def test_cookies_for_the_documentation_are_not_sent() -> None:
    assert cookies(Response("x", cookies=[Cookie("a", documentation_only=True)])) == []


def test_a_cookie_can_be_set_later() -> None:
    response = Response("x")
    response.set_cookie("a", "1", max_age=5, path="/books", domain="books.example", secure=True)
    response.set_cookie(Cookie("b", value="2"))
    lines = [value for name, value in response.prepare().headers if name == b"set-cookie"]
    assert lines == [
        b"a=1; Domain=books.example; Path=/books; Max-Age=5; Secure; SameSite=lax",
        b"b=2; Path=/; SameSite=lax",
    ]


def test_a_deleted_cookie_is_forgotten_by_the_client() -> None:
    response = Response("x", cookies={"a": "1"})
    response.delete_cookie("a")
    (line,) = [value for name, value in response.prepare().headers if name == b"set-cookie"]
    assert line.startswith(b"a=; Path=/; Expires=")
    assert b"Max-Age=0" in line


def test_no_content_has_no_content_type() -> None:
    assert head(Response()) == {b"content-length": b"0"}


def test_no_content_of_a_json_route_is_null() -> None:
    assert Response(None).prepare(Defaults(media_type=MediaType.JSON)).body == b"null"
    assert Response(None, media_type=MediaType.JSON).prepare().body == b"null"


@pytest.mark.parametrize("status", [101, 204, 304])
@pytest.mark.parametrize("content", [None, "", b""])
def test_a_status_without_a_body_has_no_header_about_one(status: int, content: object) -> None:
    response = Response(
        content,
        status_code=status,
        media_type=MediaType.JSON,
        headers={"content-type": "a/b", "content-length": "5", "x-shelf": "7"},
    )
    prepared = response.prepare(Defaults(headers=((b"content-type", b"a/b"),)))
    assert prepared.headers == [(b"x-shelf", b"7")]
    assert prepared.body == b""


def test_a_205_has_a_length_of_nothing() -> None:
    assert head(Response(status_code=205)) == {b"content-length": b"0"}


@pytest.mark.parametrize("status", [101, 204, 205, 304])
@pytest.mark.parametrize("content", ["a", b"a", {}, 0, []])
def test_content_for_a_status_without_a_body_is_an_error(status: int, content: object) -> None:
    with pytest.raises(ImproperlyConfiguredException, match=f"status {status}.*no body"):
        Response(content, status_code=status).prepare()


@pytest.mark.parametrize("status", [0, 99, 600, 2000, -1])
def test_a_status_that_http_has_not_is_an_error(status: int) -> None:
    with pytest.raises(ImproperlyConfiguredException, match=f"status {status}"):
        Response("a", status_code=status).prepare()


def test_content_that_cannot_be_encoded_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(SerializationException):
        Response({"a": object()}).prepare()


@pytest.mark.parametrize("media_type", [MediaType.JSON, MediaType.MESSAGEPACK, MediaType.TEXT])
def test_content_whose_encoding_fails_is_encoded_once(media_type: MediaType) -> None:
    once = Once()
    encoders = {Once: list}
    defaults = Defaults(
        encode_json=json_encoder(encoders),
        encode_msgpack=msgpack_encoder(encoders),
        type_encoders=encoders,
    )
    content: object = UnwrittenText("a", once) if media_type == MediaType.TEXT else once
    with pytest.raises(SerializationException, match="no more rows"):
        Response(content, media_type=media_type).prepare(defaults)
    assert once.times == 1


@pytest.mark.parametrize(
    ("content", "media_type"),
    [({"a": object()}, None), ({"a": object()}, "application/json"), ("\ud800", "text/html")],
)
def test_the_error_of_an_encoder_is_said_alike_whatever_else_is_said(
    content: object, media_type: str | None
) -> None:
    errors: list[Exception] = []
    for more in (None, {complex: str}):
        with pytest.raises(SerializationException) as raised:
            Response(content, media_type=media_type, type_encoders=more).prepare()
        assert raised.value.__cause__ is not None
        errors.append(raised.value)
    assert str(errors[0]) == str(errors[1])


def test_its_type_encoders_are_laid_over_those_of_the_route() -> None:
    encoders = {complex: str, range: list}
    defaults = Defaults(encode_json=json_encoder(encoders), type_encoders=encoders)
    content = [1j, range(2)]
    assert Response(content).prepare(defaults).body == b'["1j",[0,1]]'
    own = Response(content, type_encoders={complex: lambda _: "own"})
    assert own.prepare(defaults).body == b'["own",[0,1]]'


@given(st.text(), st.text())
def test_whatever_is_set_no_line_is_ended_early(name: str, value: str) -> None:
    response = Response("x")
    for set_it in (response.set_header, response.set_cookie):
        try:
            set_it(name, value)
        except ValueError:
            continue
    for line_name, line_value in response.prepare().headers:
        assert not set(line_name + line_value) & set(b"\r\n\0")


def test_it_can_be_weakly_referenced() -> None:
    response = Response("a")
    prepared = response.prepare()
    assert weakref.ref(response)() is response
    assert weakref.ref(prepared)() is prepared


def test_its_representation_names_the_status() -> None:
    assert repr(Response("secret", status_code=201)) == "<Response 201>"
    assert "secret" not in repr(Response("secret"))


@pytest.mark.parametrize("media_type", [None, "text/html"])
def test_a_plain_response_is_as_one_that_is_made_of_the_same(media_type: str | None) -> None:
    made = Response("a", media_type=media_type)
    plain = plain_response("a", media_type)
    assert type(plain) is Response
    for name in set(Response.__slots__) - {"__weakref__"}:
        assert getattr(plain, name) == getattr(made, name)
    assert is_untouched(plain, "a", media_type)
    assert is_untouched(made, "a", media_type)


@pytest.mark.parametrize("slot", sorted(set(Response.__slots__) - {"__weakref__"}))
def test_a_response_is_touched_whatever_of_it_is_changed(slot: str) -> None:
    response = plain_response("a", None)
    setattr(response, slot, object())
    assert not is_untouched(response, "a", None)


@pytest.mark.parametrize(
    "said",
    [
        {"status_code": 200},
        {"media_type": "text/html"},
        {"headers": {"x-a": "1"}},
        {"cookies": {"a": "1"}},
        {"background": BackgroundTask(print)},
        {"etag": ETag(value="a")},
        {"encoding": "latin-1"},
        {"type_encoders": {int: str}},
    ],
    ids=lambda said: next(iter(said)),
)
def test_a_response_that_says_more_than_its_content_is_not_untouched(said: dict[str, Any]) -> None:
    assert not is_untouched(Response("a", **said), "a", None)


def test_a_response_of_other_content_or_class_is_not_untouched() -> None:
    class Own(Response[str]):
        pass

    assert not is_untouched(Response("b"), "a", None)
    assert not is_untouched(Own("a"), "a", None)
    assert not is_untouched("a", "a", None)


def test_cookies_may_be_replaced_as_a_whole() -> None:
    response = Response("a", cookies={"a": "1"})
    response.cookies = [Cookie(key="b", value="2")]
    lines = response.prepare().headers
    assert [value for name, value in lines if name == b"set-cookie"] == [
        b"b=2; Path=/; SameSite=lax"
    ]


class WithSession(Response[str]):
    """A response whose cookies are computed."""

    @property
    def cookies(self) -> list[Cookie]:
        return [*super().cookies, Cookie(key="session", value="1")]

    @cookies.setter
    def cookies(self, cookies: list[Cookie]) -> None:
        raise AssertionError("nobody sets them")


class WithTheme(Response[str]):
    """A response whose class says a cookie."""

    cookies: Any = [Cookie(key="theme", value="dark")]


def test_cookies_that_a_subclass_computes_are_sent() -> None:
    assert cookies(WithSession("a")) == [b"session=1"]
    assert cookies(WithSession("a", cookies={"a": "1"})) == [b"a=1", b"session=1"]


def test_cookies_of_a_class_are_sent_with_those_of_the_response() -> None:
    response = WithTheme("a", cookies={"a": "1"})
    response.set_cookie("b", "2")
    assert cookies(response) == [b"theme=dark", b"a=1", b"b=2"]
    assert cookies(WithTheme("a")) == [b"theme=dark"]


@pytest.mark.parametrize("given_ones", [None, {"a": "1"}])
def test_no_response_changes_the_cookies_of_its_class(given_ones: dict[str, str] | None) -> None:
    response = WithTheme("a", cookies=given_ones)
    response.set_cookie("theme", "light")
    response.delete_cookie("b")
    assert cookies(response)[0] == b"theme=light"
    assert [cookie.value for cookie in WithTheme.cookies] == ["dark"]
