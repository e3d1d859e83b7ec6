"""Response headers as they are declared."""

from __future__ import annotations

import weakref

import pytest

from hesper.datastructures import ResponseHeader
from hesper.exceptions import ImproperlyConfiguredException


def test_a_header_is_encoded_as_asgi_carries_it() -> None:
    assert ResponseHeader("X-Name", value="Jürgen").to_encoded() == (b"x-name", b"J\xfcrgen")


def test_a_header_without_a_value_is_for_documentation_only() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="'x-name' has no value"):
        ResponseHeader("x-name")
    assert ResponseHeader("x-name", documentation_only=True).value is None


@pytest.mark.parametrize("name", ["", "a b", "a\r\nb"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a header"):
        ResponseHeader(name, value="1")


@pytest.mark.parametrize("value", ["a\r\nb", "\x00", "日"])
def test_a_value_that_cannot_be_sent_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="the value of the header 'a'"):
        ResponseHeader("a", value=value)


def test_a_header_is_a_value() -> None:
    header = ResponseHeader("a", value="1")
    assert hash(header) == hash(ResponseHeader("a", value="1"))
    assert weakref.ref(header)() is header
