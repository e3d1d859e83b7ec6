"""The depth of JSON text, against a count made bracket by bracket."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hesper._json_depth import MAX_JSON_DEPTH, refuse_deep_json, refuse_deep_value

values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\a'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='[]{}"\\a'), inner),
)


def nested(value: Any, levels: int) -> Any:
    for level in range(levels):
        value = [value] if level % 2 else {"[": value}
    return value


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list)) else 0


def is_refused(value: Any) -> bool:
    try:
        refuse_deep_json(json.dumps(value).encode())
    except msgspec.DecodeError:
        return True
    return False


LEVELS = st.integers(0, MAX_JSON_DEPTH + 5) | st.integers(MAX_JSON_DEPTH - 2, MAX_JSON_DEPTH + 1)


@given(values, LEVELS)
@example([], MAX_JSON_DEPTH - 1)
@example([], MAX_JSON_DEPTH)
@example(1, MAX_JSON_DEPTH)
@example(1, MAX_JSON_DEPTH + 1)
def test_text_is_refused_exactly_where_it_is_too_deep(value: Any, levels: int) -> None:
    value = nested(value, levels)
    assert is_refused(value) == (depth(value) > MAX_JSON_DEPTH)


@given(values, LEVELS)
@example([], MAX_JSON_DEPTH - 1)
@example([], MAX_JSON_DEPTH)
@example(1, MAX_JSON_DEPTH)
@example(1, MAX_JSON_DEPTH + 1)
def test_values_are_refused_exactly_where_they_are_too_deep(value: Any, levels: int) -> None:
    value = nested(value, levels)
    if depth(value) > MAX_JSON_DEPTH:
        with pytest.raises(msgspec.DecodeError, match="Nested too deeply"):
            refuse_deep_value(value)
    else:
        refuse_deep_value(value)


def test_wide_text_is_not_deep() -> None:
    assert not is_refused([[{"a": []}]] * 10_000)


def test_deep_text_among_wide_text_is_refused() -> None:
    assert is_refused([[]] * 1000 + [nested(1, MAX_JSON_DEPTH)])


def test_brackets_in_strings_do_not_count() -> None:
    assert not is_refused(["[" * 1000, '"' + "[" * 1000, "\\", "[" * 1000])


@given(st.binary())
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    for text in (raw, raw * 200, b"[" * 200 + raw):
        with suppress(msgspec.DecodeError):
            refuse_deep_json(text)


@pytest.mark.parametrize("piece", [b"[", b"[]", b'["', b'[\\"', b"[{", b"]}"])
def test_hostile_text_takes_linear_time(piece: bytes) -> None:
    def seconds(text: bytes) -> float:
        begin = time.thread_time()
        with suppress(msgspec.DecodeError):
            refuse_deep_json(text)
        return time.thread_time() - begin

    once = min(seconds(piece * 50_000) for _ in range(5))
    tenfold = min(seconds(piece * 500_000) for _ in range(3))
    assert tenfold < 60 * once + 0.05
