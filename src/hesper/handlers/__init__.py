"""Route handlers and the decorators that declare them."""

from hesper.handlers.asgi import asgi
from hesper.handlers.handler import BaseRouteHandler
from hesper.handlers.http import HTTPRouteHandler, delete, get, head, patch, post, put, route
from hesper.handlers.mount import mount
from hesper.handlers.websocket import websocket

__all__ = [
    "BaseRouteHandler",
    "HTTPRouteHandler",
    "asgi",
    "delete",
    "get",
    "head",
    "mount",
    "patch",
    "post",
    "put",
    "route",
    "websocket",
]
