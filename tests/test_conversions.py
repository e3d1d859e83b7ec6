"""What is encoded and decoded beyond msgspec's own types."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import ipaddress
import re
import uuid
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import attrs
import msgspec
import pydantic
import pytest

from hesper.datastructures import MultiDict, SecretBytes, SecretString, State
from hesper.exceptions import SerializationException
from hesper.serialization import (
    converter,
    decode_json,
    decode_msgpack,
    encode_json,
    encode_msgpack,
    json_encoder,
)


class Shout(str):
    __slots__ = ()


class Count(int):
    pass


class Share(float):
    pass


class Moment(dt.datetime):
    pass


class Day(dt.date):
    pass


class Span(dt.timedelta):
    pass


class Price(Decimal):
    pass


class Raw(bytes):
    pass


class Colour(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    when: dt.date
    tags: set[str] = set()


class Opaque:
    def __init__(self, value: Any = "opaque") -> None:
        self.value = value


class Darker(Opaque):
    pass


class Loan(msgspec.Struct, rename="camel", omit_defaults=True, tag="loan"):
    due_on: dt.date
    notes: list[str] = []


class FrozenLoan(msgspec.Struct, frozen=True):
    due_on: dt.date


@dataclass(frozen=True)
class Fine:
    since: dt.date


@attrs.frozen
class Stamp:
    on: dt.date


DAY = dt.date(2024, 2, 29)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Shout("a"), '"a"'),
        (Count(3), "3"),
        (Share(1.5), "1.5"),
        (Share("nan"), "null"),
        (Raw(b"a"), '"YQ=="'),
        (Price("1.50"), '"1.50"'),
        (Moment(2024, 2, 29, 12, tzinfo=dt.UTC), '"2024-02-29T12:00:00Z"'),
        (Day(2024, 2, 29), '"2024-02-29"'),
        (Span(days=1), '"P1D"'),
        (PurePosixPath("/a"), '"/a"'),
        (ipaddress.ip_address("::1"), '"::1"'),
        (ipaddress.ip_network("10.0.0.0/8"), '"10.0.0.0/8"'),
        (ipaddress.ip_interface("10.0.0.1/8"), '"10.0.0.1/8"'),
        (re.compile("a+"), '"a+"'),
        (SecretString("a"), '"******"'),
        (SecretBytes(b"a"), '"******"'),
        (State({"a": 1}), '{"a":1}'),
        (MultiDict([("a", 1), ("a", 2)]), '{"a":[1,2]}'),
        (collections.ChainMap({"a": 1}), '{"a":1}'),
        (collections.deque([1, 2]), "[1,2]"),
        ({"a": 1}.values(), "[1]"),
        (range(3), "[0,1,2]"),
        (Model(when=DAY, tags={"x"}), '{"when":"2024-02-29","tags":["x"]}'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_is_encoded_by_default(value: object, text: str) -> None:
    assert encode_json([value]).decode() == f"[{text}]"


@pytest.mark.parametrize("value", [Opaque(), ValueError("a"), iter([1]), (n for n in [1]), max])
def test_what_is_not_known_is_an_error_that_names_the_type(value: object) -> None:
    name = type(value).__qualname__
    with pytest.raises(SerializationException, match=f"{name}.*type_encoders"):
        encode_json({"a": value})


def test_an_encoder_is_found_by_the_nearest_class() -> None:
    encoders = {Opaque: lambda _: "opaque", Darker: lambda _: "darker", object: lambda _: "any"}
    assert encode_json([Opaque(), Darker(), 1j], encoders) == b'["opaque","darker","any"]'


def test_the_users_encoder_comes_before_ours() -> None:
    assert encode_json(Path("/a/b"), {Path: lambda path: path.name}) == b'"b"'


def test_what_an_encoder_returns_may_need_encoding_itself() -> None:
    assert encode_json(Opaque(Path("/a")), {Opaque: lambda o: [o.value]}) == b'["/a"]'


def test_an_encoder_for_a_type_that_msgspec_knows_is_used_everywhere() -> None:
    encode = json_encoder({dt.date: lambda day: day.year})
    value = {
        "list": [DAY],
        "tuple": (DAY,),
        "key": {DAY: DAY},
        "struct": Loan(DAY),
        "frozen": FrozenLoan(DAY),
        "dataclass": Fine(DAY),
        "attrs": Stamp(DAY),
        "deque": collections.deque([DAY]),
    }
    assert msgspec.json.decode(encode(value)) == {
        "list": [2024],
        "tuple": [2024],
        "key": {"2024": 2024},
        "struct": {"type": "loan", "dueOn": 2024},
        "frozen": {"due_on": 2024},
        "dataclass": {"since": 2024},
        "attrs": {"on": 2024},
        "deque": [2024],
    }


def test_what_has_nothing_to_replace_is_encoded_as_it_is() -> None:
    assert encode_json([Stamp(DAY), 1j], {int: str, complex: str}) == b'[{"on":"2024-02-29"},"1j"]'


def test_encoding_with_a_replacement_changes_no_value() -> None:
    loan = Loan(DAY)
    encode_json(loan, {dt.date: str})
    assert loan.due_on is DAY


def test_an_encoder_for_a_struct_replaces_the_whole() -> None:
    assert encode_json([Loan(DAY)], {Loan: lambda loan: loan.notes}) == b"[[]]"


def test_an_encoder_for_an_enum_is_used() -> None:
    assert encode_json({"a": Colour.RED}, {Colour: lambda c: c.name}) == b'{"a":"RED"}'


def test_an_encoder_may_return_an_instance_of_its_own_type() -> None:
    assert encode_json(["a", 1], {str: str.upper}) == b'["A",1]'


def test_encoders_of_known_and_unknown_types_meet() -> None:
    encoders = {dt.date: lambda day: day.year, Opaque: lambda opaque: [opaque.value]}
    assert encode_json(Opaque(DAY), encoders) == b"[2024]"


def test_encoders_that_go_in_a_circle_are_an_error() -> None:
    encoders = {dt.date: lambda _: uuid.UUID(int=1), uuid.UUID: lambda _: DAY}
    with pytest.raises(SerializationException):
        encode_json(DAY, encoders)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (Path, "/a", Path("/a")),
        (PurePosixPath, "/a", PurePosixPath("/a")),
        (ipaddress.IPv4Address, "10.0.0.1", ipaddress.ip_address("10.0.0.1")),
        (ipaddress.IPv6Network, "::/8", ipaddress.ip_network("::/8")),
        (SecretString, "a", SecretString("a")),
        (SecretBytes, "ä", SecretBytes("ä".encode())),
    ],
)
def test_it_is_decoded_by_default(type_: Any, text: str, value: object) -> None:
    assert decode_json(encode_json([text]), list[type_]) == [value]
    assert converter(type_)(text) == value


@pytest.mark.parametrize("type_", [Path, ipaddress.IPv4Address, SecretString])
@pytest.mark.parametrize("value", [5, None, ["/a"], {"a": 1}, True])
def test_it_is_decoded_from_text_only(type_: Any, value: object) -> None:
    with pytest.raises(SerializationException, match="Expected"):
        decode_json(encode_json({"a": value}), dict[str, type_])


def test_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(SerializationException, match="NUL"):
        decode_json('"a\\u0000b"', Path)


def test_an_instance_is_taken_as_it_is() -> None:
    opaque = Opaque()
    assert converter(list[Opaque])([opaque])[0] is opaque


def test_text_for_a_class_that_nobody_can_decode_is_a_fault() -> None:
    with pytest.raises(msgspec.ValidationError, match="Expected `Opaque`, got `str`"):
        converter(Opaque)("opaque")


def test_a_decoder_decides_for_the_type_asked_for() -> None:
    decoders = [(lambda type_: type_ is dt.date, lambda _, year: dt.date(year, 1, 1))]
    assert decode_json("2024", dt.date, decoders) == dt.date(2024, 1, 1)
    assert decode_msgpack(encode_msgpack(2024), dt.date, decoders) == dt.date(2024, 1, 1)
    assert converter(dt.date, decoders)(2024) == dt.date(2024, 1, 1)
    assert decode_json("2024", Annotated[dt.date, "metadata"], decoders) == dt.date(2024, 1, 1)


def test_a_decoder_decides_for_unknown_types_inside() -> None:
    decoders = [(lambda type_: type_ is Opaque, lambda type_, value: type_(value))]
    assert decode_json('{"a": 5}', dict[str, Opaque], decoders)["a"].value == 5


def test_the_first_decoder_that_matches_wins() -> None:
    decoders: list[Any] = [
        (lambda type_: issubclass(type_, Opaque), lambda type_, _: type_("first")),
        (lambda type_: type_ is Opaque, lambda type_, _: type_("second")),
    ]
    assert decode_json("1", Opaque, decoders).value == "first"


def test_the_users_decoder_comes_before_ours() -> None:
    decoders = [(lambda type_: type_ is Path, lambda type_, value: type_("/root", value))]
    assert decode_json('["a"]', list[Path], decoders) == [Path("/root/a")]


def test_a_predicate_for_classes_is_not_disturbed_by_other_annotations() -> None:
    decoders = [(lambda type_: issubclass(type_, Opaque), lambda type_, value: type_(value))]
    annotation: Any = int | None
    assert decode_json("1", annotation, decoders) == 1


@pytest.mark.parametrize("error", [ValueError, TypeError])
def test_what_a_decoder_refuses_is_a_fault(error: type[Exception]) -> None:
    def refuse(_type: Any, _value: Any) -> Any:
        raise error("not today")

    decoders = [(lambda type_: type_ is Opaque, refuse)]
    for type_ in (Opaque, list[Opaque]):
        with pytest.raises(SerializationException, match="not today"):
            decode_json("[1]", type_, decoders)
