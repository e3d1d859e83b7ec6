"""Turn the name of a handler and values for its parameters back into a path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Final
from urllib.parse import quote

from hesper._plan.path import TYPES, PathParameterSegment, PathTemplate
from hesper._plan.path_values import CONVERTERS
from hesper.exceptions import NoRouteMatchFoundException
from hesper.serialization import DECODE_ERRORS, decode_json, encode_json


def reverse_path(name: str, paths: Iterable[PathTemplate], values: Mapping[str, Any]) -> str:
    """Return the first of *paths* whose parameters are exactly *values*, filled with them.

    Args:
        name: The handler's name, for the message.
        paths: The handler's paths.
        values: The values of the parameters; values of their types or text that reads as one.

    Returns:
        The path, percent-encoded (RFC 3986, section 3.3).

    Raises:
        NoRouteMatchFoundException: No path takes these parameters, or the path would not lead to
            a value again.
    """
    known = list(paths)
    for path in known:
        if {segment.name for segment in path.parameters} == values.keys():
            return "/" + "/".join(
                quote(segment, safe="~!$&'()*+,;=:@")
                if isinstance(segment, str)
                else _filled(segment, values[segment.name], name)
                for segment in path.segments
            )
    shown = ", ".join(map(str, known))
    given = ", ".join(values) or "no parameters"
    raise NoRouteMatchFoundException(f"{name!r} has {shown}, which does not go with {given}")


def _filled(segment: PathParameterSegment, value: Any, name: str) -> str:
    if isinstance(value, Enum):
        value = value.value
    try:
        if not _is(segment.kind, value):
            raise ValueError(f"it is of type {type(value).__name__}")
        text = _text(value)
        if segment.kind == "path":
            parts = text.strip("/").split("/")
            _check_parts(parts)
            return "/".join(quote(part, safe="") for part in parts)
        if "/" in text:
            raise ValueError("it has a slash")
        _check_parts([text])
        if segment.kind != "str":
            CONVERTERS[segment.kind](text)
        return quote(text, safe="")
    except DECODE_ERRORS as error:
        raise NoRouteMatchFoundException(
            f"{name!r} takes {segment.name!r} as {segment.kind}, not {value!r}: {error}"
        ) from None


def _is(kind: str, value: Any) -> bool:
    """Whether *value* is of the type that stands for *kind*, or text."""
    wanted = TYPES[kind]
    # By inheritance True is an int, and each datetime is a date.
    if isinstance(value, bool) or (kind == "date" and isinstance(value, datetime)):
        return False
    if isinstance(value, str):
        return True
    return isinstance(value, _ALSO.get(wanted, wanted))


def _check_parts(parts: list[str]) -> None:
    if "" in parts:
        raise ValueError("it is empty, or a part of it is")
    if "." in parts or ".." in parts:
        raise ValueError("clients remove such segments: RFC 3986, section 5.2.4")


def _text(value: Any) -> str:
    if isinstance(value, (date, time, timedelta)):
        return str(decode_json(encode_json(value)))
    return value.as_posix() if isinstance(value, PurePath) else str(value)


_ALSO: Final[Mapping[type, tuple[type, ...]]] = {
    float: (float, int),
    Decimal: (Decimal, int),
    Path: (PurePath,),
}
