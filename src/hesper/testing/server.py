"""What a client tells an app about itself, in the place of a server.

The scopes follow the ASGI specification 3.0, the HTTP and websocket message format 2.3 by default,
and where it leaves a choice they follow uvicorn: `path` and `raw_path` contain `root_path`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import httpx2

from hesper._types import ASGIApp, RawHeaders, Scope

__all__ = ("Server",)

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False, kw_only=True)
class Server:
    """The server's side of a client: the app, and what the app is told. It lives with the client.

    Args:
        app: The app to serve.
        namespace: The mapping that the app fills while it starts and of which each connection gets
            a shallow copy as `scope["state"]`; None offers no state at all.
        raise_server_exceptions: Whether an exception of the app comes out of the client, or is
            answered with status 500.
        root_path: The path under which the app is mounted, without a slash at its end.
        client: Host and port that the requests come from.
        spec_version: The version of the HTTP and websocket message format that the app is told.
        lifespan: Whether the lifespan protocol is spoken.
    """

    app: ASGIApp
    namespace: dict[str, Any] | None
    raise_server_exceptions: bool = True
    root_path: str = ""
    client: tuple[str, int] | None = ("testclient", 50000)
    spec_version: str = "2.3"
    lifespan: bool = True

    def lifespan_scope(self) -> Scope:
        """Return the scope of the lifespan; its `state` is the namespace itself."""
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        if self.namespace is not None:
            scope["state"] = self.namespace
        return scope

    def http_scope(self, request: httpx2.Request) -> Scope:
        """Return the scope of *request*."""
        scope = self._connection_scope("http", request)
        scope["method"] = request.method
        return scope

    def websocket_scope(self, request: httpx2.Request, subprotocols: list[str]) -> Scope:
        """Return the scope of the websocket whose opening handshake is *request*."""
        scope = self._connection_scope("websocket", request)
        scope["subprotocols"] = subprotocols
        scope["extensions"] = {"websocket.http.response": {}}
        return scope

    def _connection_scope(self, kind: str, request: httpx2.Request) -> Scope:
        url = request.url
        raw_path, _, query_string = url.raw_path.partition(b"?")
        scope: Scope = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": self.spec_version},
            "http_version": "1.1",
            "scheme": url.scheme,
            "path": self.root_path + unquote(raw_path.decode("ascii")),
            "raw_path": self.root_path.encode() + raw_path,
            "query_string": query_string,
            "root_path": self.root_path,
            "headers": _headers(request),
            "client": self.client,
            "server": (url.host, url.port or _DEFAULT_PORTS.get(url.scheme)),
        }
        if self.namespace is not None:
            scope["state"] = self.namespace.copy()
        return scope


def _headers(request: httpx2.Request) -> RawHeaders:
    return [(name.lower(), value) for name, value in request.headers.raw]
