"""What an annotation is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec
import pydantic
import pytest

from hesper._type_survey import is_pydantic, leaves, survey
from hesper.exceptions import ImproperlyConfiguredException


class Tree(msgspec.Struct):
    children: "list[Tree]"  # noqa: UP037  (what is annotated is looked at)


class Flat(msgspec.Struct):
    names: list[str]
    counts: dict[str, int]


class Model(pydantic.BaseModel):
    name: str


class Opaque:
    pass


@dataclass
class Holder:
    flat: Flat
    again: Flat


class Loose(TypedDict):
    anything: Any


def test_leaves_are_the_innermost_arguments() -> None:
    assert list(leaves(dict[str, list[int] | None])) == [str, int, type(None)]


def test_annotated_metadata_is_no_leaf() -> None:
    assert list(leaves(list[Annotated[int, str]])) == [int]


@pytest.mark.parametrize("type_", [Model, list[Model], Model | None, dict[str, Model]])
def test_types_of_models_are_for_pydantic(type_: Any) -> None:
    assert is_pydantic(type_)


@pytest.mark.parametrize("type_", [int, Flat, list[Flat | None], Flat | Model])
def test_other_types_are_for_msgspec(type_: Any) -> None:
    assert not is_pydantic(type_)


@pytest.mark.parametrize("type_", [int, Flat, Holder, list[Flat], tuple[int, str], int | None])
def test_types_that_end_are_bounded(type_: Any) -> None:
    assert survey(type_, ())


@pytest.mark.parametrize("type_", [Any, object, list[Any], dict, Tree, Loose, list[Path]])
def test_types_that_may_hold_anything_are_not_bounded(type_: Any) -> None:
    assert not survey(type_, ())


def test_a_class_that_nobody_can_decode_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"Opaque.*list.*type_decoders"):
        survey(list[Opaque], ())


def test_a_class_that_the_user_can_decode_passes() -> None:
    survey(list[Opaque], [(lambda type_: type_ is Opaque, lambda type_, _: type_())])


def test_any_class_passes_where_instances_may_be_given() -> None:
    survey(list[Opaque], None)


def test_what_msgspec_cannot_read_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"cannot be decoded"):
        survey(list[int] | tuple[int, int], ())
