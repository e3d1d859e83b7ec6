"""What an annotation is made of: which classes, how deep, and what can be decoded and hashed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from msgspec import inspect as kinds  # which msgspec itself has imported already

from hesper._conversions import can_decode
from hesper._types import TypeDecodersSequence
from hesper.exceptions import ImproperlyConfiguredException

_SETS: Final = (kinds.SetType, kinds.FrozenSetType)

_HASHABLE: Final = (
    *(kinds.NoneType, kinds.BoolType, kinds.IntType, kinds.FloatType, kinds.DecimalType),
    *(kinds.StrType, kinds.BytesType, kinds.UUIDType, kinds.EnumType, kinds.LiteralType),
    *(kinds.DateTimeType, kinds.DateType, kinds.TimeType, kinds.TimeDeltaType),
    kinds.FrozenSetType,
)

_UNHASHABLE: Final = (
    *(kinds.ListType, kinds.SetType, kinds.DictType, kinds.TypedDictType, kinds.ByteArrayType),
)


def leaves(type_: Any) -> Iterator[Any]:
    """Yield the innermost arguments of an annotation: of `list[int | str]`, `int` and `str`.

    Args:
        type_: The annotation.
    """
    arguments = get_args(type_)
    if not arguments:
        yield type_
    elif get_origin(type_) is Annotated:
        yield from leaves(arguments[0])
    else:
        for argument in arguments:
            yield from leaves(argument)


def is_pydantic(type_: Any) -> bool:
    """Tell whether pydantic is to decode an annotation: it mentions a model or dataclass of its.

    Where it mentions a msgspec struct too, msgspec decodes it, and asks pydantic for the models.

    Args:
        type_: The annotation.
    """
    found = list(leaves(type_))
    return any(hasattr(leaf, "__pydantic_validator__") for leaf in found) and not any(
        isinstance(leaf, type) and issubclass(leaf, msgspec.Struct) for leaf in found
    )


def survey(type_: Any, type_decoders: TypeDecodersSequence | None) -> bool:
    """Check that msgspec can decode an annotation, and tell whether its values end somewhere.

    Args:
        type_: The annotation.
        type_decoders: The user's decoders; None lets every class pass, for values that may be
            instances already.

    Returns:
        Whether no value of it can be nested without bound.

    Raises:
        ImproperlyConfiguredException: msgspec cannot decode it, or a class in it.
    """
    try:
        msgspec.json.Decoder(type_)
        parts = parts_of(type_)
    except (TypeError, NameError, ValueError) as error:
        raise ImproperlyConfiguredException(f"{type_!r} cannot be decoded: {error}") from error
    bounded = True
    for part in parts:
        if isinstance(part, kinds.CustomType):
            bounded = False
            if type_decoders is not None and not can_decode(part.cls, type_decoders):
                raise ImproperlyConfiguredException(
                    f"{part.cls!r}, met in {type_!r}, cannot be decoded: it is not known how; "
                    "add a pair of a predicate and a decoder to type_decoders"
                )
        elif part is None or isinstance(part, kinds.AnyType):
            bounded = False
        elif isinstance(part, _SETS) and _never_hashes(part.item_type, set()):
            raise ImproperlyConfiguredException(
                f"a set in {type_!r} can never hold anything, as its items cannot be hashed: "
                "make their class frozen, or use a list"
            )
    return bounded


def parts_of(type_: Any) -> list[kinds.Type | kinds.Field | None]:
    """Return msgspec's description of an annotation and of all inside it, of each once.

    Args:
        type_: An annotation that msgspec can decode.

    Returns:
        The descriptions, with None wherever a type holds itself.
    """
    return list(walk(kinds.type_info(type_)))


def walk(info: msgspec.Struct) -> Iterator[Any]:
    """Yield a description and all inside it, of each once, with None where one holds itself.

    Args:
        info: The description.
    """
    return _parts(info, [], set())


def may_meet_unhashable_items(type_: Any) -> bool:
    """Tell whether a value that is sent for an annotation may have items in a set that do not hash.

    Args:
        type_: An annotation that msgspec can decode.
    """
    return any(
        isinstance(part, _SETS) and not _always_hashes(part.item_type) for part in parts_of(type_)
    )


def _always_hashes(info: kinds.Type) -> bool:
    if isinstance(info, kinds.Metadata):
        return _always_hashes(info.type)
    if isinstance(info, kinds.UnionType):
        return all(map(_always_hashes, info.types))
    if isinstance(info, kinds.TupleType):
        return all(map(_always_hashes, info.item_types))
    if isinstance(info, kinds.VarTupleType):
        return _always_hashes(info.item_type)
    return isinstance(info, _HASHABLE)


def _never_hashes(info: kinds.Type, seen: set[int]) -> bool:
    if id(info) in seen:
        return False
    seen.add(id(info))
    if isinstance(info, kinds.Metadata):
        return _never_hashes(info.type, seen)
    if isinstance(info, kinds.UnionType):
        return all(_never_hashes(member, seen) for member in info.types)
    if isinstance(info, kinds.TupleType):
        return any(_never_hashes(member, seen) for member in info.item_types)
    if isinstance(info, kinds.StructType) and (class_ := _class(info)) is not None:
        if class_.__hash__ is not msgspec.Struct.__hash__ or not class_.__struct_config__.eq:
            return class_.__hash__ is None
        frozen = class_.__struct_config__.frozen
        return not frozen or any(_never_hashes(field.type, seen) for field in info.fields)
    if isinstance(info, kinds.DataclassType):
        return getattr(_class(info), "__hash__", None) is None
    return isinstance(info, _UNHASHABLE)


def _class(info: kinds.StructType | kinds.DataclassType) -> Any:
    return get_origin(info.cls) or info.cls


def _parts(info: msgspec.Struct, above: list[int], seen: set[int]) -> Iterator[Any]:
    """Yield a type's description and all inside it, with None wherever a type holds itself."""
    if id(info) in above:
        yield None
    if id(info) in seen:
        return
    seen.add(id(info))
    yield info
    for name in info.__struct_fields__:
        value = getattr(info, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, msgspec.Struct):
                yield from _parts(part, [*above, id(info)], seen)
