"""The way from a lifespan to the clients of it, which stand on a higher floor.

They need an optional library, so they are loaded when they are first asked for. Type checkers read
`clients.pyi`.
"""

from __future__ import annotations

import importlib
from typing import Final

_HOME: Final = {
    "AsyncTestClient": "hesper.testing.async_client",
    "ClientOptions": "hesper.testing.requests",
}


def __getattr__(name: str) -> object:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value: object = getattr(importlib.import_module(home), name)
    return value
