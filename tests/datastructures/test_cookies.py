"""Cookies, read and set."""

from __future__ import annotations

import time
import weakref
from email.utils import parsedate_to_datetime
from http.cookies import SimpleCookie
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.datastructures import Cookie, parse_cookie_header

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def attributes(cookie: Cookie) -> list[str]:
    return cookie.to_header().split("; ")[1:]


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2;", {"a": "1", "b": "2"}),
        (" a =\t1 ; b = 2 ", {"a": "1", "b": "2"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a", {}),
        ("=a", {}),
        (";;;", {}),
        ('a="b c"', {"a": "b c"}),
        ('a="', {"a": '"'}),
        ('a=""', {"a": ""}),
        (r'a="b\"c\\d"', {"a": 'b"c\\d'}),
        (r'a="b\073\054"', {"a": "b;,"}),
        (r'a="\303\251"', {"a": "é"}),
        (r'a="\351"', {"a": "é"}),
        ("a=\xc3\xa9", {"a": "é"}),
        ("a=\xe9", {"a": "\xe9"}),
        ("a=日", {"a": "日"}),
        (r"a=b\073", {"a": r"b\073"}),
        ("a=%20", {"a": "%20"}),
    ],
)
def test_a_header_is_taken_apart(header: str, cookies: dict[str, str]) -> None:
    assert parse_cookie_header(header) == cookies


def test_of_cookies_with_one_name_the_first_counts() -> None:
    assert parse_cookie_header("a=narrow; a=broad") == {"a": "narrow"}


@given(st.text())
def test_no_header_is_an_error(header: str) -> None:
    assert all(
        name and isinstance(value, str) for name, value in parse_cookie_header(header).items()
    )


@given(st.dictionaries(st.sampled_from("abcde"), TEXTS))
def test_any_text_comes_back(values: dict[str, str]) -> None:
    header = "; ".join(
        Cookie(key, value=value, path="").to_header().removesuffix("; SameSite=lax")
        for key, value in values.items()
    )
    assert parse_cookie_header(header.encode("ascii").decode("latin-1")) == values


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_what_the_standard_library_writes_is_read(value: str) -> None:
    cookie: SimpleCookie = SimpleCookie()
    try:
        cookie["a"] = value
        header = cookie["a"].OutputString()
    except Exception:  # newer versions refuse controls
        return
    found = parse_cookie_header(header)["a"]
    assert found in (value, _as_utf_8(value))


def _as_utf_8(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "replace")


@given(TEXTS)
def test_the_standard_library_reads_what_we_write(value: str) -> None:
    header = Cookie("a", value=value, path="").to_header().removesuffix("; SameSite=lax")
    cookie: SimpleCookie = SimpleCookie(header)
    assert cookie["a"].value.encode("latin-1").decode() == value


@pytest.mark.parametrize("unit", ["a=1;", ";", "=", '"', 'a="\\', "\\303", "a", " "])
def test_time_is_linear_in_the_length(unit: str) -> None:
    def seconds(count: int) -> float:
        header = f'a="{unit * count}"; b=1'
        started = time.thread_time()
        parse_cookie_header(header)
        return time.thread_time() - started

    # 16 times the length would take 256 times as long in quadratic time.
    short = min(seconds(4_000) for _ in range(5))
    long = min(seconds(64_000) for _ in range(3))
    assert long < short * 100


def test_a_cookie_without_options_has_path_and_samesite() -> None:
    assert Cookie("a", value="1").to_header() == "a=1; Path=/; SameSite=lax"


def test_every_option_is_written() -> None:
    cookie = Cookie(
        "a",
        path="/b",
        value="1",
        max_age=60,
        domain="example.com",
        secure=True,
        httponly=True,
        samesite="none",
    )
    assert attributes(cookie) == [
        "Domain=example.com",
        "Path=/b",
        "Max-Age=60",
        "Secure",
        "HttpOnly",
        "SameSite=none",
    ]


def test_a_cookie_without_a_value_has_the_empty_one() -> None:
    assert Cookie("a", path="").to_header() == "a=; SameSite=lax"


def test_expiry_is_so_many_seconds_from_now() -> None:
    before = int(time.time())
    header = Cookie("a", expires=3600, path="").to_header()
    after = time.time()
    date = parsedate_to_datetime(header.split("Expires=")[1].split(";")[0])
    assert before + 3600 <= date.timestamp() <= after + 3600


@pytest.mark.parametrize(
    ("expires", "year"), [(-(10**12), "01 Jan 1970"), (10**12, "31 Dec 9999"), (10**400, "9999")]
)
def test_an_expiry_beyond_what_a_date_can_say_is_the_nearest(expires: int, year: str) -> None:
    assert year in Cookie("a", expires=expires).to_header()


def test_a_cookie_is_encoded_as_asgi_carries_it() -> None:
    assert Cookie("a", value="ä", path="").to_encoded_header() == (
        b"set-cookie",
        b'a="\\303\\244"; SameSite=lax',
    )


@pytest.mark.parametrize("key", ["", "a b", "a=b", "a;b", "a,b", "a\nb", "ä", '"a"', "a\x00"])
def test_a_key_that_is_no_token_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="the key of a cookie is"):
        Cookie(key)


@pytest.mark.parametrize("bad", ["/a;b", "/a,b", "/a\r\nb", "/\x00", "/ä", "/\x7f"])
def test_a_path_that_would_end_its_attribute_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="the path of a cookie is"):
        Cookie("a", path=bad)


@pytest.mark.parametrize("bad", ["a;b", "a,b", "a b", "a\nb", "\x00", "bücher.example"])
def test_a_domain_that_would_end_its_attribute_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="the domain of a cookie is"):
        Cookie("a", domain=bad)


def test_half_a_surrogate_pair_is_refused_as_a_value() -> None:
    with pytest.raises(ValueError, match="the value of the cookie 'a' has half of a surrogate"):
        Cookie("a", value="\ud800")


def test_an_unknown_samesite_is_refused() -> None:
    with pytest.raises(ValueError, match=r"samesite of the cookie 'a' is 'Lax'.*'lax', 'strict'"):
        Cookie("a", samesite=cast("Any", "Lax"))


@given(TEXTS)
def test_no_value_reaches_the_header_as_more_than_a_value(value: str) -> None:
    header = Cookie("a", value=value).to_header()
    assert header.isascii()
    assert header.isprintable()
    assert header.count(";") == 2


def test_cookies_are_told_apart_by_key_path_and_domain() -> None:
    assert Cookie("a", value="1").identity == Cookie("a", value="2").identity == ("a", "/", None)
    assert Cookie("a", path="/b").identity != Cookie("a").identity
    assert Cookie("a", domain="b").identity != Cookie("a").identity


def test_the_representation_hides_the_value() -> None:
    assert "geheim" not in repr(Cookie("session", value="geheim"))


def test_a_cookie_is_a_value() -> None:
    cookie = Cookie("a", value="1")
    assert cookie == Cookie("a", value="1")
    assert hash(cookie) == hash(Cookie("a", value="1"))
    assert weakref.ref(cookie)() is cookie
