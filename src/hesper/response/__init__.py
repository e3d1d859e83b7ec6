"""Responses: what a handler says about its answer, and what sends it.

The names here are loaded when they are first asked for. Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "File": "hesper.response.file",
    "Redirect": "hesper.response.redirect",
    "Response": "hesper.response.response",
    "ServerSentEvent": "hesper.response.sse",
    "ServerSentEventMessage": "hesper.response.sse",
    "Stream": "hesper.response.stream",
    "check_preconditions": "hesper.response.conditional",
}

__all__ = tuple(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy(globals(), _HOME)
