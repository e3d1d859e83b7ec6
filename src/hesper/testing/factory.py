"""Requests without a server, for tests of guards, providers and hooks: `RequestFactory`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, Unpack, cast

import httpx2
import msgspec

from hesper._resolution import resolve
from hesper._types import ASGIApp, Message, Receive, RouteHandler
from hesper.app import Hesper
from hesper.connection.request import Request
from hesper.datastructures.cookies import Cookie
from hesper.datastructures.upload_file import UploadFile
from hesper.enums import RequestEncodingType
from hesper.handlers.handler import BaseRouteHandler, declarations
from hesper.handlers.several import route
from hesper.serialization import encode_json, encode_msgpack
from hesper.testing.requests import HeadersLike
from hesper.testing.server import Server

__all__ = ("RequestFactory",)

HandlerLike: TypeAlias = RouteHandler | Callable[..., Any]
"""A resolved handler, or a function that is decorated as one."""


class RequestOptions(TypedDict, total=False):
    """What can be said of any request."""

    headers: HeadersLike | None
    """Its headers."""
    cookies: Sequence[Cookie] | str | None
    """Its cookies, or the whole `Cookie` header."""
    session: dict[str, Any] | None
    """What a session middleware would have loaded."""
    user: Any
    """Who an authentication middleware would have said is logged in."""
    auth: Any
    """By what it would have said that the user is authenticated."""
    query_params: Mapping[str, str | list[str]] | None
    """The query: by name, a value or several."""
    state: Mapping[str, Any] | None
    """The names in `request.state`."""
    path_params: Mapping[str, Any] | None
    """What routing would have found in the path."""
    http_version: str
    """The version of HTTP, as ASGI writes it."""
    route_handler: HandlerLike | None
    """What the request is routed to; by default a handler with the options of the factory."""


class BodyOptions(RequestOptions, total=False):
    """What can be said of a request with a body."""

    data: Any
    """What the body holds: anything that can be encoded, or bytes, which are sent as they are."""
    request_media_type: RequestEncodingType
    """How it is encoded; by default as JSON."""


class RequestFactory:
    """Makes requests that no client has sent, to call guards, providers and hooks with.

    It lives as long as whoever holds it; its requests do without it.

    Args:
        app: What `request.app` is; an app without routes, if none is given.
        server: The host that requests are for.
        port: The port that they are for.
        root_path: The path under which the app is mounted.
        scheme: The scheme of their URLs.
        handler_kwargs: Options of the handler that requests are routed to, such as `opt`, where
            a request names no `route_handler`.
    """

    __slots__ = ("__weakref__", "_base_url", "_handler_options", "_server", "app")

    app: ASGIApp
    """What `request.app` is."""

    def __init__(
        self,
        app: ASGIApp | None = None,
        server: str = "test.org",
        port: int = 3000,
        root_path: str = "",
        scheme: str = "http",
        handler_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.app = Hesper() if app is None else app
        self._base_url = f"{scheme}://{server}:{port}"
        self._server = Server(app=self.app, namespace=None, root_path=root_path)
        self._handler_options = dict(handler_kwargs or {})

    def get(self, path: str = "/", **options: Unpack[RequestOptions]) -> Request:
        """Return a `GET` request to *path*.

        Args:
            path: The path of the URL, percent-encoded where it has to be.
            options: What else it says: `headers`, `cookies`, `query_params`, `user` and others.
        """
        return self._request("GET", path, options)

    def delete(self, path: str = "/", **options: Unpack[RequestOptions]) -> Request:
        """Return a `DELETE` request to *path*; see `get`."""
        return self._request("DELETE", path, options)

    def post(self, path: str = "/", **options: Unpack[BodyOptions]) -> Request:
        """Return a `POST` request to *path*.

        Args:
            path: The path of the URL, percent-encoded where it has to be.
            options: As of `get`, and `data` with its `request_media_type`.

        Raises:
            SerializationException: The data cannot be encoded.
        """
        return self._request("POST", path, options)

    def put(self, path: str = "/", **options: Unpack[BodyOptions]) -> Request:
        """Return a `PUT` request to *path*; see `post`."""
        return self._request("PUT", path, options)

    def patch(self, path: str = "/", **options: Unpack[BodyOptions]) -> Request:
        """Return a `PATCH` request to *path*; see `post`."""
        return self._request("PATCH", path, options)

    def _request(self, method: str, path: str, options: Mapping[str, Any]) -> Request:
        kind = options.get("request_media_type", RequestEncodingType.JSON)
        sent = httpx2.Request(
            method,
            self._base_url + path,
            params=options.get("query_params") or None,
            headers=options.get("headers"),
            **_body(options.get("data"), kind),
        )
        if options.get("data") is not None:
            sent.headers.setdefault("content-type", kind)
        if cookies := options.get("cookies"):
            sent.headers["cookie"] = cookies if isinstance(cookies, str) else _cookies(cookies)
        scope = self._server.http_scope(sent)
        scope.update(
            {
                "http_version": options.get("http_version", "1.1"),
                "hesper_app": self.app,
                "route_handler": self._handler(method, options.get("route_handler")),
                "path_params": dict(options.get("path_params") or {}),
                "state": dict(options.get("state") or {}),
            }
        )
        given = {name: options.get(name) for name in ("session", "user", "auth")}
        scope.update({name: value for name, value in given.items() if value is not None})
        return Request(scope, _receiving(sent.read()))

    def _handler(self, method: str, given: HandlerLike | None) -> RouteHandler:
        if isinstance(given, BaseRouteHandler):
            return given
        function: Any = _nothing if given is None else given
        if given is None:
            declared: BaseRouteHandler = route(http_method=[method], **self._handler_options)
        elif handlers := declarations(given):
            declared = handlers[0]
        else:
            raise TypeError(
                f"route_handler is a function decorated with get(), post() ..., not {given!r}"
            )
        outer = (self.app,) if isinstance(self.app, Hesper) else ()
        handler = cast("BaseRouteHandler", resolve((*outer, declared)))
        vars(handler)["_function"] = function
        return handler


async def _nothing() -> None:
    """Do nothing."""


def _cookies(cookies: Sequence[Cookie]) -> str:
    """Return the header that sends *cookies*, with values encoded as in `Set-Cookie`."""
    return "; ".join(cookie.to_header().partition(";")[0] for cookie in cookies)


def _body(data: Any, kind: RequestEncodingType) -> dict[str, Any]:
    """Return what httpx2 takes for a body of *data* in the media type *kind*."""
    if data is None:
        return {}
    if isinstance(data, bytes):
        return {"content": data}
    if kind == RequestEncodingType.JSON:
        return {"content": encode_json(data)}
    if kind == RequestEncodingType.MESSAGEPACK:
        return {"content": encode_msgpack(data)}
    fields: dict[str, Any] = data if isinstance(data, dict) else msgspec.to_builtins(data)
    if kind == RequestEncodingType.URL_ENCODED:
        return {"data": fields}
    return {
        "files": [
            (name, _part(one))
            for name, value in fields.items()
            for one in (value if isinstance(value, list) else [value])
        ]
    }


def _part(value: Any) -> tuple[str | None, Any] | tuple[str | None, Any, str]:
    """Return a part of a multipart form: a file or a field."""
    if not isinstance(value, UploadFile):
        return (None, value if isinstance(value, bytes) else str(value))
    value.file.seek(0)
    return (value.filename, value.file.read(), value.content_type)


def _receiving(body: bytes) -> Receive:
    """Return a receive that gives *body*, and then says that the client has gone."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
