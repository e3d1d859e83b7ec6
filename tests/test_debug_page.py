"""What an app in debug mode tells about a 500, and what it keeps to itself."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from hesper import Controller, Hesper, Provide, Request, Response, Router, get, post
from hesper.datastructures import SecretString
from hesper.exceptions import HTTPException, ImproperlyConfiguredException, InternalServerException
from tests.asgi_driver import Answer, answer

TEXT, HTML, JSON, PROBLEM = (
    "*/*",
    "text/html,application/xhtml+xml,*/*;q=0.8",
    "application/json",
    "application/problem+json",
)
every_form = pytest.mark.parametrize("accept", [TEXT, HTML, JSON, PROBLEM])


def raising(error: BaseException, path: str = "/") -> Any:
    @get(path)
    async def fail(token: str = "") -> None:
        raise error

    return fail


def shown(
    error: Exception,
    accept: str = TEXT,
    *,
    target: str = "/",
    path: str = "/",
    headers: list[tuple[str, str]] | None = None,
    **options: Any,
) -> Answer:
    """Return what an app in debug mode answers when a handler raises *error*."""
    app = Hesper([raising(error, path)], debug=True, **options)
    got = answer(app, "GET", target, headers=[("accept", accept), *(headers or [])])
    assert got.status == 500
    return got


# Which responses it is.


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ([], "text/plain; charset=utf-8"),
        (["*/*"], "text/plain; charset=utf-8"),
        (["text/plain"], "text/plain; charset=utf-8"),
        (["image/png"], "text/plain; charset=utf-8"),
        (["", "garbage;;q=x"], "application/json"),
        ([HTML], "text/html; charset=utf-8"),
        (["application/json, text/plain, */*"], "application/json"),
        (["application/json;q=0.1", "text/html"], "text/html; charset=utf-8"),
        (["application/problem+json"], "application/json"),
    ],
)
def test_the_form_is_what_the_client_accepts(accept: list[str], media_type: str) -> None:
    app = Hesper([raising(ValueError())], debug=True)
    got = answer(app, "GET", "/", headers=[("accept", value) for value in accept])
    assert (got.status, got.header("content-type")) == (500, media_type)


@pytest.mark.parametrize(
    "error", [HTTPException(status_code=400), HTTPException(status_code=503), StopAsyncIteration()]
)
def test_only_a_500_is_explained(error: Exception) -> None:
    got = answer(Hesper([raising(error)], debug=True), "GET", "/")
    assert (b"Traceback" in got.body) is (got.status == 500)


@pytest.mark.parametrize(
    "error", [InternalServerException("inside"), ImproperlyConfiguredException("inside")]
)
def test_exceptions_that_stand_for_a_500_are_explained(error: Exception) -> None:
    assert "inside" in shown(error).text


def test_an_exception_handler_goes_first() -> None:
    def handle(_request: Request, _error: Exception) -> Response[str]:
        return Response("handled", status_code=500)

    assert shown(ValueError(), exception_handlers={500: handle}).text == "handled"


@every_form
@pytest.mark.parametrize("problem_details", [True, False])
def test_without_debug_nothing_is_told(accept: str, problem_details: bool) -> None:
    app = Hesper([raising(ValueError("inside"))], problem_details=problem_details)
    got = answer(app, "GET", "/", headers=[("accept", accept)])
    members = 4 if problem_details else 2
    assert len(got.json()) == members
    for told in (b"inside", b"ValueError", b"raising", b".py"):
        assert told not in got.body


def test_the_exception_is_logged_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "hesper"):
        shown(ValueError("why"))
    (record,) = caplog.records
    assert record.exc_info is not None


@every_form
def test_the_response_to_head_has_no_body(accept: str) -> None:
    app = Hesper([raising(ValueError())], debug=True)
    got = answer(app, "HEAD", "/", headers=[("accept", accept)])
    assert (got.status, got.body) == (500, b"")


@every_form
def test_no_cache_keeps_it(accept: str) -> None:
    got = shown(ValueError(), accept, response_headers={"cache-control": "public"})
    assert (got.header("cache-control"), got.header("vary")) == ("no-store", "accept")


def test_headers_of_the_exception_are_kept() -> None:
    assert shown(InternalServerException(headers={"x-a": "1"})).header("x-a") == "1"


def test_the_page_is_not_loaded_before_it_is_needed() -> None:
    code = """
import sys
from hesper import Hesper
Hesper(debug=True)
assert "hesper._compile.debug" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# What it tells.


class Books(Controller):
    """A controller with something to show of every layer."""

    path = "/books"
    dependencies = {"db": Provide(lambda: 1)}

    @get("/{isbn:str}", name="book")
    async def one(self, isbn: str, db: int) -> str:
        try:
            raise KeyError(isbn)
        except KeyError as error:
            raise ValueError("no such book") from error


BOOKS = Hesper([Router("/api", route_handlers=[Books], opt={"a": 1})], guards=[], debug=True)


@every_form
def test_the_exception_its_cause_the_route_and_the_request_are_told(accept: str) -> None:
    headers = [("accept", accept), ("x-a", "here")]
    got = answer(BOOKS, "GET", "/api/books/123?page=2", headers=headers)
    told = re.sub(r"</?mark>|\\", "", got.text).replace("&#x27;", "'").replace("&quot;", '"')
    for expected in (
        "ValueError: no such book",
        "KeyError: '123'",
        'raise ValueError("no such book") from error',
        "GET /api/books/123?page=2",
        "GET /api/books/{isbn:str}",
        "async def endpoint(scope, receive, send):",
        "x-a",
        "here",
        "application",
        "router /api",
        "controller Books",
        "get Books.one",
        "dependencies",
        "test_debug_page.py",
    ):
        assert expected in told


def test_the_endpoints_line_is_marked() -> None:
    got = answer(BOOKS, "GET", "/api/books/123")
    assert re.search(r"\n> +\d+ +result = await one\(isbn, db\)\n", got.text)


def test_programs_get_a_list_of_lines() -> None:
    got = answer(BOOKS, "GET", "/api/books/1", headers=[("accept", JSON)]).json()
    assert got["status_code"] == 500
    assert got["detail"] == "ValueError: no such book"
    assert got["debug"]["traceback"][-1] == "ValueError: no such book"
    assert got["debug"]["endpoint"]["source"][got["debug"]["endpoint"]["line"] - 1].strip()
    layers = [layer["layer"] for layer in got["debug"]["layers"]]
    assert layers == ["application", "router /api", "controller Books", "get Books.one"]


def test_a_problem_stays_one() -> None:
    got = shown(ValueError("why"), JSON, problem_details=True)
    assert got.header("content-type") == PROBLEM
    assert got.json()["title"] == "Internal Server Error"
    assert got.json()["detail"] == "ValueError: why"


@every_form
def test_errors_of_middleware_are_told(accept: str) -> None:
    def failing(_app: object) -> Any:
        async def fail(_scope: object, _receive: object, _send: object) -> None:
            raise ValueError("in middleware")

        return fail

    assert "in middleware" in shown(ValueError(), accept, middleware=[failing]).text


@every_form
def test_members_of_a_group_are_told(accept: str) -> None:
    inner = ExceptionGroup("inner", [KeyError("one")])
    text = shown(ExceptionGroup("outer", [inner, OSError("two")]), accept).text
    assert "outer" in text
    assert "KeyError" in text
    assert "two" in text


# What it does not tell, and what it must stand.


SECRETS = [
    ("authorization", "Bearer s3cr3t-value"),
    ("proxy-authorization", "Basic s3cr3t-value"),
    ("cookie", "a=s3cr3t-value; b=2"),
    ("x-api-key", "s3cr3t-value"),
    ("x-access-token", "s3cr3t-value"),
    ("x-password", "s3cr3t-value"),
    ("x-client-secret", "s3cr3t-value"),
    ("x-session", "s3cr3t-value"),
    ("X-CSRFToken", "s3cr3t-value"),
    ("referer", "http://a/?token=s3cr3t-value&b=1"),
    ("referer", "http://me:s3cr3t-value@a/"),
]


@every_form
@pytest.mark.parametrize("header", SECRETS, ids=lambda header: header[0])
def test_secrets_of_the_request_are_masked(accept: str, header: tuple[str, str]) -> None:
    got = shown(ValueError(), accept, headers=[header])
    assert "s3cr3t-value" not in got.text
    assert header[0].lower() in got.text
    assert "******" in got.text


@every_form
@pytest.mark.parametrize("header", SECRETS[:3], ids=lambda header: header[0])
def test_they_are_masked_where_the_exception_repeats_them(
    accept: str, header: tuple[str, str]
) -> None:
    value = header[1].split(";", maxsplit=1)[0].replace("=", " ").partition(" ")[2]
    text = shown(ValueError(f"bad value {value}!"), accept, headers=[header]).text
    assert value not in text
    assert "bad value ******!" in text


@every_form
@pytest.mark.parametrize(
    "query", ["token=s3cr3t-value", "a=1&api%5Fkey=s3cr3t-value", "Password=s3cr3t%2Dvalue"]
)
def test_secrets_of_the_query_are_masked(accept: str, query: str) -> None:
    text = shown(ValueError("s3cr3t-value"), accept, target=f"/?{query}").text
    assert "s3cr3t" not in text
    assert "=******" in text


@every_form
@pytest.mark.parametrize("value", ["s3cr3t-value", "x"])
def test_secrets_of_the_path_are_masked(accept: str, value: str) -> None:
    path = "/reset-it/{token:str}"
    text = shown(ValueError(), accept, target=f"/reset-it/{value}", path=path).text
    assert f"reset-it/{value}" not in text
    assert "/reset-it/{token:str}" in text


@every_form
def test_values_of_variables_and_of_the_environment_are_not_told(
    accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_ENVIRONMENT", "of the environment")

    @post("/")
    async def fail(data: dict[str, str]) -> None:
        local = f"of a {data['a']}"
        raise ValueError(SecretString(f"secret {data['a']}"), len(local))

    headers = [("accept", accept), ("content-type", "application/json")]
    got = answer(Hesper([fail], debug=True), "POST", "/", body=b'{"a":"body"}', headers=headers)
    assert got.status == 500
    for value in ("of a body", "secret body", "of the environment", "OF_THE_ENVIRONMENT", '"body"'):
        assert value not in got.text


@every_form
def test_the_password_of_an_address_is_masked(accept: str) -> None:
    text = shown(ConnectionError("postgresql://me:pw%40@host/books"), accept).text
    assert "postgresql://******@host/books" in text
    assert "pw%40" not in text


@every_form
def test_a_password_with_an_at_sign_is_masked_as_a_whole(accept: str) -> None:
    text = shown(ConnectionError("postgresql://me:pa@ssw0rd@host/books"), accept).text
    assert "postgresql://******@host/books" in text
    assert "ssw0rd" not in text


@every_form
def test_the_password_of_basic_credentials_is_masked(accept: str) -> None:
    credentials = base64.b64encode(b"me:s3cr3t-value").decode()
    headers = [("authorization", f"Basic {credentials}")]
    text = shown(ValueError("is it s3cr3t-value?"), accept, headers=headers).text
    assert "s3cr3t" not in text
    assert "is it ******?" in text


@every_form
@pytest.mark.parametrize("spelled", [str, repr, ascii, lambda secret: repr([secret, '"'])])
@pytest.mark.parametrize(
    "secret",
    ["s3cr3t-value\nr3st-of-it", "s3cr3t'r3st-of-it", "s3cr3t\"'r3st-of-it", "s3cr3t-är3st"],
)
def test_a_secret_is_masked_as_python_spells_it(accept: str, secret: str, spelled: Any) -> None:
    text = shown(ValueError(spelled(secret)), accept, target=f"/?token={quote(secret)}").text
    assert "s3cr3t" not in text
    assert "r3st" not in text


@every_form
def test_of_a_secret_that_is_cut_nothing_is_left(accept: str) -> None:
    error = ValueError("a" * (20_000 - len("ValueError: s3cr3t")) + "s3cr3t-value")
    assert "s3cr3t" not in shown(error, accept, target="/?token=s3cr3t-value").text


@every_form
def test_browsers_are_told_not_to_guess_the_type(accept: str) -> None:
    assert shown(ValueError("<script>"), accept).header("x-content-type-options") == "nosniff"


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.style = ""
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data
            self._in_style = False
        else:
            self.text += data

    _in_style = False


EVIL = "</pre></style></title><script>alert(1)</script><img src=x onerror=alert(2)>'\""


def test_nothing_is_taken_for_markup() -> None:
    headers = [("x-a", EVIL), (EVIL.replace(" ", ""), "x"), ("referer", f"/?{EVIL}")]
    got = shown(ValueError(EVIL), HTML, target=f"/?{EVIL}", headers=headers)
    page = Tags()
    page.feed(got.text)
    assert page.tags <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "pre", "mark",
        "details", "summary", "table", "tr", "td",
    }  # fmt: skip
    assert page.attributes <= {"lang", "charset", "open"}
    assert page.text.count("<script>alert(1)</script>") >= 4


def test_the_page_loads_and_runs_nothing() -> None:
    got = shown(ValueError(), HTML)
    page = Tags()
    page.feed(got.text)
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    policy = got.header("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert got.header("x-content-type-options") == "nosniff"


@every_form
@pytest.mark.parametrize(
    "text",
    ["\x1b[31mred", "\x9b31m", "\u202egnirts", "\ud800", "a\rb", "\x00", "\u2028"],
    ids=ascii,
)
def test_no_control_sequence_reaches_a_terminal(accept: str, text: str) -> None:
    got = shown(ValueError(text), accept)
    assert text not in got.body.decode("utf-8")
    assert "ValueError" in got.text


class Unprintable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no text")


def deep(depth: int) -> None:
    if depth:
        deep(depth - 1)
    raise ValueError("deep")


def long_chain() -> Exception:
    error = ValueError("first")
    for number in range(3000):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    return error


@every_form
@pytest.mark.parametrize(
    "error",
    [
        Unprintable(),
        ValueError("x" * 3_000_000),
        ValueError("\n" * 3_000_000),
        ExceptionGroup("many", [ValueError(str(number)) for number in range(1000)]),
        long_chain(),
    ],
    ids=["unprintable", "long", "lines", "group", "chain"],
)
def test_the_report_of_any_exception_is_short(accept: str, error: Exception) -> None:
    got = shown(error, accept)
    assert type(error).__name__ in got.text
    assert len(got.body) < 300_000


@every_form
def test_an_exception_of_many_frames_is_told(accept: str) -> None:
    @get("/")
    async def fail() -> None:
        deep(300)

    got = answer(Hesper([fail], debug=True), "GET", "/", headers=[("accept", accept)])
    assert "ValueError: deep" in got.text
    assert len(got.body) < 300_000
