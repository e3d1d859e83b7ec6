"""`response_headers`, `response_cookies`, `type_encoders` and `type_decoders`: all their forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest

from hesper import (
    Controller,
    Extend,
    Hesper,
    MediaType,
    Provide,
    Replace,
    Request,
    Response,
    Router,
    WebSocket,
    get,
    post,
    websocket,
)
from hesper.datastructures import Cookie, ResponseHeader
from hesper.enums import RequestEncodingType
from hesper.exceptions import ClientException, NotFoundException
from hesper.params import Body, Parameter
from hesper.testing import TestClient
from tests.asgi_driver import Answer, answer


def layered(*said: dict[str, Any], handler: Any = None) -> Hesper:
    """Return an app whose application, router, controller and handler say these options."""

    async def plain(_self: object) -> list[int]:
        return [1]

    of_class = {"handler": get("/", **said[3])(handler or plain), **said[2]}
    controller: type[Controller] = type("Books", (Controller,), of_class)
    return Hesper([Router("/", route_handlers=[controller], **said[1])], **said[0])


def at(depth: int, option: str, value: object, outer: object = None) -> Hesper:
    """Return an app one layer of which says *value*, and perhaps the application *outer*."""
    said: list[dict[str, Any]] = [{}, {}, {}, {}]
    if outer is not None:
        said[0][option] = outer
    said[depth][option] = value
    return layered(*said)


every_depth = pytest.mark.parametrize("depth", range(4))
inner_depth = pytest.mark.parametrize("depth", range(1, 4))


def lines(app: Hesper, name: str) -> list[str]:
    return answer(app, "GET", "/").all(name)


# Headers.

HEADERS = [
    {"x-a": "1"},
    {"X-A": "1"},
    {"x-a": ResponseHeader(name="x-a", value="1")},
    [ResponseHeader(name="X-a", value="1", description="of a", required=True)],
    (ResponseHeader(name="x-a", value="1"),),
    Extend({"x-a": "1"}),
    Replace([ResponseHeader(name="x-a", value="1")]),
]


@every_depth
@pytest.mark.parametrize("written", HEADERS)
def test_headers_can_be_written_in_every_form(depth: int, written: Any) -> None:
    assert lines(at(depth, "response_headers", written), "x-a") == ["1"]


@inner_depth
@pytest.mark.parametrize(
    ("written", "a", "b"),
    [
        ({"X-A": "2"}, ["2"], ["0"]),
        (Extend({"x-a": "2"}), ["2"], ["0"]),
        (Replace({"x-a": "2"}), ["2"], []),
        (Replace({}), [], []),
        (Replace([]), [], []),
        ([ResponseHeader(name="x-a", documentation_only=True)], [], ["0"]),
    ],
)
def test_headers_overlay_those_of_outer_layers(
    depth: int, written: Any, a: list[str], b: list[str]
) -> None:
    app = at(depth, "response_headers", written, outer={"x-a": "0", "x-b": "0"})
    assert (lines(app, "x-a"), lines(app, "x-b")) == (a, b)


@every_depth
@pytest.mark.parametrize("option", ["response_headers", "response_cookies", "type_encoders"])
def test_none_does_not_silently_drop_what_outer_layers_say(depth: int, option: str) -> None:
    with pytest.raises(TypeError, match=rf"{option}=None .* {option}=Replace\(\{{\}}\)"):
        at(depth, option, None)


# Cookies.

COOKIES = [
    {"a": "1"},
    {"a": Cookie(key="a", value="1")},
    [Cookie(key="a", value="1", description="of a")],
    (Cookie(key="a", value="1"),),
    Extend({"a": "1"}),
    Replace([Cookie(key="a", value="1")]),
]


@every_depth
@pytest.mark.parametrize("written", COOKIES)
def test_cookies_can_be_written_in_every_form(depth: int, written: Any) -> None:
    assert lines(at(depth, "response_cookies", written), "set-cookie") == [
        "a=1; Path=/; SameSite=lax"
    ]


@inner_depth
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"a": "2"}, ["a=2; Path=/; SameSite=lax", "b=0; Path=/; SameSite=lax"]),
        (Extend({"b": "2"}), ["a=0; Path=/; SameSite=lax", "b=2; Path=/; SameSite=lax"]),
        (Replace({"a": "2"}), ["a=2; Path=/; SameSite=lax"]),
        (Replace([]), []),
        ([Cookie(key="a", documentation_only=True)], ["b=0; Path=/; SameSite=lax"]),
        (
            [Cookie(key="a", value="2", path="/x")],
            [
                "a=0; Path=/; SameSite=lax",
                "b=0; Path=/; SameSite=lax",
                "a=2; Path=/x; SameSite=lax",
            ],
        ),
        (
            [Cookie(key="b", value="2", domain="a.b")],
            [
                "a=0; Path=/; SameSite=lax",
                "b=0; Path=/; SameSite=lax",
                "b=2; Domain=a.b; Path=/; SameSite=lax",
            ],
        ),
    ],
)
def test_cookies_overlay_those_of_the_same_key_path_and_domain(
    depth: int, written: Any, expected: list[str]
) -> None:
    app = at(depth, "response_cookies", written, outer={"a": "0", "b": "0"})
    assert sorted(lines(app, "set-cookie")) == sorted(expected)


@pytest.mark.parametrize("path", ["/", "/none"])
def test_error_responses_have_the_headers_and_cookies_too(path: str) -> None:
    @get("/")
    async def fail() -> None:
        raise NotFoundException

    got = answer(
        Hesper([fail], response_headers={"x-a": "1"}, response_cookies={"b": "2"}), "GET", path
    )
    assert (got.status, got.header("x-a")) == (404, "1")
    assert got.all("set-cookie") == ["b=2; Path=/; SameSite=lax"]


# Types of the user's.


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


ENCODERS = {Point: lambda point: f"P{point.x}"}
DECODERS = [(lambda kind: kind is Point, lambda kind, value: kind(int(value)))]


@dataclass
class Form:
    point: Point
    points: list[Point]


class Line(msgspec.Struct):
    point: Point
    points: list[Point] = []


def served(handler: Any, method: str, target: str, **sent: Any) -> Answer:
    got = answer(
        Hesper([handler], type_encoders=ENCODERS, type_decoders=DECODERS), method, target, **sent
    )
    assert got.status < 300, got.body
    return got


def test_parameters_of_every_kind_are_decoded() -> None:
    def of_dependency(from_dependency: Point) -> Point:
        return from_dependency

    @get("/{of_path:int}", dependencies={"dependency": Provide(of_dependency)})
    async def read(
        of_path: Point,
        of_query: Point,
        several: list[Point],
        of_header: Annotated[Point, Parameter(header="x-p")],
        of_cookie: Annotated[Point, Parameter(cookie="p")],
        dependency: Point,
        absent: Point | None = None,
        optional: Point | None = None,
    ) -> list[Any]:
        return [of_path, of_query, *several, of_header, of_cookie, dependency, absent, optional]

    got = served(
        read,
        "GET",
        "/1?of_query=2&several=3&several=4&from_dependency=7&optional=8",
        headers=[("x-p", "5"), ("cookie", "p=6")],
    )
    assert got.json() == ["P1", "P2", "P3", "P4", "P5", "P6", "P7", None, "P8"]


def test_a_value_that_a_decoder_refuses_is_a_fault() -> None:
    @get("/")
    async def read(point: Point) -> None: ...

    app = Hesper([read], type_decoders=DECODERS)
    assert answer(app, "GET", "/?point=x").faults == {("query", "point")}


BODY = b'{"point": 1, "points": [2]}'
BODIES: list[tuple[Any, str, bytes]] = [
    (Line, "application/json", BODY),
    (Form, "application/json", BODY),
    (
        Annotated[Line, Body(media_type=RequestEncodingType.MESSAGEPACK)],
        RequestEncodingType.MESSAGEPACK,
        msgspec.msgpack.encode({"point": 1, "points": [2]}),
    ),
    (
        Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
        RequestEncodingType.URL_ENCODED,
        b"point=1&points=2",
    ),
]


@pytest.mark.parametrize(("annotation", "media_type", "body"), BODIES)
def test_bodies_of_every_kind_are_decoded(annotation: Any, media_type: str, body: bytes) -> None:
    async def add(data: Any) -> Any:
        return data

    add.__annotations__["data"] = annotation
    got = served(post("/")(add), "POST", "/", body=body, headers=[("content-type", media_type)])
    assert got.json() == {"point": "P1", "points": ["P2"]}


def test_a_text_body_is_decoded() -> None:
    @post("/")
    async def add(data: Annotated[Point, Body(media_type="text/plain")]) -> Point:
        return data

    got = served(add, "POST", "/", body=b"1", headers=[("content-type", "text/plain")])
    assert got.json() == "P1"


def test_parameters_of_websockets_are_decoded() -> None:
    @websocket("/{one:int}")
    async def echo(socket: WebSocket, one: Point, other: Point) -> None:
        await socket.accept()
        await socket.send_text(f"{one.x} {other.x}")
        await socket.close()

    app = Hesper([echo], type_decoders=DECODERS)
    with TestClient(app) as client, client.websocket_connect("/1?other=2") as session:
        assert session.receive_text() == "1 2"


def fail(_request: Request, _error: Exception) -> dict[str, Point]:
    return {"a": Point(1)}


def before(_request: Request) -> dict[str, Point]:
    return {"a": Point(1)}


@get("/plain")
async def plain() -> dict[str, Point]:
    return {"a": Point(1)}


@get("/response")
async def response() -> Response[dict[str, Point]]:
    return Response({"a": Point(1)})


@get("/before", before_request=before)
async def not_called() -> None: ...


@get("/handled", exception_handlers={LookupError: fail})
async def handled() -> None:
    raise LookupError


@pytest.mark.parametrize("path", ["/plain", "/response", "/before", "/handled"])
def test_whatever_becomes_a_response_is_encoded(path: str) -> None:
    app = Hesper([plain, response, not_called, handled], type_encoders=ENCODERS)
    assert answer(app, "GET", path).json() == {"a": "P1"}


def test_the_extra_of_an_exception_is_encoded() -> None:
    @get("/")
    async def refuse() -> None:
        raise ClientException(extra={"a": Point(1)})

    assert answer(Hesper([refuse], type_encoders=ENCODERS), "GET", "/").json()["extra"] == {
        "a": "P1"
    }


def test_messagepack_is_encoded() -> None:
    @get("/", media_type=MediaType.MESSAGEPACK)
    async def packed() -> Point:
        return Point(1)

    assert msgspec.msgpack.decode(served(packed, "GET", "/").body) == "P1"


def encoder(text: str) -> dict[Any, Any]:
    return {Point: lambda _: text}


@inner_depth
@pytest.mark.parametrize(
    ("written", "expected"),
    [(encoder("inner"), "inner"), (Extend(encoder("inner")), "inner"), (Extend({}), "outer")],
)
def test_the_inner_encoder_of_a_type_wins(depth: int, written: Any, expected: str) -> None:
    async def made(_self: object) -> Point:
        return Point(1)

    said: list[dict[str, Any]] = [{"type_encoders": encoder("outer")}, {}, {}, {}]
    said[depth]["type_encoders"] = written
    assert answer(layered(*said, handler=made), "GET", "/").json() == expected


def test_the_encoder_of_the_response_wins() -> None:
    async def made(_self: object) -> Response[Point]:
        return Response(Point(1), type_encoders=encoder("own"))

    app = layered({"type_encoders": encoder("outer")}, {}, {}, {}, handler=made)
    assert answer(app, "GET", "/").json() == "own"


def test_dropped_encoders_encode_nothing() -> None:
    async def made(_self: object) -> Point:
        return Point(1)

    said: list[dict[str, Any]] = [
        {"type_encoders": ENCODERS},
        {},
        {},
        {"type_encoders": Replace({})},
    ]
    assert answer(layered(*said, handler=made), "GET", "/").status == 500


def decoder(x: int) -> list[Any]:
    return [(lambda kind: kind is Point, lambda kind, _value: kind(x))]


@inner_depth
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (decoder(1), 1),
        (Extend(decoder(1)), 1),
        (Replace(decoder(1)), 1),
        ([], 0),
        ([(lambda kind: kind is Line, lambda kind, value: kind(value))], 0),
    ],
)
def test_the_inner_decoder_is_asked_first(depth: int, written: Any, expected: int) -> None:
    async def read(_self: object, point: Point) -> int:
        return point.x

    said: list[dict[str, Any]] = [{"type_decoders": decoder(0)}, {}, {}, {}]
    said[depth]["type_decoders"] = written
    assert answer(layered(*said, handler=read), "GET", "/?point=5").json() == expected
