"""Read a path template: `/books/{isbn:str}/copies/{number:int}`.

A parameter is a whole segment and has a type. A template has no empty segments and no trailing
slash; `/` alone is the root.
"""

from __future__ import annotations

import functools
import keyword
import re
import sys
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import unquote
from uuid import UUID

import msgspec

TYPES: Final[Mapping[str, type]] = {
    "int": int,
    "float": float,
    "decimal": Decimal,
    "uuid": UUID,
    "date": date,
    "datetime": datetime,
    "time": time,
    "timedelta": timedelta,
    "str": str,
    "path": Path,
}
"""What each type of a path parameter becomes; the order in which alternatives are tried."""

_PARAMETER: Final = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_ORDINARY: Final = re.compile(r"[\w.~-]+", re.ASCII)
"""What nothing is wrong with in a segment that is no parameter."""

_ENCODED: Final = re.compile("%[0-9A-Fa-f]{2}")


class PathParameterSegment(msgspec.Struct, frozen=True):
    """A segment of a template that takes a value."""

    name: str
    kind: str
    """A key of `TYPES`."""

    def __str__(self) -> str:
        return f"{{{self.name}:{self.kind}}}"


class PathTemplate(msgspec.Struct, frozen=True):
    """A path of a route, parsed."""

    segments: tuple[str | PathParameterSegment, ...]
    parameters: tuple[PathParameterSegment, ...]
    """Those of the segments that are one, in order."""

    def kind_of(self, name: str) -> str | None:
        """Return the kind of the parameter called *name*; `None` if there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter.kind
        return None

    def __str__(self) -> str:
        return "/" + "/".join(map(str, self.segments))


ROOT: Final = PathTemplate((), ())
"""The path of an application itself."""


class BadPath(ValueError):  # noqa: N818 - a reason, turned into a ConfigurationError
    """A template that cannot be read; the message says why and what to write."""


def join_paths(*paths: str) -> str:
    """Join the paths of layers: one slash between segments, none at the end."""
    return "/" + "/".join([part for path in paths for part in path.split("/") if part])


def parse_path(*paths: str) -> PathTemplate:
    """Parse the paths of layers, joined.

    Raises:
        BadPath: A parameter is malformed, has an unknown type or is declared twice, a `path`
            parameter is not the last segment, or a segment is not a decoded one.
    """
    parts = [part for path in paths for part in path.split("/") if part]
    segments = tuple([_segment(part) for part in parts])
    parameters = tuple([one for one in segments if isinstance(one, PathParameterSegment)])
    names: set[str] = set()
    for parameter in parameters:
        if parameter.name in names:
            raise BadPath(
                f"the parameter {parameter.name!r} stands twice in {join_paths(*paths)}; rename one"
            )
        names.add(parameter.name)
        if parameter.kind == "path" and segments.index(parameter) < len(segments) - 1:
            raise BadPath(
                f"{parameter} takes all the rest of a path, so it must be the last segment of "
                f"{join_paths(*paths)}"
            )
    return PathTemplate(segments, parameters)


def _segment(part: str) -> str | PathParameterSegment:
    if _ORDINARY.fullmatch(part):
        # PERF: the same few words stand in many paths. Only a `str` itself can be interned.
        return sys.intern(str.__str__(part))
    if "{" not in part and "}" not in part:
        _check_plain(part)
        return part
    return _parameter(part)


@functools.lru_cache(maxsize=1024)
def _parameter(part: str) -> PathParameterSegment:
    """Return the parameter that is written as *part*; most are written in many paths."""
    match = _PARAMETER.fullmatch(part)
    if match is None:
        raise BadPath(f"{part!r} is not a parameter: one is a whole segment, such as {{name:str}}")
    name, kind = match[1].strip(), (match[2] or "").strip()
    if not name.isidentifier() or keyword.iskeyword(name):
        raise BadPath(f"{part!r} has no name that a function's argument can have")
    if kind not in TYPES:
        known = ", ".join(TYPES)
        found = f"unknown type {kind!r}" if kind else "no type"
        raise BadPath(f"{part!r} has {found}; write {{{name}:str}} or one of {known}")
    return PathParameterSegment(name, kind)


def _check_plain(part: str) -> None:
    """Refuse what a client can hardly send, and what was meant to be something else."""
    if "?" in part or "#" in part:
        raise BadPath(
            f"{part!r} has a query or a fragment, which are no part of a path; "
            "take query parameters as arguments"
        )
    if _ENCODED.search(part):
        raise BadPath(
            f"{part!r} is percent-encoded, but paths are matched decoded; write {unquote(part)!r}"
        )
    if not part.isprintable():
        raise BadPath(f"{part!r} has characters that cannot be seen")
