"""How values of options, functions and places are shown to a developer: short, and on one line."""

from __future__ import annotations

import contextlib
import functools
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hesper._middleware import DefineMiddleware
from hesper._place import Place
from hesper.datastructures.cookies import Cookie
from hesper.datastructures.response_header import ResponseHeader
from hesper.di import Provide
from hesper.lifetime import Lifetime

WIDTH: Final = 80
"""The columns that a page has."""

_LONGEST: Final = 200


_DEEPEST: Final = 3


def shown(value: object, depth: int = 0) -> str:
    """Return *value* as developers call it: a function by its name, a list by its items.

    Args:
        value: Any value, which may contain itself.
        depth: How many containers it is in.
    """
    if depth > _DEEPEST:
        return _plainly(value)
    if isinstance(value, Mapping):
        pairs = (f"{shown_key(key)}: {shown(item, depth + 1)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(shown(item, depth + 1) for item in value)}]"
    if isinstance(value, Provide):
        lasting = value.lifetime is not Lifetime.CALL
        return shown(value.dependency) + (f" ({value.lifetime.name})" if lasting else "")
    if isinstance(value, DefineMiddleware):
        return called(value.middleware)
    if isinstance(value, ResponseHeader):
        return "(documentation only)" if value.value is None else repr(value.value)
    if isinstance(value, Cookie):
        return repr(value.value)
    return called(value) if callable(value) else _plainly(value)


def shown_key(key: object) -> str:
    """Return the key of a mapping: a name, a class, a status code, or what tells cookies apart."""
    if isinstance(key, tuple):  # name, path and domain
        return str(key[0])
    return key.__qualname__ if isinstance(key, type) else str(key)


def called(function: object) -> str:
    """Return the name of a callable, without its module and the functions around it."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rpartition("<locals>.")[2]


def _plainly(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__qualname__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def shown_place(place: Place | None) -> str:
    """Return `file:line`, relative to the working directory where the file is below it."""
    if place is None:
        return "at an unknown place"
    file, line = place
    with contextlib.suppress(OSError, ValueError):  # elsewhere, or the working directory is gone
        file = str(Path(file).relative_to(Path.cwd()))
    return f"{file}:{line}"


def folded(text: str, first: str = "", rest: str = "  ") -> list[str]:
    """Return *text* in lines of at most `WIDTH` columns.

    Args:
        text: One line of any length.
        first: What the first line begins with.
        rest: What the others begin with.
    """
    # What cannot be seen, such as a terminal's control sequences, is spelled out.
    visible = "".join(c if c.isprintable() or c.isspace() else repr(c)[1:-1] for c in text)
    return textwrap.wrap(
        visible,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def columns(rows: list[tuple[str, str]], indent: str = "  ") -> list[str]:
    """Return *rows* in two columns; a text that does not fit begins on a line of its own."""
    lines: list[str] = []
    names = max((len(name) for name, _ in rows), default=0)
    names = min(names, WIDTH // 3)
    for name, text in rows:
        head = f"{indent}{name:{names}}  "
        if len(name) > names:
            lines += folded(name, indent, f"{indent}  ")
            head = f"{indent}{'':{names}}  "
        lines += folded(text, head, f"{indent}{'':{names}}  ")
    return lines
