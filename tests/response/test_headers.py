"""The headers of a response that is being put together."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.datastructures import ResponseHeader
from hesper.response.headers import ResponseHeaders


def test_they_are_found_in_any_case() -> None:
    headers = ResponseHeaders({"X-Shelf": "7"})
    assert headers["x-SHELF"] == "7"
    assert "X-shelf" in headers
    assert list(headers) == ["x-shelf"]


def test_a_name_has_one_line() -> None:
    headers = ResponseHeaders({"X-Shelf": "7"})
    headers["x-shelf"] = "8"
    assert headers.lines == {b"x-shelf": b"8"}


def test_a_deleted_one_is_gone() -> None:
    headers = ResponseHeaders({"a": "1", "b": "2"})
    del headers["A"]
    assert dict(headers) == {"b": "2"}
    assert len(headers) == 1


def test_one_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        ResponseHeaders()["ü\u20ac"]


def test_declared_ones_are_taken_but_for_those_of_the_documentation() -> None:
    declared = [ResponseHeader("a", value="1"), ResponseHeader("b", documentation_only=True)]
    assert dict(ResponseHeaders(declared)) == {"a": "1"}


def test_the_representation_shows_no_values() -> None:
    assert repr(ResponseHeaders({"authorization": "secret"})) == "<ResponseHeaders authorization>"
    assert "without" in repr(ResponseHeaders())


def test_a_subclass_is_made_before_its_own_setting_is_asked() -> None:
    class Logged(ResponseHeaders):
        def __init__(self, headers: Mapping[str, str]) -> None:
            super().__init__(headers)
            self.log: list[str] = []

        def __setitem__(self, name: str, value: str) -> None:
            self.log.append(name)
            super().__setitem__(name, value)

    headers = Logged({"A": "1"})
    headers["B"] = "2"
    assert headers.log == ["B"]
    assert headers.lines == {b"a": b"1", b"b": b"2"}


@given(st.text(), st.text())
def test_nothing_that_ends_a_line_gets_in(name: str, value: str) -> None:
    headers = ResponseHeaders()
    try:
        headers[name] = value
    except ValueError:
        assert headers.lines == {}
        return
    ((line_name, line_value),) = headers.lines.items()
    assert not set(line_name + line_value) & set(b"\r\n\0")
    assert b":" not in line_name
