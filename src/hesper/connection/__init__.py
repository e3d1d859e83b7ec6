"""Connections: HTTP requests and websockets.

The names here are loaded when they are first asked for. Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "ASGIConnection": "hesper.connection.connection",
    "ClientDisconnect": "hesper.connection.request",
    "Request": "hesper.connection.request",
    "WebSocket": "hesper.connection.websocket",
}

__all__ = tuple(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy(globals(), _HOME)
