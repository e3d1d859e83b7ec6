"""Markers and constraints in annotations, and what text can hold."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import msgspec
import pytest

from hesper._plan.annotations import (
    Marks,
    UnclearArgument,
    constrained,
    fits_in_path,
    fits_in_text,
    is_sequence,
    marks_of,
    shown,
)
from hesper._plan.path import TYPES
from hesper.datastructures import SecretBytes, SecretString
from hesper.params import (
    Body,
    Dependency,
    FromHeader,
    FromQuery,
    HeaderParameter,
    Parameter,
    QueryParameter,
    SkipValidation,
)
from hesper.serialization import DECODE_ERRORS, converter

UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = "red"


class Structure(msgspec.Struct):
    a: int


@dataclass
class Data:
    a: int


# Markers.


@pytest.mark.parametrize(
    ("annotation", "marks"),
    [
        (int, Marks()),
        (Annotated[int, "other"], Marks()),
        (FromHeader[str], Marks(parameter=HeaderParameter())),
        (FromHeader[str] | None, Marks(parameter=HeaderParameter())),
        (Optional[FromHeader[str]], Marks(parameter=HeaderParameter())),  # noqa: UP045
        (Annotated[str | None, HeaderParameter()], Marks(parameter=HeaderParameter())),
        (Annotated[int, Body()], Marks(body=Body())),
        (Annotated[int, Dependency()], Marks(dependency=Dependency())),
        (SkipValidation[int], Marks(skip_validation=True)),
        (
            Annotated[int, QueryParameter(), Dependency()],
            Marks(parameter=QueryParameter(), dependency=Dependency()),
        ),
        (
            SkipValidation[Annotated[int, QueryParameter()]],
            Marks(QueryParameter(), skip_validation=True),
        ),
        (Literal["a"], Marks()),
    ],
)
def test_markers_are_found_around_and_among_the_alternatives(annotation: Any, marks: Marks) -> None:
    assert marks_of(annotation, "it") == marks


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (Annotated[int, Parameter], r"it has Parameter without parentheses; write Parameter\("),
        (Annotated[int, Dependency], "it has Dependency without parentheses"),
        (list[FromQuery[int]], "it has QueryParameter inside another type"),
        (list[Annotated[int, Parameter(ge=1)]], "it has Parameter inside another type"),
        (dict[str, list[FromHeader[int]]], "it has HeaderParameter inside another type"),
        (list[FromQuery[int]] | None, "it has QueryParameter inside another type"),
        (Annotated[FromQuery[int], Parameter(ge=1)], "QueryParameter and Parameter; write one"),
        (FromQuery[int] | FromHeader[str], "QueryParameter and HeaderParameter; write one"),
    ],
)
def test_markers_that_say_nothing_or_too_much_are_refused(annotation: Any, says: str) -> None:
    with pytest.raises(UnclearArgument, match=says):
        marks_of(annotation, "it")


# Constraints.


@pytest.mark.parametrize(
    ("annotation", "constraints", "good", "bad"),
    [
        (int, Parameter(ge=1, lt=5), ["1", "4"], ["0", "5"]),
        (int, Parameter(gt=1, le=5), ["2", "5"], ["1", "6"]),
        (int, Parameter(multiple_of=3), ["0", "6"], ["4"]),
        (float, Parameter(ge=0.5), ["0.5"], ["0.4"]),
        (UserId, Parameter(ge=1), ["1"], ["0"]),
        (int | None, Parameter(ge=1), ["1", "null"], ["0"]),
        (Annotated[int | None, "other"], Parameter(ge=1), ["1", "null"], ["0"]),
        (Optional[Annotated[int, "other"]], Parameter(ge=1), ["1", "null"], ["0"]),  # noqa: UP045
        (int | str, Parameter(min_length=3), ["abc"], ["ab"]),
        (str, Parameter(min_length=2, max_length=3), ["ab", "abc"], ["a", "abcd"]),
        (str, Parameter(pattern="^a+$"), ["aa"], ["ab"]),
        (str | None, Parameter(pattern="^a+$"), ["aa"], ["ab"]),
        (list[int], Parameter(min_items=1, max_items=2), [["1"], ["1", "2"]], [[], ["1"] * 3]),
        (list[int] | None, Parameter(min_items=2), [["1", "2"], None], [["1"]]),
        (set[str], Parameter(max_items=1), [["a"]], [["a", "b"]]),
        (Annotated[int, msgspec.Meta(ge=5)], Parameter(le=7), ["5", "7"], ["4", "8"]),
        (int, Parameter(ge=1, title="Page", description="of the book"), ["1"], ["0"]),
    ],
)
def test_constraints_hold(
    annotation: Any, constraints: Parameter, good: list[Any], bad: list[Any]
) -> None:
    convert = converter(constrained(annotation, constraints, "it"))
    for value in good:
        convert(value)
    for value in bad:
        with pytest.raises(DECODE_ERRORS):
            convert(value)


def test_without_constraints_an_annotation_stays_as_it_is() -> None:
    assert constrained(int, None, "it") is int
    assert constrained(int, Parameter(query="q", title="t"), "it") is int


@pytest.mark.parametrize(
    ("annotation", "constraints", "says"),
    [
        (int, Parameter(min_length=3), "it is int, which cannot have min_length"),
        (int | None, Parameter(pattern="a"), r"it is int \| None, which cannot have pattern"),
        (str, Parameter(ge=1, le=2), "it is str, which cannot have ge and le"),
        (str, Parameter(min_items=1), "it is str, which cannot have min_items"),
        (bool, Parameter(ge=1), "it is bool, which cannot have ge"),
        (Decimal, Parameter(ge=1), "it is Decimal, which cannot have ge"),
        (str, Parameter(pattern="("), "it has a constraint that cannot be"),
        (int, Parameter(ge=1, gt=2), "it has a constraint that cannot be"),
        (str, Parameter(min_length=-1), "it has a constraint that cannot be"),
    ],
)
def test_constraints_that_cannot_be_are_refused(
    annotation: Any, constraints: Parameter, says: str
) -> None:
    with pytest.raises(UnclearArgument, match=says):
        constrained(annotation, constraints, "it")


# What text can hold.

IN_TEXT: list[Any] = [
    str, int, float, bool, bytes, UUID, Decimal, date, datetime, time, timedelta, Path, PurePath,
    None, Color, UserId, Any, object, Literal["a", 1], ipaddress.IPv4Address, ipaddress.IPv6Network,
    SecretString, SecretBytes, int | None, Color | int, list[int], list, set[str], frozenset[int],
    tuple[int, ...], tuple[int, str], Sequence[int], list[Color] | None, Annotated[list[int], 1],
]  # fmt: skip
NOT_IN_TEXT: list[Any] = [
    Structure, Data, dict, dict[str, int], list[Structure], Structure | None, complex, type, range,
    list[dict[str, int]], "Unresolved",
]  # fmt: skip


@pytest.mark.parametrize("annotation", IN_TEXT, ids=str)
def test_text_can_hold_scalars_and_lists_of_them(annotation: Any) -> None:
    assert fits_in_text(type(None) if annotation is None else annotation, ())


@pytest.mark.parametrize("annotation", IN_TEXT, ids=str)
def test_what_text_can_hold_can_be_converted(annotation: Any) -> None:
    converter(type(None) if annotation is None else annotation)


@pytest.mark.parametrize("annotation", NOT_IN_TEXT, ids=str)
def test_text_cannot_hold_structures(annotation: Any) -> None:
    assert not fits_in_text(annotation, ())


def test_text_can_hold_what_a_decoder_accepts() -> None:
    decoders = [(lambda kind: kind is Structure, lambda _kind, value: value)]
    assert fits_in_text(Structure, decoders)
    assert fits_in_text(list[Structure] | None, decoders)
    assert not fits_in_text(Data, decoders)


@pytest.mark.parametrize("annotation", [list, list[int], set[int], tuple[int, ...], Sequence[str]])
def test_lists_are_sequences(annotation: Any) -> None:
    assert is_sequence(annotation)


@pytest.mark.parametrize("annotation", [str, bytes, dict[str, int], int, None, Any])
def test_text_and_mappings_are_none(annotation: Any) -> None:
    assert not is_sequence(annotation)


# Path parameters.

SAMPLES: dict[str, Any] = {
    "int": 5,
    "float": 5.0,
    "decimal": Decimal(5),
    "uuid": UUID(int=5),
    "date": date(2024, 1, 1),
    "datetime": datetime(2024, 1, 1),
    "time": time(1),
    "timedelta": timedelta(1),
}


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("other", SAMPLES)
def test_what_fits_can_be_converted_and_what_does_not_cannot(kind: str, other: str) -> None:
    wanted = TYPES[other]
    if fits_in_path(wanted, TYPES[kind]):
        assert converter(wanted)(SAMPLES[kind]) is not None
    else:
        with pytest.raises(DECODE_ERRORS):
            converter(wanted)(SAMPLES[kind])


@pytest.mark.parametrize(
    "annotation", [int | None, Any, str, Literal[1], Annotated[int, 1], UserId]
)
def test_a_path_parameter_may_be_wanted_as_more_than_its_type(annotation: Any) -> None:
    assert fits_in_path(annotation, int)


@pytest.mark.parametrize("annotation", [UUID, date | None, bool, UUID | date])
def test_a_path_parameter_cannot_be_wanted_as_what_it_never_is(annotation: Any) -> None:
    assert not fits_in_path(annotation, int)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (Structure, "Structure"),
        (FromQuery[int], "int"),
        (int | None, "int | None"),
        (Optional[FromQuery[int]], "int | None"),  # noqa: UP045
        (list[int], "list[int]"),
        (Literal["a"], "typing.Literal['a']"),
    ],
)
def test_messages_show_types_without_markers(annotation: Any, text: str) -> None:
    assert shown(annotation) == text
