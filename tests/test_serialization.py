"""JSON and MessagePack, in and out."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hesper._finite import finite_check
from hesper._json_depth import MAX_JSON_DEPTH
from hesper.exceptions import ImproperlyConfiguredException, SerializationException
from hesper.serialization import (
    DECODE_ERRORS,
    converter,
    decode_json,
    decode_msgpack,
    encode_json,
    encode_msgpack,
    fault_finder,
    json_decoder,
    json_encoder,
    msgpack_decoder,
    msgpack_encoder,
)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


class Tree(msgspec.Struct):
    name: str
    children: list["Tree"] = []  # noqa: UP037  (what is annotated is looked at)


class Flat(msgspec.Struct):
    name: str


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    when: dt.date
    share: float = 0.0


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


TYPES: list[Any] = [
    *(Any, object, int, str, float, bool, None, Decimal, UUID, dt.datetime, dt.timedelta),
    *(list[int], dict[str, float], set[str], tuple[int, ...], int | None, int | str),
    *(Literal["a", 1], Size, Tree, Model, list[Model], Annotated[int, msgspec.Meta(ge=1)]),
]

HOSTILE: list[bytes] = [
    *(b"", b" ", b"NaN", b"[Infinity]", b"-Infinity", b"1e400", b"-1e400", b"[1", b"{", b'"'),
    *(b"\xff", b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\\udc00\\ud800"', b"\xef\xbb\xbf1"),
    *(b"1 2", b"01", b"+1", b".5", b"nul", b"{'a': 1}", b'{"a": 1,}', b"[1,]", b'"\x01"'),
    *(b"1" * 5000, b"-" + b"1" * 5000, b"1" * 5000 + b".5", b"[" * 100_000, b'{"a":' * 100_000),
    b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1),
]


@given(plain)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert decode_json(encode_json(value)) == value
    assert decode_msgpack(encode_msgpack(value)) == value


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:20]))
def test_json_that_is_not_strict_is_refused(raw: bytes) -> None:
    with pytest.raises(SerializationException):
        decode_json(raw)


@pytest.mark.parametrize("type_", TYPES, ids=str)
@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:20]))
def test_hostile_json_is_refused_for_every_type(type_: Any, raw: bytes) -> None:
    # As a Decimal numbers of any size are exact.
    if type_ is Decimal and raw.strip(b"-1e40.5") == b"" and raw:
        return
    with pytest.raises(DECODE_ERRORS):
        json_decoder(type_)(raw)


@given(st.sampled_from(TYPES), st.binary() | plain.map(encode_json))
@example(Any, b'{"a": [' + b"1" * 4301 + b"]}")
def test_no_json_raises_anything_else(type_: Any, raw: bytes) -> None:
    try:
        value = json_decoder(type_)(raw)
    except DECODE_ERRORS:
        return
    encode_json(value)


@given(st.sampled_from(TYPES), st.binary() | plain.map(encode_msgpack))
def test_no_msgpack_raises_anything_else(type_: Any, raw: bytes) -> None:
    try:
        msgpack_decoder(type_)(raw)
    except DECODE_ERRORS:
        return


@given(st.sampled_from(TYPES), st.text() | st.from_regex(r"[-+]?[0-9.eE]+|nan|inf|[0-9TZPD:-]+"))
@example(Decimal, "sNaN")
@example(float, "-inf")
@example(int, "1" * 5000)
@example(dt.datetime, "9" * 400)
def test_no_text_raises_anything_else(type_: Any, text: str) -> None:
    convert = converter(type_)
    for value in (text, [text]):
        with suppress(*DECODE_ERRORS):
            convert(value)


def test_a_nul_in_a_string_is_a_character() -> None:
    assert decode_json('"a\\u0000b"') == "a\0b"


def test_a_string_with_half_a_surrogate_pair_is_no_json() -> None:
    with pytest.raises(SerializationException):
        decode_json('"\ud800"')


def test_depth_is_limited_for_recursive_types() -> None:
    text = '{"name": "a", "children": [' * 51 + "]}" * 51
    with pytest.raises(SerializationException, match="Nested too deeply"):
        decode_json(text, Tree)


def test_what_a_flat_type_does_not_know_is_passed_over_at_any_depth() -> None:
    text = '{"name": "a", "more": ' + "[" * 200 + "]" * 200 + "}"
    assert decode_json(text, Flat) == Flat("a")


def test_depth_is_limited_in_msgpack_too() -> None:
    with pytest.raises(SerializationException, match="Nested too deeply"):
        decode_msgpack(b"\x91" * 200 + b"\xc0")


def test_msgpack_of_recursive_types_may_be_long_but_not_deep() -> None:
    tree = Tree("a", [Tree("b" * 200)])
    assert decode_msgpack(encode_msgpack(tree), Tree) == tree


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_floats_that_json_has_not_are_null(value: float) -> None:
    assert encode_json([value]) == b"[null]"


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udc00": 1}, 10**5000, object(), {(1, 2): 3}],
    ids=type,
)
def test_what_json_cannot_express_is_an_error(value: object) -> None:
    with pytest.raises(SerializationException, match="cannot be encoded as JSON"):
        encode_json(value)


def test_a_value_that_holds_itself_is_an_error() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(SerializationException):
        encode_json(circle)


def test_msgpack_that_cannot_be_encoded_is_an_error() -> None:
    with pytest.raises(SerializationException, match="MessagePack"):
        encode_msgpack(object())


def test_without_type_encoders_one_encoder_serves_all() -> None:
    assert json_encoder() is json_encoder({})
    assert msgpack_encoder() is msgpack_encoder(None)


def test_type_encoders_work_for_msgpack() -> None:
    encoded = encode_msgpack([1j, dt.date(2024, 1, 1)], {complex: str, dt.date: lambda d: d.year})
    assert decode_msgpack(encoded) == ["1j", 2024]


def test_an_error_says_what_is_wrong_and_where() -> None:
    with pytest.raises(SerializationException, match=r"^\[0\]\.name: Expected `str`, got `int`$"):
        decode_json('[{"name": 1}]', list[Flat])


def test_a_type_is_decoded_strictly_unless_asked_otherwise() -> None:
    with pytest.raises(SerializationException):
        decode_json('"5"', int)
    assert decode_json('"5"', int, strict=False) == 5
    assert decode_msgpack(encode_msgpack("5"), int, strict=False) == 5


def test_a_model_is_validated_in_pydantics_json_mode() -> None:
    # A strict model takes a date from text in JSON, and never in Python.
    assert decode_json('{"when": "2024-02-29"}', Model).when == dt.date(2024, 2, 29)


def test_a_model_is_no_way_around_strict_json() -> None:
    with pytest.raises(SerializationException):
        decode_json('{"when": "2024-02-29", "share": NaN}', Model)


def test_a_model_is_decoded_from_msgpack() -> None:
    encoded = encode_msgpack({"when": dt.date(2024, 2, 29), "share": 1.0})
    with pytest.raises(SerializationException, match="when"):
        decode_msgpack(encoded, Model)  # strict, and MessagePack has no dates
    assert decode_msgpack(encode_msgpack([{"a": 1}]), list[pydantic.RootModel[dict[str, int]]])


def test_an_unsupported_type_is_found_when_the_decoder_is_made() -> None:
    class Opaque:
        pass

    for make in (json_decoder, msgpack_decoder):
        with pytest.raises(ImproperlyConfiguredException, match="Opaque"):
            make(dict[str, Opaque])


UserId = NewType("UserId", int)


@pytest.mark.parametrize(
    ("type_", "given_", "value"),
    [
        (str, "5", "5"),
        (Any, "5", "5"),
        (int, "5", 5),
        (UserId, "5", 5),
        (float, "5", 5.0),
        (bool, "true", True),
        (Decimal, "5.50", Decimal("5.50")),
        (str | None, "null", "null"),
        (int | None, "5", 5),
        (Size, "2", Size.LARGE),
        (Literal["a", "b"], "b", "b"),
        (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
        (UUID, "00000000-0000-0000-0000-000000000001", UUID(int=1)),
        (list[int], ["1", "2"], [1, 2]),
        (set[int], ["1", "1"], {1}),
        (tuple[int, ...], ["1", "2"], (1, 2)),
        (list[float], ["1", "2.5"], [1.0, 2.5]),
        (dict[str, float], {"a": "1"}, {"a": 1.0}),
        (Flat, {"name": "a"}, Flat("a")),
    ],
    ids=str,
)
def test_text_is_converted(type_: Any, given_: object, value: object) -> None:
    assert converter(type_)(given_) == value


@pytest.mark.parametrize("type_", [float, Decimal, float | None, list[float]])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "Infinity", "NaN"])
def test_text_becomes_no_number_that_is_not_finite(type_: Any, text: str) -> None:
    with pytest.raises(DECODE_ERRORS):
        converter(type_)([text] if type_ == list[float] else text)


def test_text_is_converted_to_a_model() -> None:
    class Page(pydantic.BaseModel):
        number: int

    assert converter(Page)({"number": "5"}) == Page(number=5)


def test_a_type_that_no_text_becomes_is_found_when_the_converter_is_made() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="cannot be decoded"):
        converter(list[int] | tuple[int, int])


UNHASHABLE: list[tuple[Any, object]] = [
    (set[Any], [[1]]),
    (frozenset, [{}]),
    (list[set[Any]], [[[]]]),
    (dict[str, set[Any]], {"a": [{}]}),
    (set[frozenset[Any]], [[[]]]),
    (set[tuple], [[[1]]]),  # type: ignore[type-arg]  # as somebody may write it
    (set[tuple[Any, ...]], [[[1]]]),
]


@pytest.mark.parametrize(("type_", "value"), UNHASHABLE, ids=str)
def test_items_of_a_set_that_do_not_hash_are_refused(type_: Any, value: object) -> None:
    with pytest.raises(SerializationException, match="that can be in a set"):
        decode_json(encode_json(value), type_)
    with pytest.raises(DECODE_ERRORS):
        converter(type_)(value)


@pytest.mark.parametrize("type_", [set[Any], frozenset, frozenset[Any]], ids=str)
def test_items_of_msgpack_that_do_not_hash_are_refused(type_: Any) -> None:
    with pytest.raises(SerializationException, match="that can be in a set"):
        decode_msgpack(encode_msgpack([{}]), type_)


def test_the_item_that_does_not_hash_is_named() -> None:
    raw = b'{"a": [1, [2], 3, {}]}'
    with pytest.raises(DECODE_ERRORS) as caught:
        json_decoder(dict[str, set[Any]])(raw)
    assert isinstance(caught.value, Exception)
    faults = fault_finder(dict[str, set[Any]], form="json")(raw, caught.value)
    assert [fault.path for fault in faults] == ["a[1]", "a[3]"]


def test_another_type_error_is_nobodys_fault_but_ours() -> None:
    def broken() -> list[int]:
        raise TypeError("broken")

    class Broken(msgspec.Struct):
        members: set[Any]
        numbers: list[int] = msgspec.field(default_factory=broken)

    with pytest.raises(TypeError, match="broken"):
        json_decoder(Broken)(b'{"members": []}')


class Frozen(msgspec.Struct, frozen=True):
    name: str


class FrozenWithList(msgspec.Struct, frozen=True):
    names: list[str]


class ByIdentity(msgspec.Struct, eq=False):
    name: str


@dataclass
class Mutable:
    name: str


@pytest.mark.parametrize(
    "type_",
    [set[Flat], frozenset[Mutable], list[set[Flat]], set[list[int]], set[FrozenWithList]],
    ids=str,
)
@pytest.mark.parametrize("make", [json_decoder, msgpack_decoder, converter])
def test_a_set_of_what_never_hashes_is_found_when_the_decoder_is_made(
    make: Any, type_: Any
) -> None:
    with pytest.raises(ImproperlyConfiguredException, match="cannot be hashed"):
        make(type_)


def test_a_set_of_what_hashes_is_decoded() -> None:
    assert decode_json('[{"name": "a"}]', set[Frozen]) == {Frozen("a")}
    assert len(decode_json('[{"name": "a"}]', set[ByIdentity])) == 1
    assert decode_json('["a", 1]', set[Any]) == {"a", 1}


class Measured(msgspec.Struct):
    name: str = ""
    share: float = math.inf
    price: Decimal = Decimal("NaN")
    shares: list[float] = msgspec.field(default_factory=lambda: [math.inf])
    inner: list["Measured"] = []  # noqa: UP037  (what is annotated is looked at)


@dataclass
class Priced:
    price: Decimal
    share: float = 0.0


class Prices(TypedDict):
    price: Decimal


class Rates(NamedTuple):
    rate: float | None


class Lax(pydantic.BaseModel):
    share: float = math.inf
    inner: list["Lax"] = []  # noqa: UP037  (what is annotated is looked at)


class Unbounded(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(allow_inf_nan=True)
    share: float


class Holder(msgspec.Struct):
    lax: Lax


NO_NUMBERS = ["NaN", "nan", "sNaN", "Infinity", "-inf"]


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize(
    ("type_", "shape"),
    [
        (Decimal, "{}"),
        (Decimal | None, "{}"),
        (Measured, '{{"price": {}}}'),
        (Measured, '{{"inner": [{{"price": {}}}]}}'),
        (Priced, '{{"price": {}}}'),
        (Prices, '{{"price": {}}}'),
        (dict[str, list[Decimal]], '{{"a": ["1", {}]}}'),
        (dict[float, int], "{{{}: 1}}"),
        (Lax, '{{"share": {}}}'),
        (list[Lax], '[{{"inner": [{{"share": {}}}]}}]'),
        (Holder, '{{"lax": {{"share": {}}}}}'),
    ],
)
def test_no_string_of_json_becomes_a_number_that_is_not_finite(
    type_: Any, shape: str, text: str
) -> None:
    with pytest.raises(DECODE_ERRORS):
        json_decoder(type_)(shape.format(f'"{text}"').encode())


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Measured, {"share": "?"}),
        (Measured, {"price": "?"}),
        (Measured, {"shares": ["1", "?"]}),
        (Priced, {"price": "?"}),
        (Priced, {"price": "1", "share": "?"}),
        (Prices, {"price": "?"}),
        (Rates, ["?"]),
        (dict[str, float], {"a": "?"}),
        (dict[float, str], {"?": "a"}),
        (Lax, {"share": "?"}),
    ],
)
def test_no_text_in_fields_becomes_a_number_that_is_not_finite(
    type_: Any, value: object, text: str
) -> None:
    sent = msgspec.json.decode(msgspec.json.encode(value).replace(b"?", text.encode()))
    with pytest.raises(DECODE_ERRORS):
        converter(type_)(sent)


INTEGERS = st.one_of(
    st.integers().map(str),
    st.text("0123456789-+. eE_\u0663\u00b2", max_size=6),
    st.text("0123456789", min_size=1, max_size=40),
)


@given(INTEGERS, st.sampled_from([int, int | None, Annotated[int, msgspec.Meta(ge=1, lt=100)]]))
@example("9" * 5000, int)
@example("007", int)
def test_text_becomes_the_integer_that_msgspec_makes_of_it(text: str, type_: Any) -> None:
    def outcome(convert: Callable[[str], object]) -> object:
        try:
            return convert(text)
        except DECODE_ERRORS as error:
            return type(error), str(error)

    general = partial(msgspec.convert, type=type_, strict=False)
    assert outcome(converter(type_)) == outcome(general)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_float_of_msgpack_becomes_a_field_that_is_not_finite(number: float) -> None:
    for type_, value in ((Measured, {"share": number}), (Lax, {"share": number})):
        with pytest.raises(SerializationException, match="share: Expected a finite number"):
            decode_msgpack(encode_msgpack(value), type_)


def test_a_default_that_is_not_finite_stays() -> None:
    assert converter(Measured)({"name": "nan"}).shares == [math.inf]
    assert decode_json('{"name": "NaN"}', Measured).price.is_nan()
    assert decode_json("{}", Lax).share == math.inf


def test_a_model_may_allow_numbers_that_are_not_finite() -> None:
    assert decode_json('{"share": "Infinity"}', Unbounded).share == math.inf


def test_all_numbers_that_are_not_finite_are_named() -> None:
    raw = b'{"price": "NaN", "inner": [{"price": "1"}, {"price": "inf"}]}'
    with pytest.raises(DECODE_ERRORS) as caught:
        json_decoder(Measured)(raw)
    assert isinstance(caught.value, Exception)
    faults = fault_finder(Measured, form="json")(raw, caught.value)
    assert [fault.path for fault in faults] == ["price", "inner[1].price"]


@pytest.mark.parametrize("type_", [str, list[int], Flat, Tree, dict[str, Any], list[float]])
def test_types_without_numbers_that_may_not_be_finite_cost_nothing(type_: Any) -> None:
    assert finite_check(type_, floats=False) is None
