"""Headers, MutableScopeHeaders and encode_header."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._types import RawHeaders
from hesper.datastructures import Headers, MutableScopeHeaders, encode_header
from hesper.datastructures.headers import _known_name

RAW: RawHeaders = [
    (b"host", b"a.example"),
    (b"accept", b"text/html"),
    (b"Accept", b"text/plain"),
    (b"x-name", b"J\xfcrgen"),
]


def raw() -> RawHeaders:
    return list(RAW)


def test_a_header_is_found_in_any_case() -> None:
    headers = Headers.over(raw())
    assert headers["HOST"] == headers["host"] == headers.get("Host") == "a.example"
    assert "X-Name" in headers


def test_a_value_is_latin_1() -> None:
    assert Headers.over(raw())["x-name"] == "Jürgen"


def test_the_mapping_gives_the_first_of_several_lines() -> None:
    assert Headers.over(raw())["accept"] == "text/html"


def test_getall_gives_all_lines_in_their_order() -> None:
    assert Headers.over(raw()).getall("ACCEPT") == ["text/html", "text/plain"]


def test_getall_gives_the_default_without_a_line() -> None:
    assert Headers.over(raw()).getall("cookie", None) is None


@pytest.mark.parametrize("read", [Headers.__getitem__, Headers.getall])
@pytest.mark.parametrize("name", ["cookie", "日本", ""])
def test_a_missing_header_is_a_key_error(read: Callable[[Headers, str], object], name: str) -> None:
    with pytest.raises(KeyError):
        read(Headers.over(raw()), name)


@pytest.mark.parametrize("name", ["cookie", "日本", b"host", 1, None])
def test_what_is_no_name_is_not_in_the_headers(name: object) -> None:
    assert name not in Headers.over(raw())


def test_names_come_once_and_in_lower_case() -> None:
    headers = Headers.over(raw())
    assert (list(headers), len(headers)) == (["host", "accept", "x-name"], 3)


def test_multi_items_gives_every_line() -> None:
    assert list(Headers.over(raw()).multi_items()) == [
        ("host", "a.example"),
        ("accept", "text/html"),
        ("accept", "text/plain"),
        ("x-name", "Jürgen"),
    ]


def test_dict_gives_the_values_by_name() -> None:
    assert Headers.over(raw()).dict()["accept"] == ["text/html", "text/plain"]


def test_the_headers_of_a_scope_are_not_copied() -> None:
    scope = {"headers": raw()}
    headers = Headers.from_scope(scope)
    scope["headers"].append((b"later", b"1"))
    assert headers["later"] == "1"
    assert headers.raw is scope["headers"]


@pytest.mark.parametrize(
    "given_headers",
    [
        {"Host": "a", "X-B": "b"},
        [("Host", "a"), ("X-B", "b")],
        [(b"Host", b"a"), (b"X-B", b"b")],
        Headers({"host": "a", "x-b": "b"}),
    ],
)
def test_headers_are_made_of_mappings_pairs_and_lists(given_headers: Headers) -> None:
    assert Headers(given_headers).raw == [(b"host", b"a"), (b"x-b", b"b")]


def test_headers_made_of_headers_have_a_list_of_their_own() -> None:
    first = Headers({"a": "1"})
    assert Headers(first).raw is not first.raw


def test_headers_are_empty_by_default() -> None:
    assert Headers().raw == []


def test_a_line_that_cannot_be_sent_is_refused_by_the_constructor() -> None:
    with pytest.raises(ValueError, match="control character"):
        Headers({"a": "1\r\nb: 2"})


def test_headers_are_equal_by_their_values() -> None:
    assert Headers([("a", "1"), ("b", "2"), ("a", "3")]) == Headers(
        [("b", "2"), ("A", "1"), ("A", "3")]
    )
    assert Headers([("a", "1"), ("a", "3")]) != Headers([("a", "3"), ("a", "1")])
    assert Headers({"a": "1"}) == {"a": "1"}
    assert Headers() != 1


def test_the_representation_shows_no_values() -> None:
    shown = repr(Headers({"authorization": "Basic geheim"}))
    assert shown == "<Headers authorization>"
    assert repr(Headers()) == "<Headers without any>"


def test_headers_can_be_weakly_referenced() -> None:
    headers = Headers()
    assert weakref.ref(headers)() is headers


def test_setting_replaces_all_lines_in_the_place_of_the_first() -> None:
    scope = {"headers": raw()}
    MutableScopeHeaders(scope)["Accept"] = "*/*"
    assert scope["headers"] == [RAW[0], (b"accept", b"*/*"), RAW[3]]


def test_setting_what_is_not_there_appends_it() -> None:
    scope = {"headers": raw()}
    MutableScopeHeaders(scope)["Cookie"] = "a=1"
    assert scope["headers"] == [*RAW, (b"cookie", b"a=1")]


def test_adding_keeps_what_is_there() -> None:
    headers = MutableScopeHeaders({"headers": raw()})
    headers.add("accept", "*/*")
    assert headers.getall("accept") == ["text/html", "text/plain", "*/*"]


def test_deleting_removes_all_lines() -> None:
    scope = {"headers": raw()}
    del MutableScopeHeaders(scope)["ACCEPT"]
    assert scope["headers"] == [RAW[0], RAW[3]]


def test_deleting_what_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="cookie"):
        del MutableScopeHeaders({"headers": raw()})["cookie"]


def test_a_value_is_extended_with_a_comma() -> None:
    headers = MutableScopeHeaders()
    headers.extend_header_value("Vary", "origin")
    headers.extend_header_value("vary", "cookie")
    assert headers.raw == [(b"vary", b"origin, cookie")]


def test_setdefault_keeps_what_is_there_now() -> None:
    headers = MutableScopeHeaders({"headers": raw()})
    assert (headers.setdefault("host", "b"), headers.setdefault("x", "1")) == ("a.example", "1")
    assert headers.raw == [*RAW, (b"x", b"1")]


@pytest.mark.parametrize("edit", ["__setitem__", "add", "extend_header_value", "setdefault"])
def test_no_edit_lets_a_line_break_in(edit: str) -> None:
    headers = MutableScopeHeaders()
    with pytest.raises(ValueError, match="control character"):
        getattr(headers, edit)("location", "/\r\nset-cookie: a=1")
    assert headers.raw == []


@pytest.mark.parametrize("message", [{}, {"headers": ()}, {"headers": ((b"a", b"1"),)}])
def test_a_message_whose_headers_are_no_list_is_given_one(
    message: dict[str, object],
) -> None:
    before = message.get("headers", ())
    headers = MutableScopeHeaders(message)
    headers.add("x", "1")
    assert isinstance(before, tuple)
    assert message["headers"] == [*before, (b"x", b"1")]


@pytest.mark.parametrize("kind", ["http.response.start", "websocket.accept"])
def test_the_headers_of_a_message_are_edited_in_place(kind: str) -> None:
    message: dict[str, object] = {"type": kind, "headers": []}
    MutableScopeHeaders.from_message(message)["x"] = "1"
    assert message["headers"] == [(b"x", b"1")]


def test_a_message_without_headers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'http\.response\.body' carries no headers"):
        MutableScopeHeaders.from_message({"type": "http.response.body"})


def test_a_header_is_encoded_as_asgi_carries_it() -> None:
    assert encode_header("X-Name", "Jürgen") == (b"x-name", b"J\xfcrgen")


@pytest.mark.parametrize("value", ["  a b ", "\ta b\t", " \t a b\t "])
def test_blanks_around_a_value_are_dropped(value: str) -> None:
    assert encode_header("a", value) == (b"a", b"a b")


def test_a_tab_inside_a_value_is_kept() -> None:
    assert encode_header("a", "b\tc") == (b"a", b"b\tc")


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "ä", "a\r\nb", "\x00", "a,b", '"a"'])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a header"):
        encode_header(name, "")


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\x00b", "\n", "ä\n", "a\x0bb", "a\x7f"])
def test_a_control_character_in_a_value_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="the header 'a' has the control character"):
        encode_header("a", value)


@pytest.mark.parametrize("value", ["日本", "\ud800", "a€"])
def test_a_value_outside_of_latin_1_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"outside of latin-1.*quote\(\)"):
        encode_header("a", value)


@pytest.mark.parametrize(("length", "is_kept"), [(64, True), (65, False), (60_000, False)])
def test_only_names_of_a_usual_length_are_kept(length: int, is_kept: bool) -> None:
    _known_name.cache_clear()
    for _ in range(2):
        assert encode_header("X" * length, "1") == (b"x" * length, b"1")
    assert _known_name.cache_info().currsize == is_kept


@pytest.mark.parametrize("name", ["a b", "a" * 64 + "ä", "a" * 100 + "\n"])
def test_a_name_of_any_length_is_checked(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a header"):
        encode_header(name, "1")


@given(st.text(), st.text())
def test_whatever_is_encoded_is_safe_to_send(name: str, value: str) -> None:
    try:
        line = encode_header(name, value)
    except ValueError:
        return
    assert not set(line[0] + line[1]) & set(b"\r\n\x00")
    assert line[0] == line[0].lower() != b""
    assert line[1].decode("latin-1") == value.strip(" \t")


@given(st.lists(st.tuples(st.sampled_from(["a", "B", "c"]), st.text("xyz, ", max_size=3))))
def test_reading_agrees_with_a_plain_list(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(pairs)
    for name in "abc":
        expected = [value.strip() for found, value in pairs if found.lower() == name]
        assert headers.getall(name, []) == expected
        assert headers.get(name) == (expected[0] if expected else None)
