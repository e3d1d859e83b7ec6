"""URLs."""

from __future__ import annotations

import pickle
import weakref
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.datastructures import URL, MultiDict

FULL = "https://ann:pw@Example.com:8443/a/b?x=1&x=2&y=%20#part"


def scope(**changes: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "http",
        "path": "/a",
        "query_string": b"",
        "headers": [(b"host", b"example.com")],
        "server": ("127.0.0.1", 8000),
    } | changes


def test_a_url_is_taken_apart() -> None:
    url = URL(FULL)
    assert (url.scheme, url.netloc, url.path) == ("https", "ann:pw@Example.com:8443", "/a/b")
    assert (url.query, url.fragment) == ("x=1&x=2&y=%20", "part")
    assert (url.username, url.password) == ("ann", "pw")
    assert (url.hostname, url.port) == ("example.com", 8443)


def test_what_a_url_does_not_name_is_empty() -> None:
    url = URL("/a")
    assert (url.scheme, url.netloc, url.query, url.fragment) == ("", "", "", "")
    assert (url.hostname, url.port, url.username, url.password) == (None, None, None, None)


def test_the_query_is_decoded_on_request() -> None:
    assert URL(FULL).query_params.dict() == {"x": ["1", "2"], "y": [" "]}


@pytest.mark.parametrize(
    "text", [FULL, "/a?b#c", "", "mailto:a@b", "https://[::1]:80/", "file:///a", "app:/b"]
)
def test_a_url_is_its_text(text: str) -> None:
    assert str(URL(text)) == text


@pytest.mark.parametrize("text", ["http://[::1", "http://a:b/", "http://a:99999/"])
def test_a_text_that_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        URL(text)


def test_an_error_shows_no_password() -> None:
    with pytest.raises(ValueError, match=r"'ann:\*\*\*@host:port'"):
        URL("http://ann:geheim@host:port/")


def test_the_representation_shows_no_password() -> None:
    assert repr(URL(FULL)) == "URL('https://ann:***@Example.com:8443/a/b?x=1&x=2&y=%20#part')"
    assert repr(URL("http://ann@a/")) == "URL('http://ann@a/')"


def test_a_url_is_a_value() -> None:
    url = URL(FULL)
    assert url == URL(FULL) == FULL
    assert url != URL("/")
    assert url != 1
    assert len({url, URL(FULL)}) == 1
    assert weakref.ref(url)() is url
    assert pickle.loads(pickle.dumps(url)) == url


def test_a_url_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        setattr(URL(FULL), "path", "/")  # noqa: B010 (checkers refuse the statement)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, FULL),
        ({"scheme": "HTTP"}, FULL.replace("https", "http")),
        ({"netloc": "b.example"}, "https://b.example/a/b?x=1&x=2&y=%20#part"),
        ({"path": "/c d"}, FULL.replace("/a/b", "/c%20d")),
        ({"path": "c"}, FULL.replace("/a/b", "/c")),
        ({"path": ""}, FULL.replace("/a/b", "")),
        ({"query": ""}, FULL.replace("?x=1&x=2&y=%20", "")),
        ({"query": {"z": [1, "ä"]}}, FULL.replace("x=1&x=2&y=%20", "z=1&z=%C3%A4")),
        (
            {"query": MultiDict([("a", "&"), ("a", "b")])},
            FULL.replace("x=1&x=2&y=%20", "a=%26&a=b"),
        ),
        ({"fragment": ""}, FULL.removesuffix("#part")),
        ({"scheme": "", "netloc": ""}, "/a/b?x=1&x=2&y=%20#part"),
    ],
)
def test_parts_can_be_replaced(changes: dict[str, Any], text: str) -> None:
    assert str(URL(FULL).with_replacements(**changes)) == text


def test_percent_signs_are_kept_when_parts_are_put_together() -> None:
    assert str(URL.from_components(path="/a%2Fb", query="a=%20")) == "/a%2Fb?a=%20"


@pytest.mark.parametrize("scheme", ["1a", "a b", "a:", "a\n", "ä"])
def test_what_is_no_scheme_is_refused(scheme: str) -> None:
    with pytest.raises(ValueError, match="the scheme of a URL is"):
        URL.from_components(scheme=scheme)


@pytest.mark.parametrize("netloc", ["a/b", "a?b", "a#b", "a b", "a\r\nb", "a\\b", "a:x"])
def test_what_is_no_netloc_is_refused(netloc: str) -> None:
    with pytest.raises(ValueError, match="the netloc of a URL is"):
        URL.from_components(netloc=netloc)


@given(st.text(), st.text(), st.text())
def test_no_part_becomes_another(path: str, query: str, fragment: str) -> None:
    for netloc in ("", "example.com"):
        for scheme in ("", "https", "app"):
            url = URL.from_components(scheme, netloc, path, fragment, query)
            again = urlsplit(str(url))
            assert (again.scheme, again.netloc) == (scheme, netloc)
            assert (again.path, again.query, again.fragment) == (url.path, url.query, url.fragment)


@pytest.mark.parametrize(
    ("path", "text"), [("//evil", "/.//evil"), ("a:b", "./a:b"), ("/a:b", "/a:b")]
)
def test_a_path_is_never_read_as_a_host_or_a_scheme(path: str, text: str) -> None:
    assert str(URL.from_components(path=path)) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "http://example.com/a"),
        ({"scheme": "https"}, "https://example.com/a"),
        ({"headers": [(b"host", b"example.com:8080")]}, "http://example.com:8080/a"),
        ({"headers": [(b"host", b"[::1]:8080")]}, "http://[::1]:8080/a"),
        ({"query_string": b"x=1&y=%20"}, "http://example.com/a?x=1&y=%20"),
        ({"query_string": b"x=\xff#\r\n"}, "http://example.com/a?x=%FF%23%0D%0A"),
        ({"path": "/ä b?#%"}, "http://example.com/%C3%A4%20b%3F%23%25"),
        ({"headers": [(b"x", b"y"), (b"host", b"b")]}, "http://b/a"),
        ({"headers": []}, "http://127.0.0.1:8000/a"),
        ({"headers": [], "server": ("127.0.0.1", 80)}, "http://127.0.0.1/a"),
        ({"headers": [], "server": ("::1", 443), "scheme": "https"}, "https://[::1]/a"),
        ({"headers": [], "server": ("/tmp/socket", None)}, "http:///a"),
        ({"headers": [], "server": None}, "http:///a"),
    ],
)
def test_the_url_of_a_connection(changes: dict[str, Any], text: str) -> None:
    assert str(URL.from_scope(scope(**changes))) == text


@pytest.mark.parametrize(
    "host", [b"a/b", b"a@b", b"a b", b"", b"a:99999", b"a:b", b"[", b"\xff", b"a\n"]
)
def test_a_malformed_host_header_is_not_believed(host: bytes) -> None:
    assert URL.from_scope(scope(headers=[(b"host", host)])).netloc == "127.0.0.1:8000"


@pytest.mark.parametrize(("kind", "scheme"), [("http", "http"), ("websocket", "ws")])
def test_a_scope_without_a_scheme_has_the_default(kind: str, scheme: str) -> None:
    bare = scope(type=kind)
    del bare["scheme"]
    assert URL.from_scope(bare).scheme == scheme


@pytest.mark.parametrize(
    ("root", "path", "full"),
    [
        ("", "/a", "/a"),
        ("/", "/a", "/a"),
        ("/root", "/root/a", "/root/a"),
        ("/root/", "/root/a", "/root/a"),
        ("/root", "/root", "/root"),
        ("/root", "/a", "/root/a"),
        ("/root", "/rooted", "/root/rooted"),
        ("/root", "", "/root/"),
    ],
)
def test_the_root_path_stands_before_the_path_once(root: str, path: str, full: str) -> None:
    assert URL.from_scope(scope(root_path=root, path=path)).path == full


@given(st.text(), st.binary(), st.binary())
def test_no_connection_is_an_error(path: str, query: bytes, host: bytes) -> None:
    url = URL.from_scope(scope(path=path, query_string=query, headers=[(b"host", host)]))
    again = urlsplit(str(url))
    assert (again.netloc, again.path, again.query) == (url.netloc, url.path, url.query)
    assert str(url).isascii()
    assert str(url).isprintable()
