"""Schemas: what types look like on the wire, in each direction, and what they are called."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from jsonschema import Draft202012Validator

from hesper.datastructures import SecretString
from hesper.openapi.components import Component, Components, Direction
from hesper.openapi.schemas import SchemaWriter
from hesper.openapi.values import with_default
from hesper.serialization import decode_json, encode_json

T = TypeVar("T")


def schemas(*wanted: tuple[Any, Direction], **options: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the schemas of annotations, and the components that they refer to."""
    components = Components()
    writers = {
        direction: SchemaWriter(components, direction, **options)
        for direction in ("in", "out")
        if direction in {one for _, one in wanted}
    }
    written = [writers[direction].write(annotation) for annotation, direction in wanted]
    named = components.schemas(())
    found = decode_json(encode_json([written, named], {Component: lambda c: c.path}))
    for schema in (*found[0], *found[1].values()):
        Draft202012Validator.check_schema(schema)
    return found[0], found[1]


def schema(annotation: Any, direction: Direction = "in", **options: Any) -> Any:
    """Return the schema of one annotation, without its components."""
    return schemas((annotation, direction), **options)[0][0]


def component(annotation: Any, direction: Direction = "in", **options: Any) -> Any:
    """Return the schema of the component that an annotation becomes."""
    (found,), named = schemas((annotation, direction), **options)
    return named[found["$ref"].rpartition("/")[2]]


class Colour(enum.Enum):
    """A colour."""

    BLUE = "blue"
    RED = "red"


class Leaf(msgspec.Struct):
    """A leaf."""

    size: int


class Tree(msgspec.Struct, rename="camel"):
    leaf_of: Leaf
    branches: list[Tree]


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog", forbid_unknown_fields=True):
    name: str


class Options(TypedDict):
    level: int
    verbose: NotRequired[bool]


SAME_AS_MSGSPEC = [
    *(int, float, bool, str, bytes, type(None), date, timedelta, UUID, Decimal, Any),
    Annotated[int, msgspec.Meta(ge=1, lt=5, multiple_of=2, title="t", examples=[2])],
    Annotated[float, msgspec.Meta(gt=1, le=5, extra_json_schema={"x-y": 1})],
    Annotated[str, msgspec.Meta(min_length=1, max_length=5, pattern="^a", description="d")],
    Annotated[bytes, msgspec.Meta(min_length=1, max_length=5)],
    Annotated[list[int], msgspec.Meta(min_length=1, max_length=5)],
    Annotated[dict[str, int], msgspec.Meta(min_length=1, max_length=5)],
    Annotated[datetime, msgspec.Meta(tz=True)],
    Annotated[datetime, msgspec.Meta(tz=False)],
    Annotated[time, msgspec.Meta(tz=True)],
    *(list[int], list[Any], set[int], frozenset[str], tuple[int, ...], tuple[int, str], tuple[()]),
    *(dict[str, int], dict[int, Any], dict[Annotated[str, msgspec.Meta(min_length=2)], int]),
    *(Sequence[int], Mapping[str, int], int | str | None, Literal["a", "b"], Literal[1, 2]),
    *(Leaf, Tree, list[Tree], dict[str, Leaf], Leaf | None, Colour, Options),
]


@pytest.mark.parametrize("annotation", SAME_AS_MSGSPEC, ids=str)
def test_what_is_read_is_described_as_msgspec_does(annotation: Any) -> None:
    (found,), named = schemas((annotation, "in"))
    template = "#/components/schemas/{name}"
    (wanted,), theirs = msgspec.json.schema_components([annotation], ref_template=template)
    assert without_types_of_enums(found) == wanted
    assert {name: without_types_of_enums(schema) for name, schema in named.items()} == theirs


def without_types_of_enums(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "type" or "enum" not in schema}


def test_moments_have_their_format_with_or_without_a_time_zone() -> None:
    assert schema(datetime) == {"type": "string", "format": "date-time"}
    assert schema(time, "out") == {"type": "string", "format": "time"}


class Defaults(msgspec.Struct):
    text: str = "a"
    colour: Colour = Colour.RED
    items: list[int] = []
    made: list[int] = msgspec.field(default_factory=lambda: [1])
    secret: SecretString = SecretString("hunter2")
    nothing: int | None = None


def test_what_is_read_has_defaults_and_what_is_sent_is_there() -> None:
    read, sent = component(Defaults), component(Defaults, "out")
    assert "required" not in read
    assert {name: p.get("default", "none") for name, p in read["properties"].items()} == {
        "text": "a",
        "colour": "red",
        "items": [],
        "made": "none",
        "secret": "none",
        "nothing": None,
    }
    assert sent["required"] == ["text", "colour", "items", "made", "secret", "nothing"]
    assert "default" not in str(sent)


class Sparse(msgspec.Struct, omit_defaults=True):
    a: int
    b: int = 1
    c: int | msgspec.UnsetType = msgspec.UNSET


class Unset(msgspec.Struct):
    c: int | msgspec.UnsetType = msgspec.UNSET
    d: int = 1


@dataclass
class Plain:
    a: int
    b: int = 1
    c: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Slotted:
    a: int
    b: int = 1


@attrs.define
class Attrs:
    a: int
    b: int = 1


@pytest.mark.parametrize(
    ("kind", "required"),
    [
        (Sparse, ["a"]),
        (Unset, ["d"]),
        (Plain, ["a", "c"]),
        (Slotted, ["a", "b"]),
        (Attrs, ["a", "b"]),
        (Options, ["level"]),
    ],
)
def test_what_may_be_left_out_when_it_is_sent_is_not_required(
    kind: Any, required: list[str]
) -> None:
    assert component(kind, "out")["required"] == required


def test_what_is_sent_follows_what_is_said_of_it() -> None:
    for value in (Sparse(1), Unset(), Plain(1), Slotted(1), Attrs(1)):
        sent = component(type(value), "out")
        for one in (value, msgspec.convert({"a": 1, "d": 1}, type(value))):
            Draft202012Validator(sent).validate(decode_json(encode_json(one)))


class Pair(NamedTuple):
    x: int
    y: str = ""


class Row(msgspec.Struct, array_like=True, tag="row"):
    x: int
    y: str = ""


def test_structs_and_tuples_that_are_arrays() -> None:
    assert component(Pair) == {
        "title": "Pair",
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "string", "default": ""}],
        "minItems": 1,
        "maxItems": 2,
        "items": False,
    }
    assert component(Row)["prefixItems"][0] == {"const": "row"}
    assert (component(Row)["minItems"], component(Row, "out")["minItems"]) == (2, 3)
    assert "maxItems" not in component(Row)


def test_tagged_structs_are_told_apart_by_their_tag() -> None:
    found = schema(Cat | Dog | int | None)
    assert found["anyOf"][0] == {"type": "integer"}
    assert found["anyOf"][2] == {"type": "null"}
    assert found["anyOf"][1]["discriminator"] == {
        "propertyName": "type",
        "mapping": {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"},
    }
    assert component(Dog)["properties"]["type"] == {"const": "dog"}
    assert component(Dog)["additionalProperties"] is False


def test_what_cannot_be_read_is_described_as_far_as_it_is_known() -> None:
    class Odd(msgspec.Struct, rename="camel"):
        either_of: Leaf | Tree
        plain: int

    named = schemas((list[Odd], "out"), (dict[str, Leaf | Tree], "out"))[1]
    assert named["Odd"]["properties"] == {
        "eitherOf": {
            "anyOf": [{"$ref": "#/components/schemas/Leaf"}, {"$ref": "#/components/schemas/Tree"}]
        },
        "plain": {"type": "integer"},
    }


class Mixed(enum.Enum):
    A = 1
    B = "b"


@pytest.mark.parametrize("annotation", [object, Mixed, T, type(len), "Later", int.__add__])
def test_what_nobody_knows_is_open(annotation: Any) -> None:
    assert schema(annotation, "out") == {}


@pytest.mark.parametrize(
    ("annotation", "format"),
    [
        (SecretString, "password"),
        (ipaddress.IPv4Address, "ipv4"),
        (ipaddress.IPv6Address, "ipv6"),
        (Path, "path"),
    ],
)
def test_classes_that_hesper_knows(annotation: Any, format: str) -> None:
    assert schema(annotation) == {"type": "string", "format": format}


class Celsius:
    pass


class Weather(msgspec.Struct):
    now: Celsius
    at: datetime


def test_a_class_whose_annotations_cannot_be_read_is_open_inside() -> None:
    @dataclass
    class Local:
        value: int

    Local.__annotations__["value"] = "Nowhere"
    assert component(Local, "out") == {"title": "Local", "type": "object"}


def test_encoders_make_what_they_are_for_open() -> None:
    encoders = {Celsius: str, datetime: str}
    sent = component(Weather, "out", encoders=encoders)
    assert sent["properties"] == {"now": {}, "at": {}}
    assert component(Weather, "in", encoders=encoders)["properties"]["at"] != {}
    assert schema(Leaf, "out", encoders={Leaf: str}) == {}
    assert "discriminator" not in schema(Cat | Dog, "out", encoders={Dog: str})


def test_decoders_make_what_they_are_for_open() -> None:
    decoders = [(lambda kind: kind in (Leaf, Path), lambda _kind, value: value)]
    assert schema(Leaf, decoders=decoders) == {}
    assert schema(list[Path], decoders=decoders) == {"type": "array", "items": {}}
    assert schema(Path, "out", decoders=decoders) == {"type": "string", "format": "path"}


def test_a_default_that_cannot_be_written_down_is_left_out() -> None:
    assert with_default({"type": "string"}, Celsius()) == {"type": "string"}
    assert with_default({"type": "string"}, date(2024, 2, 29))["default"] == "2024-02-29"


# Names


def test_what_differs_by_direction_has_two_names_and_what_does_not_has_one() -> None:
    class Outer(msgspec.Struct):
        inner: Defaults
        leaf: Leaf

    found, named = schemas((Outer, "in"), (Outer, "out"))
    assert [one["$ref"].rpartition("/")[2] for one in found] == ["OuterInput", "Outer"]
    assert sorted(named) == ["Colour", "Defaults", "DefaultsInput", "Leaf", "Outer", "OuterInput"]
    assert named["OuterInput"]["properties"]["inner"] == {
        "$ref": "#/components/schemas/DefaultsInput"
    }
    assert sorted(schemas((Outer, "in"))[1]) == ["Colour", "Defaults", "Leaf", "Outer"]


def local(number: int) -> Any:
    return msgspec.defstruct("Leaf", [("size", str)], module=f"module{number % 2}")


def test_classes_of_one_name_are_told_apart() -> None:
    found, named = schemas((Leaf, "in"), (local(0), "in"))
    assert sorted(named) == ["module0.Leaf", "tests.openapi.test_schemas.Leaf"]
    assert found[0] == {"$ref": "#/components/schemas/tests.openapi.test_schemas.Leaf"}


def test_classes_of_one_full_name_are_told_apart() -> None:
    def make(kind: type) -> Any:
        @dataclass
        class Local:
            value: Any

        Local.__annotations__["value"] = kind
        return Local

    one, other = make(int), make(str)
    found, named = schemas((one, "in"), (other, "in"))
    assert sorted(named) == ["Local", "Local_2"]
    assert named["Local"]["properties"]["value"] == {"type": "integer"}
    assert found[1] == {"$ref": "#/components/schemas/Local_2"}


def test_classes_that_are_the_same_in_all_but_identity_are_one_component() -> None:
    found, named = schemas((local(0), "in"), (local(2), "in"), (local(1), "out"))
    assert list(named) == ["Leaf"]
    assert found[0] == found[1] == found[2]


class Chain(msgspec.Struct):
    next: Chain | None
    value: Other


class Other(msgspec.Struct):
    chain: Chain | None
    kind: int = 0


def test_classes_that_hold_each_other() -> None:
    _, named = schemas((Chain, "in"), (Chain, "out"))
    assert sorted(named) == ["Chain", "ChainInput", "Other", "OtherInput"]
    ref = {"$ref": "#/components/schemas/ChainInput"}
    assert named["ChainInput"]["properties"]["next"] == {"anyOf": [ref, {"type": "null"}]}
    assert named["OtherInput"]["properties"]["chain"] == {"anyOf": [ref, {"type": "null"}]}


class Page(msgspec.Struct, Generic[T]):
    items: list[T]


def test_generic_classes_are_called_by_their_arguments() -> None:
    _, named = schemas((Page[Leaf], "in"), (Page[int], "in"), (Page[list[int]], "in"))
    assert sorted(named) == ["Leaf", "Page_Leaf", "Page_int", "Page_list_int"]
    assert named["Page_Leaf"]["title"] == "Page[Leaf]"


def test_what_is_annotated_beside_an_argument_is_no_part_of_a_name() -> None:
    marked: Any = Annotated[int, object()]  # which is shown by where it is in memory
    _, named = schemas((Page[marked], "in"))
    assert [(name, schema["title"]) for name, schema in named.items()] == [
        ("Page_int", "Page[int]")
    ]


def test_a_hostile_name_becomes_one_that_a_component_may_have() -> None:
    hostile = msgspec.defstruct("</script> é/~1{}", [("a", int)])
    _, named = schemas((hostile, "in"))
    assert list(named) == ["script_1"]
    assert named["script_1"]["title"] == "</script> é/~1{}"


# Pydantic


class Model(pydantic.BaseModel):
    """A model."""

    name: str = pydantic.Field(min_length=1, alias="fullName")
    parent: Model | None = None
    price: Decimal = Decimal("1.5")


class Aliased(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(serialize_by_alias=True)

    name: str = pydantic.Field(alias="fullName")


class Holder(msgspec.Struct):
    model: Model
    several: list[Model]


def test_models_of_pydantic_are_described_by_pydantic() -> None:
    found, named = schemas((Model, "in"), (list[Model], "out"), (Holder, "out"))
    assert found[0] == {"$ref": "#/components/schemas/ModelInput"}
    assert found[1]["items"] == {"$ref": "#/components/schemas/Model"}
    assert sorted(named) == ["Holder", "Model", "ModelInput"]
    assert sorted(named["ModelInput"]["properties"]) == ["fullName", "parent", "price"]
    assert sorted(named["Model"]["properties"]) == ["name", "parent", "price"]
    assert named["Model"]["description"] == "A model."
    assert named["Holder"]["properties"]["model"] == {"$ref": "#/components/schemas/Model"}


def test_what_pydantic_sends_follows_what_is_said_of_it() -> None:
    for value in (Model(fullName="Ada"), Aliased(fullName="Ada")):
        found, named = schemas((type(value), "out"))
        whole = {**found[0], "components": {"schemas": named}}
        Draft202012Validator(whole).validate(decode_json(encode_json(value)))
    assert list(component(Aliased, "out")["properties"]) == ["fullName"]


class Functional(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    call: Celsius


def test_a_model_that_pydantic_cannot_describe_is_open() -> None:
    assert schema(Functional, "out") == {}


class Hostile(pydantic.BaseModel):
    """#/$defs/Nothing"""

    anything: Any = object()
    next: Hostile | None = None


def test_no_text_of_a_model_is_taken_for_a_reference() -> None:
    _, named = schemas((Hostile, "in"))
    assert named["Hostile"]["description"] == "#/$defs/Nothing"


def test_a_default_that_pydantic_cannot_write_down_is_left_out() -> None:
    _, named = schemas((Hostile, "in"))
    assert "default" not in named["Hostile"]["properties"]["anything"]
