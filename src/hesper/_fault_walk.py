"""Everything that is wrong inside a value, where msgspec names the first fault only.

* A value is walked against its type where it was refused, and nowhere else: what is accepted
  as a whole is not looked into.
* Whether a part is wrong is always msgspec's word: it is converted on its own. Where that
  cannot tell (`msgspec.Raw`, a union of which nothing selects the member) nothing is reported.
* The effort is linear in the size of the value: at each level that is looked into, a part is
  converted twice at most, and the longer the value, the fewer levels are: `_MAX_LEVELS` of a
  short one. What is nested deeper has one fault for each part at the last level.
* Hooks and `__post_init__` may be called again for the same part.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import GenericAlias
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, Union

import msgspec
from msgspec import inspect as kinds  # which msgspec itself has imported already

from hesper._faults import DECODE_ERRORS, MAX_FAULTS, Fault, below, fault_of, joined, shown

T = TypeVar("T")

Convert: TypeAlias = Callable[[Any, Any], object]
"""`(value, annotation) -> instance`; raises one of `DECODE_ERRORS` for what does not fit."""

_MAX_LEVELS: Final = 16
_MAX_EFFORT: Final = 4_000_000  # bytes of the value, times levels
_CHUNK: Final = 64

_UNTOLD: Final = ("Expected `raw", "Expected `ext`, got `datetime`")
"""What is said of values that may be right, but are no longer in the form they came in."""

_CONSTRAINTS: Final = (
    *("gt", "ge", "lt", "le", "multiple_of"),
    *("min_length", "max_length", "pattern", "tz"),
)

_SCALARS: Final[Mapping[type[kinds.Type], Any]] = {
    kinds.NoneType: None,
    kinds.BoolType: bool,
    kinds.IntType: int,
    kinds.FloatType: float,
    kinds.StrType: str,
    kinds.BytesType: bytes,
    kinds.ByteArrayType: bytearray,
    kinds.MemoryViewType: memoryview,
    kinds.DateTimeType: datetime.datetime,
    kinds.TimeType: datetime.time,
    kinds.DateType: datetime.date,
    kinds.TimeDeltaType: datetime.timedelta,
    kinds.UUIDType: uuid.UUID,
    kinds.DecimalType: decimal.Decimal,
}

_COLLECTIONS: Final[Mapping[type[kinds.Type], type]] = {
    kinds.ListType: list,
    kinds.SetType: set,
    kinds.FrozenSetType: frozenset,
}

_SETS: Final = (kinds.SetType, kinds.FrozenSetType)

_NAMED: Final = (
    *(kinds.EnumType, kinds.StructType, kinds.DataclassType),
    *(kinds.TypedDictType, kinds.NamedTupleType),
)


class FaultFinder:
    """Finds everything that is wrong with values of one type; lives as long as their decoder.

    Args:
        type_: The annotation that the values are to fit.
        convert: Refuses what is to be refused, of parts of a value too.
    """

    __slots__ = ("__weakref__", "_convert", "_info", "_type")

    def __init__(self, type_: Any, convert: Convert) -> None:
        self._type = type_
        self._convert = convert
        self._info: kinds.Type | None = None

    def find(self, value: object, error: BaseException, size: int = 1) -> list[Fault]:
        """Return what is wrong with a value that was refused, one fault for each place.

        Args:
            value: Plain lists, dicts and scalars.
            error: What it was refused with; says what is wrong where no place inside is found.
            size: How long it was when it came, in bytes.

        Returns:
            At least one fault, and at most `MAX_FAULTS`.
        """
        walk = _Walk(self._convert, min(_MAX_EFFORT // max(size, 1), _MAX_LEVELS))
        try:
            if self._info is None:  # kept, as msgspec leaves cycles behind whenever it tells
                self._info = kinds.type_info(self._type)
            walk.inside(value, self._info, "", 1)
        except Exception:  # a mistake in a hook must not hide the sender's
            return fault_of(error)
        return walk.faults[:MAX_FAULTS] or fault_of(error)


class _Walk:
    """A walk over one refused value; lives until its faults are taken."""

    __slots__ = ("__weakref__", "_convert", "_levels", "faults")

    def __init__(self, convert: Convert, levels: int) -> None:
        self._convert = convert
        self._levels = levels
        self.faults: list[Fault] = []

    def inside(self, value: Any, info: kinds.Type, path: str, level: int) -> None:
        """Collect what is wrong with the parts of a value that was refused as a whole."""
        kind = _member(value, info)
        if isinstance(value, dict):
            self._inside_object(value, kind, path, level)
        elif isinstance(value, list):
            self._inside_array(value, kind, path, level)

    def _inside_object(
        self, value: dict[Any, Any], kind: kinds.Type, path: str, level: int
    ) -> None:
        if isinstance(kind, kinds.DictType):
            self._judge_length(value, dict, kind, path)
            self._entries(value, kind, path, level)
        elif isinstance(kind, (kinds.DataclassType, kinds.TypedDictType)):
            self._fields(value, kind.fields, path, level)
        elif isinstance(kind, kinds.StructType) and _has_tag(value, kind):
            self._fields(value, kind.fields, path, level)
            if kind.forbid_unknown_fields:
                known = {kind.tag_field, *(field.encode_name for field in kind.fields)}
                self._unknown(value, known, path)

    def _inside_array(self, value: list[Any], kind: kinds.Type, path: str, level: int) -> None:
        if isinstance(kind, kinds.CollectionType):
            if not isinstance(kind, (kinds.SetType, kinds.FrozenSetType)):  # equals count once
                self._judge_length(value, list, kind, path)
            self._items(value, kind, path, level)
        elif isinstance(kind, kinds.TupleType):
            self._judge(value, GenericAlias(tuple, (Any,) * len(kind.item_types)), path)
            self._row(value, kind.item_types, path, level)
        elif isinstance(kind, kinds.NamedTupleType):
            self._length(value, _required(kind.fields), len(kind.fields), path)
            self._row(value, [field.type for field in kind.fields], path, level)
        elif isinstance(kind, kinds.StructType) and _has_tag(value, kind):
            tag = [] if kind.tag_field is None else [kinds.AnyType()]
            row = [*tag, *(field.type for field in kind.fields)]
            longest = len(row) if kind.forbid_unknown_fields else len(value)
            self._length(value, len(tag) + _required(kind.fields), longest, path)
            self._row(value, row, path, level)

    def _check(self, value: Any, info: kinds.Type, path: str, level: int) -> None:
        """Collect what is wrong with one part, and inside it."""
        try:
            self._convert(value, annotation(info))
        except DECODE_ERRORS as error:
            before = len(self.faults)
            if level < self._levels:
                self.inside(value, info, path, level + 1)
            if len(self.faults) == before:
                self._add(error, path)

    def _judge(self, value: Any, type_: Any, path: str) -> bool:
        """Collect what is wrong with one part itself, and tell whether it is right."""
        try:
            self._convert(value, type_)
        except DECODE_ERRORS as error:
            self._add(error, path)
            return False
        return True

    def _judge_length(self, value: Any, type_: type, kind: kinds.Type, path: str) -> None:
        constrained = _constrained(type_, kind)
        if constrained is not type_:
            self._judge(value, constrained, path)

    def _accepts(self, value: Any, type_: Any) -> bool:
        try:
            self._convert(value, type_)
        except DECODE_ERRORS:
            return False
        return True

    def _add(self, error: Exception, path: str) -> None:
        if not str(error).startswith(_UNTOLD):
            self.faults += [
                Fault(fault.message, below(path, fault.path)) for fault in fault_of(error)
            ]

    def _full(self) -> bool:
        return len(self.faults) >= MAX_FAULTS

    def _fields(
        self, value: dict[Any, Any], fields: Iterable[kinds.Field], path: str, level: int
    ) -> None:
        for field in fields:
            if self._full():
                return
            name = field.encode_name
            if name in value:
                self._check(value[name], field.type, joined(path, name), level)
            elif field.required:
                message = f"Object missing required field `{name}`"
                self.faults.append(Fault(message, joined(path, name)))

    def _unknown(self, value: dict[Any, Any], known: set[str | None], path: str) -> None:
        for name in value:
            if self._full():
                return
            if name not in known:
                message = f"Object contains unknown field `{name}`"
                self.faults.append(Fault(shown(message), joined(path, name)))

    def _entries(self, value: dict[Any, Any], kind: kinds.DictType, path: str, level: int) -> None:
        keys, members = annotation(kind.key_type), annotation(kind.value_type)
        whole, key_alone = GenericAlias(dict, (keys, members)), GenericAlias(dict, (keys, Any))
        for chunk in _chunks(value.items()):
            if self._full():
                return
            if len(chunk) > 1 and self._accepts(dict(chunk), whole):
                continue
            for key, member in chunk:
                inner = joined(path, key)
                if self._judge({key: None}, key_alone, inner):
                    self._check(member, kind.value_type, inner, level)

    def _items(self, value: list[Any], kind: kinds.CollectionType, path: str, level: int) -> None:
        item = kind.item_type
        several = _unconstrained(kind)  # for a set, one: its items have to be hashable
        for first, chunk in enumerate(_chunks(value)):
            if self._full():
                return
            if len(chunk) > 1 and self._accepts(chunk, several):
                continue
            for index, part in enumerate(chunk, first * _CHUNK):
                before = len(self.faults)
                self._check(part, item, joined(path, index), level)
                if len(self.faults) == before and isinstance(kind, _SETS):
                    self._judge([part], several, joined(path, index))

    def _row(self, value: list[Any], row: Iterable[kinds.Type], path: str, level: int) -> None:
        for index, (part, info) in enumerate(zip(value, row, strict=False)):
            if self._full():
                return
            self._check(part, info, joined(path, index), level)

    def _length(self, value: list[Any], shortest: int, longest: int, path: str) -> None:
        if len(value) < shortest:
            wanted = f"at least length {shortest}"
        elif len(value) > longest:
            wanted = f"at most length {longest}"
        else:
            return
        self.faults.append(Fault(f"Expected `array` of {wanted}, got {len(value)}", path))


def annotation(info: kinds.Type) -> Any:
    """Return the annotation that msgspec describes, as far as a part of it can be judged by it.

    Args:
        info: The description.

    Returns:
        An annotation with the same constraints; `Any` for what cannot be judged on its own.
    """
    if isinstance(info, kinds.Metadata):
        return annotation(info.type)
    if isinstance(info, kinds.UnionType):
        return Union[tuple(map(annotation, info.types))]  # noqa: UP007 - of any number
    if isinstance(info, kinds.LiteralType):
        return Literal[info.values]
    if isinstance(info, kinds.CustomType):
        return Any if _lost_arguments(info.cls) else info.cls
    if isinstance(info, _NAMED):
        return info.cls
    if isinstance(info, kinds.TupleType):
        return GenericAlias(tuple, tuple(map(annotation, info.item_types)))
    return _constrained(_unconstrained(info), info)


def _unconstrained(info: kinds.Type) -> Any:
    if isinstance(info, kinds.DictType):
        return GenericAlias(dict, (annotation(info.key_type), annotation(info.value_type)))
    if isinstance(info, kinds.VarTupleType):
        return GenericAlias(tuple, (annotation(info.item_type), ...))
    if isinstance(info, kinds.CollectionType):
        return GenericAlias(_COLLECTIONS[type(info)], (annotation(info.item_type),))
    return _SCALARS.get(type(info), Any)


def _constrained(type_: Any, info: kinds.Type) -> Any:
    constraints: dict[str, Any] = {
        name: value for name in _CONSTRAINTS if (value := getattr(info, name, None)) is not None
    }
    return Annotated[type_, msgspec.Meta(**constraints)] if constraints else type_


def _lost_arguments(cls: type) -> bool:
    """Tell a class that may have been asked for as `cls[...]`, which its description drops."""
    # A pydantic model with arguments is a class of its own.
    return hasattr(cls, "__class_getitem__") and not hasattr(cls, "__pydantic_validator__")


def _member(value: Any, info: kinds.Type) -> kinds.Type:
    """Return what a value was meant to be: of a union, the only member that it can be."""
    is_alike = _is_object if isinstance(value, dict) else _is_array
    members = [member for member in _members(info) if is_alike(member)]
    if len(members) > 1:  # of which each has a tag
        members = [
            member
            for member in members
            if isinstance(member, kinds.StructType) and _has_tag(value, member)
        ]
    return members[0] if len(members) == 1 else kinds.AnyType()


def _members(info: kinds.Type) -> Iterator[kinds.Type]:
    if isinstance(info, kinds.Metadata):
        yield from _members(info.type)
    elif isinstance(info, kinds.UnionType):
        for member in info.types:
            yield from _members(member)
    else:
        yield info


def _is_object(info: kinds.Type) -> bool:
    if isinstance(info, kinds.StructType):
        return not info.array_like
    return isinstance(info, (kinds.DictType, kinds.DataclassType, kinds.TypedDictType))


def _is_array(info: kinds.Type) -> bool:
    if isinstance(info, kinds.StructType):
        return info.array_like
    return isinstance(info, (kinds.CollectionType, kinds.TupleType, kinds.NamedTupleType))


def _has_tag(value: Any, struct: kinds.StructType) -> bool:
    """Tell whether a value does not claim to be of another struct than this."""
    if struct.tag_field is None:
        return True
    if isinstance(value, dict):
        found = value.get(struct.tag_field, struct.tag)
    else:
        found = value[0] if value else struct.tag
    return type(found) is type(struct.tag) and found == struct.tag


def _required(fields: Sequence[kinds.Field]) -> int:
    """Return how many fields an array must have to have all that are required."""
    return max((at for at, field in enumerate(fields, 1) if field.required), default=0)


def _chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the values in lists that are short enough to be looked at one by one."""
    rest = iter(values)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
