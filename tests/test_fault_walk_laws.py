"""The faults of values of any shape: exactly the parts that were broken are reported."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, make_dataclass
from typing import Annotated, Any, Final, Literal, TypedDict

import attrs
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from hesper._fault_walk import FaultFinder
from hesper._faults import MAX_FAULTS, Fault
from hesper.serialization import fault_finder, json_decoder
from tests.test_fault_walk import places

Name = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"\S")]
Year = Annotated[int, Meta(ge=0, le=3000)]

LIST: Any = list  # types made while the tests run are none to a type checker
TUPLE: Any = tuple
DICT: Any = dict
TYPED_DICT: Any = TypedDict
DEFSTRUCT: Any = msgspec.defstruct
MAKE_DATACLASS: Any = make_dataclass
MAKE_ATTRS: Any = attrs.make_class


Draw = Callable[[st.DrawFn, str, set[str], float], Any]
"""Draws a value for a path, breaks some of its parts, and adds the places of those."""


@dataclass(frozen=True)
class Shape:
    """A type, and how to draw values of it that are wrong in known places."""

    type_: Any
    draw: Draw


class Suit(enum.Enum):
    HEARTS = "hearts"
    SPADES = "spades"


def scalar(type_: Any, right: st.SearchStrategy[Any], wrong: Iterable[Any]) -> Shape:
    bad = list(wrong)

    def draw(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> Any:
        if draw(st.floats(0, 1, exclude_max=True)) < odds:
            broken.add(path)
            return draw(st.sampled_from(bad))
        return draw(right)

    return Shape(type_, draw)


def anything(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> Any:
    return draw(st.none() | st.integers(0, 9) | st.lists(st.text()))


SCALARS: Final = [  # None is wrong nowhere: where it is right, too, depends on what is around
    scalar(int, st.integers(-(2**63), 2**63), ["x", True, 1.5, [], {}]),
    scalar(str, st.text(), [1, 1.5, True, [], {}]),
    scalar(bool, st.booleans(), ["x", 7, [], {}]),
    scalar(float, st.floats(allow_nan=False, allow_infinity=False), ["x", False, [], {}]),
    scalar(Year, st.integers(0, 3000), [-1, 3001, "x"]),
    scalar(Name, st.text("abc", min_size=1, max_size=20), ["", " ", "a" * 21, 1]),
    scalar(Literal["a", "b", 1], st.sampled_from(["a", "b", 1]), ["c", 2, []]),
    scalar(Suit, st.sampled_from(["hearts", "spades"]), ["clubs", 1, {}]),
    scalar(dt.date, st.dates().map(str), ["x", "2020-02-30", {}]),
    scalar(uuid.UUID, st.uuids().map(str), ["x", 1, []]),
    scalar(int | str | None, st.integers(0, 9) | st.text() | st.none(), [[], {}, 1.5]),
    Shape(Any, anything),
]
NAMES: Final = ["alpha", "beta", "gamma", "delta"]


def wrong_kind(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> bool:
    """Decide whether the value as a whole is to be of another kind."""
    if draw(st.floats(0, 1, exclude_max=True)) < odds / 3:
        broken.add(path)
        return True
    return False


def at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def sequence(wrap: Callable[[Any], Any], item: Shape) -> Shape:
    def draw(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> Any:
        if wrong_kind(draw, path, broken, odds):
            return draw(st.sampled_from(["x", True, {}]))
        size = draw(st.integers(0, 3))
        return [item.draw(draw, f"{path}[{index}]", broken, odds) for index in range(size)]

    return Shape(wrap(item.type_), draw)


def bounded(item: Shape) -> Shape:
    def draw(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> Any:
        size = draw(st.sampled_from([0, 1, 2] if odds else [1, 2]))
        if size == 0:
            broken.add(path)
        return [item.draw(draw, f"{path}[{index}]", broken, odds) for index in range(size)]

    return Shape(Annotated[LIST[item.type_], Meta(min_length=1)], draw)


def mapping(item: Shape) -> Shape:
    def draw(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> Any:
        if wrong_kind(draw, path, broken, odds):
            return draw(st.sampled_from(["x", True, []]))
        names = draw(st.lists(st.sampled_from(NAMES), unique=True))
        return {name: item.draw(draw, at(path, name), broken, odds) for name in names}

    return Shape(DICT[str, item.type_], draw)


def row(items: list[Shape]) -> Shape:
    def draw(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> Any:
        if wrong_kind(draw, path, broken, odds):
            return draw(st.sampled_from(["x", True, {}]))
        row = [item.draw(draw, f"{path}[{n}]", broken, odds) for n, item in enumerate(items)]
        if draw(st.floats(0, 1, exclude_max=True)) < odds / 3:
            broken.add(path)
            row.append(1)
        return row

    return Shape(TUPLE[tuple(item.type_ for item in items)], draw)


def optional(item: Shape) -> Shape:
    def draw(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> Any:
        return None if draw(st.booleans()) else item.draw(draw, path, broken, odds)

    return Shape(item.type_ | None, draw)


def record(kind: str, items: list[Shape], *, forbid: bool) -> Shape:
    fields = list(zip(NAMES, [item.type_ for item in items], strict=False))
    type_ = {
        "struct": lambda: DEFSTRUCT("Record", fields, forbid_unknown_fields=forbid),
        "dataclass": lambda: MAKE_DATACLASS("Record", fields),
        "typeddict": lambda: TYPED_DICT("Record", dict(fields)),
        "attrs": lambda: MAKE_ATTRS(
            "Record", {name: attrs.field(type=hint) for name, hint in fields}
        ),
    }[kind]()

    def draw(draw: st.DrawFn, path: str, broken: set[str], odds: float) -> Any:
        if wrong_kind(draw, path, broken, odds):
            return draw(st.sampled_from(["x", True, []]))
        value = {}
        for name, item in zip(NAMES, items, strict=False):
            if draw(st.floats(0, 1, exclude_max=True)) < odds:
                broken.add(at(path, name))
            else:
                value[name] = item.draw(draw, at(path, name), broken, odds)
        forbidden = forbid and kind == "struct"
        if (odds or not forbidden) and draw(st.booleans()):
            value["unknown"] = 1
            if forbidden:
                broken.add(at(path, "unknown"))
        return value

    return Shape(type_, draw)


def extended(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    some = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        st.builds(sequence, st.just(lambda item: LIST[item]), inner),
        st.builds(sequence, st.just(lambda item: TUPLE[item, ...]), inner),
        st.builds(bounded, inner),
        st.builds(mapping, inner),
        st.builds(row, some),
        st.builds(optional, inner),
        st.builds(
            record,
            st.sampled_from(["struct", "dataclass", "typeddict", "attrs"]),
            some,
            forbid=st.booleans(),
        ),
    )


SHAPES: Final = st.recursive(st.sampled_from(SCALARS), extended, max_leaves=8)
FORMS: Final = st.sampled_from(["json", "msgpack"])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), SHAPES, FORMS)
def test_exactly_the_parts_that_are_wrong_are_reported(
    data: st.DataObject, shape: Shape, form: str
) -> None:
    broken: set[str] = set()
    value = data.draw(st.composite(shape.draw)("", broken, 0.3))
    if not broken:
        decode: Any = json_decoder(shape.type_)
        decode(msgspec.json.encode(value))
    else:
        found = places(shape.type_, value, form=form)
        assert len(found) == len(set(found))
        assert set(found) == broken


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), SHAPES)
def test_nothing_is_reported_of_a_value_that_is_right(data: st.DataObject, shape: Shape) -> None:
    broken: set[str] = set()
    value = data.draw(st.composite(shape.draw)("", broken, 0.0))
    assert not broken
    error = ValueError("nothing was found")
    assert FaultFinder(shape.type_, msgspec.convert).find(value, error) == [Fault(str(error))]


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(plain, SHAPES, st.sampled_from(["json", "msgpack", "text"]))
def test_no_value_makes_the_walk_fail(value: Any, shape: Shape, form: Any) -> None:
    error = ValueError("first")
    raw = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}.get(form, lambda v: v)
    found = fault_finder(shape.type_, form=form)(raw(value), error)
    assert 1 <= len(found) <= MAX_FAULTS
    for fault in found:
        assert (fault.path + fault.message).encode()
