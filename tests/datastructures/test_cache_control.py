"""The Cache-Control header of responses."""

from __future__ import annotations

import time
import weakref
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.datastructures import CacheControlHeader
from hesper.exceptions import ImproperlyConfiguredException

FLAGS = [
    "no_cache",
    "no_store",
    "private",
    "public",
    "no_transform",
    "must_revalidate",
    "proxy_revalidate",
    "must_understand",
    "immutable",
]
SECONDS = ["max_age", "s_maxage", "stale_while_revalidate"]


def test_every_directive_is_covered_here() -> None:
    assert {field.name for field in fields(CacheControlHeader)} == {
        "documentation_only",
        *FLAGS,
        *SECONDS,
    }


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_is_written_and_read(flag: str) -> None:
    control = CacheControlHeader(**{flag: True})
    assert control.to_header() == flag.replace("_", "-")
    assert CacheControlHeader.from_header(control.to_header().upper()) == control


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("seconds", [0, 60, 2**31])
def test_a_number_of_seconds_is_written_and_read(name: str, seconds: int) -> None:
    options: dict[str, Any] = {name: seconds}
    control = CacheControlHeader(**options)
    assert control.to_header() == f"{name.replace('_', '-')}={seconds}"
    assert CacheControlHeader.from_header(control.to_header()) == control


def test_what_is_not_set_is_not_written() -> None:
    assert CacheControlHeader(no_store=False, documentation_only=True).to_header() == ""


def test_directives_are_separated_by_commas() -> None:
    assert CacheControlHeader(max_age=60, public=True).to_header() == "max-age=60, public"


@pytest.mark.parametrize(
    ("header", "control"),
    [
        ("", CacheControlHeader()),
        (" , ,", CacheControlHeader()),
        ("max-age=60,public", CacheControlHeader(max_age=60, public=True)),
        ('max-age="60"', CacheControlHeader(max_age=60)),
        ("max-age=60, max-age=5", CacheControlHeader(max_age=60)),
        ('private="set-cookie, x", public', CacheControlHeader(private=True, public=True)),
        ('community="no-store, UCI", public', CacheControlHeader(public=True)),
        ("max-age=" + "9" * 5000, CacheControlHeader(max_age=2**31)),
        ("max-age=9999999999", CacheControlHeader(max_age=2**31)),
        ("documentation-only", CacheControlHeader()),
    ],
)
def test_a_header_is_read(header: str, control: CacheControlHeader) -> None:
    assert CacheControlHeader.from_header(header) == control


@pytest.mark.parametrize("header", ["max-age", "max-age=", "s-maxage=x", "max-age=-1", "max-age=²"])
def test_seconds_that_are_none_are_refused(header: str) -> None:
    with pytest.raises(ImproperlyConfiguredException, match="it is a number of seconds"):
        CacheControlHeader.from_header(header)


def test_negative_seconds_are_refused() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"CacheControlHeader\(max_age=-1\)"):
        CacheControlHeader(max_age=-1)


def test_a_header_can_be_for_documentation_only() -> None:
    assert CacheControlHeader.from_header("public", documentation_only=True) == CacheControlHeader(
        documentation_only=True, public=True
    )


def test_storing_is_prevented_by_one_directive() -> None:
    assert CacheControlHeader.prevent_storing().to_header() == "no-store"


@given(st.text(st.sampled_from('max-ge=09,"\\ ;no')))
def test_no_header_fails_otherwise(header: str) -> None:
    try:
        control = CacheControlHeader.from_header(header)
    except ImproperlyConfiguredException:
        return
    assert CacheControlHeader.from_header(control.to_header()) == control


@pytest.mark.parametrize("unit", ["a,", ",", "=", '"', 'a="', "\\", 'a="\\', "a", "a=b", '\\"'])
def test_time_is_linear_in_the_length(unit: str) -> None:
    def seconds(count: int) -> float:
        header = unit * count
        started = time.thread_time()
        CacheControlHeader.from_header(header)
        return time.thread_time() - started

    # 16 times the length would take 256 times as long in quadratic time.
    short = min(seconds(1_000) for _ in range(5))
    long = min(seconds(16_000) for _ in range(3))
    assert long < short * 100


def test_a_header_is_a_value() -> None:
    control = CacheControlHeader(max_age=1)
    assert hash(control) == hash(CacheControlHeader(max_age=1))
    assert weakref.ref(control)() is control
    assert CacheControlHeader.HEADER_NAME == "cache-control"
