"""The media types that a client accepts."""

from __future__ import annotations

import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.datastructures import Accept

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "media_type", "accepted"),
    [
        ("text/html", "text/html", True),
        ("text/html", "text/plain", False),
        ("Text/HTML", "text/html", True),
        ("text/*", "text/plain", True),
        ("text/*", "image/png", False),
        ("*/*", "image/png", True),
        ("text/html", "text/html; charset=utf-8", True),
        ("text/html;level=1", "text/html", False),
        ("text/html;level=1", "text/html;level=1", True),
        ("text/html; Level=ONE", 'text/html;level="one"', True),
        ("text/html;q=0", "text/html", False),
        ("text/*, text/html;q=0", "text/html", False),
        ("text/html;q=0.001", "text/html", True),
        ("text/html;q=0.1234567", "text/html", True),
        ("text/html ; q=1.000", "text/html", True),
        ("text/html;q=0.5;extension=1", "text/html", True),
        ("", "text/html", True),
        (",,", "text/html", True),
        ("nonsense", "text/html", True),
        ("nonsense, text/plain", "text/html", False),
        ("*/html, text/plain", "text/html", False),
        ("text/html;q=2, text/plain", "text/html", False),
        ("text/html;q=nan, text/plain", "text/html", False),
        ("text/html;q=-1, text/plain", "text/html", False),
        ('text/html;x="a,b;c"', 'text/html;x="a,b;c"', True),
        (r'text/html;x="a\",b", text/plain', "text/plain", True),
        ("*/*", "nonsense", False),
    ],
)
def test_a_media_type_is_accepted_or_not(header: str, media_type: str, accepted: bool) -> None:
    assert Accept(header).accepts(media_type) is accepted


@pytest.mark.parametrize(
    ("header", "provided", "best"),
    [
        (BROWSER, ["application/json", "text/html"], "text/html"),
        (BROWSER, ["application/json", "application/xml"], "application/xml"),
        (BROWSER, ["application/json", "image/png"], "application/json"),
        ("text/html;q=0.2, application/json;q=0.9", ["text/html", "application/json"], None),
        ("text/html, */*", ["application/json", "text/html"], "text/html"),
        ("*/*", ["application/json", "text/html"], "application/json"),
        ("text/*;q=0.3, text/html;q=0.7", ["text/plain", "text/html"], "text/html"),
        ("text/html;q=0.1, */*", ["text/html", "text/plain"], "text/plain"),
        ("a/b;x=1, a/b;q=0.5", ["a/b", "a/b;x=1"], "a/b;x=1"),
    ],
)
def test_the_client_gets_what_it_likes_best(
    header: str, provided: list[str], best: str | None
) -> None:
    assert Accept(header).best_match(provided) == (best or provided[-1])


def test_without_a_match_the_default_is_given() -> None:
    assert Accept("text/html").best_match(["image/png"]) is None
    assert Accept("text/html").best_match(["image/png"], default="text/plain") == "text/plain"
    assert Accept("*/*").best_match([]) is None


@given(st.text(st.sampled_from('ab/*;=q01., "\\')), st.text(st.sampled_from('ab/*;="')))
def test_no_header_is_an_error(header: str, media_type: str) -> None:
    accept = Accept(header)
    best = accept.best_match([media_type])
    assert (best == media_type) is accept.accepts(media_type)


@pytest.mark.parametrize("unit", ["a/b,", ",", ";", '"', "\\", '"a,', "a/b;q=0.1;", "a"])
def test_time_is_linear_in_the_length(unit: str) -> None:
    def seconds(count: int) -> float:
        header = f'a/b;x="{unit * count}'
        started = time.thread_time()
        Accept(header).accepts("a/b")
        return time.thread_time() - started

    # 16 times the length would take 256 times as long in quadratic time.
    short = min(seconds(2_000) for _ in range(5))
    long = min(seconds(32_000) for _ in range(3))
    assert long < short * 100


def test_the_header_can_be_shown() -> None:
    assert (str(Accept("a/b")), repr(Accept("a/b"))) == ("a/b", "Accept('a/b')")


def test_it_can_be_weakly_referenced() -> None:
    accept = Accept("a/b")
    assert weakref.ref(accept)() is accept
