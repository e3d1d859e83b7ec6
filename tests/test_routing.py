"""Routing through whole apps: which route answers which path and method."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hesper import (
    Controller,
    Hesper,
    Request,
    Router,
    asgi,
    get,
    head,
    mount,
    post,
    put,
    route,
    websocket,
)
from hesper._plan.path import TYPES
from hesper._types import Message, Receive, Scope, Send
from hesper.connection import WebSocket
from hesper.exceptions import ConfigurationError, WebSocketDisconnect
from hesper.serialization import DECODE_ERRORS, converter
from hesper.testing import TestClient
from tests.asgi_driver import answer


def handler(path: str, method: str = "GET", **options: Any) -> Callable[..., Any]:
    """Return a handler that answers with its own path and the parameters it was given."""

    @route(path, http_method=method, status_code=200, **options)
    async def handle(request: Request) -> Any:
        return {
            "route": path,
            "method": method,
            "values": list(map(str, request.path_params.values())),
        }

    return handle


def found(app: Hesper, target: str, method: str = "GET", **request: Any) -> str | int:
    """Return the path of the route that answers, or the status if none does."""
    reply = answer(app, method, target, **request)
    if reply.status == 200:
        text: str = reply.json()["route"]
        return text
    return reply.status


# Paths match whole.


@pytest.mark.parametrize("target", ["/ok", "/ok/", "/o%6B", "/ok?x=/no", "/ok%2F"])
def test_a_path_is_matched_decoded_with_or_without_one_slash_more(target: str) -> None:
    assert found(Hesper([handler("/ok")]), target) == "/ok"


@pytest.mark.parametrize(
    "target",
    [
        "/ok%0a", "/ok%0d", "/ok%00", "/ok%20", "/%20ok", "/OK", "/okk", "/o", "/ok/x", "/x/ok",
        "/ok//", "//ok", "/ok/%2e", "/ok%3Fx", "/./ok", "/ok;x", "/ok%252F", "/",
    ],
)  # fmt: skip
def test_no_other_path_is_taken_for_it(target: str) -> None:
    assert found(Hesper([handler("/ok")]), target) == 404


@pytest.mark.parametrize("target", ["/a//b", "/a/%20/b", "/a/b", "//a/b", "/a/x/b/c"])
def test_an_empty_segment_is_no_parameter(target: str) -> None:
    matched = found(Hesper([handler("/a/{x:str}/b")]), target)
    assert matched == ("/a/{x:str}/b" if target == "/a/%20/b" else 404)


@pytest.mark.parametrize("path", ["/café", "/日本/語", "/a b", "/100%", "/a+b", "/~x!$&'()*,;=:@"])
def test_unicode_and_special_characters_are_matched_decoded(path: str) -> None:
    assert found(Hesper([handler(path)]), quote(path)) == path


def test_the_client_reaches_a_unicode_path() -> None:
    @get("/{name:str}/straße")
    async def handle(name: str) -> str:
        return name

    with TestClient(Hesper([handle])) as client:
        assert client.get("/Übung/straße").text == "Übung"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "int",
            ["0", "-5", "9" * 30],
            ["", "+5", "05", "1_0", "five", "0x1", "%EF%BC%91", "9" * 5000],
        ),
        ("float", ["1", "1.5", "-0.0", "1e5"], ["nan", "inf", "1e400", ".5", "1_0"]),
        ("decimal", ["1", "1.50", "1E%2B5"], ["NaN", "sNaN", "Infinity", "x"]),
        ("uuid", ["00000000-0000-0000-0000-000000000001", "0" * 32], ["1", "x" * 36]),
        ("date", ["2024-02-29"], ["2023-02-29", "2024-2-9", "20240229"]),
        ("datetime", ["2024-02-29T10:00:00Z", "2024-02-29T10:00:00"], ["2024-02-29", "x"]),
        ("time", ["10:00:00", "10:00:00.5"], ["25:00:00", "10"]),
        ("timedelta", ["PT1H", "P1DT1S"], ["1h", "P"]),
        ("str", ["a", "%20", "a%20b", "%C3%A9"], ["a/b", "a%2Fb", ""]),
        ("path", ["a", "a/b", "a/b/", "a%2Fb"], ["", "/a"]),
    ],
)
def test_a_segment_that_is_not_of_the_type_is_not_found(
    kind: str, good: list[str], bad: list[str]
) -> None:
    path = f"/x/{{value:{kind}}}"
    app = Hesper([handler(path)])
    assert [found(app, f"/x/{segment}") for segment in good] == [path] * len(good)
    assert [found(app, f"/x/{segment}") for segment in bad] == [404] * len(bad)


# Several routes.


def test_static_segments_come_before_parameters_and_the_strictest_type_first() -> None:
    kinds = ["str", "path", "timedelta", "time", "datetime", "date", "uuid", "decimal", "int"]
    app = Hesper([handler(f"/{{v:{kind}}}") for kind in kinds] + [handler("/static")])
    assert found(app, "/static") == "/static"
    assert found(app, "/5") == "/{v:int}"
    assert found(app, "/1.5") == "/{v:decimal}"
    assert found(app, "/00000000-0000-0000-0000-000000000001") == "/{v:uuid}"
    assert found(app, "/2024-01-01") == "/{v:date}"
    assert found(app, "/10:00:00") == "/{v:time}"
    assert found(app, "/PT1H") == "/{v:timedelta}"
    assert found(app, "/word") == "/{v:str}"
    assert found(app, "/two/words") == "/{v:path}"


def test_a_branch_that_leads_nowhere_is_left_again() -> None:
    app = Hesper(
        [handler("/a/b"), handler("/{x:str}/c"), handler("/{x:int}/{y:int}"), handler("/{x:path}")]
    )
    assert found(app, "/a/b") == "/a/b"
    assert found(app, "/a/c") == "/{x:str}/c"
    assert found(app, "/1/2") == "/{x:int}/{y:int}"
    assert found(app, "/1/c") == "/{x:str}/c"
    assert found(app, "/a/d") == "/{x:path}"
    assert found(app, "/1/2/3") == "/{x:path}"


def test_a_branch_with_other_methods_only_is_left_again() -> None:
    app = Hesper([handler("/a", "POST"), handler("/{x:str}", "GET"), handler("/{x:path}", "PUT")])
    assert found(app, "/a", "POST") == "/a"
    assert found(app, "/a", "GET") == "/{x:str}"
    assert found(app, "/a", "PUT") == "/{x:path}"


def test_parameters_of_one_place_may_have_different_names() -> None:
    @get("/{book:str}")
    async def show(book: str) -> str:
        return f"show {book}"

    @put("/{isbn:str}")
    async def change(isbn: str) -> str:
        return f"change {isbn}"

    @get("/{shop:str}/books")
    async def books(shop: str) -> str:
        return f"books of {shop}"

    app = Hesper([show, change, books])
    assert answer(app, "GET", "/a").text == "show a"
    assert answer(app, "PUT", "/a").text == "change a"
    assert answer(app, "GET", "/a/books").text == "books of a"


def test_the_longest_tree_is_searched_in_linear_time() -> None:
    depth = 60
    path = "".join(f"/{{p{number}:str}}" for number in range(depth))
    other = "".join(f"/{{q{number}:int}}" for number in range(depth))
    app = Hesper([handler(path + "/end"), handler(other + "/end")])
    assert found(app, "/1" * depth) == 404
    assert found(app, "/1" * depth + "/end") == other + "/end"


# Methods.


def test_head_is_answered_for_get_without_the_body() -> None:
    app = Hesper([handler("/a")])
    by_get, by_head = answer(app, "GET", "/a"), answer(app, "HEAD", "/a")
    assert by_head.status == 200
    assert by_head.body == b""
    assert (
        by_head.header("content-length") == by_get.header("content-length") == str(len(by_get.body))
    )


def test_head_of_ones_own_comes_first() -> None:
    @head("/a")
    async def own() -> None: ...

    own_status = Hesper([handler("/a"), route("/b", http_method="HEAD", status_code=202)(own)])
    assert answer(own_status, "HEAD", "/b").status == 202


@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        (["GET"], "GET, HEAD, OPTIONS"),
        (["POST"], "OPTIONS, POST"),
        (["GET", "PUT", "DELETE"], "DELETE, GET, HEAD, OPTIONS, PUT"),
        (["HEAD"], "HEAD, OPTIONS"),
        (["REPORT"], "OPTIONS, REPORT"),
    ],
)
@pytest.mark.parametrize("path", ["/a", "/{x:str}", "/{x:path}"])
def test_a_known_path_with_another_method_is_405_with_what_it_allows(
    methods: list[str], allow: str, path: str
) -> None:
    app = Hesper([handler(path, method) for method in methods])
    refused = answer(app, "PATCH", "/a")
    assert (refused.status, refused.header("allow")) == (405, allow)
    options = answer(app, "OPTIONS", "/a")
    assert (options.status, options.header("allow"), options.body) == (204, allow, b"")


def test_allow_tells_of_all_routes_that_fit_the_path() -> None:
    app = Hesper([handler("/a", "POST"), handler("/{x:str}"), handler("/{x:int}", "DELETE")])
    assert answer(app, "PATCH", "/a").header("allow") == "GET, HEAD, OPTIONS, POST"
    assert answer(app, "PATCH", "/5").header("allow") == "DELETE, GET, HEAD, OPTIONS"


def test_options_of_ones_own_comes_first() -> None:
    app = Hesper([handler("/a"), handler("/a", "OPTIONS")])
    assert found(app, "/a", "OPTIONS") == "/a"


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "HEAD", "PATCH"])
def test_an_unknown_path_is_404_whatever_the_method(method: str) -> None:
    assert answer(Hesper([handler("/a")]), method, "/b").status == 404


def test_a_websocket_to_an_unknown_path_is_refused_after_a_request_was() -> None:
    with TestClient(Hesper([handler("/a")])) as client:
        for _ in range(2):
            assert client.get("/b").status_code == 404
            with pytest.raises(WebSocketDisconnect), client.websocket_connect("/b"):
                raise AssertionError("it was accepted")


def test_a_websocket_to_a_path_of_requests_changes_nothing_for_them() -> None:
    with TestClient(Hesper([handler("/a")])) as client:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/a"):
            raise AssertionError("it was accepted")
        assert client.post("/a").status_code == 405
        assert client.get("/a").status_code == 200


def test_every_unknown_path_is_observed() -> None:
    seen: list[str] = []

    def observe(error: Exception, scope: Scope) -> None:
        seen.append(f"{type(error).__name__} {scope['path']}")

    app = Hesper([handler("/a")], after_exception=observe)
    for path in ("/b", "/b", "/c"):
        assert answer(app, "GET", path).status == 404
    assert seen == [f"NotFoundException /{name}" for name in "bbc"]


def test_no_two_refusals_share_their_headers() -> None:
    async def mark(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            message["headers"].append((b"x-mark", b"1"))

    app = Hesper([handler("/a")], before_send=mark)
    for method, path in [("GET", "/b"), ("POST", "/a")] * 3:
        assert answer(app, method, path).all("x-mark") == ["1"]


@pytest.mark.parametrize("method", ["get", "__init__", "below", "FOO", ""])
def test_a_strange_method_selects_nothing(method: str) -> None:
    app = Hesper([handler("/a"), handler("/{x:int}")])
    assert answer(app, method, "/a").status == 405
    assert answer(app, method, "/5").status == 405


def test_an_app_without_routes_answers_404() -> None:
    assert answer(Hesper(), "GET", "/").status == 404


# Where routes stand.


def test_prefixes_of_app_router_and_controller_join() -> None:
    class Books(Controller):
        path = "/books"

        @get(["/", "/{number:int}"])
        async def one(self, request: Request, number: int = 0) -> str:
            return f"{request.url.path} {number}"

    app = Hesper([Router("/shop", [Router("/{shop:str}", [Books])])], path="/api")
    assert answer(app, "GET", "/api/shop/a/books").text == "/api/shop/a/books 0"
    assert answer(app, "GET", "/api/shop/a/books/5").text == "/api/shop/a/books/5 5"
    assert answer(app, "GET", "/shop/a/books").status == 404


def test_a_websocket_beside_a_get_is_found_by_the_kind_of_connection() -> None:
    @websocket("/{name:str}")
    async def talk(socket: WebSocket, name: str) -> None:
        await socket.accept()
        await socket.send_text(name)

    with TestClient(Hesper([talk, handler("/{other:str}")])) as client:
        assert client.get("/x").json()["route"] == "/{other:str}"
        with client.websocket_connect("/x") as session:
            assert session.receive_text() == "x"


def talker(path: str) -> Callable[..., Any]:
    """Return a websocket that says its own path and the parameters it was given."""

    @websocket(path)
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json([path, list(map(str, socket.path_params.values()))])

    return talk


WEBSOCKETS: Final[dict[str, object]] = {
    "/a": ["/a", []],
    "/a/": ["/a", []],
    "/a//": None,
    "/b": ["/{name:str}", ["b"]],
    "/c": ["/{name:str}", ["c"]],
    "/c/1": ["/c/{number:int}", ["1"]],
    "/c/d": None,
    "/m": ["mounted", "/m"],
    "/m/a": ["mounted", "/m"],
    "/any": ["any", ""],
}
"""What a websocket at each path is told; `None` where it is refused."""


async def tell(name: str, scope: Scope, receive: Receive, send: Send) -> None:
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    await socket.send_json([name, scope["root_path"]])


@asgi("/any")
async def anything(scope: Scope, receive: Receive, send: Send) -> None:
    await tell("any", scope, receive, send)


async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
    await tell("mounted", scope, receive, send)


@given(st.lists(st.sampled_from(list(WEBSOCKETS)), min_size=1, max_size=6))
@example(["/a", "/a", "/a/"])
@example(["/m", "/m", "/m/a"])
def test_no_websocket_changes_where_the_next_one_comes(paths: list[str]) -> None:
    talkers = [talker(path) for path in ("/a", "/{name:str}", "/c/{number:int}")]
    app = Hesper([*talkers, handler("/c"), anything, mount("/m", mounted, lifespan="off")])
    with TestClient(app) as client:
        for path in [*paths, *paths]:
            if WEBSOCKETS[path] is None:
                with pytest.raises(WebSocketDisconnect), client.websocket_connect(path):
                    raise AssertionError("it was accepted")
            else:
                with client.websocket_connect(path) as session:
                    assert session.receive_json() == WEBSOCKETS[path]
            assert client.get("/c").json()["route"] == "/c"


# Conflicts.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a", "/a"),
        ("/a", "/a/"),
        ("/a", "a"),
        ("/{x:int}", "/{y:int}"),
        ("/a/{x:str}/b", "/a/{y:str}/b"),
        ("/{x:path}", "/{y:path}"),
        ("/", ""),
    ],
)
def test_two_routes_for_one_path_and_method_are_an_error_that_names_both(
    one: str, other: str
) -> None:
    @get(one)
    async def first() -> None: ...

    @route(other, http_method=["POST", "GET"])
    async def second() -> None: ...

    with pytest.raises(ConfigurationError) as raised:
        Hesper([first, second])
    (problem,) = raised.value.problems
    assert "declared twice" in problem
    assert "<locals>.first" in problem
    assert "<locals>.second" in problem


@pytest.mark.parametrize(
    ("one", "other"),
    [("/a", "/b"), ("/{x:int}", "/{x:str}"), ("/{x:str}", "/{x:path}"), ("/a", "/{x:str}")],
)
def test_different_paths_are_no_conflict(one: str, other: str) -> None:
    Hesper([handler(one), handler(other)])


def test_one_path_with_two_methods_is_no_conflict() -> None:
    app = Hesper([handler("/a"), handler("/a", "POST")])
    assert answer(app, "POST", "/a").json()["method"] == "POST"


def test_a_handler_listed_twice_is_a_conflict_with_itself() -> None:
    once = handler("/a")
    with pytest.raises(ConfigurationError, match="declared twice"):
        Hesper([once, once])


def test_every_conflict_is_reported() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Hesper([handler("/a"), handler("/a"), handler("/b"), handler("/b"), handler("/c")])
    assert len(raised.value.problems) == 2


# Any table of routes, against a matcher that tries everything.

STRICTNESS: Final = list(TYPES)
SEGMENTS: Final = st.sampled_from(
    ["a", "b", "1", "1.5", "", *(f"{{{name}:{kind}}}" for kind in TYPES for name in "xy")]
)
METHODS: Final = st.sampled_from(["GET", "POST", "HEAD"])
CONVERTERS: Final = {kind: converter(made) for kind, made in TYPES.items()}


def converted(kind: str, segment: str) -> Any:
    """Return what a segment becomes; of `-0` msgspec loses the sign."""
    value = CONVERTERS[kind](segment)
    return TYPES[kind](segment) if kind in {"float", "decimal"} else value


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[tuple[str, ...], str]]:
    """Draw routes: templates by segment, each with a method."""
    table: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
    for _ in range(draw(st.integers(1, 8))):
        segments = [s for s in draw(st.lists(SEGMENTS, max_size=3)) if s]
        for index, segment in enumerate(segments):
            if segment.endswith(":path}"):
                segments = segments[: index + 1]
                break
        names = [segment[1] for segment in segments if segment[0] == "{"]
        if len(set(names)) == len(names):
            shape = tuple(s if s[0] != "{" else s[2:] for s in segments)
            table.setdefault((shape, draw(METHODS)), tuple(segments))
    return [(segments, method) for (_, method), segments in table.items()]


def fitting(template: tuple[str, ...], segments: list[str]) -> tuple[list[int], list[str]] | None:
    """Return how strict a template is, segment by segment, and its values; `None` if it is not."""
    ranks: list[int] = []
    values: list[str] = []
    for index, wanted in enumerate(template):
        if index >= len(segments):
            return None
        segment = segments[index]
        if wanted[0] != "{":
            if wanted != segment:
                return None
            ranks.append(-1)
            continue
        kind = wanted[3:-1]
        ranks.append(STRICTNESS.index(kind))
        if not segment:
            return None
        if kind == "path":
            values.append(str(Path("/" + "/".join(segments[index:]))))
            return ranks, values
        try:
            values.append(str(converted(kind, segment)))
        except DECODE_ERRORS:
            return None
    return (ranks, values) if len(template) == len(segments) else None


def naive(
    table: list[tuple[tuple[str, ...], str]], path: str, method: str
) -> tuple[str, list[str]] | set[str]:
    """Return the best route and its values, or the methods that the path has."""
    if len(path) > 1 and path.endswith("/") and not path.endswith("//"):
        path = path[:-1]
    segments = path.split("/")[1:] if path != "/" else []
    fits = [
        (fit, template, own)
        for template, own in table
        if (fit := fitting(template, segments)) is not None
    ]
    # A GET answers HEAD at its own place, where no HEAD is declared.
    answering = {"GET", "HEAD"} if method == "HEAD" else {method}
    best = sorted(
        (fit for fit in fits if fit[2] in answering), key=lambda fit: (fit[0][0], fit[2] != method)
    )
    if best:
        (_, values), template, _ = best[0]
        return "/" + "/".join(template), values
    allowed = {own for _, _, own in fits}
    return allowed | ({"HEAD"} if "GET" in allowed else set())


TARGETS: Final = st.lists(
    st.sampled_from(["a", "b", "1", "1.5", "", "2024-01-01", "PT1H", "10:00:00", "x y", "é", "-0"]),
    max_size=4,
).map(lambda segments: "/" + "/".join(segments))


@given(tables(), TARGETS, METHODS)
@example([(("a", "{x:path}"), "GET"), (("{x:str}", "b"), "GET")], "/a/b", "GET")
@example([(("a", "{x:str}"), "POST"), (("{x:str}", "b"), "GET")], "/a/b", "GET")
@example([(("{x:int}", "b"), "GET"), (("{x:str}",), "GET")], "/1", "GET")
@example([((), "GET")], "//", "GET")
@example([(("{x:float}",), "GET")], "/-0", "GET")
@example([(("{x:decimal}",), "GET")], "/-0", "GET")
def test_any_table_of_routes_is_searched_as_by_trying_everything(
    table: list[tuple[tuple[str, ...], str]], path: str, method: str
) -> None:
    assume(table)
    app = Hesper([handler("/" + "/".join(template), own) for template, own in table])
    check(app, table, path, method)


@given(tables(), st.lists(st.tuples(TARGETS, METHODS), min_size=2, max_size=8))
@example([(("a",), "GET"), (("{x:str}",), "POST")], [("/a", "HEAD"), ("/a", "POST")])
@example([(("a",), "GET")], [("/a", "POST"), ("/a", "GET"), ("/b", "GET"), ("/b", "HEAD")])
def test_no_request_changes_what_the_next_one_gets(
    table: list[tuple[tuple[str, ...], str]], requests: list[tuple[str, str]]
) -> None:
    assume(table)
    app = Hesper([handler("/" + "/".join(template), own) for template, own in table])
    for path, method in [*requests, *requests]:
        check(app, table, path, method)


def check(app: Hesper, table: list[tuple[tuple[str, ...], str]], path: str, method: str) -> None:
    """Check that *app* answers as trying every route of *table* tells."""
    expected = naive(table, path, method)
    reply = answer(app, method, path, path=path)
    if isinstance(expected, set):
        assert reply.status == (405 if expected else 404)
        if expected:
            assert reply.header("allow") == ", ".join(sorted(expected | {"OPTIONS"}))
        return
    assert reply.status == 200
    if method != "HEAD":
        assert (reply.json()["route"], reply.json()["values"]) == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_any_path_is_answered(path: str) -> None:
    app = Hesper([handler("/a"), handler("/{x:int}/b"), post("/p")(lambda: None)])
    assert answer(app, "GET", "/", path="/" + path).status in {200, 404, 405}


@given(st.text(string.ascii_letters, min_size=1))
def test_a_static_route_is_found_by_its_own_path_only(name: str) -> None:
    app = Hesper([handler("/known")])
    assert found(app, f"/{name}") == ("/known" if name == "known" else 404)
