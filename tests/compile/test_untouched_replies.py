"""What `after_request` hooks have left as it was is sent as if there were no hook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from hesper import Hesper, Request, Response, get, head
from hesper._compile.endpoint import EndpointWriter
from hesper.background_tasks import BackgroundTask
from hesper.datastructures import Cookie, ResponseHeader
from hesper.enums import MediaType
from hesper.exceptions import SerializationException
from hesper.response import Stream
from tests.compile.driver import Sent, sent_by


class Book(msgspec.Struct):
    title: str


def sent_for(annotation: Any, value: Any, hook: Callable[..., Any], **options: Any) -> Sent:
    """Return what is sent for a handler's result, which a hook is shown."""

    async def handler() -> Any:
        return value

    handler.__annotations__["return"] = annotation
    return sent_by(Hesper([get("/", **options)(handler)], after_request=hook), "GET", "/")


def outcome(sent: Sent) -> object:
    return sent.status, sorted(sent.headers), sent.body


async def leave(response: Response[Any]) -> Response[Any]:
    return response


async def say_more(response: Response[Any]) -> Response[Any]:
    """Say something that changes nothing, but makes the response one that says something."""
    response.type_encoders = {complex: str}
    return response


VALUES = [
    (str, "text é"),
    (str, ""),
    (str, "é" * 2000),
    (dict[str, int], {"a": 1}),
    (list[int], [1, 2]),
    (Book, Book("A")),
    (int, 5),
    (bytes, b"\x00\xff"),
    (None, None),
    # What cannot be encoded.
    (str, "\ud800"),
    (dict[str, Any], {"a": object()}),
    # What a handler should not return, saying what it says.
    (str, 5),
    (str, b"bytes"),
    (str, None),
    (dict[str, int], b"bytes"),
    (dict[str, int], bytearray(b"bytes")),
    (dict[str, int], "text"),
    (Book, None),
    (bytes, 5),
]


@pytest.mark.parametrize(("annotation", "value"), VALUES)
@pytest.mark.parametrize("media_type", [None, "text/html", "application/json", "text/x"])
def test_a_response_that_hooks_leave_is_sent_as_one_that_says_more(
    annotation: Any, value: Any, media_type: str | None
) -> None:
    options = {} if media_type is None else {"media_type": media_type}
    left, general = (
        outcome(sent_for(annotation, value, hook, **options)) for hook in (leave, say_more)
    )
    assert left == general


@pytest.mark.parametrize("annotation", [str, Any])
def test_the_layers_headers_and_cookies_are_sent_with_what_hooks_leave(annotation: Any) -> None:
    sent = sent_for(
        annotation,
        "hello",
        leave,
        status_code=202,
        response_headers=[ResponseHeader(name="x-of-route", value="1")],
        response_cookies=[Cookie(key="theme", value="dark")],
    )
    assert sent.status == 202
    assert sorted(sent.headers) == [
        (b"content-length", b"5"),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"set-cookie", b"theme=dark; Path=/; SameSite=lax"),
        (b"x-of-route", b"1"),
    ]


CHANGES: list[tuple[str, Callable[[Response[Any]], object], Callable[[Sent], object], object]] = [
    ("status", lambda r: setattr(r, "status_code", 418), lambda s: s.status, 418),
    ("header", lambda r: r.set_header("x-a", "1"), lambda s: s.header(b"x-a"), b"1"),
    ("etag", lambda r: r.set_etag('"a"'), lambda s: s.header(b"etag"), b'"a"'),
    (
        "cookie",
        lambda r: r.set_cookie("a", "1"),
        lambda s: (s.header(b"set-cookie") or b"")[:4],
        b"a=1;",
    ),
    ("content", lambda r: setattr(r, "content", [2]), lambda s: s.body, b"[2]"),
    ("inside", lambda r: r.content.append(2), lambda s: s.body, b"[1,2]"),
    (
        "media type",
        lambda r: setattr(r, "media_type", "application/problem+json"),
        lambda s: s.header(b"content-type"),
        b"application/problem+json",
    ),
    (
        "encoders",
        lambda r: setattr(r, "type_encoders", {int: str}),
        lambda s: s.body,
        b'["1"]',
    ),
]


@pytest.mark.parametrize("annotation", [list[int], Any])
@pytest.mark.parametrize(
    ("change", "seen", "expected"),
    [case[1:] for case in CHANGES],
    ids=[case[0] for case in CHANGES],
)
def test_what_a_hook_changes_takes_effect(
    annotation: Any,
    change: Callable[[Response[Any]], object],
    seen: Callable[[Sent], object],
    expected: object,
) -> None:
    async def hook(response: Response[Any]) -> Response[Any]:
        change(response)
        return response

    assert seen(sent_for(annotation, [1], hook)) == expected


def test_the_encoding_that_a_hook_sets_takes_effect() -> None:
    async def hook(response: Response[Any]) -> Response[Any]:
        response.encoding = "utf-16-le"
        return response

    assert sent_for(str, "a", hook).body == b"a\x00"


def test_background_work_that_a_hook_sets_is_done() -> None:
    done: list[str] = []

    async def hook(response: Response[Any]) -> Response[Any]:
        response.background = BackgroundTask(done.append, "work")
        return response

    assert sent_for(str, "hello", hook).body == b"hello"
    assert done == ["work"]


def test_a_header_that_a_hook_only_looks_at_changes_nothing() -> None:
    async def hook(response: Response[Any]) -> Response[Any]:
        assert not response.headers
        assert response.cookies == []
        assert response.status_code is None
        return response

    assert outcome(sent_for(str, "hello", hook)) == outcome(sent_for(str, "hello", leave))


class Own(Response[Any]):
    pass


@pytest.mark.parametrize(
    "other",
    [
        Response("other"),
        Own("other"),
        "other",
        b"other",
        Stream(iter([b"ot", b"her"])),
    ],
    ids=lambda other: type(other).__name__,
)
def test_what_a_hook_returns_in_place_of_the_response_is_sent(other: Any) -> None:
    async def hook(response: Response[Any]) -> Any:
        return other

    assert sent_for(str, "hello", hook).body == b"other"


def test_a_hook_that_returns_nothing_is_an_error() -> None:
    async def hook(response: Response[Any]) -> Any:
        return None

    assert sent_for(str, "hello", hook).status == 500


def test_what_cannot_be_encoded_is_the_same_error_whatever_hooks_do() -> None:
    seen: list[Exception] = []

    def answer(request: Any, error: Exception) -> Response[str]:
        seen.append(error)
        return Response("sorry", status_code=500)

    for hook in (leave, say_more):
        sent = sent_for(
            dict[str, Any],
            {"a": object()},
            hook,
            exception_handlers={SerializationException: answer},
        )
        assert sent.body == b"sorry"
    assert str(seen[0]) == str(seen[1])


class Rows:
    """Rows that are read once, and lost if that fails."""

    def __init__(self) -> None:
        self._rows = self._read()

    def _read(self) -> Iterator[int]:
        yield 1
        raise ValueError("the database is gone")

    def all(self) -> list[int]:
        return list(self._rows)


@pytest.mark.parametrize("media_type", [MediaType.JSON, MediaType.MESSAGEPACK])
@pytest.mark.parametrize("hook", [leave, say_more])
@pytest.mark.parametrize("annotation", [Rows, Any])
def test_content_whose_encoding_fails_is_not_encoded_again(
    annotation: Any, hook: Callable[..., Any], media_type: MediaType
) -> None:
    seen: list[Exception] = []

    def answer(request: Any, error: Exception) -> Response[str]:
        seen.append(error)
        return Response("sorry", status_code=500)

    sent = sent_for(
        annotation,
        Rows(),
        hook,
        media_type=media_type,
        type_encoders={Rows: Rows.all},
        exception_handlers={SerializationException: answer},
    )
    assert (sent.status, sent.body) == (500, b"sorry")
    assert str(seen[0]) == (
        f"content of type Rows cannot be sent as {media_type}: the database is gone"
    )


def test_what_hooks_leave_is_sent_without_a_body_to_head() -> None:
    @head("/")
    async def handler() -> str:
        return "hello"

    app = Hesper([handler], after_request=leave)
    sent = sent_by(app, "HEAD", "/")
    assert sent.header(b"content-length") == b"5"
    assert sent.body == b""


def test_the_header_list_of_what_hooks_leave_is_the_connections_own() -> None:
    @get("/")
    async def handler() -> str:
        return "hello"

    app = Hesper([handler], after_request=leave)
    sent_by(app, "GET", "/").messages[0]["headers"].append((b"x-added", b"1"))
    assert len(sent_by(app, "GET", "/").headers) == 2


async def look(request: Request) -> None:
    assert request.method == "GET"


async def wait() -> None:
    pass


@pytest.mark.parametrize(("hook", "makes_request"), [(look, True), (wait, False)])
def test_a_request_is_made_for_hooks_that_take_one(hook: Any, makes_request: bool) -> None:
    @get("/")
    async def handler() -> str:
        return "hello"

    app = Hesper([handler], before_request=hook)
    text = EndpointWriter(app._wiring.plans[0]).write().text
    assert ("Request(" in text) is makes_request
    assert sent_by(app, "GET", "/").body == b"hello"


@pytest.mark.parametrize("annotation", [str, Any])
def test_arguments_may_be_named_as_what_the_text_asks_about_content(annotation: Any) -> None:
    async def handler(str: int, isinstance: int, type: int) -> Any:
        return f"{str} {isinstance} {type}"

    handler.__annotations__["return"] = annotation
    app = Hesper([get("/")(handler)], after_request=leave)
    body = sent_by(app, "GET", "/", query=b"str=1&isinstance=2&type=3").body
    assert body.strip(b'"') == b"1 2 3"
