"""Where each argument of a handler comes from, seen through requests."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from hesper import Controller, Hesper, Provide, Request, Router, get, post, put
from hesper._types import Scope
from hesper.datastructures import (
    Headers,
    ImmutableMultiDict,
    ImmutableState,
    SecretString,
    State,
)
from hesper.enums import RequestEncodingType
from hesper.exceptions import ConfigurationError
from hesper.params import (
    Body,
    CookieParameter,
    Dependency,
    FromCookie,
    FromHeader,
    FromPath,
    FromQuery,
    HeaderParameter,
    NamedDependency,
    Parameter,
    ParameterDeclaration,
    PathParameter,
    QueryParameter,
    SkipValidation,
)
from tests.asgi_driver import Answer, answer


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Book(msgspec.Struct):
    title: str
    year: int = 1900


class Session:
    """Something that no request holds."""


def ask(handle: Callable[..., Any], target: str = "/", **request: Any) -> Answer:
    """Return the answer of *handle* at `/`."""
    return answer(Hesper([get("/")(handle)]), "GET", target, **request)


def asked(annotation: Any, target: str, default: Any = ..., **request: Any) -> Any:
    """Return what an argument `v` of that annotation was given."""
    given: list[Any] = []

    async def required(v: Any) -> None:
        given.append(v)

    async def optional(v: Any = default) -> None:
        given.append(v)

    handle = required if default is ... else optional
    handle.__annotations__["v"] = annotation
    found = ask(handle, target, **request)
    assert found.status == 200, found.text
    return given[0]


def problems(*handlers: Any, **options: Any) -> tuple[str, ...]:
    """Return what is wrong with an app of *handlers*."""
    with pytest.raises(ConfigurationError) as raised:
        Hesper(list(handlers), **options)
    return raised.value.problems


# Reserved names.


def test_reserved_names_are_the_things_themselves() -> None:
    seen: dict[str, Any] = {}

    @post("/{path:str}")
    async def handle(
        request: Request,
        state: State,
        headers: Headers,
        cookies: Any,
        query: ImmutableMultiDict[str],
        scope: Scope,
        body: bytes,
        app: Hesper,
    ) -> None:
        seen.update(locals())

    application = Hesper([handle], state=State({"pool": 1}))
    answer(
        application,
        "POST",
        "/x?a=1&a=2",
        headers=[("X-A", "1"), ("Cookie", "c=2")],
        body=b"body",
    )
    assert isinstance(seen["request"], Request)
    assert seen["state"].pool == 1
    assert seen["headers"]["x-a"] == "1"
    assert seen["cookies"] == {"c": "2"}
    assert seen["query"].getall("a") == ["1", "2"]
    assert seen["scope"]["path_params"] == {"path": "x"}
    assert seen["body"] == b"body"
    assert seen["app"] is application


def test_data_is_the_decoded_body() -> None:
    @post("/")
    async def handle(data: Book) -> Any:
        return [data.title, data.year]

    found = answer(
        Hesper([handle]),
        "POST",
        "/",
        headers=[("content-type", "application/json")],
        body=b'{"title": "Emma", "year": 1815}',
    )
    assert found.json() == ["Emma", 1815]


def test_reserved_names_need_no_annotation() -> None:
    async def handle(request, scope, app):  # type: ignore[no-untyped-def]
        return str(app is scope["hesper_app"] and request.method == "GET")

    assert ask(handle).text == "True"


class OwnState(ImmutableState):
    pass


@pytest.mark.parametrize("kind", [State, ImmutableState, OwnState, Any, Annotated[State, 1]])
def test_the_state_comes_as_it_is_annotated(kind: Any) -> None:
    given: list[Any] = []

    async def handle(state: Any) -> None:
        given.append(state)

    handle.__annotations__["state"] = kind
    answer(Hesper([get("/")(handle)], state={"a": 1}), "GET", "/")
    assert given[0].a == 1
    assert type(given[0]) is (OwnState if kind is OwnState else type(given[0]))


def test_a_state_of_another_type_is_an_error() -> None:
    @get("/")
    async def handle(state: dict[str, int]) -> None: ...

    (problem,) = problems(handle)
    assert (
        "annotates state with dict[str, int]; write State, ImmutableState or a subclass" in problem
    )


def test_a_reserved_name_wins_over_the_path() -> None:
    @get("/{query:str}")
    async def handle(query: ImmutableMultiDict[str]) -> Any:
        return query.dict()

    assert answer(Hesper([handle]), "GET", "/x?a=1").json() == {"a": ["1"]}


@pytest.mark.parametrize("marker", [FromQuery[str], FromHeader[str], NamedDependency[str]])
def test_a_marker_on_a_reserved_name_is_an_error(marker: Any) -> None:
    async def handle(headers: Any) -> None: ...

    handle.__annotations__["headers"] = marker
    (problem,) = problems(get("/")(handle))
    assert "takes 'headers' from elsewhere, but the name is reserved" in problem


# The path.


@pytest.mark.parametrize(
    ("kind", "segment", "annotation", "value"),
    [
        ("int", "5", int, 5),
        ("int", "5", str, "5"),
        ("int", "5", float, 5.0),
        ("int", "5", Any, 5),
        ("int", "5", int | None, 5),
        ("int", "1", Literal[1, 2], 1),
        ("str", "red", Color, Color.RED),
        ("str", "5", int, 5),
        ("str", "5", Annotated[str, Parameter(max_length=1)], "5"),
        ("str", "00000000-0000-0000-0000-000000000001", UUID, UUID(int=1)),
        ("str", "2024-01-01", date, date(2024, 1, 1)),
        ("str", "secret", SecretString, SecretString("secret")),
        ("path", "a/b", Path, Path("/a/b")),
        ("path", "a/b", str, "/a/b"),
        ("timedelta", "PT1H", timedelta, timedelta(hours=1)),
        ("decimal", "1.5", Decimal, Decimal("1.5")),
    ],
)
def test_a_path_parameter_becomes_what_the_argument_wants(
    kind: str, segment: str, annotation: Any, value: Any
) -> None:
    given: list[Any] = []

    async def handle(v: Any) -> None:
        given.append(v)

    handle.__annotations__["v"] = annotation
    app = Hesper([get(f"/x/{{v:{kind}}}")(handle)])
    assert answer(app, "GET", f"/x/{segment}").status == 200
    assert given == [value]
    assert type(given[0]) is type(value)


def test_a_path_parameter_needs_no_annotation() -> None:
    async def handle(v):  # type: ignore[no-untyped-def]
        return repr(v)

    assert answer(Hesper([get("/{v:int}")(handle)]), "GET", "/5").text == "5"


def test_a_path_parameter_is_handed_on_unchecked_where_that_is_asked_for() -> None:
    @get("/{color:str}")
    async def handle(color: SkipValidation[Color]) -> Any:
        return color

    assert answer(Hesper([handle]), "GET", "/none").text == "none"


def test_the_bytes_of_any_body_are_taken_unasked() -> None:
    @post("/")
    async def handle(data: bytes) -> bytes:
        return data

    assert answer(Hesper([handle]), "POST", "/", body=b"\xff").body == b"\xff"


def test_an_annotation_that_is_no_key_of_a_mapping_does_no_harm() -> None:
    @get("/")
    async def handle(v: Any) -> None: ...

    literal: Any = Literal
    handle.__annotations__["v"] = literal[[]]
    assert "cannot be decoded" in problems(handle, dependencies={"w": Session})[0]


def test_a_path_parameter_may_have_another_name_than_its_argument() -> None:
    @get("/{book_id:str}")
    async def handle(book: Annotated[str, PathParameter(name="book_id")]) -> str:
        return book

    assert answer(Hesper([handle]), "GET", "/x").text == "x"


def test_a_misspelt_path_parameter_is_an_error_with_the_nearest() -> None:
    @get("/{number:int}")
    async def handle(numbr: FromPath[int]) -> None: ...

    assert "did you mean 'number'" in problems(handle)[0]


def test_a_type_that_the_path_never_has_is_an_error() -> None:
    @get("/{number:int}")
    async def handle(number: UUID) -> None: ...

    assert "is UUID, but /{number:int} makes it int; change one of them" in problems(handle)[0]


def test_constraints_hold_for_path_parameters() -> None:
    @get("/{page:int}")
    async def handle(page: Annotated[int, Parameter(ge=1)]) -> None: ...

    app = Hesper([handle])
    assert answer(app, "GET", "/1").status == 200
    assert answer(app, "GET", "/0").faults == {("path", "page")}


def test_the_path_wins_over_a_dependency() -> None:
    @get("/{who:str}")
    async def handle(who: str) -> str:
        return who

    app = Hesper([handle], dependencies={"who": Provide(lambda: "dependency")})
    assert answer(app, "GET", "/path").text == "path"


def test_a_marker_wins_over_the_path() -> None:
    @get("/{v:str}")
    async def handle(v: FromQuery[str]) -> str:
        return v

    assert answer(Hesper([handle]), "GET", "/path?v=query").text == "query"


def test_an_argument_may_be_in_one_of_several_paths_only() -> None:
    @get(["/", "/{page:int}"])
    async def handle(page: int = 1) -> Any:
        return page

    app = Hesper([handle])
    assert answer(app, "GET", "/").json() == 1
    assert answer(app, "GET", "/7").json() == 7


# The query.


@pytest.mark.parametrize(
    ("annotation", "target", "value"),
    [
        (str, "/?v=a%2Bb+c", "a+b c"),
        (str, "/?v=", ""),
        (str, "/?v", ""),
        (str, "/?v=1&v=2", "2"),
        (int, "/?v=-5", -5),
        (float, "/?v=1.5", 1.5),
        (bool, "/?v=true", True),
        (bool, "/?v=0", False),
        (UUID, "/?v=00000000-0000-0000-0000-000000000001", UUID(int=1)),
        (Color, "/?v=blue", Color.BLUE),
        (Literal["a", 1], "/?v=1", 1),
        (list[int], "/?v=1&v=2", [1, 2]),
        (list[int], "/?v=1", [1]),
        (set[int], "/?v=1&v=1", {1}),
        (frozenset[str], "/?v=a", frozenset({"a"})),
        (tuple[int, str], "/?v=1&v=2", (1, "2")),
        (tuple[int, ...], "/?v=1&v=2", (1, 2)),
        (Sequence[int], "/?v=1", [1]),
        (list[Color] | None, "/?v=red", [Color.RED]),
        (int | str, "/?v=a", "a"),
        (int | None, "/?v=5", 5),
        (Any, "/?v=5", "5"),
        (object, "/?v=5", "5"),
        (FromQuery[int], "/?v=5", 5),
        (FromQuery[int] | None, "/?v=5", 5),
        (Annotated[int, Parameter(query="page")], "/?page=5", 5),
        (Annotated[int, QueryParameter(name="page")], "/?page=5", 5),
        (Annotated[int, Parameter(query="a b&c")], "/?a%20b%26c=5", 5),
        (Annotated[int, msgspec.Meta(ge=5)], "/?v=5", 5),
        (SkipValidation[int], "/?v=five", "five"),
        (SkipValidation[list[int]], "/?v=a&v=b", ["a", "b"]),
        (SecretString, "/?v=secret", SecretString("secret")),
    ],
)
def test_a_query_parameter_becomes_what_the_argument_wants(
    annotation: Any, target: str, value: Any
) -> None:
    given = asked(annotation, target)
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize(
    ("annotation", "target"),
    [
        (str, "/"),
        (int, "/?v="),
        (int, "/?v=five"),
        (int, "/?v=1_000"),
        (int, "/?v=%EF%BC%95"),
        (int, "/?v=" + "9" * 5000),
        (float, "/?v=nan"),
        (float, "/?v=inf"),
        (float, "/?v=1e400"),
        (Decimal, "/?v=sNaN"),
        (bool, "/?v=maybe"),
        (Color, "/?v=RED"),
        (Literal["a"], "/?v=b"),
        (UUID, "/?v=%00"),
        (list[int], "/?v=1&v=x"),
        (list[int], "/"),
        (tuple[int, str], "/?v=1"),
        (int | None, "/"),
        (date, "/?v=2024-02-30"),
        (Annotated[int, Parameter(ge=1, le=3)], "/?v=4"),
        (Annotated[int | None, Parameter(ge=1)], "/?v=0"),
        (Annotated[str, Parameter(pattern="^a")], "/?v=b"),
        (Annotated[list[int], Parameter(min_items=2)], "/?v=1"),
    ],
)
def test_a_query_parameter_that_does_not_fit_is_a_400_that_names_it(
    annotation: Any, target: str
) -> None:
    async def handle(v: Any) -> None:
        raise AssertionError("called")

    handle.__annotations__["v"] = annotation
    assert ask(handle, target).faults == {("query", "v")}


# Headers and cookies.


@pytest.mark.parametrize(
    ("annotation", "name", "value"),
    [
        (FromHeader[str], "v", "text"),
        (FromHeader[str] | None, "v", "text"),
        (Annotated[str, Parameter(header="X-Token")], "X-TOKEN", "text"),
        (Annotated[str, HeaderParameter(name="X_Token")], "x_token", "text"),
    ],
)
def test_a_header_is_read_in_any_case(annotation: Any, name: str, value: str) -> None:
    assert asked(annotation, "/?v=query", headers=[(name, value)]) == value


def test_underscores_of_a_headers_argument_stand_for_hyphens() -> None:
    async def handle(x_request_id: FromHeader[int]) -> Any:
        return x_request_id

    app = Hesper([get("/")(handle)])
    assert answer(app, "GET", "/", headers=[("X-Request-Id", "7")]).json() == 7
    faults = answer(app, "GET", "/", headers=[("X_Request_Id", "7")]).faults
    assert faults == {("header", "x-request-id")}


def test_repeated_headers_are_a_list_or_the_first() -> None:
    lines = [("v", "1"), ("V", "2")]
    assert asked(FromHeader[list[int]], "/", headers=lines) == [1, 2]
    assert asked(FromHeader[int], "/", headers=lines) == 1


def test_cookies_are_read_by_name() -> None:
    lines = [("cookie", "v=1; w=2"), ("cookie", "session=abc")]
    assert asked(FromCookie[int], "/?v=9", headers=lines) == 1
    assert asked(Annotated[int, Parameter(cookie="w")], "/", headers=lines) == 2
    assert asked(Annotated[str, CookieParameter(name="session")], "/", headers=lines) == "abc"


def test_a_missing_header_or_cookie_is_a_400_that_names_it() -> None:
    async def handle(token: FromHeader[str], session: FromCookie[str]) -> None:
        raise AssertionError("called")

    assert ask(handle).faults == {("header", "token"), ("cookie", "session")}


# Defaults.


@pytest.mark.parametrize("marker", [FromQuery, FromHeader, FromCookie])
@pytest.mark.parametrize("default", [5, None, [], {"any": "value"}, "not checked"])
def test_a_default_is_handed_on_as_it_is(marker: Any, default: Any) -> None:
    assert asked(marker[int], "/", default) == default


def test_a_default_may_stand_in_the_declaration() -> None:
    assert asked(Annotated[int, Parameter(default=7)], "/") == 7
    assert asked(Annotated[int, Parameter(default=None)], "/") is None


def test_the_signatures_default_wins() -> None:
    assert asked(Annotated[int, Parameter(default=7)], "/", 9) == 9


def test_what_is_not_required_is_none() -> None:
    assert asked(Annotated[int, Parameter(required=False)], "/") is None
    assert asked(Annotated[int, Parameter(required=False, default=3)], "/") == 3


def test_a_default_does_not_excuse_a_bad_value() -> None:
    async def handle(v: int = 5) -> None: ...

    assert ask(handle, "/?v=x").faults == {("query", "v")}


# Positions.


def test_arguments_are_passed_as_the_function_takes_them() -> None:
    async def handle(a: int, /, b: int, *, c: int, d: int = 4) -> Any:
        return [a, b, c, d]

    assert ask(handle, "/?a=1&b=2&c=3").json() == [1, 2, 3, 4]


def test_arguments_may_be_called_like_anything_the_endpoint_uses() -> None:
    async def handle(
        receive: int, send: int, error: int, result: int, endpoint: int, len: int, fail: int
    ) -> Any:
        return [receive, send, error, result, endpoint, len, fail]

    target = "/?receive=1&send=2&error=3&result=4&endpoint=5&len=6&fail=7"
    assert ask(handle, target).json() == [1, 2, 3, 4, 5, 6, 7]


def test_a_handler_may_be_called_like_anything_the_endpoint_uses() -> None:
    for name in ["len", "Exception", "scope", "send", "endpoint", "reply", "error", "<lambda>"]:

        async def handle() -> str:
            return "called"

        handle.__name__ = name
        assert ask(handle).text == "called"


# Declared on a layer.


def test_a_parameter_declared_on_a_layer_is_found_by_name() -> None:
    class Books(Controller):
        parameters = {"token": Parameter(header="X-Token"), "page": Parameter(ge=1, default=1)}

        @get("/")
        async def handle(self, token: str, page: int) -> Any:
            return [token, page]

    app = Hesper([Books])
    assert answer(app, "GET", "/", headers=[("x-token", "t")]).json() == ["t", 1]
    assert answer(app, "GET", "/?page=0").faults == {("header", "x-token"), ("query", "page")}


def test_the_annotation_wins_over_the_layer() -> None:
    @get("/", parameters={"v": Parameter(header="v")})
    async def handle(v: FromQuery[str]) -> str:
        return v

    assert answer(Hesper([handle]), "GET", "/?v=query", headers=[("v", "header")]).text == "query"


def test_a_plain_declaration_leaves_the_place_to_the_name() -> None:
    @get("/{number:int}", parameters={"page": ParameterDeclaration(le=5)})
    async def handle(number: Annotated[int, ParameterDeclaration(ge=1)], page: int) -> Any:
        return [number, page]

    app = Hesper([handle])
    assert answer(app, "GET", "/1?page=5").json() == [1, 5]
    assert answer(app, "GET", "/0?page=6").faults == {("path", "number"), ("query", "page")}


def test_a_declared_parameter_that_no_handler_names_is_not_read() -> None:
    @get("/")
    async def handle() -> str:
        return "fine"

    assert (
        answer(Hesper([handle], parameters={"v": Parameter(header="v")}), "GET", "/").status == 200
    )


# All faults of a request.


def test_all_faults_of_a_request_are_reported_together() -> None:
    @put("/{number:int}")
    async def handle(
        number: Annotated[int, Parameter(ge=10)],
        page: int,
        size: Annotated[int, Parameter(query="page_size", le=100)],
        token: Annotated[UUID, Parameter(header="X-Token")],
        session: FromCookie[int],
        data: Book,
        fine: str = "fine",
    ) -> None:
        raise AssertionError("called")

    found = answer(
        Hesper([handle]),
        "PUT",
        "/5?page=one&page_size=101",
        headers=[("x-token", "t"), ("content-type", "application/json")],
        body=b'{"title": 5, "year": "x"}',
    )
    assert found.faults == {
        ("path", "number"),
        ("query", "page"),
        ("query", "page_size"),
        ("header", "x-token"),
        ("cookie", "session"),
        ("body", "title"),
        ("body", "year"),
    }


def test_faults_of_dependencies_are_reported_with_the_handlers() -> None:
    async def pages(page: int, size: int) -> tuple[int, int]:
        return page, size

    @get("/", dependencies={"pages": pages})
    async def handle(pages: tuple[int, int], q: int) -> None: ...

    assert answer(Hesper([handle]), "GET", "/").faults == {
        ("query", "page"),
        ("query", "size"),
        ("query", "q"),
    }


# Errors that are found when the app is built.


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (
            Session,
            "takes 'v' of type Session, which is no dependency and cannot be read from a query",
        ),
        (Book, "takes 'v' of type Book"),
        (dict[str, int], r"takes 'v' of type dict\[str, int\]"),
        (list[Book], "which is no dependency"),
        (FromHeader[Session], "takes 'v' of type Session.*cannot be read from a header parameter"),
        (
            Annotated[Session | None, CookieParameter()],
            r"of type Session \| None.*cookie parameter",
        ),
        (complex, "of type complex"),
        (date | UUID, "'v' of .* cannot be decoded"),
        (Annotated[int, Parameter(min_length=1)], "'v' of .* is int, which cannot have min_length"),
        (Annotated[int, Parameter], "has Parameter without parentheses"),
        (list[FromQuery[int]], "has QueryParameter inside another type"),
        (Annotated[Book, Body()], "takes the body as 'v'; call the argument 'data'"),
        (NamedDependency[Session], "needs the dependency 'v', which no layer provides"),
        (FromPath[int], "reads 'v' from the path, but / has no such parameter"),
    ],
)
def test_a_type_that_cannot_be_had_is_an_error(annotation: Any, says: str) -> None:
    async def handle(v: Any) -> None: ...

    handle.__annotations__["v"] = annotation
    (problem,) = problems(get("/")(handle))
    assert problem.startswith(f"GET / ({__name__}.")
    assert re.search(says, problem)


def test_a_missing_annotation_is_an_error_with_the_nearest_dependency() -> None:
    async def handle(sesion):  # type: ignore[no-untyped-def]
        raise AssertionError

    (problem,) = problems(get("/")(handle), dependencies={"session": Session})
    assert "takes 'sesion' without an annotation" in problem
    assert "did you mean 'session'?" in problem


def test_an_unknown_type_is_an_error_with_the_nearest_dependency() -> None:
    @get("/")
    async def handle(databse: Session) -> None: ...

    (problem,) = problems(handle, dependencies={"database": Session})
    assert "takes 'databse' of type Session, which is no dependency" in problem
    assert "did you mean 'database'?" in problem


@pytest.mark.parametrize("marker", [Parameter(query="q"), Body(), Dependency()])
def test_a_declaration_in_the_place_of_the_default_is_an_error(marker: Any) -> None:
    async def handle(v: int = marker) -> None: ...

    (problem,) = problems(get("/")(handle))
    name = type(marker).__name__
    assert f"has {name}(...) as the default of 'v'; write v: Annotated[..., {name}(...)]" in problem


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (Body(), "cannot be decoded: it is not known how"),
        (Body(media_type=RequestEncodingType.MESSAGEPACK), "cannot be decoded"),
        (
            Body(media_type=RequestEncodingType.MULTI_PART),
            "is a multipart form, which this version",
        ),
    ],
)
def test_a_body_that_cannot_be_decoded_is_an_error(body: Body, says: str) -> None:
    async def handle(data: Any) -> None: ...

    handle.__annotations__["data"] = Annotated[Session, body]
    (problem,) = problems(post("/")(handle))
    assert says in problem


@pytest.mark.parametrize("rest", ["*values", "**values"])
def test_arguments_without_names_are_an_error(rest: str) -> None:
    async def args(*values: int) -> None: ...

    async def kwargs(**values: int) -> None: ...

    (problem,) = problems(get("/")(args if rest == "*values" else kwargs))
    assert f"it takes {rest}, and nothing tells what to pass there" in problem


def test_all_errors_of_all_routes_are_reported_together() -> None:
    @get("/a")
    async def one(v: Session) -> None: ...

    @get("/b")
    async def other(v, w: Session, *, x: FromPath[int]) -> None: ...  # type: ignore[no-untyped-def]

    @post("/c/{id}")
    async def bad_path() -> None: ...

    async def bare() -> None: ...

    def guard(connection: object, handler: object, needed: Session) -> None: ...

    @get("/d", guards=[guard])
    async def guarded() -> None: ...

    handlers: list[Any] = [one, Router("/r", [other, bad_path, bare]), guarded]
    found = problems(*handlers)
    expected = ["'{id}' has no type", "bare is not decorated", "GET /a", "GET /r/b", "GET /d"]
    assert len(found) == len(expected)
    for says in expected:
        assert sum(says in problem for problem in found) == 1


def test_the_message_lists_all_problems_by_number() -> None:
    @get("/a")
    async def one(v: Session) -> None: ...

    @get("/b")
    async def other(v: Session) -> None: ...

    with pytest.raises(ConfigurationError) as raised:
        Hesper([one, other])
    text = str(raised.value)
    assert text.startswith("2 problems were found:\n  1. GET /a")
    assert "\n  2. GET /b" in text


async def made() -> Session:
    return Session()


def test_a_dependency_by_type_fills_an_optional_argument() -> None:
    @get("/")
    async def handle(
        one: Session | None = None, two: Annotated[Session, "note"] | int | None = None
    ) -> bool:
        return isinstance(one, Session) and one is two

    assert answer(Hesper([handle], dependencies={Session: made}), "GET", "/").json() is True


def test_an_optional_argument_without_a_dependency_of_its_type_is_read_from_the_request() -> None:
    @get("/")
    async def handle(number: int | None = None) -> int | None:
        return number

    app = Hesper([handle], dependencies={Session: made})
    assert answer(app, "GET", "/?number=5").json() == 5


def test_a_union_of_two_dependencies_is_unclear() -> None:
    @get("/")
    async def handle(v: Session | Book) -> None: ...

    (problem,) = problems(handle, dependencies={Session: made, Book: made})
    assert "takes 'v', for which there are the dependencies Session and Book" in problem


class OwnSession(Session):
    pass


class Sesion:
    pass


@pytest.mark.parametrize("annotation", [OwnSession, Sesion, OwnSession | None])
def test_a_type_that_resembles_a_dependencys_is_an_error_that_names_it(annotation: Any) -> None:
    async def handle(v: Any) -> None: ...

    handle.__annotations__["v"] = annotation
    (problem,) = problems(get("/")(handle), dependencies={Session: made})
    assert problem.endswith("; did you mean the type Session, which is a dependency?")


@pytest.mark.parametrize("annotation", [Book, object])
def test_a_type_unlike_any_dependencys_brings_no_hint(annotation: Any) -> None:
    async def handle(v: Any) -> None: ...

    handle.__annotations__["v"] = Annotated[annotation, Dependency()]
    (problem,) = problems(get("/")(handle), dependencies={Session: made})
    assert problem.endswith("needs the dependency 'v', which no layer provides")


def test_a_missing_annotation_is_an_error_with_the_dependencys_type() -> None:
    async def handle(session):  # type: ignore[no-untyped-def]
        raise AssertionError

    (problem,) = problems(get("/")(handle), dependencies={Session: made})
    assert problem.endswith("; did you mean the type Session, which is a dependency?")


def test_what_a_layer_and_an_annotation_declare_is_joined_field_by_field() -> None:
    @get("/")
    async def handle(tok: Annotated[str, Parameter(max_length=4, min_length=2)] = "none") -> str:
        return tok

    declared = Parameter(query="zz", min_length=3, max_length=9, pattern="a", default="b")
    app = Hesper([handle], parameters={"tok": declared})
    assert answer(app, "GET", "/?zz=ab").text == "ab"
    assert answer(app, "GET", "/?zz=a").status == 400
    assert answer(app, "GET", "/?zz=abcde").status == 400
    assert answer(app, "GET", "/?zz=bcd").status == 400
    assert answer(app, "GET", "/?tok=abc").text == "none"


def test_a_layers_default_holds_beside_an_annotations_constraint() -> None:
    @get("/")
    async def handle(tok: Annotated[str, Parameter(max_length=4)]) -> str:
        return tok

    app = Hesper([handle], parameters={"tok": Parameter(default="none")})
    assert answer(app, "GET", "/").text == "none"


@pytest.mark.parametrize(
    ("annotation", "outer", "name"),
    [
        (FromHeader[str], Parameter(query="zz", min_length=3), "tok"),
        (FromHeader[str], Parameter(header="zz", min_length=3), "zz"),
        (
            Annotated[str, HeaderParameter(name="own")],
            HeaderParameter(name="zz", min_length=3),
            "own",
        ),
        (Annotated[str, Parameter(header="own")], Parameter(cookie="zz", min_length=3), "own"),
    ],
)
def test_the_annotations_place_wins_and_the_layers_constraints_stay(
    annotation: Any, outer: ParameterDeclaration, name: str
) -> None:
    async def handle(tok: Any) -> Any:
        return tok

    handle.__annotations__["tok"] = annotation
    app = Hesper([get("/")(handle)], parameters={"tok": outer})
    assert answer(app, "GET", "/?zz=query", headers=[(name, "abc")]).text == "abc"
    assert answer(app, "GET", "/?zz=query", headers=[(name, "ab")]).status == 400
