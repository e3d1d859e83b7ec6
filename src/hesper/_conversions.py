"""Instances to and from what msgspec's codecs understand.

* A type is looked up in `type_encoders` by its method resolution order: the nearest class wins,
  and any of the user's before ours. Types that msgspec knows by itself (`datetime`, a
  dataclass, a struct) may be registered as well; registering one costs a walk over every value.
* `type_decoders` decide for the type asked for, and inside it for the types that msgspec does
  not know by itself; the first whose predicate holds wins, before what is built in here.
"""

from __future__ import annotations

import copy
import datetime
import ipaddress
import os
import re
import uuid
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, TypeAlias, get_args, get_origin

import msgspec

from hesper._types import TypeDecodersSequence, TypeEncodersMap
from hesper.datastructures.multi_dict import ImmutableMultiDict
from hesper.datastructures.secret_values import SecretBytes, SecretString

Decoder: TypeAlias = Callable[[Any, Any], Any]
"""Makes an instance: `(type, value) -> instance`."""

_ENCODERS: Final[Mapping[type, Callable[[Any], object]]] = {
    SecretBytes: str,  # which tells nothing of it
    SecretString: str,
    ImmutableMultiDict: lambda values: values.dict(),
    ipaddress.IPv4Address: str,
    ipaddress.IPv6Address: str,
    ipaddress.IPv4Network: str,
    ipaddress.IPv6Network: str,
    re.Pattern: lambda pattern: pattern.pattern,
    # Of these only subclasses are met here: msgspec knows the classes themselves.
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: bytes,
    bytearray: bytes,
    Decimal: Decimal,
    datetime.datetime: lambda moment: datetime.datetime.combine(moment.date(), moment.timetz()),
    datetime.date: lambda day: datetime.date(day.year, day.month, day.day),
    datetime.timedelta: lambda span: datetime.timedelta(span.days, span.seconds, span.microseconds),
}

_NATIVE: Final[tuple[type, ...]] = (
    *(str, int, float, bool, type(None), bytes, bytearray, memoryview),
    *(list, tuple, set, frozenset, dict, Enum, msgspec.Struct),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, uuid.UUID, Decimal),
)

_FROM_TEXT: Final[tuple[type, ...]] = (
    SecretString,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)


def is_native(type_: Any) -> bool:
    """Tell whether msgspec encodes instances of a type by itself, asking no hook.

    Args:
        type_: The type.
    """
    return isinstance(type_, type) and (issubclass(type_, _NATIVE) or bool(_fields(type_)))


def encoding_hook(type_encoders: TypeEncodersMap) -> Callable[[Any], object]:
    """Return the function that msgspec asks about instances which it does not know.

    Args:
        type_encoders: The user's encoders, which are tried before those built in.
    """

    def encodable(value: Any) -> object:
        kind = type(value)
        encoder = _nearest(type_encoders, kind) or _nearest(_ENCODERS, kind)
        return encoder(value) if encoder is not None else _structure(value)

    return encodable


class Rewriter:
    """Replaces what the user's encoders are for in a value, at any depth, before it is encoded.

    It lives as long as the encoder that it serves, and changes no value that it is given.

    Args:
        type_encoders: The user's encoders.
    """

    __slots__ = ("__weakref__", "_encoders")

    def __init__(self, type_encoders: TypeEncodersMap) -> None:
        self._encoders = type_encoders

    def __call__(self, value: Any) -> Any:
        """Return *value* with all that has an encoder replaced."""
        kind = type(value)
        encoder = _nearest(self._encoders, kind)
        if encoder is not None:
            replaced = encoder(value)
            return replaced if type(replaced) is kind else self(replaced)
        if isinstance(value, dict):
            return {self(key): self(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self(inner) for inner in value]
        return self._with_fields_replaced(value)

    def _with_fields_replaced(self, value: Any) -> Any:
        changes = {}
        for name in _fields(type(value)):
            before = getattr(value, name, None)
            after = self(before)
            if after is not before:
                changes[name] = after
        if not changes:
            return value
        # A copy keeps what msgspec reads from the class: renamed and omitted fields, tags.
        twin = copy.copy(value)
        set_field = (
            msgspec.structs.force_setattr
            if isinstance(value, msgspec.Struct)
            else object.__setattr__  # also where the class is frozen
        )
        for name, after in changes.items():
            set_field(twin, name, after)
        return twin


def decoder_for(type_: Any, type_decoders: TypeDecodersSequence) -> Callable[[Any], Any] | None:
    """Return what the user's decoders make of a type itself, wherever it stands.

    Args:
        type_: The type asked for.
        type_decoders: The user's decoders.

    Returns:
        A function from a plain value to an instance, which raises `msgspec.ValidationError`
        for what its decoder refuses; None if no decoder is for that type.
    """
    if get_origin(type_) is Annotated:
        type_ = get_args(type_)[0]
    decoder = _first_match(type_, type_decoders)
    if decoder is None:
        return None

    def decode(value: Any) -> Any:
        try:
            return decoder(type_, value)
        except (TypeError, ValueError) as error:
            raise msgspec.ValidationError(str(error)) from error

    return decode


def decoding_hook(type_decoders: TypeDecodersSequence) -> Decoder:
    """Return the function that msgspec asks for instances of types which it does not know.

    Args:
        type_decoders: The user's decoders, which are tried before those built in.
    """

    def decode(type_: Any, value: Any) -> Any:
        decoder = _first_match(type_, type_decoders)
        return decoder(type_, value) if decoder is not None else _decode(type_, value)

    return decode


def can_decode(type_: Any, type_decoders: TypeDecodersSequence) -> bool:
    """Tell whether instances of a type that msgspec does not know can be decoded.

    Args:
        type_: The type.
        type_decoders: The user's decoders.
    """
    return (
        _first_match(type_, type_decoders) is not None
        or type_ is object
        or hasattr(type_, "__pydantic_validator__")
        or hasattr(type_, "__fspath__")
        or issubclass(type_, (SecretBytes, *_FROM_TEXT))
    )


def _nearest(encoders: TypeEncodersMap, kind: type) -> Callable[[Any], object] | None:
    for base in kind.__mro__:
        if (encoder := encoders.get(base)) is not None:
            return encoder
    return None


def _structure(value: Any) -> object:
    """Encode what is known by what it can do instead of by its class."""
    if hasattr(type(value), "__pydantic_serializer__"):
        return value.model_dump(mode="json")
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection):
        return list(value)
    name = type(value).__qualname__
    raise TypeError(
        f"it is not known how to encode a {name}; add {name}: <function> to type_encoders"
    )


def _fields(kind: type) -> tuple[str, ...]:
    """Return the names of the fields by which msgspec encodes instances of a class, if any."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if (declared := getattr(kind, "__dataclass_fields__", None)) is not None:
        return tuple(declared)
    return tuple(field.name for field in getattr(kind, "__attrs_attrs__", ()))


def _first_match(type_: Any, type_decoders: TypeDecodersSequence) -> Decoder | None:
    for predicate, decoder in type_decoders:
        try:
            matches = predicate(type_)
        except TypeError:  # `issubclass` of an annotation that is no class
            continue
        if matches:
            return decoder
    return None


def _decode(type_: Any, value: Any) -> Any:
    """Make an instance of a type that is built in here."""
    class_: Any = get_origin(type_) or type_
    if isinstance(value, class_):
        return value
    if (validator := getattr(type_, "__pydantic_validator__", None)) is not None:
        return validator.validate_python(value)
    if isinstance(value, str):
        if issubclass(class_, SecretBytes):
            return class_(value.encode())
        if hasattr(class_, "__fspath__"):
            if "\0" in value:
                raise ValueError("Expected a path, which holds no NUL")
            return class_(value)
        if issubclass(class_, _FROM_TEXT):
            return class_(value)
    raise TypeError(f"Expected `{class_.__name__}`, got `{type(value).__name__}`")
