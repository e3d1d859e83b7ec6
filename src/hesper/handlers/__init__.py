"""Route handlers and the decorators that declare them.

The names here are loaded when they are first asked for. Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "BaseRouteHandler": "hesper.handlers.handler",
    "HTTPRouteHandler": "hesper.handlers.http",
    "asgi": "hesper.handlers.whole",
    "delete": "hesper.handlers.http",
    "get": "hesper.handlers.http",
    "head": "hesper.handlers.http",
    "mount": "hesper.handlers.mounting",
    "patch": "hesper.handlers.http",
    "post": "hesper.handlers.http",
    "put": "hesper.handlers.http",
    "route": "hesper.handlers.several",
    "websocket": "hesper.handlers.whole",
}

__all__ = tuple(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy(globals(), _HOME)
