"""The errors that Hesper raises and understands.

An exception lives as long as whoever holds it; it refers to no application, request or handler.
Every one of them can be pickled and copied, whatever constructor a subclass gives itself.
"""

# Not all names end in "Error": they are those that users of layered frameworks know.
# ruff: noqa: N818

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = (
    "ClientException",
    "ConfigurationError",
    "HTTPException",
    "HesperException",
    "ImproperlyConfiguredException",
    "InternalServerException",
    "LifespanNotStarted",
    "MethodNotAllowedException",
    "MissingDependencyException",
    "NoRouteMatchFoundException",
    "NotAuthorizedException",
    "NotFoundException",
    "PermissionDeniedException",
    "RequestEntityTooLarge",
    "SerializationException",
    "ServiceUnavailableException",
    "TooManyRequestsException",
    "UnsupportedMediaTypeException",
    "ValidationException",
    "WebSocketDisconnect",
    "WebSocketException",
)

# The standard library's `http` has these too, but importing it takes longer than all of ours.
_PHRASES: Final[Mapping[int, str]] = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    418: "I'm a Teapot",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    423: "Locked",
    424: "Failed Dependency",
    425: "Too Early",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    506: "Variant Also Negotiates",
    507: "Insufficient Storage",
    508: "Loop Detected",
    510: "Not Extended",
    511: "Network Authentication Required",
}

_PHRASES_OF_CLASSES: Final = {
    1: "Informational",
    2: "Success",
    3: "Redirection",
    4: "Client Error",
    5: "Server Error",
}


def phrase(status_code: int) -> str:
    """Return what *status_code*, 100 to 599, says in words (RFC 9110 15)."""
    return _PHRASES.get(status_code) or _PHRASES_OF_CLASSES[status_code // 100]


def _blank(kind: type[HesperException], args: tuple[object, ...]) -> HesperException:
    """Return an exception of *kind* whose constructor has not run."""
    return kind.__new__(kind, *args)


class HesperException(Exception):
    """What every exception of Hesper is.

    Args:
        detail: What happened, for the person who reads it.
    """

    detail: str
    """What happened, for the person who reads it."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.detail!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # Python's own way calls the class with `args`, which fails or repeats the text where a
        # subclass's constructor takes something else than the detail.
        return _blank, (type(self), self.args), self.__dict__


class HTTPException(HesperException):
    """An error that is answered with an HTTP response.

    Args:
        detail: What the client is told; by default the phrase that belongs to the status code.
        status_code: The status of the response, 100 to 599; by default that of the class.
        headers: Header lines to put on the response.
        extra: Details for programs to read, encodable as JSON.

    Raises:
        ValueError: The status code is not one of HTTP.
    """

    status_code: int = 500
    """The status of the response."""
    headers: dict[str, str] | None
    """Header lines to put on the response."""
    extra: dict[str, Any] | list[Any] | None
    """Details for programs to read."""

    def __init__(
        self,
        detail: str = "",
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        extra: dict[str, Any] | list[Any] | None = None,
    ) -> None:
        status = self.status_code if status_code is None else int(status_code)
        if not 100 <= status <= 599:
            raise ValueError(
                f"{type(self).__name__} got the status code {status}, "
                "which is none of HTTP's: give one from 100 to 599"
            )
        super().__init__(detail or phrase(status))
        self.status_code = status
        self.headers = None if headers is None else dict(headers)
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.status_code}: {self.detail}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.detail!r}, status_code={self.status_code})"


class ClientException(HTTPException):
    """The request cannot be served as it is: 400."""

    status_code: int = 400


class ValidationException(ClientException, ValueError):
    """A value of the request is not what the handler declares: 400."""


class NotAuthorizedException(ClientException):
    """Nobody is logged in, or the credentials are wrong: 401."""

    status_code: int = 401


class PermissionDeniedException(ClientException):
    """Who is logged in may not do this: 403."""

    status_code: int = 403


class NotFoundException(ClientException):
    """There is nothing at this path: 404."""

    status_code: int = 404


class MethodNotAllowedException(ClientException):
    """The path is known, but not with this method: 405."""

    status_code: int = 405


class RequestEntityTooLarge(ClientException):
    """The request's body is longer than the route allows: 413."""

    status_code: int = 413


class UnsupportedMediaTypeException(ClientException):
    """The request's body is in a format that the route does not read: 415."""

    status_code: int = 415


class TooManyRequestsException(ClientException):
    """The client has used up its requests for now: 429."""

    status_code: int = 429


class InternalServerException(HTTPException):
    """The server failed: 500."""

    status_code: int = 500


class ServiceUnavailableException(InternalServerException):
    """The server cannot serve at the moment: 503."""

    status_code: int = 503


class NoRouteMatchFoundException(InternalServerException):
    """No handler has the name, or takes the parameters, for which a path was asked: 500."""


class ImproperlyConfiguredException(HTTPException, ValueError):
    """The application was put together wrongly: 500 where a request finds it out."""


class ConfigurationError(ImproperlyConfiguredException):
    """Everything that is wrong with an application, raised at once while it is built.

    Args:
        problems: One text for each problem: what was found, where, and what to write instead.

    Raises:
        TypeError: No problem was given.
    """

    problems: tuple[str, ...]
    """The problems, in the order in which they were found."""

    def __init__(self, *problems: str) -> None:
        if not problems:
            raise TypeError("ConfigurationError() needs at least one problem to report")
        super().__init__(_listed(problems))
        self.args = problems
        self.problems = problems

    def __str__(self) -> str:
        return self.detail

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.problems))})"


def _listed(problems: tuple[str, ...]) -> str:
    """Return one problem as it is, and several as a numbered list under one line."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"{len(problems)} problems were found:"]
    for number, problem in enumerate(problems, 1):
        bullet = f"{number:>{len(str(len(problems)))}}. "
        lines.append("  " + bullet + problem.replace("\n", "\n  " + " " * len(bullet)))
    return "\n".join(lines)


class LifespanNotStarted(HesperException, RuntimeError):
    """A connection arrived that needs a lifespan which never ran."""


class MissingDependencyException(HesperException, ImportError):
    """An optional library is needed and not installed.

    Args:
        package: The library's name on the package index.
        extra: Hesper's extra that brings the library, if there is one.
    """

    def __init__(self, package: str, *, extra: str | None = None) -> None:
        wanted = f"hesper[{extra}]" if extra else package
        super().__init__(
            f"The package {package!r} is not installed; install it with: pip install {wanted!r}"
        )


class SerializationException(HesperException):
    """A value cannot be encoded, or bytes cannot be decoded."""


class WebSocketException(HesperException):
    """An error that closes a websocket.

    Args:
        detail: The reason that the peer is told.
        code: The close code, 1000 to 4999 (RFC 6455 7.4); by default that of the class.

    Raises:
        ValueError: The code is outside of what a close frame can carry.
    """

    code: int = 4500
    """The close code."""

    def __init__(self, detail: str = "", *, code: int | None = None) -> None:
        super().__init__(detail)
        if code is not None:
            self.code = self._checked(code)

    def _checked(self, code: int) -> int:
        if 1000 <= code <= 4999:
            return code
        raise ValueError(
            f"{type(self).__name__} got the close code {code}: give one from 1000 to 4999 "
            "(4000 to 4999 are yours to define)"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.detail!r}, code={self.code})"


class WebSocketDisconnect(WebSocketException):
    """The peer has closed the websocket, or refused to open it; any code it gave is kept.

    Args:
        detail: The reason that the peer gave.
        code: The code that the peer gave.
    """

    code: int = 1000

    def _checked(self, code: int) -> int:
        # A refused handshake is reported with its HTTP status, and a peer's code is what it is.
        return code
