"""The closed vocabularies of the framework: words that a field of a protocol may hold.

Each member is a `str` and formats as its value, so it stands wherever the plain text may stand.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = (
    "HttpMethod",
    "MediaType",
    "OpenAPIMediaType",
    "ParamType",
    "RequestEncodingType",
    "ScopeType",
)


class HttpMethod(StrEnum):
    """The methods of RFC 9110 9.3, and PATCH (RFC 5789)."""

    DELETE = "DELETE"
    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    PATCH = "PATCH"
    POST = "POST"
    PUT = "PUT"
    TRACE = "TRACE"


class MediaType(StrEnum):
    """The media types that responses have by name; any other is given as text."""

    JSON = "application/json"
    MESSAGEPACK = "application/x-msgpack"
    HTML = "text/html"
    TEXT = "text/plain"
    CSS = "text/css"
    XML = "application/xml"


class OpenAPIMediaType(StrEnum):
    """The media types of an OpenAPI document."""

    OPENAPI_YAML = "application/vnd.oai.openapi"
    OPENAPI_JSON = "application/vnd.oai.openapi+json"


class RequestEncodingType(StrEnum):
    """The media types in which a request's body is understood."""

    JSON = "application/json"
    MESSAGEPACK = "application/x-msgpack"
    MULTI_PART = "multipart/form-data"
    URL_ENCODED = "application/x-www-form-urlencoded"


class ScopeType(StrEnum):
    """What a handler or a piece of middleware serves; HTTP, WEBSOCKET and LIFESPAN are ASGI's."""

    HTTP = "http"
    WEBSOCKET = "websocket"
    LIFESPAN = "lifespan"
    ASGI = "asgi"


class ParamType(StrEnum):
    """Where the value of a handler's argument comes from."""

    PATH = "path"
    QUERY = "query"
    COOKIE = "cookie"
    HEADER = "header"
    DEPENDENCY = "dependency"
