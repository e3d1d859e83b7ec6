"""`cache_control` and `etag`: on which responses they are, and what conditional requests get."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hesper import (
    Controller,
    Hesper,
    Provide,
    Replace,
    Request,
    Response,
    Router,
    delete,
    get,
    head,
    post,
    put,
    route,
)
from hesper.background_tasks import BackgroundTask
from hesper.datastructures import CacheControlHeader, ETag, ResponseHeader
from hesper.exceptions import ClientException, NotFoundException
from hesper.response import File, Redirect, ServerSentEvent, Stream, check_preconditions
from tests.asgi_driver import Answer
from tests.compile.driver import sent_by

ONE = ETag(value="1")
MINUTE = CacheControlHeader(max_age=60)
HOUR = CacheControlHeader(max_age=3600, public=True)
NO_STORE = {"cache-control": "no-store"}


@get("/data")
async def data() -> dict[str, int]:
    return {"a": 1}


@get("/text")
async def text() -> str:
    return "text"


@get("/bytes")
async def raw() -> bytes:
    return b"bytes"


@get("/nothing")
async def nothing() -> None: ...


@get("/response")
async def response() -> Response[str]:
    return Response("response")


@get("/stream")
async def stream() -> Stream:
    return Stream(["a", "b"])


@get("/thread")
def thread() -> list[int]:
    return [1]


@head("/head")
async def only_head() -> None: ...


HANDLERS = [data, text, raw, nothing, response, stream, thread]
PATHS = ["/data", "/text", "/bytes", "/nothing", "/response", "/stream", "/thread"]
every_path = pytest.mark.parametrize("path", PATHS)


def asked(app: Hesper, path: str, method: str = "GET", **conditions: str) -> Answer:
    """Return the answer to a request with conditions, such as `if_match`."""
    headers = [(name.replace("_", "-"), value) for name, value in conditions.items()]
    path, _, query = path.partition("?")
    sent = sent_by(app, method, path, query=query, headers=headers)
    lines = [(name.decode(), value.decode("latin-1")) for name, value in sent.headers]
    return Answer(sent.status, lines, sent.body)


# On which responses the headers are.


@every_path
def test_successful_responses_have_the_headers(path: str) -> None:
    got = asked(Hesper(HANDLERS, cache_control=HOUR, etag=ONE), path)
    assert got.header("cache-control") == "max-age=3600, public"
    assert got.header("etag") == '"1"'
    assert got.header("content-length") == (None if path == "/stream" else str(len(got.body)))


@every_path
def test_without_the_options_there_are_none(path: str) -> None:
    got = asked(Hesper(HANDLERS), path, if_none_match="*", if_match='"1"')
    assert (got.status, got.header("cache-control"), got.header("etag")) == (200, None, None)


@every_path
@pytest.mark.parametrize(
    "options",
    [
        {
            "cache_control": CacheControlHeader(documentation_only=True, no_store=True),
            "etag": ETag(documentation_only=True, value="1"),
        },
        {"cache_control": CacheControlHeader(), "etag": None},
        {"cache_control": None},
    ],
)
def test_headers_that_say_nothing_are_not_sent(path: str, options: dict[str, Any]) -> None:
    got = asked(Hesper(HANDLERS, **options), path, if_none_match="*")
    assert (got.status, got.header("cache-control"), got.header("etag")) == (200, None, None)


def failing(error: Exception) -> Callable[..., Any]:
    @get("/failing")
    async def fail() -> None:
        raise error

    return fail


def fallback(_request: Request, _error: Exception) -> Response[str]:
    return Response("sorry", status_code=200)


@get("/away")
async def away() -> Redirect:
    return Redirect("/data")


@get("/refused")
async def refused() -> Response[str]:
    return Response("no", status_code=404)


@pytest.mark.parametrize(
    ("handler", "path", "status"),
    [
        (failing(NotFoundException()), "/failing", 404),
        (failing(ValueError()), "/failing", 500),
        (failing(LookupError()), "/failing", 200),  # an exception handler's response
        (away, "/away", 302),
        (refused, "/refused", 404),
        (data, "/elsewhere", 404),
    ],
)
def test_other_responses_have_neither(handler: Any, path: str, status: int) -> None:
    app = Hesper(
        [handler], cache_control=HOUR, etag=ONE, exception_handlers={LookupError: fallback}
    )
    got = asked(app, path, if_none_match='"1"')
    assert (got.status, got.header("cache-control"), got.header("etag")) == (status, None, None)


def test_the_answer_to_options_has_neither() -> None:
    got = asked(Hesper([data], cache_control=HOUR, etag=ONE), "/data", "OPTIONS")
    assert (got.status, got.header("cache-control"), got.header("etag")) == (204, None, None)


def test_what_the_response_sets_itself_wins() -> None:
    @get("/own")
    async def own() -> Response[str]:
        return Response("own", headers={"cache-control": "no-store"}, etag=ETag(value="own"))

    got = asked(Hesper([own], cache_control=HOUR, etag=ONE), "/own")
    assert (got.header("cache-control"), got.header("etag")) == ("no-store", '"own"')


# Layers.


def on_every_layer(*options: dict[str, Any]) -> Hesper:
    """Return an app whose application, router, controller and handler say *options*."""

    @get(**options[3])
    async def books(_self: object) -> dict[str, int]:
        return {}

    of_class = {"path": "/books", "books": books, **options[2]}
    controller: type[Controller] = type("Books", (Controller,), of_class)
    return Hesper([Router("/", route_handlers=[controller], **options[1])], **options[0])


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize(
    ("option", "outer", "inner", "header"),
    [
        ("cache_control", HOUR, MINUTE, "max-age=60"),
        ("cache_control", HOUR, Replace(MINUTE), "max-age=60"),
        ("cache_control", HOUR, None, None),
        ("etag", ETag(value="2"), ONE, '"1"'),
        ("etag", ETag(value="2"), Replace(ONE), '"1"'),
        ("etag", ONE, None, None),
    ],
)
def test_the_nearest_layer_wins(
    depth: int, option: str, outer: object, inner: object, header: str | None
) -> None:
    said: list[dict[str, Any]] = [{}, {}, {}, {}]
    said[0][option] = outer
    said[depth][option] = inner
    got = asked(on_every_layer(*said), "/books")
    assert got.header(option.replace("_", "-")) == header


@pytest.mark.parametrize(("of_option", "of_headers"), [(a, b) for a in range(4) for b in range(4)])
def test_of_the_option_and_the_header_the_nearer_one_wins(of_option: int, of_headers: int) -> None:
    said: list[dict[str, Any]] = [{}, {}, {}, {}]
    said[of_option]["cache_control"] = MINUTE
    said[of_headers]["response_headers"] = NO_STORE
    expected = "max-age=60" if of_option >= of_headers else "no-store"
    assert asked(on_every_layer(*said), "/books").header("cache-control") == expected


def test_a_header_for_documentation_only_does_not_hide_the_option() -> None:
    documented = ResponseHeader(name="Cache-Control", documentation_only=True)
    said: list[dict[str, Any]] = [{"cache_control": MINUTE}, {}, {}, {}]
    said[3]["response_headers"] = [documented]
    assert asked(on_every_layer(*said), "/books").header("cache-control") == "max-age=60"


def test_a_header_of_all_responses_stays_on_the_failures() -> None:
    app = Hesper([failing(NotFoundException())], response_headers=NO_STORE, cache_control=MINUTE)
    assert asked(app, "/failing").header("cache-control") == "no-store"


@pytest.mark.parametrize("option", ["cache_control", "etag"])
def test_other_values_are_refused(option: str) -> None:
    options: dict[str, Any] = {option: "no-store"}
    with pytest.raises(TypeError, match=rf"{option}: takes .*\(\.\.\.\), or None"):
        Hesper(**options)


# Reading under conditions.


@every_path
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_has_the_response_gets_304(path: str, method: str) -> None:
    app = Hesper(HANDLERS, etag=ONE, cache_control=MINUTE, response_headers={"vary": "accept"})
    got = asked(app, path, method, if_none_match='"0", W/"1"')
    assert (got.status, got.body) == (304, b"")
    headers = [("vary", "accept"), ("cache-control", "max-age=60"), ("etag", '"1"')]
    assert got.headers == headers


@every_path
def test_other_clients_get_the_response(path: str) -> None:
    app = Hesper(HANDLERS, etag=ONE)
    assert asked(app, path, if_none_match='"2"').body == asked(app, path).body
    assert asked(app, path, if_none_match="garbage").status == 200


@every_path
def test_another_version_than_the_one_that_must_be_there_is_412(path: str) -> None:
    got = asked(Hesper(HANDLERS, etag=ONE), path, if_match='"2"')
    assert got.status == 412
    assert got.json() == {"status_code": 412, "detail": "The precondition If-Match failed"}


def test_412_is_an_exception_like_any_other() -> None:
    def handle(_request: Request, error: ClientException) -> Response[str]:
        return Response(error.detail, status_code=409)

    app = Hesper([data], etag=ONE, exception_handlers={412: handle})
    assert asked(app, "/data", if_match='"2"').status == 409


def test_a_head_handler_answers_conditions() -> None:
    assert asked(Hesper([only_head], etag=ONE), "/head", "HEAD", if_none_match="*").status == 304


async def tagged_response() -> Response[str]:
    return Response("a", etag=ONE)


async def tagged_by_header() -> Response[str]:
    return Response("a", headers={"ETag": '"1"'})


async def tagged_later() -> Response[str]:
    made = Response("a")
    made.set_etag(ONE)
    return made


async def tagged_stream() -> Stream:
    return Stream(["a"], headers={"etag": '"1"'})


async def tagged_events() -> ServerSentEvent:
    return ServerSentEvent(["a"], headers={"etag": '"1"'})


@pytest.mark.parametrize(
    "handler", [tagged_response, tagged_by_header, tagged_later, tagged_stream, tagged_events]
)
def test_a_tag_that_the_response_sets_itself_counts(handler: Callable[..., Any]) -> None:
    app = Hesper([get("/")(handler)])
    assert asked(app, "/").status == 200
    assert asked(app, "/", if_none_match='"1"').status == 304
    assert asked(app, "/", if_none_match='"2"').status == 200
    assert asked(app, "/", if_match='"2"').status == 412


@pytest.mark.parametrize("headers", [{"etag": '"1"'}, [ResponseHeader(name="ETag", value='"1"')]])
def test_a_tag_among_the_headers_of_a_layer_counts(headers: Any) -> None:
    assert asked(Hesper([data], response_headers=headers), "/data", if_none_match="*").status == 304


def tagging(_given: object) -> Response[str]:
    return Response("a", etag=ONE)


@pytest.mark.parametrize("options", [{"before_request": tagging}, {"after_request": tagging}])
def test_a_tag_that_a_hook_sets_counts(options: dict[str, Any]) -> None:
    assert asked(Hesper([data], **options), "/data", if_none_match='"1"').status == 304


def test_a_stream_that_the_client_has_is_never_made() -> None:
    seen: list[str] = []

    async def chunks() -> AsyncIterator[str]:
        seen.append("made")
        yield "a"

    @get("/")
    async def streaming() -> Stream:
        return Stream(chunks())

    app = Hesper([streaming], etag=ONE)
    assert asked(app, "/", if_none_match='"1"').status == 304
    assert asked(app, "/", if_match='"2"').status == 412
    assert seen == []
    assert asked(app, "/").body == b"a"
    assert seen == ["made"]


@pytest.mark.parametrize("status", [304, 412])
def test_dependencies_are_exited_and_the_rest_is_done(status: int) -> None:
    seen: list[str] = []

    async def session() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            seen.append("exited")

    @get("/", dependencies={"db": Provide(session)})
    async def streaming(db: int) -> Stream:
        return Stream([str(db)], background=BackgroundTask(seen.append, "background"))

    app = Hesper([streaming], etag=ONE, after_response=lambda _: seen.append("after"))
    conditions = {"if_none_match": "*"} if status == 304 else {"if_match": '"2"'}
    assert asked(app, "/", **conditions).status == status
    assert seen == (["exited", "after", "background"] if status == 304 else ["exited", "after"])


def test_a_file_is_told_apart_by_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("a")

    @get("/")
    async def file() -> File:
        return File(path)

    app = Hesper([file])
    got = asked(app, "/")
    etag, modified = got.header("etag") or "", got.header("last-modified") or ""
    assert asked(app, "/", if_none_match=etag).headers == [
        line for line in got.headers if line[0] == "etag"
    ]
    assert asked(app, "/", if_modified_since=modified).status == 304
    assert asked(app, "/", if_match='"other"').status == 412
    assert asked(app, "/", "HEAD", if_none_match=etag).status == 304
    path.write_text("another")
    assert asked(app, "/", if_none_match=etag).body == b"another"


def test_a_file_that_is_not_there_is_404_whatever_the_conditions(tmp_path: Path) -> None:
    @get("/")
    async def file() -> File:
        return File(tmp_path / "none", etag=ONE)

    assert asked(Hesper([file], etag=ONE), "/", if_none_match='"1"').status == 404


# Changing under conditions.


def changing(seen: list[str]) -> list[Any]:
    @put("/put")
    async def replace() -> None:
        seen.append("put")

    @post("/post")
    def add() -> str:
        seen.append("post")
        return "a"

    @delete("/delete")
    async def remove() -> None:
        seen.append("delete")

    @route("/route", http_method=["GET", "PATCH", "OPTIONS"])
    async def both() -> str:
        seen.append("route")
        return "a"

    return [replace, add, remove, both]


CHANGES = [("/put", "PUT"), ("/post", "POST"), ("/delete", "DELETE"), ("/route", "PATCH")]


@pytest.mark.parametrize(("path", "method"), CHANGES)
@pytest.mark.parametrize(
    "conditions", [{"if_match": '"2"'}, {"if_match": "?"}, {"if_none_match": "*"}]
)
def test_a_change_of_another_version_is_refused_before_it_is_made(
    path: str, method: str, conditions: dict[str, str]
) -> None:
    seen: list[str] = []
    assert asked(Hesper(changing(seen), etag=ONE), path, method, **conditions).status == 412
    assert seen == []


@pytest.mark.parametrize(("path", "method"), CHANGES)
@pytest.mark.parametrize("conditions", [{}, {"if_match": '"1"'}, {"if_none_match": '"2"'}])
def test_a_change_of_the_known_version_is_made(
    path: str, method: str, conditions: dict[str, str]
) -> None:
    seen: list[str] = []
    got = asked(Hesper(changing(seen), etag=ONE), path, method, **conditions)
    assert 200 <= got.status < 300
    assert got.header("etag") == '"1"'
    assert seen == [path.removeprefix("/")]


def test_of_a_route_with_both_reading_is_judged_by_the_response() -> None:
    seen: list[str] = []
    app = Hesper(changing(seen), etag=ONE)
    assert asked(app, "/route", if_none_match='"1"').status == 304
    assert asked(app, "/route", "OPTIONS", if_match='"2"').status == 200
    assert seen == ["route", "route"]


def test_a_request_with_faults_is_400_whatever_the_conditions() -> None:
    @put("/{number:int}")
    async def change(number: int, wanted: int) -> int:
        return number + wanted

    app = Hesper([change], etag=ONE)
    assert asked(app, "/1", "PUT", if_match='"2"').status == 400
    assert asked(app, "/1?wanted=1", "PUT", if_match='"2"').status == 412


def test_a_refused_change_rolls_back_what_was_opened() -> None:
    seen: list[str] = []

    async def session() -> AsyncIterator[int]:
        try:
            yield 1
        except ClientException as error:
            seen.append(f"rolled back by {error.status_code}")
            raise

    @put("/", dependencies={"db": Provide(session)})
    async def change(db: int) -> int:
        return db

    assert asked(Hesper([change], etag=ONE), "/", "PUT", if_match='"2"').status == 412
    assert seen == ["rolled back by 412"]


def test_the_new_tag_of_a_changed_thing_is_not_held_against_the_client() -> None:
    @put("/")
    async def change() -> Response[str]:
        return Response("new", etag=ETag(value="new"))

    got = asked(Hesper([change]), "/", "PUT", if_match='"old"')
    assert (got.status, got.header("etag")) == (200, '"new"')


def test_a_handler_looks_at_the_version_that_it_finds() -> None:
    @put("/")
    async def change(request: Request) -> str:
        check_preconditions(request, ETag(value="found"))
        return "changed"

    app = Hesper([change])
    assert asked(app, "/", "PUT", if_match='"found"').status == 200
    assert asked(app, "/", "PUT", if_match='"old"').status == 412
    assert asked(app, "/", "PUT").status == 200
