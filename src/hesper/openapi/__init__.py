"""The OpenAPI document of an app: what it says, and where it is served.

The names here are loaded when they are first asked for, as most processes never ask for a document.
Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

import importlib
from typing import Final

_HOME: Final = {
    "OpenAPIConfig": "hesper.openapi.config",
    "ResponseSpec": "hesper._openapi",
    "openapi_schema": "hesper.openapi.document",
    "write_schema": "hesper.openapi.document",
}

__all__ = tuple(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'hesper.openapi' has no attribute {name!r}") from None
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
