"""Hesper: an ASGI framework in which every object has an owner and an end.

The names here are loaded when they are first asked for, so that `hesper.loop_local` and
`hesper.registry` can be used without the framework. Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "Controller": "hesper.controller",
    "Extend": "hesper._merge",
    "Hesper": "hesper.app",
    "Lifespan": "hesper.lifespan.lifespan",
    "Lifetime": "hesper.lifetime",
    "MediaType": "hesper.enums",
    "Provide": "hesper.di",
    "Replace": "hesper._merge",
    "Request": "hesper.connection.request",
    "Response": "hesper.response.response",
    "Router": "hesper.router",
    "WebSocket": "hesper.connection.websocket",
    "asgi": "hesper.handlers.whole",
    "delete": "hesper.handlers.http",
    "get": "hesper.handlers.http",
    "head": "hesper.handlers.http",
    "live": "hesper.registry",
    "mount": "hesper.handlers.mounting",
    "patch": "hesper.handlers.http",
    "post": "hesper.handlers.http",
    "put": "hesper.handlers.http",
    "route": "hesper.handlers.several",
    "websocket": "hesper.handlers.whole",
}

__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy(globals(), _HOME)
