"""Connections: HTTP requests and websockets."""

from hesper.connection.connection import ASGIConnection as ASGIConnection
from hesper.connection.request import ClientDisconnect as ClientDisconnect
from hesper.connection.request import Request as Request
from hesper.connection.websocket import WebSocket as WebSocket

__all__: tuple[str, ...]
