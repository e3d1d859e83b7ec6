"""Numbers that are not finite, refused in what was decoded: JSON has no way to write them.

* Types that can hold no such number are not looked into; of others, only the fields that can.
* What a class says itself is its own business: a field's default passes, and so do pydantic's
  fields for which `allow_inf_nan=True` is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, get_origin

import msgspec
from msgspec import inspect as kinds  # which msgspec itself has imported already

from hesper._faults import joined
from hesper._type_survey import parts_of, walk

_WITH_FIELDS: Final = (kinds.StructType, kinds.DataclassType, kinds.NamedTupleType)
_NUMBERS_OF_PYDANTIC: Final = ("float", "decimal", "complex")


class _Field(NamedTuple):
    """A field that may hold a number; it lives as long as the check."""

    name: str
    shown: str
    default: object = msgspec.NODEFAULT
    factory: Any = msgspec.NODEFAULT

    def is_default(self, value: object) -> bool:
        """Tell whether a value, which is refused otherwise, is what the class says itself."""
        if value is self.default:
            return True
        return self.factory is not msgspec.NODEFAULT and repr(self.factory()) == repr(value)


def finite_check(type_: Any, *, floats: bool) -> Callable[[Any], Any] | None:
    """Return what refuses numbers that are not finite, in values that msgspec has decoded.

    Args:
        type_: The annotation that they were decoded for.
        floats: Whether a float that is not finite can come: not from JSON numbers.

    Returns:
        A function that returns what it is given, or raises `msgspec.ValidationError`; its effort
        is linear in the size of the value. None if no value needs it.
    """
    parts = [part for part in parts_of(type_) if part is not None]
    if not any(_is_number(part, floats) for part in parts):
        return None
    fields: dict[type, tuple[_Field, ...]] = {}
    for part in parts:
        if isinstance(part, _WITH_FIELDS):
            class_ = get_origin(part.cls) or part.cls
            fields[class_] = (*fields.get(class_, ()), *_fields(part.fields, floats))
    models = any(
        isinstance(part, kinds.CustomType) and hasattr(part.cls, "__pydantic_validator__")
        for part in parts
    )
    return _Check(fields, models=models)


def finite_model_check(schema: object) -> Callable[[Any], Any] | None:
    """Return what refuses numbers that are not finite, in values that pydantic has validated.

    Args:
        schema: The core schema that they were validated by.

    Returns:
        As `finite_check`.
    """
    return _Check({}, models=True) if _has_number(schema, set()) else None


class _Check:
    """A walk over decoded values; lives as long as their decoder."""

    __slots__ = ("__weakref__", "_fields", "_models")

    def __init__(self, fields: Mapping[type, tuple[_Field, ...]], *, models: bool) -> None:
        self._fields = dict(fields)
        self._models = models

    def __call__(self, value: Any) -> Any:
        """Return *value* if all numbers in it are finite."""
        place = self._place(value)
        if place is not None:
            where = place if not place or place.startswith("[") else f".{place}"
            at = f" - at `${where}`" if place else ""
            raise msgspec.ValidationError(f"Expected a finite number{at}")
        return value

    def _place(self, value: Any) -> str | None:
        """Return the path of the first number that is not finite, if there is any."""
        kind = type(value)
        if kind is float:
            return None if math.isfinite(value) else ""
        if kind is Decimal:  # not `math.isfinite`, which a signalling NaN makes raise
            return None if value.is_finite() else ""
        if kind in (list, tuple, set, frozenset):
            for index, member in enumerate(value):
                if (inner := self._place(member)) is not None:
                    return _below(joined("", index), inner)
        elif kind is dict:
            for key, member in value.items():
                if type(key) is not str and self._place(key) is not None:
                    return ""
                if (inner := self._place(member)) is not None:
                    return _below(joined("", key), inner)
        else:
            return self._place_in_fields(value, kind)
        return None

    def _place_in_fields(self, value: Any, kind: type) -> str | None:
        fields = self._fields.get(kind)
        if fields is None:
            if not self._models:
                return None
            fields = self._fields[kind] = tuple(_model_fields(kind))
        given = getattr(value, "__pydantic_fields_set__", None)
        for field in fields:
            if given is not None and field.name not in given:
                continue
            member = getattr(value, field.name, None)
            inner = self._place(member)
            if inner is not None and not field.is_default(member):
                return _below(field.shown, inner)
        return None


def _below(path: str, inner: str) -> str:
    return path + inner if not inner or inner.startswith("[") else f"{path}.{inner}"


def _is_number(part: object, floats: bool) -> bool:
    if isinstance(part, kinds.DictType):  # whose keys are text in JSON
        return any(isinstance(key, kinds.FloatType) for key in walk(part.key_type))
    if isinstance(part, kinds.CustomType):
        return _has_number(getattr(part.cls, "__pydantic_core_schema__", None), set())
    return isinstance(part, kinds.DecimalType) or (floats and isinstance(part, kinds.FloatType))


def _fields(fields: Iterable[kinds.Field], floats: bool) -> Iterable[_Field]:
    for field in fields:
        if any(_is_number(part, floats) for part in walk(field.type)):
            yield _Field(field.name, field.encode_name, field.default, field.default_factory)


def _has_number(schema: object, seen: set[int]) -> bool:
    """Tell whether a part of pydantic's core schema is one of a number that may not be finite."""
    if id(schema) in seen:
        return False
    seen.add(id(schema))
    if isinstance(schema, Mapping):
        if not isinstance(schema, dict):  # what stands for a schema that is not built yet
            return True
        return schema.get("type") in _NUMBERS_OF_PYDANTIC or any(
            _has_number(part, seen) for part in schema.values()
        )
    return isinstance(schema, (list, tuple)) and any(_has_number(part, seen) for part in schema)


def _model_fields(kind: Any) -> Iterable[_Field]:
    """Yield the fields of a class that pydantic made an instance of, with none for others."""
    config = getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", None)
    if (config or {}).get("allow_inf_nan"):
        return
    declared = getattr(kind, "__pydantic_fields__", None)
    if declared is None:
        declared = getattr(kind, "__dataclass_fields__", {})
    for name, field in declared.items():
        extras: Iterable[object] = getattr(field, "metadata", ())
        if not any(getattr(extra, "allow_inf_nan", None) for extra in extras):
            shown = getattr(field, "alias", None) or name
            yield _Field(name, shown, getattr(field, "default", msgspec.NODEFAULT))
