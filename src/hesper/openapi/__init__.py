"""The OpenAPI document of an app: what it says, and where it is served.

The names here are loaded when they are first asked for, as most processes never ask for a document.
Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "OpenAPIConfig": "hesper.openapi.config",
    "ResponseSpec": "hesper._openapi",
    "openapi_schema": "hesper.openapi.document",
    "write_schema": "hesper.openapi.document",
}

__all__ = tuple(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy(globals(), _HOME)
