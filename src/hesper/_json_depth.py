"""How deeply JSON text and plain values are nested, told in linear time.

msgspec stops at the interpreter's recursion limit only, which is too deep for whatever handles
the value afterwards on a deeper stack.
"""

from __future__ import annotations

from itertools import accumulate, chain
from typing import Any, Final

import msgspec

MAX_JSON_DEPTH: Final = 100
"""As many arrays and objects may be nested in a value received, be it JSON or MessagePack."""

_STEPS: Final = bytes(1 if byte in b"[{" else 255 for byte in range(256))  # 255 is -1, signed
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_PASSES: Final = 4


def refuse_deep_json(raw: bytes) -> None:
    """Refuse JSON text that is nested deeper than `MAX_JSON_DEPTH`.

    Text that is not JSON may be refused or not: decoding it fails anyway.

    Args:
        raw: The text.

    Raises:
        msgspec.DecodeError: It is nested too deeply.
    """
    if raw.count(b"[") + raw.count(b"{") > MAX_JSON_DEPTH and _is_deep(raw):
        raise msgspec.DecodeError(_TOO_DEEP)


def refuse_deep_value(value: Any) -> None:
    """Refuse plain lists and dicts that are nested deeper than `MAX_JSON_DEPTH`.

    Args:
        value: What was decoded without a type.

    Raises:
        msgspec.DecodeError: It is nested too deeply.
    """
    containers = [value]
    for _ in range(MAX_JSON_DEPTH):
        inside = chain.from_iterable(
            container.values() if isinstance(container, dict) else container
            for container in containers
            if isinstance(container, (dict, list))
        )
        containers = [value for value in inside if isinstance(value, (dict, list))]
        if not containers:
            return
    raise msgspec.DecodeError(_TOO_DEEP)


_TOO_DEEP: Final = f"Nested too deeply: more than {MAX_JSON_DEPTH} levels"


def _is_deep(raw: bytes) -> bool:
    brackets = _outside_strings(raw).translate(None, _NOT_BRACKETS)
    # PERF: what people send is shallow: a few passes that drop innermost pairs, two levels
    # each, leave too little of it to be deep.
    left = brackets
    for _ in range(_PASSES):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    if len(left) // 2 + 2 * _PASSES <= MAX_JSON_DEPTH:
        return False
    steps = memoryview(brackets.translate(_STEPS)).cast("b")
    return max(accumulate(steps), default=0) > MAX_JSON_DEPTH


def _outside_strings(raw: bytes) -> bytes:
    if b"\\" in raw:
        # In this order: a backslash escapes the next character only where no other escapes it.
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(raw.split(b'"')[::2])
