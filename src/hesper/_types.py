"""The types that every floor speaks: ASGI's, and what a lower floor must name of a higher one.

Scope, receive, send, message and state mean what the ASGI specification means by them, and
nothing else. What a lower floor must name of a higher one (the application, a handler) is a
protocol here, so that imports run one way.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
"""What a connection is about: a mapping, one for each connection."""

HTTPScope: TypeAlias = Scope
"""The scope of an HTTP request (ASGI, HTTP connection scope)."""

WebSocketScope: TypeAlias = Scope
"""The scope of a websocket (ASGI, WebSocket connection scope)."""

Message: TypeAlias = MutableMapping[str, Any]
"""One event, received from or sent to the server."""

Receive: TypeAlias = Callable[[], Awaitable[Message]]
"""Waits for the next message of the client."""

Send: TypeAlias = Callable[[Message], Awaitable[None]]
"""Sends a message to the client."""

ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""Any ASGI 3 application."""

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
"""Headers as ASGI carries them: lower-case names and values, as bytes, in order."""


class EmptyType(enum.Enum):
    """The type of `Empty`."""

    EMPTY = enum.auto()

    def __repr__(self) -> str:
        return "Empty"

    def __bool__(self) -> bool:
        return False


Empty: Final = EmptyType.EMPTY
"""No value was given, where `None` is a value of its own."""


class Application(Protocol):
    """What lower floors need of the application: the type of `request.app`."""

    @property
    def debug(self) -> bool:
        """Whether a 500 tells developers what has happened."""
        ...

    @property
    def state(self) -> Any:
        """The state of the caller's lifespan."""
        ...

    @property
    def exception_observers(self) -> Sequence[Callable[..., object]]:
        """What sees every exception."""
        ...

    def route_reverse(self, name: str, **path_parameters: Any) -> str:
        """Return the path of the handler called *name*."""
        ...

    async def resolve_for(self, scope: Scope, receive: Receive, send: Send, key: Any) -> Any:
        """Return a dependency of the connection of *scope*."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        ...


class RouteHandler(Protocol):
    """What lower floors need of a resolved handler: the type of `connection.route_handler`."""

    @property
    def opt(self) -> Any:
        """The free-form values of the handler and the layers above it."""
        ...

    @property
    def type_encoders(self) -> Any:
        """By type, the functions that turn values into something encodable."""
        ...

    @property
    def name(self) -> str | None:
        """The name by which the handler's path can be reversed."""
        ...

    @property
    def fn(self) -> Callable[..., Any]:
        """The user's function."""
        ...


TypeEncodersMap: TypeAlias = Mapping[Any, Callable[[Any], Any]]
"""By type: a function that turns an instance into something encodable."""

TypeDecodersSequence: TypeAlias = Sequence[
    tuple[Callable[[Any], bool], Callable[[type[Any], Any], Any]]
]
"""Pairs of a predicate on the wanted type, and a decoder `(type, value) -> instance`."""

Hook: TypeAlias = Callable[..., object]
"""A function that Hesper calls at one point of a request; sync or asynchronous.

Hooks may name further arguments, which are injected; so their exact shape is checked when the
app is built, and a function set as a class attribute is not taken for a method by checkers.
"""

Guard: TypeAlias = Hook
"""`(connection, route_handler) -> None`; raises to refuse the connection."""

ExceptionHandler: TypeAlias = Callable[..., object]
"""`(request, exception) -> response`; raising hands the exception to the next layer out."""

Middleware: TypeAlias = Callable[..., ASGIApp]
"""`(app) -> app`: wraps an ASGI application in another."""


class DeclaredMiddleware(Protocol):
    """Middleware with arguments, as Starlette's `Middleware(cls, *args, **kwargs)` declares it."""

    @property
    def cls(self) -> Callable[..., Any]:
        """What makes the middleware: `cls(app, *args, **kwargs)`."""
        ...

    @property
    def args(self) -> Iterable[Any]:
        """Its arguments by position, behind the app."""
        ...

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Its arguments by keyword."""
        ...


Provider: TypeAlias = Callable[..., object]
"""Makes a dependency; its arguments are injected as a handler's are."""

AfterExceptionHookHandler: TypeAlias = Callable[[Exception, Scope], object]
"""`(exception, scope)`: observes every exception, and handles none; sync or asynchronous."""

BeforeMessageSendHookHandler: TypeAlias = Callable[[Message, Scope], object]
"""`(message, scope)`: sees every message before it is sent; sync or asynchronous."""

LIFESPAN_KEY: Final = "hesper.lifespan"
"""Where `scope["state"]` holds the lifespan that a connection belongs to."""

CONNECTION_VALUES: Final = "hesper_values"
"""Where the scope holds the values of its connection, if the app has providers of any."""
