"""Query strings."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hesper.datastructures import parse_query_pairs, parse_query_string

# Dense in what has a meaning, so that few examples find much.
QUERIES = st.text(st.sampled_from("ab1&=+%;C3A9f \x00#?")).map(str.encode)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (b"", {}),
        (b"&&", {}),
        (b"a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        (b"a", {"a": [""]}),
        (b"a=", {"a": [""]}),
        (b"=a", {"": ["a"]}),
        (b"a=b=c", {"a": ["b=c"]}),
        (b"a+b=c+d", {"a b": ["c d"]}),
        (b"a=%2B%26%3D", {"a": ["+&="]}),
        (b"%61=%C3%A9", {"a": ["é"]}),
        (b"a=1;b=2", {"a": ["1;b=2"]}),
    ],
)
def test_a_query_is_taken_apart(query: bytes, values: dict[str, list[str]]) -> None:
    assert parse_query_string(query) == values


@pytest.mark.parametrize("value", ["%", "%4", "%zz", "100%", "%%41"])
def test_a_malformed_percent_sign_is_kept(value: str) -> None:
    assert parse_query_string(b"a=" + value.encode())["a"] == [value.replace("%41", "A")]


@pytest.mark.parametrize("query", [b"a=%ff", b"a=\xff", b"a=%C3"])
def test_what_is_no_utf_8_is_replaced(query: bytes) -> None:
    assert parse_query_string(query) == {"a": ["\ufffd"]}


def test_raw_utf_8_is_read() -> None:
    assert parse_query_string("é=日".encode()) == {"é": ["日"]}


def test_pairs_keep_their_order() -> None:
    assert parse_query_pairs(b"a=1&b=2&a=3") == [("a", "1"), ("b", "2"), ("a", "3")]


@given(QUERIES)
@example(b"%25+&+")
def test_ascii_is_read_as_the_standard_library_reads_it(query: bytes) -> None:
    expected = parse_qsl(query.decode(), keep_blank_values=True, encoding="utf-8", errors="replace")
    assert parse_query_pairs(query) == expected


@given(st.binary())
def test_no_bytes_are_an_error(query: bytes) -> None:
    values = parse_query_string(query)
    pairs = parse_query_pairs(query)
    assert sum(map(len, values.values())) == len(pairs)
    assert all(values[name] for name in values)


@given(st.lists(st.tuples(st.text(), st.text())))
def test_what_is_encoded_is_read_back(pairs: list[tuple[str, str]]) -> None:
    encodable = [
        (name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode())
        for name, value in pairs
    ]
    assert parse_query_pairs(urlencode(encodable).encode()) == encodable


@pytest.mark.parametrize("unit", [b"a=1&", b"&", b"=", b"%", b"+", b"%41", b"a=%C3%A9&", b"\xff"])
def test_time_is_linear_in_the_length(unit: bytes) -> None:
    def seconds(count: int) -> float:
        query = unit * count
        started = time.thread_time()
        parse_query_string(query)
        return time.thread_time() - started

    # 16 times the length would take 256 times as long in quadratic time.
    short = min(seconds(4_000) for _ in range(5))
    long = min(seconds(64_000) for _ in range(3))
    assert long < short * 100
