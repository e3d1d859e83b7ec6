"""What a configuration accepts, and how it names fields on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.dto import DTOConfig
from hesper.exceptions import ImproperlyConfiguredException


@pytest.mark.parametrize(
    ("strategy", "name", "wire_name"),
    [
        ("camel", "first_name", "firstName"),
        ("camel", "_hidden_name", "_hiddenName"),
        ("camel", "a__b", "aB"),
        ("camel", "___", "___"),
        ("pascal", "first_name", "FirstName"),
        ("pascal", "x", "X"),
        ("kebab", "first_name", "first-name"),
        ("upper", "first_name", "FIRST_NAME"),
        ("lower", "FIRST_Name", "first_name"),
        (lambda name: name[::-1], "abc", "cba"),
        (None, "first_name", "first_name"),
    ],
)
def test_a_strategy_renames_fields(strategy: Any, name: str, wire_name: str) -> None:
    assert DTOConfig(rename_strategy=strategy).wire_name(name, name, name) == wire_name


@given(st.sampled_from(["camel", "pascal", "kebab", "upper", "lower"]), st.text("ab_", min_size=1))
def test_a_strategy_finds_a_name_for_any_name(strategy: Any, name: str) -> None:
    assert DTOConfig(rename_strategy=strategy).wire_name(name, name, name)


def test_a_field_that_is_renamed_by_name_is_not_renamed_by_the_strategy() -> None:
    config = DTOConfig(rename_fields={"first_name": "given"}, rename_strategy="camel")
    assert config.wire_name("first_name", "first_name", "first_name") == "given"
    assert config.wire_name("person.first_name", "first_name", "first_name") == "given"
    assert config.wire_name("last_name", "last_name", "last_name") == "lastName"


def test_a_path_wins_over_a_name() -> None:
    config = DTOConfig(rename_fields={"name": "outer", "address.name": "inner"})
    assert config.wire_name("name", "name", "name") == "outer"
    assert config.wire_name("address.name", "name", "name") == "inner"


def test_the_name_that_a_model_gives_itself_is_kept() -> None:
    assert DTOConfig().wire_name("name", "name", "theName") == "theName"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exclude": {"a"}, "include": {"b"}}, "both exclude= and include="),
        ({"exclude": "name"}, "takes a set of fields, not 'name'"),
        ({"include": ["name"]}, "takes a set of fields"),
        ({"exclude": {1}}, "takes a set of fields"),
        ({"rename_fields": ["name"]}, "takes names on the wire by fields"),
        ({"rename_fields": {"name": ""}}, "takes names on the wire by fields"),
        ({"rename_fields": {"name": 1}}, "takes names on the wire by fields"),
        ({"rename_strategy": ["camel"]}, "is no strategy"),
        ({"max_nested_depth": "1"}, "write 0 to leave out all nested"),
        ({"rename_strategy": "snake"}, "'snake'.* is no strategy; write one of 'lower'"),
        ({"max_nested_depth": -1}, "write 0 to leave out all nested"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfiguredException, match=message):
        DTOConfig(**settings)


@pytest.mark.parametrize("renamed", [None, ""])
def test_a_strategy_that_finds_no_name_is_refused(renamed: Any) -> None:
    strategy: Any = {"age": renamed}.get
    config = DTOConfig(rename_strategy=strategy)
    with pytest.raises(ImproperlyConfiguredException, match="for the field 'age'"):
        config.wire_name("age", "age", "age")


def test_a_configuration_does_not_change_with_what_it_was_made_of() -> None:
    exclude, names = {"a"}, {"b": "c"}
    config = DTOConfig(exclude=exclude, rename_fields=names)
    exclude.add("x")
    names["x"] = "y"
    assert config.exclude == {"a"}
    assert config.rename_fields == {"b": "c"}
