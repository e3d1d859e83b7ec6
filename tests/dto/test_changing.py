"""Setting values on instances: all of them, or none."""

from __future__ import annotations

import weakref
from typing import Any

import attrs
import pytest

from hesper.dto.changing import Change, apply


@attrs.define
class Checked:
    name: str
    number: int = attrs.field(default=0, validator=attrs.validators.lt(5))


class Bag:
    first: Any
    second: Any

    def __setattr__(self, name: str, value: Any) -> None:
        if value == "refused":
            raise ValueError("Expected something else")
        if value == "broken":
            raise RuntimeError("broken")
        super().__setattr__(name, value)


def test_nothing_is_changed_if_the_setter_of_a_field_refuses_a_value() -> None:
    instance = Checked("Ann", 1)
    changes = [Change(instance, "name", "Eve", "name"), Change(instance, "number", 9, "theNumber")]
    (fault,) = apply(changes)
    assert fault.path == "theNumber"
    assert instance == Checked("Ann", 1)


def test_what_was_not_there_is_not_there_again() -> None:
    bag, keys = Bag(), {"old": 1}
    changes = [
        Change(bag, "first", 1, "first"),
        Change(keys, "new", 2, "new"),
        Change(keys, "old", 2, "old"),
        Change(bag, "second", "refused", "second"),
    ]
    assert [fault.message for fault in apply(changes)] == ["Expected something else"]
    assert vars(bag) == {}
    assert keys == {"old": 1}


@pytest.mark.parametrize(
    ("value", "path", "error"), [("broken", "second", RuntimeError), ("refused", None, ValueError)]
)
def test_what_is_no_fault_of_the_client_is_raised_and_nothing_is_changed(
    value: str, path: str | None, error: type[Exception]
) -> None:
    bag = Bag()
    bag.first = 1
    with pytest.raises(error):
        apply([Change(bag, "first", 2, "first"), Change(bag, "second", value, path)])
    assert vars(bag) == {"first": 1}


def test_changes_keep_nothing_alive() -> None:
    bag = Bag()
    kept = weakref.ref(bag)
    assert apply([Change(bag, "first", 1, "first")]) == []
    del bag
    assert kept() is None
