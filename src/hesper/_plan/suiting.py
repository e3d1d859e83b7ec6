"""Which exception handlers are for which type of connection: their first annotation says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_origin

from hesper._signature import UnreadableSignature, members, read_signature
from hesper.connection.connection import ASGIConnection
from hesper.connection.request import Request
from hesper.connection.websocket import WebSocket


def suits(handler: Callable[..., Any], scope_type: str) -> bool:
    """Whether an exception handler is for the connections of a type of scope.

    One that names a `Request` gets no websocket, and one that names a `WebSocket` no request; all
    others get both.

    Args:
        handler: The exception handler.
        scope_type: `http`, `websocket`, or `asgi`, which is both.
    """
    try:
        parameters = read_signature(handler).parameters
    except UnreadableSignature:
        return True
    kind = {"http": Request, "websocket": WebSocket}.get(scope_type)
    if kind is None or not parameters:
        return True
    named = [get_origin(member) or member for member in members(parameters[0].annotation)]
    connections = [c for c in named if isinstance(c, type) and issubclass(c, ASGIConnection)]
    return not connections or any(issubclass(c, kind) or issubclass(kind, c) for c in connections)
