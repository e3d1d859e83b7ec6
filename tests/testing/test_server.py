from __future__ import annotations

from typing import Any

import httpx2
import pytest

from hesper._types import Receive, Scope, Send
from hesper.testing.server import Server


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("nobody calls the app here")


def scope_of(url: str, namespace: dict[str, Any] | None = None, root_path: str = "") -> Scope:
    server = Server(app=app, namespace=namespace, root_path=root_path)
    return server.http_scope(httpx2.Request("GET", url, headers={"X-One": "1"}))


def test_a_path_is_decoded_and_its_raw_form_is_not() -> None:
    scope = scope_of("http://host/a%20b/%C3%A9%2F?q=%20")
    assert scope["path"] == "/a b/é/"
    assert scope["raw_path"] == b"/a%20b/%C3%A9%2F"
    assert scope["query_string"] == b"q=%20"


def test_the_root_path_is_in_front_of_the_path() -> None:
    scope = scope_of("http://host/a", root_path="/api")
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/api", "/api/a", b"/api/a")


def test_a_path_is_never_empty() -> None:
    assert scope_of("http://host")["path"] == "/"


def test_headers_are_in_lower_case_and_complete() -> None:
    assert scope_of("http://host/")["headers"] == [(b"host", b"host"), (b"x-one", b"1")]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("http://host/", ("host", 80)),
        ("https://host/", ("host", 443)),
        ("http://host:8000/", ("host", 8000)),
    ],
)
def test_the_server_is_the_host_and_the_port(url: str, server: tuple[str, int]) -> None:
    assert scope_of(url)["server"] == server


def test_each_connection_gets_a_shallow_copy_of_the_namespace() -> None:
    pool = object()
    namespace: dict[str, Any] = {"pool": pool}
    scope = scope_of("http://host/", namespace)
    assert scope["state"] == namespace
    assert scope["state"] is not namespace
    assert scope["state"]["pool"] is pool


def test_without_a_namespace_no_scope_has_a_state() -> None:
    assert "state" not in scope_of("http://host/")
    assert "state" not in Server(app=app, namespace=None).lifespan_scope()


def test_the_lifespan_gets_the_namespace_itself() -> None:
    namespace: dict[str, Any] = {}
    scope = Server(app=app, namespace=namespace).lifespan_scope()
    assert scope["state"] is namespace
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}


def test_the_spec_version_is_what_was_asked_for() -> None:
    server = Server(app=app, namespace=None, spec_version="2.4")
    scope = server.http_scope(httpx2.Request("POST", "http://host/"))
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["type"], scope["method"], scope["http_version"]) == ("http", "POST", "1.1")


def test_a_websocket_may_be_refused_with_a_response() -> None:
    server = Server(app=app, namespace=None, client=None)
    scope = server.websocket_scope(httpx2.Request("GET", "wss://host/"), ["chat"])
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert scope["subprotocols"] == ["chat"]
    assert scope["server"] == ("host", 443)
    assert scope["client"] is None
    assert "method" not in scope
