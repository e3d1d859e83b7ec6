from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from hesper import Hesper, Request, get, post
from hesper.datastructures import Headers, ImmutableMultiDict, ImmutableState, State
from hesper.params import (
    Dependency,
    FromCookie,
    FromHeader,
    FromPath,
    FromQuery,
    HeaderParameter,
    Parameter,
    QueryParameter,
    SkipValidation,
)
from tests.compile.driver import JSON, sent_by


class Genre(enum.Enum):
    NOVEL = "novel"


def taken(
    annotation: Any,
    query: str = "",
    *,
    headers: tuple[tuple[str, str], ...] = (),
    path: str = "/",
    value: str = "/",
    **default: Any,
) -> Any:
    """Return what a handler is given as `value`, or the faults of the request.

    Args:
        annotation: The annotation of `value`.
        query: The query string.
        headers: The request's headers.
        path: The template.
        value: The path of the request.
        **default: The default of `value`, if there is one.
    """
    seen: list[Any] = []

    async def handler(value: Any) -> None:
        seen.append(value)

    handler.__annotations__["value"] = annotation
    if "default" in default:
        handler.__defaults__ = (default["default"],)
    sent = sent_by(Hesper([get(path)(handler)]), "GET", value, query=query, headers=headers)
    if sent.status != 200:
        return sent.faults()
    (given,) = seen
    return given


FAULT = {("query", "value")}


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        (str, "value=a%20b+c", "a b c"),
        (str, "value=", ""),
        (int, "value=5", 5),
        (int, "value=-5", -5),
        (int, "value=1&value=2", 2),
        (float, "value=1.5", 1.5),
        (bool, "value=true", True),
        (bool, "value=0", False),
        (Decimal, "value=1.10", Decimal("1.10")),
        (UUID, f"value={UUID(int=5)}", UUID(int=5)),
        (date, "value=2024-02-29", date(2024, 2, 29)),
        (Genre, "value=novel", Genre.NOVEL),
        (Literal["a", "b"], "value=a", "a"),
        (Literal[1, 2], "value=2", 2),
        (int | None, "value=5", 5),
        (list[int], "value=1&value=2", [1, 2]),
        (list[str], "value=a", ["a"]),
        (set[int], "value=1&value=1", {1}),
        (tuple[int, ...], "value=1&value=2", (1, 2)),
        (list[int] | None, "value=1", [1]),
        (Any, "value=1", "1"),
        (SkipValidation[int], "value=x", "x"),
        (FromQuery[int], "value=1", 1),
        (Annotated[int, QueryParameter(name="other")], "other=1", 1),
        (Annotated[int, Parameter(query="other", ge=1)], "other=1", 1),
    ],
)
def test_a_query_parameter_becomes_what_the_handler_declares(
    annotation: Any, query: str, value: Any
) -> None:
    given = taken(annotation, query)
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize(
    ("annotation", "query"),
    [
        (int, ""),
        (int, "value="),
        (int, "value=x"),
        (int, "value=1.5"),
        (int, "value=" + "9" * 5000),
        (float, "value=nan"),
        (float, "value=1e400"),
        (float, "value=inf"),
        (list[float], "value=1&value=nan"),
        (Decimal, "value=sNaN"),
        (bool, "value=perhaps"),
        (UUID, "value=5"),
        (date, "value=2023-02-29"),
        (Genre, "value=poem"),
        (Literal[1, 2], "value=3"),
        (list[int], "value=1&value=x"),
        (list[int], ""),
        (Annotated[int, QueryParameter(ge=1, le=5)], "value=6"),
        (Annotated[str, QueryParameter(min_length=2)], "value=a"),
        (Annotated[str, QueryParameter(pattern="^a+$")], "value=b"),
        (Annotated[list[int], QueryParameter(max_items=1)], "value=1&value=2"),
    ],
)
def test_a_query_parameter_that_does_not_fit_is_a_fault(annotation: Any, query: str) -> None:
    assert taken(annotation, query) == FAULT


@pytest.mark.parametrize("default", [None, 1, "x" * 100, [1], 1.5, object(), -1, True, b"a", ...])
def test_a_default_stands_for_what_is_not_given(default: object) -> None:
    assert taken(int, default=default) is default or taken(int, default=default) == default
    assert taken(str, default=default) is default or taken(str, default=default) == default


@pytest.mark.parametrize("digits", [30, 100, 5000])
def test_a_default_may_be_any_number(digits: int) -> None:
    assert taken(int, default=10**digits) == 10**digits
    assert taken(int, default=-(10**digits)) == -(10**digits)


def test_a_header_becomes_what_the_handler_declares() -> None:
    assert taken(FromHeader[int], headers=(("Value", "5"),)) == 5
    assert taken(FromHeader[list[int]], headers=(("value", "5"), ("value", "6"))) == [5, 6]
    assert taken(FromHeader[int], headers=(("value", "5"), ("value", "6"))) == 5
    named = Annotated[str, HeaderParameter(name="X-Other")]
    assert taken(named, headers=(("x-other", "a"),)) == "a"
    assert taken(FromHeader[int], headers=(("value", "x"),)) == {("header", "value")}
    assert taken(FromHeader[int]) == {("header", "value")}
    assert taken(FromHeader[int], default=7) == 7


def test_underscores_of_an_argument_are_hyphens_of_its_header() -> None:
    @get("/")
    async def handler(x_trace_id: FromHeader[str]) -> str:
        return x_trace_id

    headers = (("X-Trace-Id", "a"),)
    assert sent_by(Hesper([handler]), "GET", "/", headers=headers).body == b"a"


def test_a_cookie_becomes_what_the_handler_declares() -> None:
    assert taken(FromCookie[int], headers=(("cookie", "a=1; value=5"),)) == 5
    assert taken(FromCookie[int], headers=(("cookie", "a=1"), ("cookie", "value=5"))) == 5
    assert taken(FromCookie[str], headers=(("cookie", "value=a"),)) == "a"
    assert taken(FromCookie[int], headers=(("cookie", "value=x"),)) == {("cookie", "value")}
    assert taken(FromCookie[int]) == {("cookie", "value")}
    assert taken(FromCookie[int], default=7) == 7


@pytest.mark.parametrize(
    ("annotation", "kind", "segment", "value"),
    [
        (int, "int", "5", 5),
        (FromPath[int], "int", "5", 5),
        (Any, "int", "5", 5),
        (float, "int", "5", 5.0),
        (int, "str", "5", 5),
        (UUID, "uuid", str(UUID(int=5)), UUID(int=5)),
        (str, "str", "a b", "a b"),
        (str, "path", "a/b", "/a/b"),
        (Genre, "str", "novel", Genre.NOVEL),
        (Annotated[int, msgspec.Meta(ge=1)], "int", "5", 5),
        (Literal["a"], "str", "a", "a"),
    ],
)
def test_a_path_parameter_becomes_what_the_handler_declares(
    annotation: Any, kind: str, segment: str, value: Any
) -> None:
    given = taken(annotation, path=f"/{{value:{kind}}}", value=f"/{segment}")
    assert given == value
    assert type(given) is type(value)


def test_a_path_parameter_that_does_not_fit_is_a_fault() -> None:
    positive = Annotated[int, msgspec.Meta(ge=1)]
    assert taken(positive, path="/{value:int}", value="/0") == {("path", "value")}


def test_reserved_names_are_the_things_themselves() -> None:
    seen: dict[str, Any] = {}

    @post("/")
    async def handler(
        request: Request,
        state: State,
        headers: Headers,
        cookies: dict[str, str],
        query: ImmutableMultiDict[str],
        scope: dict[str, Any],
        body: bytes,
        app: Hesper,
    ) -> None:
        seen.update(locals())

    served = Hesper([handler], state={"a": 1})
    headers = (("x-a", "1"), ("cookie", "b=2"))
    sent = sent_by(served, "POST", "/", query="c=3&c=4", headers=headers, body=b"text")
    assert sent.status == 201
    assert seen["request"].scope is seen["scope"]
    assert seen["state"].a == 1
    assert seen["headers"]["X-A"] == "1"
    assert seen["cookies"] == {"b": "2"}
    assert seen["query"].getall("c") == ["3", "4"]
    assert seen["body"] == b"text"
    assert seen["app"] is served


def test_state_is_an_instance_of_the_class_it_is_annotated_with() -> None:
    class Own(State):
        pass

    seen: list[Any] = []

    @get("/")
    async def handler(state: ImmutableState, own: Any) -> None:
        seen.append(state)
        seen.append(own)

    async def own(state: Own) -> Own:
        return state

    app = Hesper([handler], state={"a": 1}, dependencies={"own": own})
    assert sent_by(app, "GET", "/").status == 200
    assert type(seen[0]) is ImmutableState
    assert type(seen[1]) is Own
    assert seen[0].a == seen[1].a == 1


def test_the_request_is_the_same_for_all_who_want_it() -> None:
    seen: list[Request] = []

    def guard(request: Request, handler: Any) -> None:
        seen.append(request)

    async def provide(request: Request) -> Request:
        return request

    @get("/", guards=[guard], dependencies={"provided": provide})
    async def handler(request: Request, provided: Any) -> None:
        seen.extend((request, provided))

    sent_by(Hesper([handler]), "GET", "/")
    assert seen == [seen[0]] * 3


def local_enum(member: int) -> type[enum.Enum]:
    class Kind(enum.Enum):
        MEMBER = member

    return Kind


def test_classes_of_one_name_are_told_apart() -> None:
    one, other = local_enum(1), local_enum(1)
    assert repr(one) == repr(other)
    seen: list[Any] = []

    def guard(request: Any, handler: Any, kind: Any) -> None:
        seen.append(type(kind))

    async def handler(kind: Any) -> None:
        seen.append(type(kind))

    guard.__annotations__["kind"] = one | None
    handler.__annotations__["kind"] = other | None
    guard.__defaults__ = handler.__defaults__ = (None,)
    app = Hesper([get("/", guards=[guard])(handler)])
    assert sent_by(app, "GET", "/", query="kind=1").status == 200
    assert seen == [one, other]


def test_a_dependency_without_provider_is_its_default() -> None:
    @get("/")
    async def handler(value: Annotated[int, Dependency(default=3)]) -> int:
        return value

    assert sent_by(Hesper([handler]), "GET", "/").json() == 3


def test_all_faults_of_a_request_are_reported_together() -> None:
    class Book(msgspec.Struct):
        title: str
        pages: int

    async def provide(token: FromHeader[int]) -> int:
        return token

    @post("/{kind:int}", dependencies={"provided": provide})
    async def handler(
        kind: Annotated[int, msgspec.Meta(ge=5)],
        page: int,
        size: int,
        theme: FromCookie[Literal["dark"]],
        data: Book,
        provided: int,
    ) -> None:
        raise AssertionError("not to be called")

    sent = sent_by(
        Hesper([handler]),
        "POST",
        "/1",
        query="page=x",
        headers=(*JSON, ("cookie", "theme=light"), ("token", "x")),
        body=b'{"title":1,"pages":"x"}',
    )
    assert sent.faults() == {
        ("path", "kind"),
        ("query", "page"),
        ("query", "size"),
        ("cookie", "theme"),
        ("header", "token"),
        ("body", "title"),
        ("body", "pages"),
    }
    assert sent.json()["detail"] == "Validation failed for POST /1"


def test_a_fault_wanted_by_two_is_reported_once() -> None:
    async def provide(page: int) -> int:
        return page

    @get("/", dependencies={"provided": provide})
    async def handler(page: int, provided: int) -> None:
        raise AssertionError("not to be called")

    assert len(sent_by(Hesper([handler]), "GET", "/").json()["extra"]) == 1


def test_a_bug_in_a_decoder_is_a_500_and_no_fault_of_the_client() -> None:
    class Point:
        pass

    def broken(kind: type, value: object) -> Any:
        raise KeyError("a bug")

    decoders: list[tuple[Callable[[Any], bool], Any]] = [(lambda kind: kind is Point, broken)]

    @get("/", type_decoders=decoders)
    async def handler(point: Point) -> None:
        raise AssertionError("not to be called")

    assert sent_by(Hesper([handler]), "GET", "/", query="point=1").status == 500


def test_a_long_or_odd_path_in_a_message_is_cut_and_encodable() -> None:
    @get("/{rest:path}")
    async def handler(rest: str, page: int) -> None:
        raise AssertionError("not to be called")

    app = Hesper([handler])
    assert len(sent_by(app, "GET", "/" + "x" * 5000).json()["detail"]) < 250
    assert sent_by(app, "GET", "/x").status == 400
