from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pydantic
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

from hesper import Hesper, MediaType, Response, delete, get, head, post, put, route
from hesper._types import Receive, Scope, Send
from hesper.background_tasks import BackgroundTask, BackgroundTasks
from hesper.datastructures import Cookie, ResponseHeader
from hesper.response import File, Redirect, ServerSentEvent, Stream
from hesper.response.defaults import DEFAULTS, Defaults
from hesper.response.file import PreparedFile
from hesper.response.prepared import Prepared
from tests.compile.driver import Sent, request, sent_by


class Book(msgspec.Struct):
    title: str


@dataclass
class Data:
    title: str


class Model(pydantic.BaseModel):
    title: str


class Genre(enum.Enum):
    NOVEL = "novel"


def returning(
    annotation: Any, value: Any, declare: Callable[..., Any] = get, **options: Any
) -> Any:
    """Return a handler that returns a value, and is annotated to do so."""

    async def handler() -> Any:
        return value

    handler.__annotations__["return"] = annotation
    return declare("/", **options)(handler)


def sent_for(
    annotation: Any, value: Any, declare: Callable[..., Any] = get, **options: Any
) -> Sent:
    """Return what is sent for a handler's result."""
    method = "GET" if declare is get else declare.__name__.upper()
    return sent_by(Hesper([returning(annotation, value, declare, **options)]), method, "/")


VALUES = [
    ("text é", "text é".encode(), b"text/plain; charset=utf-8"),
    (b"\x00\xff", b"\x00\xff", b"text/plain; charset=utf-8"),
    (bytearray(b"ab"), b"ab", b"text/plain; charset=utf-8"),
    (None, b"null", b"application/json"),
    (5, b"5", b"application/json"),
    (True, b"true", b"application/json"),
    ([1, "a", None], b'[1,"a",null]', b"application/json"),
    ({"a": UUID(int=1)}, b'{"a":"00000000-0000-0000-0000-000000000001"}', b"application/json"),
    (Book("A"), b'{"title":"A"}', b"application/json"),
    (Data("A"), b'{"title":"A"}', b"application/json"),
    (Model(title="A"), b'{"title":"A"}', b"application/json"),
    (Genre.NOVEL, b'"novel"', b"application/json"),
    (float("nan"), b"null", b"application/json"),
]


@pytest.mark.parametrize(("value", "body", "media_type"), VALUES)
@pytest.mark.parametrize("known", [True, False])
def test_a_plain_result_is_sent_the_same_whether_its_type_is_known_or_not(
    value: Any, body: bytes, media_type: bytes, known: bool
) -> None:
    annotation = (type(value) if value is not None else None) if known else Any
    sent = sent_for(annotation, value)
    assert sent.status == 200
    assert sent.body == body
    assert sorted(sent.headers) == [
        (b"content-length", b"%d" % len(body)),
        (b"content-type", media_type),
    ]


@pytest.mark.parametrize(
    ("declare", "status"), [(get, 200), (post, 201), (put, 200), (delete, 204)]
)
def test_the_status_is_the_decorators(declare: Any, status: int) -> None:
    sent = sent_for(None, None, declare)
    assert sent.status == status
    assert (sent.header(b"content-type") is None) is (status == 204)


@pytest.mark.parametrize("annotation", [None, Any, Response])
@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_body_is_sent_without_body(annotation: Any, status: int) -> None:
    value = Response(None) if annotation is Response else None
    sent = sent_for(annotation, value, status_code=status)
    assert sent.status == status
    assert sent.body == b""
    assert sent.headers == ([(b"content-length", b"0")] if status == 205 else [])


def test_content_where_the_status_allows_none_is_a_500() -> None:
    assert sent_for(Any, "text", status_code=204).status == 500


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("value", "media_type", "body"),
    [
        ("text", MediaType.JSON, b'"text"'),
        ("text", MediaType.HTML, b"text"),
        ("text", "application/problem+json", b'"text"'),
        ("text", MediaType.MESSAGEPACK, msgspec.msgpack.encode("text")),
        ({"a": 1}, MediaType.MESSAGEPACK, msgspec.msgpack.encode({"a": 1})),
        ({"a": 1}, "application/problem+json", b'{"a":1}'),
        (None, MediaType.MESSAGEPACK, b"\xc0"),
        (b"{}", MediaType.JSON, b"{}"),
    ],
)
def test_a_declared_media_type_decides_how_a_result_is_encoded(
    value: Any, media_type: str, body: bytes, known: bool
) -> None:
    annotation = (type(value) if value is not None else None) if known else Any
    sent = sent_for(annotation, value, media_type=media_type)
    assert sent.body == body
    content_type = sent.header(b"content-type")
    assert content_type is not None
    assert content_type.startswith(media_type.encode())


@pytest.mark.parametrize("annotation", [str, Any])
def test_text_that_is_no_unicode_is_a_500(annotation: Any) -> None:
    assert sent_for(annotation, "\ud800").status == 500


@pytest.mark.parametrize("annotation", [dict[str, Any], Any])
def test_a_result_that_cannot_be_encoded_is_a_500(annotation: Any) -> None:
    assert sent_for(annotation, {"a": object()}).status == 500
    circle: dict[str, Any] = {}
    circle["self"] = circle
    assert sent_for(annotation, circle).status == 500


def test_type_encoders_encode_what_is_not_known_otherwise() -> None:
    class Point:
        x = 1

    encoders = {Point: lambda point: {"x": point.x}}
    for annotation in (list[Point], Any):
        assert sent_for(annotation, [Point()], type_encoders=encoders).body == b'[{"x":1}]'


@pytest.mark.parametrize("annotation", [Response[str], Any])
def test_a_response_says_what_it_says(annotation: Any) -> None:
    response = Response(
        "text", status_code=202, headers={"x-a": "1"}, cookies={"b": "2"}, media_type="text/css"
    )
    sent = sent_for(annotation, response)
    assert sent.status == 202
    assert sent.headers == [
        (b"content-type", b"text/css; charset=utf-8"),
        (b"x-a", b"1"),
        (b"set-cookie", b"b=2; Path=/; SameSite=lax"),
        (b"content-length", b"4"),
    ]


def test_a_response_of_other_content_than_the_route_has_its_own_media_type() -> None:
    async def before(request: Any) -> Response[str]:
        return Response("closed", status_code=503)

    sent = sent_for(dict[str, int], {}, before_request=before)
    assert sent.body == b"closed"
    assert sent.header(b"content-type") == b"text/plain; charset=utf-8"


def test_a_redirect_is_sent() -> None:
    sent = sent_for(Redirect, Redirect("/a b\r\nx: y"))
    assert (sent.status, sent.body) == (302, b"")
    assert sent.header(b"location") == b"/a%20b%0D%0Ax:%20y"


def test_a_file_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"content")
    sent = sent_for(File, File(path))
    assert sent.body == b"content"
    assert sent.header(b"content-length") == b"7"


def test_a_file_that_is_not_there_is_a_404() -> None:
    assert sent_for(File, File("/nonexistent")).status == 404


def test_a_file_that_cannot_be_opened_is_answered_by_exception_handlers(tmp_path: Path) -> None:
    class Unreadable(File):
        def prepare(self, defaults: Defaults = DEFAULTS) -> PreparedFile:
            prepared = super().prepare(defaults)
            path.unlink()
            return prepared

    def gone(request: Any, error: Exception) -> Response[str]:
        return Response(f"gone {request.method}")

    path = tmp_path / "a.txt"
    path.write_bytes(b"content")
    handlers: dict[Any, Any] = {404: gone}
    sent = sent_for(File, Unreadable(path), exception_handlers=handlers)
    assert sent.body == b"gone GET"


class Noting(Prepared):
    notes_start = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started = True
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError


class Careless(Prepared):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError


@pytest.mark.parametrize("kind", [Noting, Careless])
def test_a_response_that_fails_once_started_is_not_answered_twice(kind: type[Prepared]) -> None:
    class Custom(Response[str]):
        def prepare(self, defaults: Defaults = DEFAULTS) -> Prepared:
            return kind(200, [])

    sent = asyncio.run(request(Hesper([returning(Custom, Custom("a"))]), "GET", "/"))
    assert isinstance(sent.error, LookupError)
    assert [message["type"] for message in sent.messages] == ["http.response.start"]


async def parts() -> AsyncIterator[str]:
    yield "one"
    yield "two"


def test_a_stream_is_sent_in_chunks() -> None:
    sent = sent_for(Stream, Stream(parts))
    assert [message.get("body") for message in sent.messages[1:]] == [b"one", b"two", b""]
    assert sent.header(b"content-length") is None


def test_events_are_sent() -> None:
    sent = sent_for(ServerSentEvent, ServerSentEvent(parts))
    assert sent.body == b"data: one\r\n\r\ndata: two\r\n\r\n"
    assert sent.header(b"content-type") == b"text/event-stream; charset=utf-8"


@pytest.mark.parametrize(
    ("kind", "content", "body"),
    [
        (JSONResponse, {"a": 1}, b'{"a":1}'),
        (PlainTextResponse, "text", b"text"),
        (StreamingResponse, ["a", "b"], b"ab"),
    ],
)
@pytest.mark.parametrize("annotation", [Any, PlainTextResponse])
def test_a_starlette_response_is_sent(
    kind: Any, content: Any, body: bytes, annotation: Any
) -> None:
    sent = sent_for(annotation, kind(content, status_code=202))
    assert (sent.status, sent.body) == (202, body)


def test_any_asgi_app_is_a_result() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    sent = sent_for(Any, app)
    assert (sent.status, sent.body) == (299, b"/")


@pytest.mark.anyio
async def test_an_app_that_fails_before_it_starts_is_answered() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError

    assert (await request(Hesper([returning(Any, app)]), "GET", "/")).status == 500


@pytest.mark.anyio
async def test_an_app_that_fails_after_it_started_is_never_started_again() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError

    sent = await request(Hesper([returning(Any, app)]), "GET", "/")
    assert isinstance(sent.error, KeyError)
    assert len(sent.messages) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("annotation", [str, Any])
@pytest.mark.parametrize("fails_at", [0, 1])
async def test_a_client_that_has_gone_gets_no_second_response(
    annotation: Any, fails_at: int
) -> None:
    def second(request: Any, error: Exception) -> Response[str]:
        return Response("second")

    app = Hesper([returning(annotation, "text", exception_handlers={Exception: second})])
    sent = await request(app, "GET", "/", send_fails_at=fails_at)
    assert isinstance(sent.error, OSError)
    assert len(sent.messages) == fails_at


@pytest.mark.parametrize("annotation", [str, None, Any, Response, Stream])
@pytest.mark.parametrize("declared", [False, True])
def test_a_response_to_head_has_the_header_and_no_body(annotation: Any, declared: bool) -> None:
    values: dict[Any, Any] = {
        str: "text",
        None: None,
        Response: Response("text"),
        Stream: Stream(parts),
    }
    value = values.get(annotation, {"a": 1})
    app = Hesper([returning(annotation, value, head if declared else get)])
    sent = sent_by(app, "HEAD", "/")
    assert sent.status == 200
    assert sent.body == b""
    assert sent.complete
    assert sent.header(b"content-type") is not None


def test_a_route_of_get_and_head_sends_no_body_to_head() -> None:
    app = Hesper([returning(str, "text", route, http_method=["GET", "HEAD"])])
    assert sent_by(app, "GET", "/").body == b"text"
    sent = sent_by(app, "HEAD", "/")
    assert (sent.body, sent.header(b"content-length")) == (b"", b"4")


@pytest.mark.parametrize("annotation", [str, Any])
def test_headers_and_cookies_of_layers_are_sent_with_every_response(annotation: Any) -> None:
    route = returning(annotation, "x", response_headers={"X-B": "2"}, response_cookies={"c": "3"})
    app = Hesper([route], response_headers={"x-a": "1"})
    sent = sent_by(app, "GET", "/")
    assert sent.header(b"x-a") == b"1"
    assert sent.header(b"x-b") == b"2"
    assert sent.header(b"set-cookie") == b"c=3; Path=/; SameSite=lax"


def test_a_responses_own_header_and_cookie_win() -> None:
    response = Response("x", headers={"X-A": "own"}, cookies={"c": "own"})
    sent = sent_for(
        Response, response, response_headers={"x-a": "layer"}, response_cookies={"c": "layer"}
    )
    assert sent.header(b"x-a") == b"own"
    assert sent.header(b"set-cookie") == b"c=own; Path=/; SameSite=lax"


@pytest.mark.parametrize("annotation", [str, Any])
def test_what_is_only_documented_is_not_sent(annotation: Any) -> None:
    sent = sent_for(
        annotation,
        "x",
        response_headers=[ResponseHeader(name="x-a", documentation_only=True)],
        response_cookies=[Cookie(key="c", documentation_only=True)],
    )
    assert sent.header(b"x-a") is None
    assert sent.header(b"set-cookie") is None


@pytest.mark.parametrize("annotation", [str, Any])
def test_the_date_of_a_layers_cookie_is_that_of_the_response(
    annotation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = Cookie(key="c", value="1", expires=60)
    app = Hesper([returning(annotation, "x", response_cookies=[cookie])])
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    first = sent_by(app, "GET", "/").header(b"set-cookie")
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    second = sent_by(app, "GET", "/").header(b"set-cookie")
    assert first is not None
    assert b"09 Sep 2001" in first
    assert second is not None
    assert b"18 May 2033" in second


@pytest.mark.parametrize("annotation", [str, None])
def test_the_header_list_is_the_connections_own(annotation: Any) -> None:
    app = Hesper([returning(annotation, "x" if annotation else None)])

    async def adding(scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-added", b"1"))
            await send(message)

        await app(scope, receive, add)

    for _ in range(2):
        assert len(sent_by(adding, "GET", "/").headers) == 3


def test_another_response_class_makes_plain_results_responses() -> None:
    class Wrapped(Response[Any]):
        def __init__(self, content: Any = None, **options: Any) -> None:
            super().__init__({"data": content}, **options)

    assert sent_for(int, 5, response_class=Wrapped).json() == {"data": 5}


def test_background_work_of_a_response_is_done_before_that_of_the_route() -> None:
    done: list[str] = []

    async def work(name: str) -> None:
        done.append(name)

    response = Response("x", background=BackgroundTasks([BackgroundTask(work, "own")]))
    sent_for(Response, response, background=BackgroundTask(work, "route"))
    assert done == ["own", "route"]


def test_background_work_of_a_stream_is_done() -> None:
    done: list[str] = []

    def work(name: str) -> None:
        done.append(name)

    sent_for(Stream, Stream(parts, background=BackgroundTask(work, "own")))
    assert done == ["own"]


def test_background_work_of_a_route_is_done_for_known_results() -> None:
    done: list[str] = []

    async def work(name: str) -> None:
        done.append(name)

    sent_for(str, "x", background=BackgroundTask(work, "route"))
    assert done == ["route"]


def test_background_work_that_fails_is_logged_and_keeps_no_other_from_being_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    async def fail() -> None:
        raise KeyError

    async def work(name: str) -> None:
        done.append(name)

    response = Response("x", background=BackgroundTask(fail))
    sent_for(Response, response, background=BackgroundTask(work, "route"))
    assert done == ["route"]
    assert [record.getMessage() for record in caplog.records] == ["background work of GET / raised"]


def test_a_media_type_may_be_a_member_of_an_enumeration_of_ones_own() -> None:
    class Media(str, enum.Enum):  # noqa: UP042 - whose `str()` is not its value
        VENDOR = "application/vnd.shelf+json"

    class Own(Response[Any]):
        pass

    @get("/", media_type=Media.VENDOR, response_class=Own)
    async def handler() -> dict[str, int]:
        return {"a": 1}

    sent = sent_by(Hesper([handler]), "GET", "/")
    assert (sent.status, sent.body) == (200, b'{"a":1}')


def test_a_response_may_prepare_any_asgi_app() -> None:
    class Own(Response[Any]):
        def prepare(self, defaults: Defaults = DEFAULTS) -> Any:
            return Prepared(200, [], b"own").__call__

    @get("/")
    async def handler() -> Response[Any]:
        return Own()

    assert sent_by(Hesper([handler]), "GET", "/").body == b"own"


def test_what_a_mixin_sends_is_not_taken_to_note_its_start() -> None:
    class Breaking:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError("in the middle")

    class BreakingPrepared(Breaking, Prepared):
        pass

    class Own(Response[Any]):
        def prepare(self, defaults: Defaults = DEFAULTS) -> Prepared:
            return BreakingPrepared(200, [])

    @get("/")
    async def handler() -> Response[Any]:
        return Own()

    sent = asyncio.run(request(Hesper([handler]), "GET", "/"))
    assert [message["type"] for message in sent.messages] == ["http.response.start"]
    assert str(sent.error) == "in the middle"


OF_ROUTE = Defaults(
    headers=((b"x-of-route", b"1"),),
    success_headers=((b"etag", b'"a"'),),
    cookies=(Cookie(key="theme", value="dark"),),
)


def outcome(content: Any, defaults: Defaults, **said: Any) -> object:
    """Return what a response is prepared as, or its error."""
    try:
        made = Response(content, **said).prepare(defaults)
    except Exception as error:
        return type(error), str(error)
    return made.status, sorted(made.headers), made.body


@pytest.mark.parametrize(
    "content", ["é" * 600, "", {"a": [1]}, [1], 5, 1.5, True, None, b"bytes", ("tuple",), Book("x")]
)
@pytest.mark.parametrize("media_type", [None, "text/plain", "text/html", "application/json", ""])
@pytest.mark.parametrize(
    "defaults", [DEFAULTS, OF_ROUTE, Defaults(media_type="application/json"), Defaults(204)]
)
def test_the_second_response_of_a_kind_is_made_as_one_that_says_more(
    content: Any, media_type: str | None, defaults: Defaults
) -> None:
    general = outcome(content, defaults, media_type=media_type, type_encoders={complex: str})
    for _ in range(2):
        assert outcome(content, defaults, media_type=media_type) == general


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Own": "1", "x-other": "2"},
        {"X-Of-Route": "own"},
        {"ETag": '"own"'},
        {"Content-Type": "text/x"},
        {"Content-Length": "99"},
        {"Set-Cookie": "a=1"},
    ],
)
@pytest.mark.parametrize("content", ["é" * 600, {"a": [1]}, b"bytes"])
@pytest.mark.parametrize("defaults", [DEFAULTS, OF_ROUTE])
def test_a_response_with_headers_of_its_own_is_made_as_one_that_says_more(
    headers: dict[str, str], content: Any, defaults: Defaults
) -> None:
    general = outcome(content, defaults, headers=headers, type_encoders={complex: str})
    assert outcome(content, defaults, headers=headers) == general
