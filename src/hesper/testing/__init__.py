"""Test clients: what an app does behind a server, without one.

The names here are loaded when they are first asked for, so that the pytest plugin, which pytest
loads for everybody, loads nothing of the framework. Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "ASGIProtocolError": "hesper.testing.errors",
    "AsyncTestClient": "hesper.testing.async_client",
    "AsyncWebSocketTestSession": "hesper.testing.websocket",
    "ClientGoneError": "hesper.testing.errors",
    "LifespanError": "hesper.testing.errors",
    "LiveServer": "hesper.testing.live_server",
    "RequestFactory": "hesper.testing.factory",
    "TestClient": "hesper.testing.client",
    "WebSocketDeniedError": "hesper.testing.errors",
    "WebSocketTestSession": "hesper.testing.portal_websocket",
    "assert_asgi": "hesper.testing.conformance",
    "assert_freed": "hesper.testing.freed",
    "assert_reenterable": "hesper.testing.conformance",
    "assert_runs_on_loops": "hesper.testing.conformance",
    "client_for": "hesper.testing.cached_client",
    "create_async_test_client": "hesper.testing.factories",
    "create_test_client": "hesper.testing.factories",
}

__all__ = tuple(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy(globals(), _HOME)
