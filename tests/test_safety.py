"""Nothing that a client sends makes a 5xx, a hang, or an error that cannot be read."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Never, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hesper import Hesper, Request, Response, get, post
from hesper._types import Scope
from hesper.exceptions import ClientException, NotFoundException
from hesper.params import (
    Body,
    FromCookie,
    FromHeader,
    MsgPackBody,
    QueryParameter,
    URLEncodedBody,
)
from hesper.response import File, Redirect
from tests.compile.driver import FORM, JSON, MSGPACK, TEXT, Sent, http_scope, sent_by, serve


class Inner(msgspec.Struct):
    number: float
    parts: list[Inner] = []


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    at: datetime | None = None
    inner: Inner | None = None
    prices: dict[str, Decimal] = {}


@dataclass
class Flat:
    number: int
    ratio: float = 0.0
    names: list[str] | None = None


class Typed(TypedDict, total=False):
    day: date
    identity: UUID
    span: timedelta


class Model(pydantic.BaseModel):
    number: int
    ratio: float = 0.0
    tree: Model | None = None
    names: list[str] = []


@get("/values/{number:int}/{identity:uuid}/{at:datetime}/{ratio:float}/{price:decimal}")
async def path_values(
    number: int, identity: UUID, at: datetime, ratio: float, price: Decimal
) -> list[Any]:
    return [number, identity, at, ratio, price]


@get("/rest/{rest:path}")
async def rest(rest: str) -> str:
    return rest


@get("/query")
async def query_values(
    number: int = 0,
    ratio: float = 0.0,
    price: Decimal = Decimal(0),
    day: date | None = None,
    at: datetime | None = None,
    identity: UUID | None = None,
    names: Annotated[list[str] | None, QueryParameter(max_items=2)] = None,
    kind: Literal["a", "b"] = "a",
    flag: bool = False,
    token: FromHeader[int | None] = None,
    theme: FromCookie[int | None] = None,
) -> list[Any]:
    return [number, ratio, price, day, at, identity, names, kind, flag, token, theme]


@get("/request")
async def everything(request: Request) -> list[Any]:
    return [
        str(request.url),
        dict(request.headers),
        request.cookies,
        request.query_params.dict(),
        request.content_type if hasattr(request, "content_type") else None,
    ]


@post("/any")
async def echo(data: Any) -> Any:
    return data


@post("/tree")
async def tree(data: Tree) -> Tree:
    return data


@post("/flat")
async def flat(data: Flat) -> Flat:
    return data


@post("/typed")
async def typed(data: Typed) -> Typed:
    return data


@post("/model")
async def model(data: Model) -> Model:
    return data


@post("/packed")
async def packed(data: MsgPackBody[Any]) -> str:
    return repr(data)[:100].encode("ascii", "replace").decode()


@post("/packed/tree")
async def packed_tree(data: MsgPackBody[Tree]) -> Tree:
    return data


@post("/form")
async def form(data: URLEncodedBody[Flat]) -> Flat:
    return data


@post("/form/model")
async def form_model(data: URLEncodedBody[Model]) -> Model:
    return data


@post("/form/any")
async def form_any(data: URLEncodedBody[dict[str, Any]]) -> dict[str, Any]:
    return data


@post("/text")
async def text(data: Annotated[str, Body(media_type="text/plain")]) -> str:
    return data


@post("/by-hand")
async def by_hand(request: Request) -> Any:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return (await request.form()).dict()
    return await request.json()


APP = Hesper(
    [
        path_values,
        rest,
        query_values,
        everything,
        echo,
        tree,
        flat,
        typed,
        model,
        packed,
        packed_tree,
        form,
        form_model,
        form_any,
        text,
        by_hand,
    ]
)

JSON_PATHS = ("/any", "/tree", "/flat", "/typed", "/model", "/by-hand")
FORM_PATHS = ("/form", "/form/model", "/form/any", "/by-hand")
PACKED_PATHS = ("/packed", "/packed/tree")


def check(sent: Sent) -> None:
    """Make sure that an answer is none of a failure, and that all can read it."""
    assert sent.error is None
    assert sent.status < 500, sent.body
    assert sent.complete
    if sent.header(b"content-type") == b"application/json" and sent.body:
        json.loads(sent.body.decode("utf-8"), parse_constant=_no_constant)
    else:
        sent.body.decode("utf-8")


def _no_constant(name: str) -> Never:
    raise AssertionError(f"{name} is no JSON")


HOSTILE_JSON = [
    b"",
    b" ",
    b"[",
    b"{",
    b'"',
    b"[" * 100_000,
    b"[" * 99 + b"]" * 99,
    b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 100_000,
    b'{"inner":' * 5000 + b"1" + b"}" * 5000,
    b'{"name":"a","inner":{"number":1,"parts":' + b'[{"number":1,"parts":' * 3000,
    b'{"number":1,"tree":' * 3000 + b"null" + b"}" * 3000,
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b'{"number":NaN}',
    b'{"number":1,"ratio":1e400}',
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"9" * 5000,
    b"-" + b"9" * 5000,
    b"0." + b"9" * 5000,
    b"1" + b"0" * 400,
    b'{"number":' + b"9" * 5000 + b"}",
    b'{"number":' + b"9" * 30 + b"}",
    b'"' + b"\\ud800" + b'"',
    b'"\\udc00\\ud800"',
    b'{"name":"\\ud800"}',
    b'{"\\ud800":1}',
    b'{"name":"a","\\udfff":1}',
    b'{"name":"a","' + b"x" * 100_000 + b'":1}',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'{"\xff":1}',
    b'"\x00"',
    b'"\\u0000"',
    b'{"name":"\\u0000"}',
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b'{"name":1,"name":2}',
    b'{"name":"a","prices":{"x":"sNaN"}}',
    b'{"name":"a","prices":{"x":1e999999999}}',
    b'{"name":"a","prices":{"x":"1e999999999999999999"}}',
    b'{"name":"a","at":"9999-12-31T23:59:59.999999+23:59"}',
    b'{"name":"a","at":"0001-01-01T00:00:00+23:59"}',
    b'{"day":"0000-00-00","identity":"x","span":"P99999999999999D"}',
    b'{"span":1e300}',
    b'{"names":[' + b"1," * 50_000 + b"1]}",
    b"null",
    b"\x00" * 1000,
]


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("index", range(len(HOSTILE_JSON)))
def test_hostile_json_is_no_failure(path: str, index: int) -> None:
    check(sent_by(APP, "POST", path, headers=JSON, body=HOSTILE_JSON[index]))


HOSTILE_FORMS = [
    b"",
    b"&",
    b"=",
    b"&&&===",
    b"number=%",
    b"number=%zz",
    b"number=%ff",
    b"number=%00",
    b"%ff=%fe",
    b"number=" + b"9" * 5000,
    b"number=1&ratio=nan",
    b"number=1&ratio=1e400",
    b"number=1&names=" + b"x" * 100_000,
    b"number=1" + b"&names=a" * 999,
    b"a=1&" * 100_000,
    b"&" * 1_000_000,
    b"%" * 1_000_000,
    b"+" * 1_000_000,
    b"number=\xff\xfe",
    b"number=1&number[]=2&number.x=3",
]


@pytest.mark.parametrize("path", FORM_PATHS)
@pytest.mark.parametrize("index", range(len(HOSTILE_FORMS)))
def test_hostile_forms_are_no_failure(path: str, index: int) -> None:
    check(sent_by(APP, "POST", path, headers=FORM, body=HOSTILE_FORMS[index]))


HOSTILE_PACKED = [
    b"",
    b"\xc1",
    b"\x91" * 100_000,
    b"\x91" * 5000 + b"\xc0",
    b"\x81\xa1a" * 5000 + b"\xc0",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xa1\xff",
    b"\x81\xa1\xff\x01",
    b"\x81\xa4name\xa3\xed\xa0\x80",
    b"\xca\x7f\xc0\x00\x00",
    b"\xcb\x7f\xf0" + b"\x00" * 6,
    b"\xc7\x05\x01abcde",
    b"\xd6\xff\xff\xff\xff\xff",
    b"\xc7\x0c\xff" + b"\xff" * 12,
    b"\x81\x90\x01",
    b"\x81\x80\x01",
    b"\xc4\x01\xff",
]


@pytest.mark.parametrize("path", PACKED_PATHS)
@pytest.mark.parametrize("index", range(len(HOSTILE_PACKED)))
def test_hostile_message_pack_is_no_failure(path: str, index: int) -> None:
    check(sent_by(APP, "POST", path, headers=MSGPACK, body=HOSTILE_PACKED[index]))


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json; charset=utf-7",
        "application/json; charset=nonsense",
        "application/json; charset=" + "x" * 10_000,
        "application/json;" * 1000,
        'application/json; a="' + "\\" * 10_000,
        ";" * 10_000,
        "\xff/\xfe",
    ],
)
def test_odd_media_types_are_no_failure(media_type: str) -> None:
    for path in (*JSON_PATHS, "/text", "/form"):
        check(sent_by(APP, "POST", path, headers=[("content-type", media_type)], body=b"{}"))


HOSTILE_VALUES = [
    "",
    "%",
    "%00",
    "%0d%0a",
    "%ff",
    "%ed%a0%80",
    "%F0%9F%98%80",
    "nan",
    "NaN",
    "sNaN",
    "inf",
    "-Infinity",
    "1e400",
    "1e999999999",
    "9" * 5000,
    "-" + "9" * 5000,
    "1_000",
    "\u0661",
    "0x10",
    "P99999999999D",
    "9999-12-31T23:59:59+23:59",
    "0000-00-00",
    "a=b;c",
    "[" * 10_000,
    "'\"<script>",
]


@pytest.mark.parametrize("value", HOSTILE_VALUES)
def test_hostile_values_of_a_query_are_no_failure(value: str) -> None:
    names = ("number", "ratio", "price", "day", "at", "identity", "names", "kind", "flag", value)
    for name in names:
        check(sent_by(APP, "GET", "/query", query=f"{name}={value}".encode()))
    check(sent_by(APP, "GET", "/query", query="&".join(f"{n}={value}" for n in names).encode()))


@pytest.mark.parametrize("value", HOSTILE_VALUES)
def test_hostile_values_of_headers_and_cookies_are_no_failure(value: str) -> None:
    raw = value.encode("utf-8").decode("latin-1")
    for headers in ([("token", raw)], [("cookie", f"theme={raw}")], [("cookie", raw)]):
        check(sent_by(APP, "GET", "/query", headers=headers))
        check(sent_by(APP, "GET", "/request", headers=headers))


@pytest.mark.parametrize(
    "segment",
    ["", "\x00", "\n", "\ud800", "\xff", "nan", "1e400", "9" * 5000, "../..", "%2e", "\u202e"],
)
def test_hostile_paths_are_no_failure(segment: str) -> None:
    paths = [f"/rest/{segment}", f"/{segment}", f"/query/{segment}"]
    right = ["1", str(UUID(int=1)), "2024-01-01T00:00:00", "1.5", "1"]
    paths += [
        "/values/" + "/".join([*right[:index], segment, *right[index + 1 :]]) for index in range(5)
    ]
    for path in paths:
        scope = http_scope("GET", "/")
        scope["path"] = path
        sent = asyncio.run(serve(APP, scope))
        if "\ud800" in segment and sent.status == 500:
            # A text that the handler itself sends back, and no answer of ours.
            assert path.startswith("/rest/")
            continue
        check(sent)


def test_an_error_about_half_of_a_surrogate_pair_can_be_read() -> None:
    @get("/{name:str}")
    async def handler(name: str, page: int) -> None:
        raise AssertionError("not to be called")

    scope: Scope = http_scope("GET", "/")
    scope["path"] = "/\ud800"
    sent = asyncio.run(serve(Hesper([handler]), scope))
    assert sent.json()["detail"] == "Validation failed for GET /?"


bodies = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inside: (
            st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4)
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode()),
    st.lists(
        st.sampled_from(
            [b"number", b"name", b"ratio", b"=", b"&", b"%", b"\xff", b"{", b"}", b"[", b'"', b":"]
        ),
        max_size=30,
    ).map(b"".join),
)
raw_headers = st.sampled_from([(), JSON, FORM, MSGPACK, TEXT])
all_paths = st.sampled_from(
    [*JSON_PATHS, *FORM_PATHS, *PACKED_PATHS, "/query", "/request", "/text", "/rest/x", "/nowhere"]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "__init__", ""]),
    all_paths,
    st.binary(max_size=100),
    raw_headers,
    st.lists(bodies, min_size=1, max_size=3),
)
def test_no_request_is_a_failure(
    method: str,
    path: str,
    query: bytes,
    headers: Sequence[tuple[str, str]],
    chunks: list[bytes],
) -> None:
    check(sent_by(APP, method, path, query=query, headers=headers, body=chunks))


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/any", JSON, b"[" * 9_000_000),
        ("/any", JSON, b'"' + b"\\" * 9_000_000),
        ("/any", JSON, b'{"a":[' * 1_500_000),
        ("/tree", JSON, b'{"' + b"x" * 9_000_000),
        ("/form/any", FORM, b"a=%&" * 2_000_000),
        ("/form", FORM, b"%" * 1_000_000),
        ("/form/any", FORM, b"&" * 9_000_000),
        ("/packed", MSGPACK, b"\x91" * 9_000_000),
        ("/text", TEXT, b"\xff" * 9_000_000),
    ],
)
def test_large_hostile_bodies_are_refused_in_time(
    path: str, headers: Sequence[tuple[str, str]], body: bytes
) -> None:
    started = time.thread_time()
    sent = sent_by(APP, "POST", path, headers=headers, body=body)
    assert 400 <= sent.status < 500
    assert len(sent.body) < 50_000
    assert time.thread_time() - started < 5


def test_an_error_about_many_faults_is_bounded() -> None:
    @post("/")
    async def handler(data: list[int]) -> None:
        raise AssertionError("not to be called")

    sent = sent_by(
        Hesper([handler]), "POST", "/", headers=JSON, body=json.dumps(["x"] * 50_000).encode()
    )
    assert sent.status == 400
    assert len(sent.body) < 50_000


BREAKS = ("a\r\nset-cookie: b=1", "a\nb", "a\rb", "a\0b")


@pytest.mark.parametrize("text", BREAKS)
def test_no_line_break_is_sent_in_a_header(text: str) -> None:
    def response_of(kind: str) -> Any:
        match kind:
            case "header":
                return Response("x", headers={"x-a": text})
            case "name":
                return Response("x", headers={text: "a"})
            case "cookie":
                return Response("x", cookies={"a": text})
            case "cookie name":
                return Response("x", cookies={text: "a"})
            case "media type":
                return Response("x", media_type=f"text/{text}")
            case "redirect":
                return Redirect(f"/{text}")
            case "file name":
                return File(__file__, filename=text)
            case _:
                raise NotFoundException(headers={"x-a": text})

    @get("/{kind:str}")
    async def handler(kind: str) -> Response[Any]:
        response: Response[Any] = response_of(kind)
        return response

    app = Hesper([handler])
    kinds = ("header", "name", "cookie", "cookie name", "media type", "redirect", "file name", "x")
    for kind in kinds:
        assert sent_by(app, "GET", f"/{kind}").complete  # line breaks fail there


@pytest.mark.parametrize("text", BREAKS)
def test_no_line_break_of_the_request_is_sent_in_the_header_of_an_error(text: str) -> None:
    @get("/")
    async def handler(name: str) -> None:
        raise ClientException(f"no {name}", headers={"x-name": name})

    sent = sent_by(Hesper([handler]), "GET", "/", query=b"name=" + text.encode())
    assert sent.status in {400, 500}


@pytest.mark.parametrize("path", ["/ok\n", "/ok\0", "/ok/x", "/OK", "/o", "//ok", "/ok//", "/\nok"])
def test_a_path_matches_whole(path: str) -> None:
    @get("/ok")
    async def handler() -> str:
        return "ok"

    app = Hesper([handler])
    assert sent_by(app, "GET", "/ok").status == 200
    assert sent_by(app, "GET", path).status == 404


@pytest.mark.parametrize("method", ["__init__", "get", "GET ", "", "\u0130", "__class__"])
def test_a_method_name_selects_no_attribute(method: str) -> None:
    @get("/ok")
    async def handler() -> str:
        return "ok"

    sent = sent_by(Hesper([handler]), method, "/ok")
    assert sent.status == 405
    assert sent.header(b"allow") == b"GET, HEAD, OPTIONS"


@pytest.mark.parametrize("body", [b"[[1]]", b"[{}]", b'[{"a":[]}]'])
@pytest.mark.parametrize("packed_body", [False, True])
def test_items_that_no_set_can_hold_are_the_clients_mistake(body: bytes, packed_body: bool) -> None:
    @post("/json")
    async def in_json(data: set[Any]) -> None: ...

    @post("/packed")
    async def in_msgpack(data: MsgPackBody[list[set[Any]]]) -> None: ...

    app = Hesper([in_json, in_msgpack])
    if packed_body:
        raw = msgspec.msgpack.encode([[{}]])
        sent = sent_by(app, "POST", "/packed", headers=MSGPACK, body=raw)
    else:
        sent = sent_by(app, "POST", "/json", headers=JSON, body=body)
    assert sent.status == 400
    assert "in a set" in sent.json()["extra"][0]["message"]


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        *(("/form", FORM, f"number=1&ratio={text}".encode()) for text in ("nan", "inf")),
        ("/form/model", FORM, b"number=1&ratio=NaN"),
        ("/model", JSON, b'{"number":1,"tree":{"number":1,"ratio":"Infinity"}}'),
        ("/tree", JSON, b'{"name":"a","prices":{"x":"sNaN"}}'),
        ("/packed/tree", MSGPACK, msgspec.msgpack.encode({"name": "a", "prices": {"x": "NaN"}})),
    ],
)
def test_numbers_that_are_not_finite_are_refused_in_every_body(
    path: str, headers: Sequence[tuple[str, str]], body: bytes
) -> None:
    sent = sent_by(APP, "POST", path, headers=headers, body=body)
    assert sent.status == 400
    assert "finite" in sent.json()["extra"][0]["message"]


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 300, "missing", "\ud800"])
def test_a_file_of_a_name_that_cannot_be_is_not_found(name: str) -> None:
    @get("/{name:str}")
    async def handler(name: str) -> File:
        return File(f"/tmp/{name}")

    scope = http_scope("GET", "/")
    scope["path"] = f"/{name}"
    sent = asyncio.run(serve(Hesper([handler]), scope))
    assert sent.status == 404
