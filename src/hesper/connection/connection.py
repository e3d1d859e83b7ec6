"""What an HTTP request and a websocket have in common: a view of an ASGI connection's scope.

Making one stores three references; everything is computed when it is first asked for, and kept.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, cast, overload

import hesper._late as late
from hesper._types import Application, Receive, RouteHandler, Scope, Send
from hesper.datastructures.headers import Headers
from hesper.datastructures.multi_dict import ImmutableMultiDict
from hesper.datastructures.query import parse_query_string
from hesper.datastructures.state import State
from hesper.exceptions import ImproperlyConfiguredException

if sys.version_info >= (3, 13):
    from typing import TypeVar
else:
    from typing_extensions import TypeVar  # for defaults (PEP 696); anyio requires it there

T = TypeVar("T")
UserT = TypeVar("UserT", default=Any)
AuthT = TypeVar("AuthT", default=Any)
StateT = TypeVar("StateT", bound=State, default=State)


async def _no_receive() -> Any:
    raise RuntimeError(
        "nothing can be received: this connection was made from a scope alone; make it with "
        "scope, receive and send"
    )


async def _no_send(_message: Any) -> None:
    raise RuntimeError(
        "nothing can be sent: this connection was made from a scope alone; make it with scope, "
        "receive and send"
    )


class ASGIConnection(Generic[UserT, AuthT, StateT]):
    """A connection, as its scope describes it.

    It lives as long as whoever serves the connection holds it; several of one scope see the
    same values.

    Its types may be given, as in `Request[User, Token, State]`: of `user`, of `auth` and of
    `state`. For a state class of your own, make a subclass that sets `state_class` too.

    Args:
        scope: The connection's scope.
        receive: Waits for the client's next message.
        send: Sends a message to the client.
    """

    __slots__ = (
        "__weakref__",
        "_base_url",
        "_cookies",
        "_headers",
        "_query_params",
        "_state",
        "_url",
        "receive",
        "scope",
        "send",
    )

    state_class: ClassVar[type[State]] = State
    """The class of `state`."""

    scope: Scope
    """The connection's scope."""
    receive: Receive
    """Waits for the client's next message."""
    send: Send
    """Sends a message to the client."""

    def __init__(self, scope: Scope, receive: Receive = _no_receive, send: Send = _no_send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.scope.get('path', '')!r}>"

    @property
    def app(self) -> Application:
        """The application that serves the connection."""
        return cast("Application", self._from_scope("hesper_app", "is served by no application"))

    @property
    def route_handler(self) -> RouteHandler:
        """The handler that the connection was routed to, with its resolved options."""
        return cast("RouteHandler", self._from_scope("route_handler", "was not routed (yet)"))

    @property
    def state(self) -> StateT:
        """The connection's own copy of the lifespan's state; binding a name is seen here only."""
        state: State | None = getattr(self, "_state", None)
        if state is None:
            state = self._state = self.state_class.over(self.scope.setdefault("state", {}))
        return cast("StateT", state)

    @property
    def url(self) -> late.URL:
        """The URL that was asked for."""
        url: late.URL | None = getattr(self, "_url", None)
        if url is None:
            url = self._url = late.URL.from_scope(self.scope)
        return url

    @property
    def base_url(self) -> late.URL:
        """The URL of the application's root, with a slash at its end."""
        url: late.URL | None = getattr(self, "_base_url", None)
        if url is None:
            root = self.scope.get("root_path", "").rstrip("/") + "/"
            url = late.URL.from_scope({**self.scope, "path": root, "query_string": b""})
            self._base_url = url
        return url

    @property
    def headers(self) -> Headers:
        """The headers that the client sent."""
        headers: Headers | None = getattr(self, "_headers", None)
        if headers is None:
            headers = self._headers = Headers.over(self.scope["headers"])
        return headers

    @property
    def query_params(self) -> ImmutableMultiDict[str]:
        """The parameters in the query string."""
        parameters: ImmutableMultiDict[str] | None = getattr(self, "_query_params", None)
        if parameters is None:
            values = parse_query_string(self.scope.get("query_string", b""))
            parameters = self._query_params = ImmutableMultiDict.over(values)
        return parameters

    @property
    def path_params(self) -> dict[str, Any]:
        """The parameters in the path, converted to their types."""
        return cast("dict[str, Any]", self.scope.setdefault("path_params", {}))

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the client sent, by name."""
        cookies: dict[str, str] | None = getattr(self, "_cookies", None)
        if cookies is None:
            # RFC 9113 8.2.3: over HTTP/2 they may come in several lines.
            lines = self.headers.getall("cookie", [])
            cookies = self._cookies = late.parse_cookie_header("; ".join(lines))
        return cookies

    @property
    def client(self) -> late.Address | None:
        """The client's address, if the server knows it."""
        return _address(self.scope.get("client"))

    @property
    def server(self) -> late.Address | None:
        """The address that the server answers at, if it tells."""
        return _address(self.scope.get("server"))

    @property
    def user(self) -> UserT:
        """Who is logged in.

        Raises:
            ImproperlyConfiguredException: No middleware has said.
        """
        return cast("UserT", self._from_scope("user", *_AUTHENTICATION))

    @property
    def auth(self) -> AuthT:
        """By what the user is authenticated, such as a token.

        Raises:
            ImproperlyConfiguredException: No middleware has said.
        """
        return cast("AuthT", self._from_scope("auth", *_AUTHENTICATION))

    @property
    def session(self) -> dict[str, Any]:
        """The client's session.

        Raises:
            ImproperlyConfiguredException: No middleware has loaded one.
        """
        found = self._from_scope("session", "has no session", "a session middleware")
        return cast("dict[str, Any]", found)

    def set_session(self, value: Mapping[str, Any]) -> None:
        """Replace the session; the session middleware stores it.

        Args:
            value: The new session; an empty one ends the session.
        """
        self.scope["session"] = dict(value)

    def clear_session(self) -> None:
        """Empty the session; the session middleware then ends it."""
        self.scope["session"] = {}

    def url_for(self, name: str, **path_parameters: Any) -> str:
        """Return the absolute URL of the handler called *name*.

        Args:
            name: The handler's name.
            **path_parameters: The values of the parameters in its path.

        Raises:
            NoRouteMatchFoundException: There is no such handler, or it takes other parameters.
        """
        path = self.app.route_reverse(name, **path_parameters)
        return str(self.base_url).rstrip("/") + path

    @overload
    async def resolve(self, key: type[T]) -> T: ...
    @overload
    async def resolve(self, key: str) -> Any: ...
    async def resolve(self, key: type[T] | str) -> Any:
        """Return a dependency that lives as long as the connection, or longer.

        For middleware and whatever else nothing is injected into. It is made once, whoever asks
        first. Where the connection has been routed, the dependencies of its route are meant; else
        those of the application.

        Args:
            key: Its name or type.

        Raises:
            LookupError: There is no such dependency, or it lives for one call.
        """
        return await self.app.resolve_for(self.scope, self.receive, self.send, key)

    def _from_scope(self, key: str, lack: str, source: str = "") -> object:
        try:
            return self.scope[key]
        except KeyError:
            pass
        advice = f": add {source} to the middleware of its route or a layer above" if source else ""
        raise ImproperlyConfiguredException(
            f"connection.{key.removeprefix('hesper_')} was asked for, but the connection to "
            f"{self.scope.get('path', '')!r} {lack}{advice}"
        )


_AUTHENTICATION = ("is not authenticated", "an authentication middleware")


def _address(pair: Any) -> late.Address | None:
    return late.Address(pair[0], pair[1]) if pair else None
