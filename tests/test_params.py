"""Declarations of parameters, as values."""

from __future__ import annotations

import pickle
import weakref
from typing import Any, get_args

import pytest

from hesper._types import Empty
from hesper.enums import ParamType, RequestEncodingType
from hesper.params import (
    Body,
    CookieParameter,
    Dependency,
    FromCookie,
    FromHeader,
    FromPath,
    FromQuery,
    HeaderParameter,
    JSONBody,
    MsgPackBody,
    NamedDependency,
    Parameter,
    PathParameter,
    QueryParameter,
    SkipValidation,
    URLEncodedBody,
)


@pytest.mark.parametrize(
    ("declaration", "source", "alias"),
    [
        (Parameter(), None, None),
        (Parameter(query="q"), ParamType.QUERY, "q"),
        (Parameter(header="X-A"), ParamType.HEADER, "X-A"),
        (Parameter(cookie="c"), ParamType.COOKIE, "c"),
        (Parameter(query=""), ParamType.QUERY, ""),
        (PathParameter(), ParamType.PATH, None),
        (PathParameter(name="p"), ParamType.PATH, "p"),
        (QueryParameter(name="q"), ParamType.QUERY, "q"),
        (HeaderParameter(name="X-A"), ParamType.HEADER, "X-A"),
        (CookieParameter(name="c"), ParamType.COOKIE, "c"),
    ],
)
def test_a_declaration_says_where_the_value_comes_from(
    declaration: Any, source: ParamType | None, alias: str | None
) -> None:
    assert (declaration.source, declaration.alias) == (source, alias)


@pytest.mark.parametrize(
    "places",
    [
        {"query": "a", "header": "a"},
        {"query": "a", "cookie": "a"},
        {"header": "a", "cookie": "a"},
        {"query": "a", "header": "a", "cookie": "a"},
    ],
)
def test_a_parameter_is_read_from_one_place(places: dict[str, str]) -> None:
    make: Any = Parameter
    with pytest.raises(TypeError, match="read from one place"):
        make(**places)


@pytest.mark.parametrize(
    ("marked", "marker"),
    [
        (FromPath[int], PathParameter()),
        (FromQuery[int], QueryParameter()),
        (FromHeader[int], HeaderParameter()),
        (FromCookie[int], CookieParameter()),
        (JSONBody[int], Body()),
        (MsgPackBody[int], Body(media_type=RequestEncodingType.MESSAGEPACK)),
        (URLEncodedBody[int], Body(media_type=RequestEncodingType.URL_ENCODED)),
        (NamedDependency[int], Dependency()),
    ],
)
def test_a_marker_is_an_annotation(marked: Any, marker: object) -> None:
    assert get_args(marked) == (int, marker)


def test_skip_validation_is_an_annotation() -> None:
    assert get_args(SkipValidation[int])[0] is int


DECLARATIONS = [
    Parameter(query="q", ge=1, default=5),
    QueryParameter(name="q"),
    Body(media_type="text/csv"),
    Dependency(default=None),
]
each = pytest.mark.parametrize("declaration", DECLARATIONS)


@each
def test_declarations_are_values(declaration: Any) -> None:
    twin = pickle.loads(pickle.dumps(declaration))
    assert twin == declaration
    assert hash(twin) == hash(declaration)


@each
def test_declarations_never_change(declaration: Any) -> None:
    with pytest.raises(AttributeError):
        declaration.default = 1


@each
def test_declarations_can_be_weakly_referenced(declaration: Any) -> None:
    assert weakref.ref(declaration)() is declaration


def test_a_declaration_shows_what_was_given() -> None:
    assert repr(Parameter(query="q", ge=1)) in {
        "Parameter(query='q', ge=1)",
        "Parameter(ge=1, query='q')",
    }


def test_none_as_default_is_not_the_same_as_none_given() -> None:
    assert Parameter(default=None).default is None
    assert Parameter().default is Empty


def test_a_misspelt_constraint_is_refused() -> None:
    make: Any = Parameter
    with pytest.raises(TypeError, match="minimum"):
        make(minimum=1)
