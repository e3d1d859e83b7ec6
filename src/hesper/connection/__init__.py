"""Connections: HTTP requests and websockets."""

from __future__ import annotations

from hesper.connection.connection import ASGIConnection
from hesper.connection.request import ClientDisconnect, Request
from hesper.connection.websocket import WebSocket

__all__ = ("ASGIConnection", "ClientDisconnect", "Request", "WebSocket")
