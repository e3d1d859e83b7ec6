"""Middleware as an ASGI app that holds the next one: `AbstractMiddleware`, `MiddlewareProtocol`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Protocol, runtime_checkable

from hesper._compile.exclusion import Exclusion
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.enums import ScopeType


@runtime_checkable
class MiddlewareProtocol(Protocol):
    """What a class in `middleware=[...]` makes from `app`: an ASGI app that holds the next one."""

    app: ASGIApp
    """The next app."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as a rule by awaiting `self.app(scope, receive, send)`.

        Args:
            scope: The connection's scope.
            receive: Waits for the client's next message.
            send: Sends a message to the client.
        """
        ...


class AbstractMiddleware(ABC):
    """A base of middleware classes: define `__call__`, and put the class into `middleware=[...]`.

    An instance is made for each app that it stands around, and lives as long as that. What it
    leaves out is heeded where it stands directly in a layer's `middleware`, by itself or in
    `DefineMiddleware`. For new middleware `ASGIMiddleware` is simpler.

    Args:
        app: The next app.
        exclude: As the class attribute.
        exclude_opt_key: As the class attribute.
        scopes: As the class attribute.

    Raises:
        TypeError: Something of that cannot be what it is.
    """

    scopes: Collection[ScopeType] = (ScopeType.HTTP, ScopeType.WEBSOCKET)
    """The types of connection that it is for; it leaves out the others."""

    exclude: str | Collection[str] | None = None
    """Regular expressions (`re`) of paths that it leaves out, or one; they take whole segments from
    the path's beginning."""

    exclude_opt_key: str | None = None
    """The key by which routes leave it out: `@get(opt={"no_limit": True})`."""

    app: ASGIApp
    """The next app."""

    def __init__(
        self,
        app: ASGIApp,
        exclude: str | Collection[str] | None = None,
        exclude_opt_key: str | None = None,
        scopes: Collection[ScopeType] | None = None,
    ) -> None:
        self.app = app
        if exclude is not None:
            self.exclude = exclude
        if exclude_opt_key is not None:
            self.exclude_opt_key = exclude_opt_key
        if scopes is not None:
            self.scopes = scopes

    def __init_subclass__(cls) -> None:
        """Check the class attributes."""
        super().__init_subclass__()
        Exclusion(cls.scopes, cls.exclude, cls.exclude_opt_key)

    @abstractmethod
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as a rule by awaiting `self.app(scope, receive, send)`.

        Args:
            scope: The connection's scope.
            receive: Waits for the client's next message.
            send: Sends a message to the client.
        """

    @property
    def _exclusion(self) -> Exclusion:
        return Exclusion(self.scopes, self.exclude, self.exclude_opt_key)
