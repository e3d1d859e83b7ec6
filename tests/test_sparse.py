"""Classes whose objects hold only what is said of them."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, field, fields
from typing import Any, ClassVar

import pytest

from hesper import Hesper, Router, get, route
from hesper._sparse import shape_of, sparse


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
    message = "Thing takes at most 1 argument by position, not 2"
    with pytest.raises(TypeError, match=message):
        unchecked("stone", "grey")


def test_an_argument_given_twice_is_refused() -> None:
    message = "Thing got multiple values for argument 'name'"
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


def test_a_subclass_that_makes_its_objects_itself_tells_what_it_takes() -> None:
    class Numbered(Thing):
        def __new__(cls, size: int) -> Numbered: ...  # type: ignore[empty-body]

    assert list(inspect.signature(Numbered).parameters) == ["size"]


def test_the_constructor_bears_the_name_of_its_class() -> None:
    made_by: Any = Thing.__init__
    assert (made_by.__module__, made_by.__qualname__) == (__name__, "Thing.__init__")
    assert made_by.__doc__
    with pytest.raises(TypeError, match=r"^Thing\.__init__\(\) missing"):
        made_by()


def test_an_object_has_no_signature() -> None:
    assert not hasattr(unchecked(), "__signature__")


def test_what_a_subclass_has_instead_of_a_field_says_nothing() -> None:
    class Other(Thing):
        colour = "grey"

    assert shape_of(Other).held == {"colour": None}
    assert [vars(made) for made in (Other(), Other(colour="red"))] == [
        {"colour": None},
        {"colour": "red"},
    ]


def test_a_misspelt_keyword_is_refused() -> None:
    with pytest.raises(TypeError, match="Thing has no option 'color'; did you mean 'colour'"):
        unchecked(color="red")


@pytest.mark.parametrize("name", ["made", "self", "cls"])
def test_no_keyword_is_taken_for_the_object_itself(name: str) -> None:
    with pytest.raises(TypeError, match=f"has no option '{name}'"):
        unchecked(**{name: 1})


@pytest.mark.parametrize("kind", [Hesper, Router, get, route])
def test_a_misspelt_option_that_a_subclass_passes_on_is_refused(kind: Any) -> None:
    class Other(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(guard=[print])

    with pytest.raises(TypeError, match="Other has no option 'guard'; did you mean 'guards'"):
        Other()


@sparse
class Sized:
    """Something that nobody knows without its size."""

    size: int
    colour: str = "grey"

    def __post_init__(self) -> None:
        """Note nothing."""


def test_a_field_without_default_must_be_said() -> None:
    unsized: Any = Sized
    assert vars(Sized(size=3)) == {"size": 3}
    assert str(inspect.signature(Sized)) == "(*, size: 'int', colour: 'str' = 'grey')"
    with pytest.raises(TypeError, match="Sized needs 'size'"):
        unsized(colour="red")


def test_a_default_that_a_function_makes_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Other\.parts has a default_factory; write a default"):

        @sparse
        class Other:
            parts: list[str] = field(default_factory=list)


@sparse
class Whole:
    """Something whose objects hold all their defaults."""

    _holds_defaults: ClassVar[bool] = True

    name: str = "thing"

    def __post_init__(self) -> None:
        """Note nothing."""


def test_objects_that_hold_their_defaults_do_not_change_with_their_class() -> None:
    class Other(Whole): ...

    made = Other()
    Other.name = "other"
    assert (made.name, Other().name, Other(name="one").name) == ("thing", "thing", "one")


# Descriptors.


class Loud(Thing):
    """A thing whose name is set by its own way."""

    @property
    def name(self) -> str:
        """The name."""
        return str(vars(self)["_name"]).upper()

    @name.setter
    def name(self, given: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        vars(self)["_name"] = given


def test_what_a_subclass_has_a_setter_for_is_set_by_it() -> None:
    assert [made.name for made in (Loud("stone"), Loud(name="rock"), Loud())] == [
        "STONE",
        "ROCK",
        "THING",
    ]
    assert vars(Loud("stone", colour="grey")) == {"_name": "stone", "colour": "grey"}


def test_what_can_only_be_read_is_not_passed() -> None:
    class Stone(Thing):
        name: Any = property(lambda _: "stone")

    assert Stone(colour="grey").name == "stone"
    with pytest.raises(AttributeError, match="no setter"):
        Stone("rock")


def test_a_constructor_of_a_subclass_may_take_keywords_of_its_own() -> None:
    class Shelf(Router):
        def __init__(self, *, floor: int) -> None:
            super().__init__(f"/floors/{floor}")

    assert Shelf(floor=3).path == "/floors/3"
