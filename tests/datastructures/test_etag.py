"""Entity tags."""

from __future__ import annotations

import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.datastructures import ETag
from hesper.exceptions import ImproperlyConfiguredException


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ('"abc"', ETag(value="abc")),
        ('W/"abc"', ETag(value="abc", weak=True)),
        ('""', ETag(value="")),
        (' "a,b"\t', ETag(value="a,b")),
        ('"\xff"', ETag(value="\xff")),
    ],
)
def test_a_tag_is_read(header: str, tag: ETag) -> None:
    assert ETag.from_header(header) == tag


@pytest.mark.parametrize(
    "header", ["", "abc", '"a', 'w/"a"', '"a b"', '"a"b"', '"a", "b"', '"a"\n']
)
def test_what_is_no_tag_is_refused(header: str) -> None:
    with pytest.raises(ImproperlyConfiguredException, match="is no entity tag: one looks like"):
        ETag.from_header(header)


def test_a_long_header_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ImproperlyConfiguredException) as caught:
        ETag.from_header("x" * 10_000)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", ['a"b', "a b", "a\r\nb", "\x00", "日", "\x7f"])
def test_a_value_that_cannot_stand_in_a_tag_is_refused(value: str) -> None:
    with pytest.raises(ImproperlyConfiguredException, match="the value of an ETag is"):
        ETag(value=value)


def test_a_tag_without_a_value_is_for_documentation_only() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="documentation_only=True"):
        ETag()
    assert ETag(documentation_only=True).to_header() == ""


def test_a_tag_that_is_read_can_be_for_documentation_only() -> None:
    assert ETag.from_header('"a"', documentation_only=True) == ETag(True, value="a")


@given(st.text(), st.booleans())
def test_whatever_is_written_is_read_back(value: str, weak: bool) -> None:
    try:
        tag = ETag(value=value, weak=weak)
    except ImproperlyConfiguredException:
        return
    assert ETag.from_header(tag.to_header()) == tag


def test_a_tag_is_a_value() -> None:
    tag = ETag(value="a")
    assert hash(tag) == hash(ETag(value="a"))
    assert weakref.ref(tag)() is tag
    assert ETag.HEADER_NAME == "etag"
