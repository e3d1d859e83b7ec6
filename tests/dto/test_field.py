"""Marks of fields: how they are said, and where they are found."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from hesper.dto import DTOField, Mark, dto_field
from hesper.dto.field import marked, without_marks
from hesper.exceptions import ImproperlyConfiguredException

PRIVATE = DTOField(Mark.PRIVATE)
PRIVATE_NUMBER: Any = Annotated[int, PRIVATE]


@pytest.mark.parametrize("mark", [*Mark, "read-only", "write-only", "private"])
def test_a_mark_is_said_by_its_name_or_itself(mark: Any) -> None:
    assert list(dto_field(mark).values()) == [DTOField(Mark(mark))]


def test_a_mark_that_does_not_exist_is_refused() -> None:
    wrong: Any = "readonly"
    with pytest.raises(ImproperlyConfiguredException, match="write one of 'read-only', 'write-on"):
        dto_field(wrong)


def test_a_field_may_have_no_mark() -> None:
    assert dto_field() == {"__dto__": DTOField(None)}


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, dto_field("private")],
        Annotated[int, PRIVATE],
        Annotated[int, msgspec.Meta(extra=dto_field("private"))],
        Annotated[int, "else", PRIVATE],
        PRIVATE_NUMBER | None,
        Annotated[PRIVATE_NUMBER | None, "else"],
    ],
)
def test_a_mark_is_found_in_an_annotation(annotation: Any) -> None:
    assert marked(annotation) == PRIVATE


def test_a_mark_is_found_in_metadata_and_wins_there() -> None:
    assert marked(int, {"other": 1, **dto_field("private")}) == PRIVATE
    assert marked(Annotated[int, dto_field("read-only")], dto_field("private")) == PRIVATE


@pytest.mark.parametrize("annotation", [int, list[int], int | None, Annotated[int, {"a": 1}]])
def test_without_a_mark_there_is_none(annotation: Any) -> None:
    assert marked(annotation, {}) == DTOField()


def test_marks_are_taken_out_of_an_annotation_and_the_rest_stays() -> None:
    meta = msgspec.Meta(gt=1)
    assert without_marks(Annotated[int, dto_field("private"), meta]) == Annotated[int, meta]
    assert without_marks(Annotated[int, PRIVATE]) is int
    assert without_marks(int) is int
