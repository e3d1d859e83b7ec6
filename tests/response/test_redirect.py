"""A response that sends the client elsewhere."""

from __future__ import annotations

import string
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.enums import MediaType
from hesper.exceptions import ImproperlyConfiguredException
from hesper.response import Redirect
from hesper.response.defaults import Defaults


def location(path: str, query_params: dict[str, Any] | None = None) -> str:
    headers = dict(Redirect(path, query_params=query_params).prepare().headers)
    return headers[b"location"].decode("ascii")


def test_it_has_a_location_and_no_content() -> None:
    prepared = Redirect("/books").prepare(Defaults(status_code=200, media_type=MediaType.JSON))
    assert prepared.status == 302
    assert prepared.headers == [(b"location", b"/books"), (b"content-length", b"0")]
    assert prepared.body == b""


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_it_may_have_any_status_of_redirects(status: int) -> None:
    assert Redirect("/", status_code=status).prepare().status == status


@pytest.mark.parametrize("status", [200, 299, 304, 400])
def test_another_status_is_an_error(status: int) -> None:
    with pytest.raises(ImproperlyConfiguredException, match=f"{status}.*give 301"):
        Redirect("/", status_code=status)


@pytest.mark.parametrize(
    ("path", "encoded"),
    [
        ("/a b", "/a%20b"),
        ("/ä?ö=ü#ß", "/%C3%A4?%C3%B6=%C3%BC#%C3%9F"),
        ("/a%20b", "/a%20b"),
        ("https://user@books.example:8000/a?b=c#d", "https://user@books.example:8000/a?b=c#d"),
        ("http://[::1]/", "http://[::1]/"),
        ("/a\r\nset-cookie: b=c", "/a%0D%0Aset-cookie:%20b=c"),
        ("/\\evil.example", "/%5Cevil.example"),
        ("/\ud800", "/%ED%A0%80"),
    ],
)
def test_what_cannot_stand_in_a_url_is_encoded(path: str, encoded: str) -> None:
    assert location(path) == encoded


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a", "/a?x=1&y=2&y=3"),
        ("/a?b=c", "/a?b=c&x=1&y=2&y=3"),
        ("/a#top", "/a?x=1&y=2&y=3#top"),
        ("/a?b=c#top", "/a?b=c&x=1&y=2&y=3#top"),
    ],
)
def test_parameters_are_added_to_the_query(path: str, expected: str) -> None:
    assert location(path, {"x": 1, "y": [2, 3]}) == expected


@given(st.text())
def test_no_path_ends_the_line(path: str) -> None:
    assert set(location(path)) <= set(
        string.ascii_letters + string.digits + "-._~%/:?#[]@!$&'()*+,;="
    )


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), min_size=1))
def test_parameters_arrive_as_they_were(parameters: dict[str, str]) -> None:
    query = urlsplit(location("/", parameters)).query
    assert parse_qs(query, max_num_fields=None) == {
        key: [value] for key, value in parameters.items()
    }


@given(st.text(alphabet=string.ascii_letters + "äöü /"))
def test_a_path_arrives_as_it_was(path: str) -> None:
    assert unquote(location("/" + path)) == "/" + path
