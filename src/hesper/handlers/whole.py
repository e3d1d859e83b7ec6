"""Handlers that take whole connections, not single requests: `asgi` and `websocket`."""

from __future__ import annotations

from hesper._sparse import sparse
from hesper.handlers.handler import BaseRouteHandler


@sparse
class asgi(BaseRouteHandler):  # noqa: N801 - a decorator
    """Hand connections on to a function `(scope, receive, send)`: any method, HTTP or websocket."""

    is_mount: bool = False
    """Whether paths below the handler's path are handed on, too."""

    scope_type = "asgi"


class websocket(BaseRouteHandler):  # noqa: N801 - a decorator
    """Handle websockets: an asynchronous function that takes a `socket`."""

    scope_type = "websocket"
