"""Where something is declared: the file and the line.

A place is taken when the declaration is made, as two plain values: a frame would keep alive
whatever its function knows.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Place: TypeAlias = tuple[str, int]
"""A file, as its code names it, and a line in it."""

# What makes a layer on behalf of the code that declares it.
_GO_BETWEENS: Final = frozenset({"abc", "dataclasses", "hesper"})
_CONSTRUCTORS: Final = frozenset({"__new__", "__init_subclass__"})


def place_of_caller() -> Place:
    """Return the line of the user's code that makes the object under construction."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_name in _CONSTRUCTORS
        or str(frame.f_globals.get("__name__")).partition(".")[0] in _GO_BETWEENS
    ):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def place_of(declared: Callable[..., Any]) -> Place | None:
    """Return where a function or a class is written; `None` if it is not written in Python."""
    while isinstance(declared, functools.partial):
        declared = declared.func
    if isinstance(declared, type):
        return _place_of_class(declared)
    function = inspect.unwrap(declared)
    if not inspect.isroutine(function):
        function = type(function).__call__
    code = getattr(function, "__code__", None)
    return None if code is None else (code.co_filename, code.co_firstlineno)


def _place_of_class(declared: type) -> Place | None:
    try:
        file = inspect.getsourcefile(declared)
        line = inspect.getsourcelines(declared)[1]
    except (OSError, TypeError):  # its source is gone, or was never there
        return None
    return None if file is None else (file, line)
