"""All faults of a value together, each at its place."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    Generic,
    NamedTuple,
    NotRequired,
    TypedDict,
    TypeVar,
    get_args,
    get_origin,
)

import attrs
import msgspec
import pydantic
import pytest
from msgspec import Meta, Struct

from hesper._fault_walk import FaultFinder
from hesper._faults import DECODE_ERRORS, MAX_FAULTS, Fault
from hesper._types import TypeDecodersSequence
from hesper.serialization import converter, fault_finder, json_decoder, msgpack_decoder

T = TypeVar("T")
Name = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"\S")]
Year = Annotated[int, Meta(ge=0, le=3000)]

LIST: Any = list  # a type made while the tests run is none to a type checker


def faults(
    type_: Any, value: Any, *, form: str = "json", type_decoders: TypeDecodersSequence = ()
) -> list[tuple[str, str]]:
    """Return (path, message) of all faults of a value that is not of the type."""
    decode: Callable[[Any], Any]
    raw: Any
    if form == "json":
        decode = json_decoder(type_, type_decoders)
        raw = value if isinstance(value, bytes) else msgspec.json.encode(value)
    elif form == "msgpack":
        decode, raw = msgpack_decoder(type_, type_decoders), msgspec.msgpack.encode(value)
    else:
        decode, raw = converter(type_, type_decoders), value
    with pytest.raises(DECODE_ERRORS) as caught:
        decode(raw)
    known: Any = form
    found = fault_finder(type_, type_decoders, form=known)(raw, caught.value)
    return [(fault.path, fault.message) for fault in found]


def places(type_: Any, value: Any, **options: Any) -> list[str]:
    return [path for path, _ in faults(type_, value, **options)]


class Author(Struct):
    name: Name
    born: Year | None = None


class Book(Struct, rename="camel"):
    title: Name
    first_author: Author
    chapters: list[Author] = []
    marks: dict[str, Year] = {}


class Model(pydantic.BaseModel):
    name: str
    years: list[int]


class Shelf(Struct):
    place: int
    books: list[Model]


class Odd:
    """A type that msgspec does not know."""


class Holder(Struct):
    name: str
    odd: Odd


class Strict(Struct, forbid_unknown_fields=True):
    name: str


# What is reported


def test_all_fields_that_are_wrong_are_reported_with_what_is_wrong() -> None:
    assert faults(Author, {"name": " ", "born": -1}) == [
        ("name", "Expected `str` matching regex '\\\\S'"),
        ("born", "Expected `int` >= 0"),
    ]


def test_places_are_paths_from_the_whole_value() -> None:
    book = {
        "title": 1,
        "firstAuthor": {"name": 2},
        "chapters": [{"name": "I"}, {"name": 3, "born": "x"}],
        "marks": {"a": 1, "b": "x"},
    }
    assert places(Book, book) == [
        "title",
        "firstAuthor.name",
        "chapters[1].name",
        "chapters[1].born",
        "marks.b",
    ]


def test_a_missing_field_is_reported_at_its_place() -> None:
    assert faults(Book, {"firstAuthor": {}}) == [
        ("title", "Object missing required field `title`"),
        ("firstAuthor.name", "Object missing required field `name`"),
    ]


def test_a_missing_field_alone_is_reported_at_its_place_too() -> None:
    assert places(Book, {"title": "Emma", "firstAuthor": {}}) == ["firstAuthor.name"]


def test_unknown_fields_are_reported_where_they_are_forbidden() -> None:
    assert faults(Strict, {"name": "a", "nom": "b", "x": 1}) == [
        ("nom", "Object contains unknown field `nom`"),
        ("x", "Object contains unknown field `x`"),
    ]


def test_unknown_fields_are_not_reported_where_they_are_not_forbidden() -> None:
    assert places(Author, {"name": 1, "nom": "b"}) == ["name"]


def test_a_part_of_the_wrong_kind_is_one_fault() -> None:
    assert places(Book, {"title": "a", "firstAuthor": [], "chapters": {}}) == [
        "firstAuthor",
        "chapters",
    ]


def test_a_value_of_the_wrong_kind_is_one_fault() -> None:
    assert faults(Book, []) == [("", "Expected `object`, got `array`")]


def test_a_list_that_is_too_short_and_its_items_are_reported() -> None:
    assert places(Annotated[list[int], Meta(min_length=3)], [1, "x"]) == ["", "[1]"]


def test_a_mapping_that_is_too_long_and_its_members_are_reported() -> None:
    assert places(Annotated[dict[str, int], Meta(max_length=1)], {"a": 1, "b": "x"}) == ["", "b"]


def test_a_tuple_of_the_wrong_length_and_its_items_are_reported() -> None:
    assert faults(tuple[int, str], ["x"]) == [
        ("", "Expected `array` of length 2, got 1"),
        ("[0]", "Expected `int`, got `str`"),
    ]


def test_the_items_of_sets_and_of_endless_tuples_are_reported() -> None:
    assert places(set[int], [1, "x", None]) == ["[1]", "[2]"]
    assert places(tuple[int, ...], [1, "x", None]) == ["[1]", "[2]"]


def test_keys_that_are_wrong_are_reported() -> None:
    assert places(dict[int, int], {"1": 1, "x": 1, "2": "x", "y": "x"}) == ["x", "2", "y"]


def test_keys_of_msgpack_need_not_be_text() -> None:
    value = {1: "x", 2: 0, b"k": 0}
    assert places(dict[int, int], value, form="msgpack") == ["[1]", "[b'k']"]


def test_text_is_read_as_leniently_as_it_is_decoded() -> None:
    value = {"name": "a", "born": "1775"}
    assert converter(Author)(value) == Author("a", 1775)
    assert places(Author, {"name": "", "born": "x"}, form="text") == ["name", "born"]


def test_bytes_of_msgpack_are_no_text() -> None:
    value = {"a": b"right", "b": "wrong", "c": "wrong"}
    assert places(dict[str, bytes], value, form="msgpack") == ["b", "c"]


def test_what_a_constructor_refuses_is_reported_beside_the_rest() -> None:
    class Span(Struct):
        first: int
        last: int

        def __post_init__(self) -> None:
            if self.first > self.last:
                raise ValueError("ends before it begins")

    value = [{"first": 2, "last": 1}, {"first": 1, "last": "x"}, {"first": 4, "last": 3}]
    assert faults(list[Span], value) == [
        ("[0]", "ends before it begins"),
        ("[1].last", "Expected `int`, got `str`"),
        ("[2]", "ends before it begins"),
    ]


def test_a_tag_selects_the_member_of_a_union() -> None:
    class Cat(Struct, tag=True):
        lives: int

    class Dog(Struct, tag=True):
        name: str
        age: int

    value = [{"type": "Dog", "name": 1}, {"lives": 9}, {"type": "Cow"}, {"type": "Cat"}]
    assert places(list[Cat | Dog | None], value) == [
        *("[0].name", "[0].age", "[1].type", "[2].type", "[3].lives"),
    ]


def test_a_wrong_tag_is_the_only_fault_of_its_object() -> None:
    class Cat(Struct, tag=True):
        lives: int

    assert places(list[Cat], [{"type": "Dog", "lives": "x"}, {"lives": "x"}]) == [
        "[0].type",
        "[1].lives",
    ]


def test_a_value_that_no_member_of_a_union_takes_is_one_fault() -> None:
    assert faults(dict[str, int | list[int] | None], {"a": "x", "b": [1, "x"], "c": {}}) == [
        ("a", "Expected `int | array | null`, got `str`"),
        ("b[1]", "Expected `int`, got `str`"),
        ("c", "Expected `int | array | null`, got `object`"),
    ]


def test_structs_that_are_arrays_are_reported_by_index() -> None:
    class Point(Struct, array_like=True, forbid_unknown_fields=True):
        x: int
        y: int
        z: int = 0

    class Mark(Struct, array_like=True, tag=True):
        x: int

    points: list[Any] = [["a", "b"], ["a"], [1, 2, "c", 4], [1, 2]]
    assert places(list[Point], points) == ["[0][0]", "[0][1]", "[1]", "[1][0]", "[2]", "[2][2]"]
    assert places(list[Mark], [["Mark", "x"], ["Cross", 1], []]) == ["[0][1]", "[1][0]", "[2]"]


def test_records_of_every_library_are_looked_into() -> None:
    @dataclass
    class Data:
        a: int
        b: int = field(default=1)
        c: int = field(init=False, default=1)

    @attrs.define
    class Attrs:
        a: int
        b: int = 1

    class Typed(TypedDict):
        a: int
        b: NotRequired[int]

    class Named(NamedTuple):
        a: int
        b: int = 1

    for kind in (Data, Attrs, Typed):
        assert places(LIST[kind], [{"b": "x"}, {"a": 1}]) == ["[0].a", "[0].b"]
    assert places(list[Named], [["x", "y"], [1], [], [1, 2, 3]]) == [
        *("[0][0]", "[0][1]", "[2]", "[3]"),
    ]


class Page(Struct, Generic[T]):
    items: list[T]
    best: T | None = None


@dataclass
class Pair(Generic[T]):
    left: T
    right: T


def test_generic_types_are_looked_into_with_their_arguments() -> None:
    value = {"items": [{"left": 1, "right": "x"}], "best": {"left": "y", "right": "z"}}
    assert places(Page[Pair[int]], value) == ["items[0].right", "best.left", "best.right"]


def test_metadata_changes_nothing() -> None:
    class Described(Struct):
        a: Annotated[Author | None, Meta(description="who")]
        b: Annotated[list[Annotated[int, Meta(title="n")]], Meta(title="ns")]

    assert places(Described, {"a": {"name": 1}, "b": [1, "x"]}) == ["a.name", "b[1]"]


def test_all_faults_of_a_model_inside_a_struct_are_reported() -> None:
    books = [{"name": 1, "years": ["x"]}, {"name": "a", "years": [1]}, {"name": "b", "years": "x"}]
    assert places(Shelf, {"place": "x", "books": books}) == [
        *("place", "books[0].name", "books[0].years[0]", "books[2].years"),
    ]


# What cannot be told


class Box(Generic[T]):
    """A type of the user's own, of which only the parametrised form can be decoded."""

    def __init__(self, content: T) -> None:
        self.content = content


def is_box(type_: Any) -> bool:
    return (get_origin(type_) or type_) is Box


def decode_box(type_: Any, value: Any) -> Any:
    (content,) = get_args(type_)
    if type(value) is not content:
        raise TypeError(f"Expected `{content.__name__}`, got `{type(value).__name__}`")
    return Box(value)


class Boxes(Struct):
    name: str
    box: Box[int]
    boxes: list[Box[int]] = []


def test_no_type_of_which_the_arguments_are_not_known_is_called_wrong() -> None:
    decoders: TypeDecodersSequence = [(is_box, decode_box)]
    value = {"name": 1, "box": 1, "boxes": [1, 2]}
    assert places(Boxes, value, type_decoders=decoders) == ["name"]
    value = {"name": "a", "box": "x"}
    assert faults(Boxes, value, type_decoders=decoders) == [("box", "Expected `int`, got `str`")]


def test_raw_parts_are_never_called_wrong() -> None:
    class Envelope(Struct):
        kind: str
        body: msgspec.Raw

    value = [{"kind": "a", "body": 1}, {"kind": 1, "body": [2]}, {"kind": "b", "body": None}]
    assert places(list[Envelope], value) == ["[1].kind"]
    assert places(list[Envelope], value, form="msgpack") == ["[1].kind"]


def test_a_number_out_of_range_leaves_the_first_fault() -> None:
    class Price(Struct):
        amount: float
        name: str

    assert places(Price, b'{"amount": 1e400, "name": 1}') == ["amount"]


def test_text_that_is_no_json_leaves_the_first_fault() -> None:
    assert len(faults(Author, b'{"name": 1, "born": "x"')) == 1


def test_a_decoder_of_the_users_for_the_whole_type_leaves_its_own_fault() -> None:
    def refuse(type_: Any, value: Any) -> Any:
        raise ValueError("not today")

    decoders: TypeDecodersSequence = [(lambda type_: type_ is Author, refuse)]
    assert faults(Author, {"name": 1, "born": "x"}, type_decoders=decoders) == [("", "not today")]


def test_a_hook_that_fails_by_mistake_leaves_the_first_fault() -> None:
    def fail(type_: Any, value: Any) -> Any:
        raise KeyError("a bug")

    decoders: TypeDecodersSequence = [(lambda type_: type_ is Odd, fail)]
    assert places(Holder, {"name": 1, "odd": 1}, type_decoders=decoders) == ["name"]


# Bounds


def test_no_more_than_a_hundred_faults_are_reported() -> None:
    assert len(faults(list[int], ["x"] * 5000)) == MAX_FAULTS
    assert len(faults(list[Author], [{}] * 5000)) == MAX_FAULTS
    assert len(faults(dict[str, int], {str(n): "x" for n in range(5000)})) == MAX_FAULTS
    assert len(faults(Strict, {str(n): "x" for n in range(5000)})) == MAX_FAULTS
    assert len(faults(list[list[int]], [["x"] * 50] * 50)) == MAX_FAULTS
    assert len(faults(list[tuple[int, int, int]], [["x"] * 3] * 50)) == MAX_FAULTS


def test_a_fault_far_down_a_long_value_is_reported() -> None:
    numbers: list[Any] = list(range(100_000))
    numbers[77_777] = numbers[99_999] = "x"
    assert places(list[int], numbers) == ["[77777]", "[99999]"]
    by_name = {str(index): number for index, number in enumerate(numbers)}
    assert places(dict[str, int], by_name) == ["77777", "99999"]


class Tree(Struct):
    name: str
    children: list[Tree] = []


def test_what_is_nested_too_deeply_to_be_looked_into_has_one_fault() -> None:
    tree: dict[str, Any] = {"name": 1, "children": [{"name": 2}]}
    for _ in range(20):
        tree = {"name": 3, "children": [tree]}
    (*above, last) = places(Tree, tree)
    assert above == ["children[0]." * depth + "name" for depth in range(len(above))]
    assert last == "children[0]." * len(above) + "name"
    assert len(above) >= 5


def test_of_a_long_value_fewer_levels_are_looked_into() -> None:
    long = "n" * 1_000_000
    books: list[Any] = [
        {"title": 1, "firstAuthor": {"name": 2, "born": -3, "x": long}},
        {"title": 4},
    ]
    assert places(list[Book], books) == [
        *("[0].title", "[0].firstAuthor.name", "[0].firstAuthor.born"),
        *("[1].title", "[1].firstAuthor"),
    ]
    books[0]["firstAuthor"]["x"] = long * 3
    found = places(list[Book], books)
    assert found == ["[0].title", "[1].title"]


def test_nothing_is_kept_of_a_value_that_was_looked_into() -> None:
    class Kept(dict[str, object]):
        """A mapping that can be weakly referenced."""

    finder = FaultFinder(Book, msgspec.convert)
    found: list[list[Fault]] = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            value = Kept(title=1, firstAuthor={"name": 2})
            alive = weakref.ref(value)
            found.append(finder.find(value, ValueError()))
            del value
            assert alive() is None
    finally:
        gc.enable()
    assert found[0] == found[1]
    assert [fault.path for fault in found[0]] == ["title", "firstAuthor.name"]


def test_what_is_accepted_is_not_looked_into_again_and_again() -> None:
    calls = 0

    def decode(type_: Any, value: Any) -> Any:
        nonlocal calls
        calls += 1
        if value < 0:
            raise ValueError("negative")
        return Odd()

    decoders: TypeDecodersSequence = [(lambda type_: type_ is Odd, decode)]
    values = list(range(10_000))
    values[5000] = values[9999] = -1
    assert places(list[list[Odd]], [values], type_decoders=decoders) == ["[0][5000]", "[0][9999]"]
    assert calls < 4 * len(values)


def test_names_from_outside_are_shown_bounded_and_encodable() -> None:
    long = "n" * 5000
    ((path, message),) = faults(Strict, {"name": "a", long: 1})
    assert (len(path), len(message)) == (200, 200)
    ((path, message),) = faults(dict[str, int], {long: "x"})
    assert len(path) == 200
    (fault,) = FaultFinder(dict[str, int], msgspec.convert).find({"\ud800": "x"}, ValueError())
    assert fault.path.encode() == b"?"
