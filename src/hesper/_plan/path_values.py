"""What the text of a path parameter becomes: read alike to match a path and to make one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isinf
from typing import Any, Final

import msgspec

from hesper._plan.path import TYPES
from hesper.serialization import converter

# RFC 8259, section 6: one way to write a number, so that a path has one name.
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

_decode_integer: Final = msgspec.json.Decoder(int).decode
_NOT_A_NUMBER: Final = "Expected a finite number, written as in JSON"


def _integer(text: str) -> int:
    # PERF: the decoder of a number is quicker than `int`, and takes it as JSON writes it; but
    # blanks around it, and floats that are integers, too.
    if (text[1:] if text[0] == "-" else text).isdigit():
        return _decode_integer(text)
    raise ValueError("Expected `int`, written as in JSON")


def _number(text: str) -> str:
    """Return *text* if it is a number written as in JSON."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(_NOT_A_NUMBER)
    return text


def _float(text: str) -> float:
    number = float(_number(text))
    if isinf(number):
        raise ValueError(_NOT_A_NUMBER)
    return number


CONVERTERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "int": _integer,
    "float": _float,
    "decimal": lambda text: Decimal(_number(text)),
    **{kind: converter(TYPES[kind], ()) for kind in ("uuid", "date", "datetime", "time")},
    "timedelta": converter(TYPES["timedelta"], ()),
}
"""By kind, but for `str` and `path`, which any text is; each raises one of `DECODE_ERRORS`."""
