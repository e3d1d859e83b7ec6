"""What a docstring says of an operation."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, Final

# Headings of sections for those who call the function in Python.
_SECTIONS: Final = re.compile(
    r"^(Args|Arguments|Parameters|Returns?|Yields?|Raises|Warns|Examples?|Notes?|See Also|Todo):?$"
)


def texts_of(function: Callable[..., Any]) -> tuple[str | None, str | None]:
    """Return the first paragraph of a docstring, in one line, and what follows up to its sections.

    Args:
        function: The function.
    """
    while isinstance(function, functools.partial):  # whose own docstring is about partials
        function = function.func
    text = getattr(function, "__doc__", None)
    if not isinstance(text, str):
        return None, None
    lines: list[str] = []
    for line in inspect.cleandoc(text).splitlines():
        if _SECTIONS.match(line):
            break
        lines.append(line.rstrip())
    first, _, rest = "\n".join(lines).strip().partition("\n\n")
    summary = " ".join(first.split()).removesuffix(".")
    return summary or None, rest.strip() or None
