"""Classes whose objects hold only what is said of them."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, field, fields
from typing import Any

import pytest

from hesper import Hesper, Router, get, route
from hesper._sparse import shadowed_of, sparse


@sparse
class Thing:
    """Something with a name and a colour."""

    name: str = field(default="thing", kw_only=False)
    colour: str | None = None

    def __post_init__(self) -> None:
        """Note nothing."""


unchecked: Any = Thing


def test_an_object_holds_what_is_said_of_it_and_has_the_rest() -> None:
    assert vars(Thing("stone")) == {"name": "stone"}
    assert vars(Thing(colour="grey")) == {"colour": "grey"}
    assert (Thing().name, Thing("stone").colour) == ("thing", None)


def test_a_class_is_a_frozen_dataclass() -> None:
    assert [one.name for one in fields(Thing)] == ["name", "colour"]
    with pytest.raises(FrozenInstanceError):
        unchecked().name = "stone"


def test_too_many_arguments_by_position_are_refused() -> None:
    message = r"Thing\(\) takes from 1 to 2 positional arguments but 3 were given"
    with pytest.raises(TypeError, match=message):
        unchecked("stone", "grey")


def test_an_argument_given_twice_is_refused() -> None:
    message = r"Thing\(\) got multiple values for argument 'name'"
    with pytest.raises(TypeError, match=message):
        unchecked("stone", name="rock")


def test_the_constructor_tells_what_it_takes() -> None:
    said = "(name: 'str' = 'thing', *, colour: 'str | None' = None)"
    assert str(inspect.signature(Thing)) == said


def test_a_subclass_with_a_constructor_of_its_own_tells_what_that_takes() -> None:
    class Other(Thing):
        def __init__(self, size: int) -> None:
            super().__init__(str(size))

    assert list(inspect.signature(Other).parameters) == ["size"]
    assert Other(3).name == "3"


@pytest.mark.parametrize("kind", [get, route, Router, Hesper])
def test_the_constructor_of_a_layer_takes_its_fields(kind: Any) -> None:
    assert list(inspect.signature(kind).parameters) == [
        one.name for one in sorted(fields(kind), key=lambda one: bool(one.kw_only))
    ]


def test_an_object_has_no_signature() -> None:
    assert not hasattr(unchecked(), "__signature__")


def test_what_a_subclass_has_instead_of_a_field_says_nothing() -> None:
    class Other(Thing):
        colour = "grey"

    assert shadowed_of(Other) == {"colour": None}
    assert [vars(made) for made in (Other(), Other(colour="red"))] == [
        {"colour": None},
        {"colour": "red"},
    ]
