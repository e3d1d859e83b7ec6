"""The way from a lifespan to the clients of it, which stand on a higher floor.

They need an optional library, so they are loaded when they are first asked for. Type checkers read
`clients.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "AsyncTestClient": "hesper.testing.async_client",
    "ClientOptions": "hesper.testing.requests",
}

__getattr__ = lazy(__name__, _HOME)
