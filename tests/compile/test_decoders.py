from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import Hesper, post
from hesper._compile.decoders import CHECK_JSON
from hesper._types import ASGIApp
from hesper.enums import RequestEncodingType
from hesper.exceptions import UnsupportedMediaTypeException
from hesper.params import Body, JSONBody, MsgPackBody, URLEncodedBody
from tests.compile.driver import FORM, JSON, MSGPACK, TEXT, Sent, sent_by


class Struct(msgspec.Struct):
    title: str
    pages: int = 0
    tags: list[str] = []


@dataclass
class Data:
    title: str
    pages: int = 0


@attrs.define
class Attrs:
    title: str
    pages: int = 0


class Typed(TypedDict):
    title: str
    pages: int


class Tuple(NamedTuple):
    title: str
    pages: int


class Model(pydantic.BaseModel):
    title: str
    pages: int = 0
    tags: list[str] = []


class Renamed(msgspec.Struct, rename="camel"):
    book_title: str
    all_tags: list[str] = []


class Aliased(pydantic.BaseModel):
    all_tags: list[str] = pydantic.Field(alias="allTags")


class Genre(enum.Enum):
    NOVEL = "novel"


def marked(alias: Any, annotation: Any) -> Any:
    """Return `alias[annotation]`, where the annotation is no type that checkers know."""
    return alias[annotation]


def app_of(annotation: Any, seen: list[Any], **options: Any) -> Hesper:
    """Return an app that keeps the bodies it has decoded as *annotation*."""

    async def handler(data: Any) -> None:
        seen.append(data)

    handler.__annotations__["data"] = annotation
    return Hesper([post("/", **options)(handler)])


STRUCT_APP = app_of(Struct, [])


def decoded(annotation: Any, headers: tuple[tuple[str, str], ...], body: bytes) -> Any:
    """Return what the handler is given for a body."""
    seen: list[Any] = []
    sent = sent_by(app_of(annotation, seen), "POST", "/", headers=headers, body=body)
    assert sent.status == 201, sent.body
    return seen[0]


def refused(annotation: Any, headers: tuple[tuple[str, str], ...], body: bytes) -> Sent:
    """Return the answer to a body that the handler is not given."""
    seen: list[Any] = []
    sent = sent_by(app_of(annotation, seen), "POST", "/", headers=headers, body=body)
    assert seen == []
    return sent


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Struct, Struct("A", 3)),
        (Data, Data("A", 3)),
        (Attrs, Attrs("A", 3)),
        (Typed, {"title": "A", "pages": 3}),
        (Model, Model(title="A", pages=3)),
        (dict[str, Any], {"title": "A", "pages": 3}),
        (Any, {"title": "A", "pages": 3}),
        (Struct | None, Struct("A", 3)),
        (JSONBody[Struct], Struct("A", 3)),
    ],
)
def test_a_json_object_becomes_what_the_handler_declares(annotation: Any, value: Any) -> None:
    assert decoded(annotation, JSON, b'{"title":"A","pages":3}') == value


@pytest.mark.parametrize(
    ("annotation", "body", "value"),
    [
        (Tuple, b'["A",3]', Tuple("A", 3)),
        (list[Struct], b'[{"title":"A"}]', [Struct("A")]),
        (list[Model], b'[{"title":"A"}]', [Model(title="A")]),
        (set[int], b"[1,1,2]", {1, 2}),
        (int, b"5", 5),
        (str, b'"text"', "text"),
        (bool, b"true", True),
        (Genre, b'"novel"', Genre.NOVEL),
        (UUID, b'"00000000-0000-0000-0000-000000000005"', UUID(int=5)),
        (int | None, b"null", None),
    ],
)
def test_other_json_becomes_what_the_handler_declares(
    annotation: Any, body: bytes, value: Any
) -> None:
    assert decoded(annotation, JSON, body) == value


@pytest.mark.parametrize("annotation", [Struct, Data, Attrs, Model])
def test_message_pack_is_decoded(annotation: Any) -> None:
    body = msgspec.msgpack.encode({"title": "A", "pages": 3})
    assert decoded(marked(MsgPackBody, annotation), MSGPACK, body) == annotation(title="A", pages=3)


@pytest.mark.parametrize("annotation", [Struct, Data, Attrs, Model])
def test_a_form_is_decoded(annotation: Any) -> None:
    body = b"title=A+%C3%A9&pages=3"
    assert decoded(marked(URLEncodedBody, annotation), FORM, body) == annotation(
        title="A é", pages=3
    )


def test_the_last_value_of_a_scalar_in_a_form_counts() -> None:
    body = b"title=A&title=B"
    assert decoded(URLEncodedBody[Struct], FORM, body) == Struct("B")


@pytest.mark.parametrize("annotation", [Struct, Model, Struct | None])
def test_a_list_in_a_form_gets_all_values(annotation: Any) -> None:
    form = decoded(marked(URLEncodedBody, annotation), FORM, b"title=A&tags=x&tags=y")
    assert form.tags == ["x", "y"]


def test_a_list_in_a_form_of_one_value_is_a_list() -> None:
    assert decoded(URLEncodedBody[Struct], FORM, b"title=A&tags=x").tags == ["x"]


def test_a_renamed_list_in_a_form_gets_all_values() -> None:
    body = b"bookTitle=A&allTags=x&allTags=y"
    assert decoded(URLEncodedBody[Renamed], FORM, body) == Renamed("A", ["x", "y"])


def test_an_aliased_list_in_a_form_gets_all_values() -> None:
    form = decoded(URLEncodedBody[Aliased], FORM, b"allTags=x&allTags=y")
    assert form.all_tags == ["x", "y"]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (dict[str, str], {"a": "2", "b": "3"}),
        (dict[str, int], {"a": 2, "b": 3}),
        (dict[str, list[int]], {"a": [1, 2], "b": [3]}),
        (dict[str, Any], {"a": "2", "b": "3"}),
    ],
)
def test_a_form_may_be_a_dictionary(annotation: Any, value: Any) -> None:
    assert decoded(marked(URLEncodedBody, annotation), FORM, b"a=1&a=2&b=3") == value


def test_a_form_with_too_many_fields_is_a_400() -> None:
    sent = refused(URLEncodedBody[dict[str, str]], FORM, b"&".join([b"a=1"] * 1001))
    assert sent.faults() == {("body", "data")}
    assert b"1000 fields" in sent.body


def test_a_text_is_decoded() -> None:
    annotation = Annotated[str, Body(media_type="text/plain")]
    assert decoded(annotation, TEXT, "é".encode()) == "é"


def test_a_text_that_is_not_utf_8_is_a_400() -> None:
    annotation = Annotated[str, Body(media_type="text/plain")]
    assert refused(annotation, TEXT, b"\xff").faults() == {("body", "data")}


def test_bytes_are_taken_as_they_come_whatever_they_are() -> None:
    for headers in ((), TEXT, JSON):
        assert decoded(bytes, headers, b"\x00\xff") == b"\x00\xff"


def test_the_body_and_the_data_may_both_be_wanted() -> None:
    seen: list[Any] = []

    @post("/")
    async def handler(body: bytes, data: dict[str, int]) -> None:
        seen.append((body, data))

    sent_by(Hesper([handler]), "POST", "/", headers=JSON, body=[b'{"a"', b":1}"])
    assert seen == [(b'{"a":1}', {"a": 1})]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=latin-1",
        "application/vnd.api+json",
        " application/json ",
    ],
)
def test_json_is_read_from_json_media_types(media_type: str) -> None:
    assert decoded(dict[str, int], (("content-type", media_type),), b'{"a":1}') == {"a": 1}


def test_of_several_content_types_the_last_one_counts() -> None:
    lines = (("content-type", "text/plain"), ("content-type", "application/json"))
    assert decoded(dict[str, int], lines, b'{"a":1}') == {"a": 1}
    assert refused(dict[str, int], lines[::-1], b'{"a":1}').status == 415


SAID = st.sampled_from(["application/json", "application/json; charset=x", "a/b+json", "text/a"])
LINES = st.lists(
    st.tuples(st.just("content-type"), SAID) | st.tuples(st.just("accept"), SAID), max_size=4
)


@given(LINES)
def test_wherever_it_is_said_a_media_type_is_judged_by_the_check(
    lines: list[tuple[str, str]],
) -> None:
    sent = sent_by(STRUCT_APP, "POST", "/", headers=tuple(lines), body=b'{"title":"A"}')
    scope = {"headers": [(name.encode(), value.encode()) for name, value in lines]}
    try:
        CHECK_JSON(scope)
        said = None
    except UnsupportedMediaTypeException as error:
        said = error.detail
    assert sent.status == (201 if said is None else 415)
    assert said is None or sent.json()["detail"] == said


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/jsonp",
        "text/plain; charset=a+json",
        "",
        "application/\xff",
    ],
)
def test_json_is_read_from_no_other_media_type(media_type: str) -> None:
    sent = refused(dict[str, int], (("content-type", media_type),), b'{"a":1}')
    assert sent.status == 415
    assert sent.header(b"content-type") == b"application/json"


def test_a_body_without_a_media_type_is_a_415() -> None:
    sent = refused(dict[str, int], (), b'{"a":1}')
    assert sent.status == 415
    assert "content-type is missing" in sent.json()["detail"]


def test_a_structured_json_media_type_may_be_declared() -> None:
    annotation = Annotated[Struct, Body(media_type="application/vnd.api+json")]
    api = (("content-type", "application/vnd.api+json"),)
    assert decoded(annotation, api, b'{"title":"A"}') == Struct("A")
    assert refused(annotation, JSON, b'{"title":"A"}').status == 415


def test_the_case_of_a_declared_media_type_makes_no_difference() -> None:
    annotation = Annotated[str, Body(media_type="Text/CSV")]
    assert decoded(annotation, (("content-type", "text/csv; header=present"),), b"a,b") == "a,b"


@pytest.mark.parametrize("media_type", [RequestEncodingType.JSON, RequestEncodingType.URL_ENCODED])
def test_a_body_with_a_default_may_be_left_out(media_type: RequestEncodingType) -> None:
    seen: list[Any] = []
    annotation = Annotated[Struct | None, Body(media_type=media_type)]

    async def handler(data: Any = None) -> None:
        seen.append(data)

    handler.__annotations__["data"] = annotation
    app = Hesper([post("/")(handler)])
    assert sent_by(app, "POST", "/").status == 201
    assert seen == [None]
    assert sent_by(app, "POST", "/", headers=TEXT, body=b"x").status == 415
    assert sent_by(app, "POST", "/", body=b"x").status == 415
    headers = (("content-type", str(media_type)),)
    assert sent_by(app, "POST", "/", headers=headers, body=b"\xff").status == 400
    assert seen == [None]


def test_an_empty_body_is_no_fault_where_it_may_be_left_out() -> None:
    @post("/")
    async def handler(page: int, data: Struct | None = None) -> None:
        raise AssertionError("not to be called")

    sent = sent_by(Hesper([handler]), "POST", "/", query="page=x")
    assert sent.faults() == {("query", "page")}


def chunked(app: ASGIApp, sizes: list[int], headers: tuple[tuple[str, str], ...] = JSON) -> Sent:
    return sent_by(app, "POST", "/", headers=headers, body=[b"1" * size for size in sizes])


def test_a_body_is_limited_by_the_bytes_that_arrive() -> None:
    app = app_of(bytes, [], request_max_body_size=10)
    assert chunked(app, [5, 5]).status == 201
    assert chunked(app, [5, 5, 1]).status == 413
    assert chunked(app, [11]).status == 413
    assert chunked(app, [5, 5, 1], (*JSON, ("content-length", "3"))).status == 413


def test_a_body_is_refused_for_its_announced_length() -> None:
    app = app_of(bytes, [], request_max_body_size=10)
    assert chunked(app, [1, 1], (*JSON, ("content-length", "11"))).status == 413


@pytest.mark.parametrize(
    ("annotation", "headers"),
    [
        (Struct, JSON),
        (MsgPackBody[Struct], MSGPACK),
        (URLEncodedBody[Struct], FORM),
        (Annotated[str, Body(media_type="text/plain")], TEXT),
        (bytes, ()),
    ],
)
def test_every_kind_of_body_is_limited(
    annotation: Any, headers: tuple[tuple[str, str], ...]
) -> None:
    app = app_of(annotation, [], request_max_body_size=10)
    assert chunked(app, [6, 6], headers).status == 413


def test_a_body_is_limited_to_ten_megabytes_by_default() -> None:
    app = app_of(bytes, [])
    assert chunked(app, [10_000_000]).status == 201
    assert chunked(app, [10_000_001]).status == 413


def test_a_body_may_be_unlimited() -> None:
    app = app_of(bytes, [], request_max_body_size=None)
    assert chunked(app, [10_000_000, 1]).status == 201


def test_type_decoders_make_what_msgspec_does_not_know() -> None:
    class Point:
        def __init__(self, text: str) -> None:
            self.x, self.y = map(int, text.split(","))

    seen: list[Any] = []
    decoders = [(lambda kind: kind is Point, lambda kind, value: kind(value))]
    app = app_of(dict[str, Point], seen, type_decoders=decoders)
    assert sent_by(app, "POST", "/", headers=JSON, body=b'{"at":"1,2"}').status == 201
    assert (seen[0]["at"].x, seen[0]["at"].y) == (1, 2)
    assert sent_by(app, "POST", "/", headers=JSON, body=b'{"at":"1"}').status == 400
