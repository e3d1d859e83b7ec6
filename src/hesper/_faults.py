"""What was wrong with a value that could not be decoded, as data to show to whoever sent it.

* Every exception that a hostile value may raise while it is decoded is in `DECODE_ERRORS`.
* What is shown is bounded, and always text that can be encoded: it may quote the sender.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import msgspec

MAX_FAULTS: Final = 100
"""As many faults of one value are reported; the rest are left out."""

_MAX_SHOWN: Final = 200

DECODE_ERRORS: Final[tuple[type[Exception], ...]] = (
    msgspec.MsgspecError,
    ValueError,  # of decoders, of pydantic, and of undecodable bytes
    ArithmeticError,  # of decoders: `decimal.InvalidOperation`, `OverflowError`
    RecursionError,
)
"""Everything that a value may raise while it is decoded: the sender's mistake, never ours."""


class Fault(msgspec.Struct, frozen=True, weakref=True):
    """One thing that is wrong with a value.

    Attributes:
        message: What is wrong, bounded in length.
        path: Where inside the value, as `author.name` or `books[0].title`; empty for the value
            as a whole.
    """

    message: str
    path: str = ""


def fault_of(error: BaseException) -> list[Fault]:
    """Return what *error*, raised while a value was decoded, says is wrong with the value.

    Args:
        error: One of `DECODE_ERRORS`.

    Returns:
        At least one fault, and at most `MAX_FAULTS`.
    """
    if isinstance(error, msgspec.ValidationError):
        text, path = _split(str(error))
        cause = error.__cause__
        if cause is not None and _is_pydantic(cause):
            return _pydantic_faults(cause, path)
        return [Fault(shown(text), path)]
    if _is_pydantic(error):
        return _pydantic_faults(error, "")
    return [Fault(_described(error))]


def joined(path: str, part: object) -> str:
    """Return the path of a part of the value at *path*.

    Args:
        path: The path of the whole; empty for a value that is in no other.
        part: The name of a field, an index, or a key.
    """
    if isinstance(part, str) and part:
        return shown(f"{path}.{part}" if path else part)
    return shown(f"{path}[{part!r}]")


def below(path: str, inner: str) -> str:
    """Return the path of what is at *inner* in the value at *path*."""
    if not path or not inner or inner.startswith("["):
        return shown(path + inner)
    return shown(f"{path}.{inner}")


def shown(text: str) -> str:
    """Bound *text*, which may quote the sender, and make it encodable."""
    if len(text) > _MAX_SHOWN:
        text = text[: _MAX_SHOWN - 1] + "…"
    return text.encode("utf-8", "replace").decode()


def _described(error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"Invalid UTF-8: byte {error.start} cannot be decoded"
    if isinstance(error, RecursionError):
        return "Nested too deeply"
    return shown(str(error)) or "Invalid value"


def _split(text: str) -> tuple[str, str]:
    """Separate msgspec's message from the path at its end: "... - at `$.author.name`".

    What is said of a field that is missing or unknown belongs to the place of that field.
    """
    message, found, where = text.rpartition(" - at `")
    if not found:
        message, where = text, ""
    path = where.removesuffix("`").removeprefix("key` in `").removeprefix("$").removeprefix(".")
    for beginning in ("Object missing required field `", "Object contains unknown field `"):
        if message.startswith(beginning):
            return message, joined(path, message.removeprefix(beginning).removesuffix("`"))
    return message, shown(path)


def _is_pydantic(error: BaseException) -> bool:
    """Tell pydantic's validation errors, without importing pydantic."""
    kind = type(error)
    return kind.__name__ == "ValidationError" and kind.__module__.startswith("pydantic")


def _pydantic_faults(error: Any, prefix: str) -> list[Fault]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        Fault(shown(fault["msg"]), reduce(joined, fault["loc"], prefix))
        for fault in found[:MAX_FAULTS]
    ]
