"""What an annotation says: which markers it carries, and whether text can hold its values."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec

from hesper._signature import is_union, members, unaliased, without_extras
from hesper._types import Empty, TypeDecodersSequence
from hesper.datastructures.secret_values import SecretBytes, SecretString
from hesper.params import Body, Constraints, Dependency, ParameterDeclaration, SkipValidationMarker

_MARKS: Final = (ParameterDeclaration, Body, Dependency, SkipValidationMarker)


class UnclearArgument(Exception):  # noqa: N818 - a reason, turned into a ConfigurationError
    """Nobody can tell where an argument comes from; the message says why and what to write."""


class Marks(msgspec.Struct, frozen=True):
    """The markers of one argument."""

    parameter: ParameterDeclaration | None = None
    body: Body | None = None
    dependency: Dependency | None = None
    skip_validation: bool = False


_UNMARKED: Final = Marks()


def marks_of(annotation: Any, where: str) -> Marks:
    """Return the markers that *annotation*, or an alternative of it, carries.

    Args:
        annotation: The annotation.
        where: How messages name the argument.

    Raises:
        UnclearArgument: Markers contradict each other, or stand where they say nothing.
    """
    if isinstance(annotation, type):  # PERF: nothing can be around a plain class
        return _UNMARKED
    found = list(_marks(annotation))
    for mark in found:
        if isinstance(mark, type):
            name = mark.__name__
            raise UnclearArgument(f"{where} has {name} without parentheses; write {name}(...)")
    nested = next(_nested_marks(annotation), None)
    if nested is not None:
        name = (nested if isinstance(nested, type) else type(nested)).__name__
        raise UnclearArgument(
            f"{where} has {name} inside another type, where it says nothing; write it around the "
            "whole, or give the items a msgspec.Meta(...)"
        )
    parameter, body, dependency = (
        _only([mark for mark in found if isinstance(mark, kind)], where)
        for kind in (ParameterDeclaration, Body, Dependency)
    )
    skip = any(isinstance(mark, SkipValidationMarker) for mark in found)
    return Marks(parameter, body, dependency, skip)


def _only(marks: Sequence[Any], where: str) -> Any:
    if len(marks) > 1:
        given = " and ".join(type(mark).__name__ for mark in marks)
        raise UnclearArgument(f"{where} has {given}; write one that says it all")
    return marks[0] if marks else None


def _marks(annotation: Any) -> Iterator[Any]:
    annotation = unaliased(annotation)
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        yield from _marks(inner)
        for extra in extras:
            if isinstance(extra, _MARKS) or (isinstance(extra, type) and issubclass(extra, _MARKS)):
                yield extra
    elif is_union(annotation):
        for member in get_args(annotation):
            yield from _marks(member)


def _nested_marks(annotation: Any) -> Iterator[Any]:
    """Yield the markers inside of lists and other types that have arguments."""
    annotation = unaliased(annotation)
    if get_origin(annotation) is Annotated:
        yield from _nested_marks(get_args(annotation)[0])
    elif is_union(annotation):
        for member in get_args(annotation):
            yield from _nested_marks(member)
    elif get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from _marks(inner)
            yield from _nested_marks(inner)


def declared_by(
    own: ParameterDeclaration | None, outer: ParameterDeclaration | None
) -> ParameterDeclaration | None:
    """Return what an argument's annotation and a layer declare of a parameter, field by field.

    Args:
        own: What the annotation says; each field that it sets wins, and so does its place.
        outer: What the layers' `parameters` say.
    """
    if own is None or outer is None:
        return own or outer
    shared = ParameterDeclaration.__struct_fields__
    fields = {name: getattr(own, name) for name in shared}
    said = {
        name: value for name, value in fields.items() if value is not None and value is not Empty
    }
    if own.source is None:
        return msgspec.structs.replace(outer, **said)
    added = {name: getattr(outer, name) for name in shared if name not in said}
    if own.alias is None and own.source is outer.source:
        added["name"] = outer.alias
    return msgspec.structs.replace(own, **added)


_NUMBERS: Final = (int, float)
_ORDER: Final = {rule: rule for rule in ("gt", "ge", "lt", "le", "multiple_of")}
_LENGTH: Final = {rule: rule for rule in ("min_length", "max_length", "pattern")}
_ITEMS: Final = {"min_items": "min_length", "max_items": "max_length"}


def constrained(annotation: Any, constraints: Constraints | None, where: str) -> Any:
    """Return *annotation* with *constraints* as msgspec spells them.

    Of a union, each alternative gets those that it can have.

    Raises:
        UnclearArgument: A constraint goes with none of the types, or is malformed.
    """
    if constraints is None:
        return annotation
    for rules, fits in ((_ORDER, _is_number), (_LENGTH, _is_text), (_ITEMS, is_sequence)):
        given = [name for name in rules if getattr(constraints, name) is not None]
        if not given:
            continue
        if not any(fits(without_extras(member)) for member in members(annotation)):
            raise UnclearArgument(
                f"{where} is {shown(annotation)}, which cannot have {' and '.join(given)}"
            )
        try:
            meta = msgspec.Meta(**{rules[name]: getattr(constraints, name) for name in given})
        except (TypeError, ValueError, re.error) as error:
            raise UnclearArgument(f"{where} has a constraint that cannot be: {error}") from None
        annotation = _with(annotation, meta, fits)
    return annotation


def _with(annotation: Any, meta: msgspec.Meta, fits: Any) -> Any:
    bare = without_extras(annotation)
    if not is_union(bare):
        return Annotated[annotation, meta]
    alternatives = [
        Annotated[member, meta] if fits(without_extras(member)) else member
        for member in get_args(bare)
    ]
    extras = _metadata(annotation)
    union: Any = Union[tuple(alternatives)]  # noqa: UP007 - made of values
    return Annotated[(union, *extras)] if extras else union


def _metadata(annotation: Any) -> tuple[Any, ...]:
    annotation = unaliased(annotation)
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _is_number(annotation: Any) -> bool:
    is_class = isinstance(annotation, type)
    return is_class and issubclass(annotation, _NUMBERS) and annotation is not bool


def _is_text(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, (str, bytes))


_SCALARS: Final = (
    str,
    int,
    float,
    bool,
    bytes,
    UUID,
    Decimal,
    date,
    datetime,
    time,
    timedelta,
    PurePath,
    type(None),
    enum.Enum,
    SecretString,
    SecretBytes,
)
_SEQUENCES: Final = (list, set, frozenset, tuple, Sequence)


def is_sequence(annotation: Any) -> bool:
    """Whether *annotation* is a list, set or other collection of values."""
    return (get_origin(annotation) or annotation) in _SEQUENCES


def fits_in_text(annotation: Any, type_decoders: TypeDecodersSequence) -> bool:
    """Whether a value of type *annotation* can be read from text."""
    bare = without_extras(annotation)
    if bare is Any or bare is object or get_origin(bare) is Literal:
        return True
    if is_union(bare):
        return all(fits_in_text(member, type_decoders) for member in get_args(bare))
    if is_sequence(bare):
        items = [item for item in get_args(bare) if item is not Ellipsis]
        return all(fits_in_text(item, type_decoders) for item in items)
    if not isinstance(bare, type):
        return False
    if issubclass(bare, _SCALARS) or any(accepts(bare) for accepts, _ in type_decoders):
        return True
    return bare.__module__ == "ipaddress"


_EXACT: Final = frozenset({int, float, bool, UUID, Decimal, date, datetime, time, timedelta})
_WIDER: Final[Mapping[type, frozenset[type]]] = {
    int: frozenset({float, Decimal, datetime, timedelta}),
    float: frozenset({int, Decimal, datetime, timedelta}),
    Decimal: frozenset({float}),
}


def fits_in_path(annotation: Any, kind: type) -> bool:
    """Whether what a path parameter becomes can be made what an argument wants.

    Args:
        annotation: The argument's annotation.
        kind: What the matcher makes of the segment.
    """
    if kind is str or annotation is kind:
        return True
    wider = _WIDER.get(kind, frozenset())
    return any(
        member is kind or member not in _EXACT or member in wider
        for member in members(annotation)
        if member is not type(None)
    )


def forms_of(annotation: Any) -> Iterator[Any]:
    """Yield a type as it is written, then without each thing around it, the outermost first.

    So an alias, a `NewType` or what is `Annotated` may be meant itself, or what it stands for.
    """
    yield annotation
    inner = unaliased(annotation)
    if get_origin(inner) is Annotated:
        inner = get_args(inner)[0]
    elif hasattr(inner, "__supertype__"):
        inner = inner.__supertype__
    if inner is not annotation:
        yield from forms_of(inner)
    elif (bare := without_extras(annotation)) is not annotation:
        yield bare


def shown(annotation: Any) -> str:
    """Return how messages show a type: without the markers that tell where it comes from."""
    bare = without_extras(annotation)
    if is_union(bare):
        return " | ".join(map(shown, get_args(bare)))
    if bare is type(None):
        return "None"
    return bare.__qualname__ if isinstance(bare, type) and not get_args(bare) else str(bare)
