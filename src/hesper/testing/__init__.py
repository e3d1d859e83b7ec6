"""Test clients: what an app does behind a server, without one."""

from __future__ import annotations

from hesper.testing.async_client import AsyncTestClient
from hesper.testing.client import TestClient
from hesper.testing.client_for import client_for
from hesper.testing.errors import (
    ASGIProtocolError,
    ClientGoneError,
    LifespanError,
    WebSocketDeniedError,
)
from hesper.testing.factories import create_async_test_client, create_test_client
from hesper.testing.live_server import LiveServer
from hesper.testing.portal_websocket import WebSocketTestSession
from hesper.testing.websocket import AsyncWebSocketTestSession

__all__ = (
    "ASGIProtocolError",
    "AsyncTestClient",
    "AsyncWebSocketTestSession",
    "ClientGoneError",
    "LifespanError",
    "LiveServer",
    "TestClient",
    "WebSocketDeniedError",
    "WebSocketTestSession",
    "client_for",
    "create_async_test_client",
    "create_test_client",
)
