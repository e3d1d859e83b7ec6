"""Plain values as YAML 1.2: blocks, with all text in double quotes but for simple keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from hesper.serialization import encode_json

_SIMPLE_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NOT_SIMPLE: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
# What JSON may hold as it is and YAML may not (YAML 1.2, section 5.1).
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def yaml_of(value: object) -> str:
    """Return *value* as a document.

    Args:
        value: Mappings with text for keys, lists, text, numbers, booleans and `None`.
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _entry(f"{_key(key)}:", inner)
    elif isinstance(value, list) and value:
        for inner in value:
            head, *rest = _lines(inner)
            yield f"- {head}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _entry(head: str, inner: Any) -> Iterator[str]:
    if isinstance(inner, (dict, list)) and inner:
        yield head
        yield from (f"  {line}" for line in _lines(inner))
    else:
        yield f"{head} {_scalar(inner)}"


def _key(key: str) -> str:
    simple = _SIMPLE_KEY.fullmatch(key) and key.lower() not in _NOT_SIMPLE
    return key if simple else _scalar(key)


def _scalar(value: object) -> str:
    text = encode_json(value).decode()
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
