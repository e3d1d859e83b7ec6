"""What the test clients take and send: types of arguments, default headers, opening handshakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, TypedDict

import httpx2

__all__ = (
    "DEFAULT_BASE_URL",
    "ClientOptions",
    "CookiesLike",
    "HeadersLike",
    "ParamsLike",
    "TimeoutLike",
    "client_headers",
    "handshake",
)

HeadersLike: TypeAlias = httpx2.Headers | Mapping[str, str] | Sequence[tuple[str, str]]
"""What a client takes as headers."""

CookiesLike: TypeAlias = httpx2.Cookies | dict[str, str] | list[tuple[str, str]]
"""What a client takes as cookies."""

Primitive: TypeAlias = str | int | float | bool | None
"""A value of a query parameter."""

ParamsLike: TypeAlias = (
    httpx2.QueryParams | Mapping[str, Primitive] | list[tuple[str, Primitive]] | str
)
"""What a client takes as query parameters."""

TimeoutLike: TypeAlias = httpx2.Timeout | float | None
"""What a client takes as timeout: seconds; None waits as long as the app runs."""


class ClientOptions(TypedDict, total=False):
    """The options of a client in a lifespan that runs already; they mean what `TestClient` says."""

    base_url: str
    raise_server_exceptions: bool
    root_path: str
    headers: HeadersLike | None
    cookies: CookiesLike | None
    client: tuple[str, int] | None
    timeout: TimeoutLike
    follow_redirects: bool
    spec_version: str


DEFAULT_BASE_URL: Final = "http://testserver.local"
"""What relative URLs are relative to, unless something else is said."""

_WEBSOCKET_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def client_headers(headers: HeadersLike | None) -> httpx2.Headers:
    """Return the headers that a test client sends with every request."""
    merged = httpx2.Headers({"user-agent": "testclient"})
    merged.update(httpx2.Headers(headers))
    return merged


def handshake(request: httpx2.Request, subprotocols: Sequence[str]) -> httpx2.Request:
    """Turn *request* into the opening handshake of a websocket (RFC 6455 4.1), and return it.

    Raises:
        httpx2.UnsupportedProtocol: The URL is not one of HTTP or websockets.
    """
    scheme = _WEBSOCKET_SCHEMES.get(request.url.scheme)
    if scheme is None:
        raise httpx2.UnsupportedProtocol(
            f"{request.url} is not a URL for a websocket; its scheme is ws, wss, http or https."
        )
    request.url = request.url.copy_with(scheme=scheme)
    request.headers.update(
        {
            "connection": "upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            # RFC 6455 1.3: a nonce, which nobody checks where no connection is made.
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
    )
    if subprotocols:
        request.headers["sec-websocket-protocol"] = ", ".join(subprotocols)
    return request
