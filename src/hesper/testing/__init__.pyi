"""Test clients: what an app does behind a server, without one."""

from hesper.testing.async_client import AsyncTestClient as AsyncTestClient
from hesper.testing.cached_client import client_for as client_for
from hesper.testing.client import TestClient as TestClient
from hesper.testing.conformance import assert_asgi as assert_asgi
from hesper.testing.conformance import assert_reenterable as assert_reenterable
from hesper.testing.conformance import assert_runs_on_loops as assert_runs_on_loops
from hesper.testing.errors import ASGIProtocolError as ASGIProtocolError
from hesper.testing.errors import ClientGoneError as ClientGoneError
from hesper.testing.errors import LifespanError as LifespanError
from hesper.testing.errors import WebSocketDeniedError as WebSocketDeniedError
from hesper.testing.factories import create_async_test_client as create_async_test_client
from hesper.testing.factories import create_test_client as create_test_client
from hesper.testing.factory import RequestFactory as RequestFactory
from hesper.testing.freed import assert_freed as assert_freed
from hesper.testing.live_server import LiveServer as LiveServer
from hesper.testing.portal_websocket import WebSocketTestSession as WebSocketTestSession
from hesper.testing.websocket import AsyncWebSocketTestSession as AsyncWebSocketTestSession
