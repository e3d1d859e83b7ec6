"""What a handler's return annotation says about its response, as far as start-up can know."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import GenericAlias
from typing import Any, Final, TypeVar, get_origin

from hesper._signature import MISSING, members


class Result(enum.Enum):
    """The kind of value a handler returns."""

    NOTHING = "nothing"
    """`None`."""
    TEXT = "text"
    """`str`."""
    RAW = "raw"
    """`bytes`."""
    DATA = "data"
    """A value to encode."""
    UNKNOWN = "unknown"
    """A response, an ASGI app, or whatever turns up."""

    __hash__ = object.__hash__  # PERF: as for `Source`


_PLAIN: Final[Mapping[type, Result]] = {
    type(None): Result.NOTHING,
    str: Result.TEXT,
    bytes: Result.RAW,
    **dict.fromkeys((bool, int, float, list, dict), Result.DATA),
}


def result_of(returns: Any) -> Result:
    """Return the kind of value that the return annotation *returns* stands for."""
    if returns is MISSING:
        return Result.UNKNOWN
    plain = returns.__origin__ if type(returns) is GenericAlias else returns
    if type(plain) is type and plain in _PLAIN:  # PERF: as most handlers say
        return _PLAIN[plain]
    kinds = {_kind(member) for member in members(returns)}
    if len(kinds) == 1:
        return kinds.pop()
    return Result.UNKNOWN if Result.UNKNOWN in kinds or Result.RAW in kinds else Result.DATA


def _kind(annotation: Any) -> Result:
    if annotation is None or annotation is type(None):
        return Result.NOTHING
    if annotation in (Any, object) or isinstance(annotation, (TypeVar, str)):
        return Result.UNKNOWN
    origin = get_origin(annotation) or annotation
    if not isinstance(origin, type):
        # Literal and other special forms name plain values.
        return Result.DATA
    if issubclass(origin, str):
        return Result.TEXT
    if issubclass(origin, (bytes, bytearray, memoryview)):
        return Result.RAW
    # Responses and other ASGI apps are callable, and so is whatever might turn out to be one.
    return Result.UNKNOWN if _has_callable_instances(origin) else Result.DATA


def _has_callable_instances(kind: type) -> bool:
    # Of the class itself `hasattr` would say so always, for it can be called, too.
    return any("__call__" in vars(base) for base in kind.__mro__)
