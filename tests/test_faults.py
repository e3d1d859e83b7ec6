"""What is shown about values that cannot be decoded."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._faults import MAX_FAULTS, fault_of
from hesper.serialization import DECODE_ERRORS, json_decoder


class Author(msgspec.Struct):
    name: str


class Book(msgspec.Struct):
    title: str
    author: Author | None = None
    chapters: list[Author] = []


class Model(pydantic.BaseModel):
    name: str
    years: list[int] = []


class Shelf(msgspec.Struct):
    books: list[Model]


def faults(type_: Any, text: str | bytes) -> list[tuple[str, str]]:
    decode = json_decoder(type_)
    with pytest.raises(DECODE_ERRORS) as caught:
        decode(text.encode() if isinstance(text, str) else text)
    return [(fault.path, fault.message) for fault in fault_of(caught.value)]


def test_a_fault_names_the_path_inside_the_value() -> None:
    text = '{"title": "Emma", "author": {"name": 1}}'
    assert faults(Book, text) == [("author.name", "Expected `str`, got `int`")]


def test_a_fault_in_a_list_has_its_place() -> None:
    text = '{"title": "Emma", "chapters": [{"name": "I"}, {"name": 2}]}'
    assert faults(Book, text) == [("chapters[1].name", "Expected `str`, got `int`")]


def test_a_fault_of_the_whole_value_has_no_path() -> None:
    assert faults(Book, "[]") == [("", "Expected `object`, got `array`")]


def test_a_fault_of_a_key_names_the_mapping() -> None:
    assert faults(dict[str, dict[int, int]], '{"a": {"b": 1}}')[0][0].startswith("[...]")


def test_all_faults_of_a_pydantic_model_are_reported() -> None:
    found = faults(Model, '{"name": 1, "years": [1, "x"]}')
    assert [path for path, _ in found] == ["name", "years[1]"]


def test_faults_of_a_pydantic_model_inside_a_struct_have_the_whole_path() -> None:
    found = faults(Shelf, '{"books": [{"name": "a"}, {"name": 1, "years": ["x"]}]}')
    assert [path for path, _ in found] == ["books[1].name", "books[1].years[0]"]


def test_no_more_than_a_hundred_faults_are_reported() -> None:
    text = json.dumps({"name": "a", "years": ["x"] * 5000})
    assert len(faults(Model, text)) == MAX_FAULTS


def test_invalid_utf8_is_a_fault() -> None:
    assert faults(str, b'"a\xff"') == [("", "Invalid UTF-8: byte 1 cannot be decoded")]


def test_a_recursion_error_is_a_fault() -> None:
    assert fault_of(RecursionError("..."))[0].message == "Nested too deeply"


def test_an_error_without_words_is_a_fault_with_some() -> None:
    assert fault_of(ValueError())[0].message == "Invalid value"


@given(st.text(min_size=1, alphabet=st.characters(codec=None)))
def test_no_text_of_an_error_is_shown_unbounded_or_unencodable(text: str) -> None:
    for error in (ValueError(text * 100), msgspec.ValidationError(text * 100)):
        (fault,) = fault_of(error)
        assert len(fault.message) <= 200
        assert len(fault.path) <= 200
        assert (fault.message + fault.path).encode()
