"""Handlers of websockets: `websocket`."""

from __future__ import annotations

from hesper.handlers.handler import BaseRouteHandler


class websocket(BaseRouteHandler):  # noqa: N801 - a decorator
    """Handle websockets: an asynchronous function that takes a `socket`."""

    scope_type = "websocket"
