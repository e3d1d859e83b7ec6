"""Middleware as an object with its settings: `ASGIMiddleware`."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection
from types import FunctionType
from typing import ClassVar

from hesper._compile.exclusion import Exclusion, Selective
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.enums import ScopeType


class ASGIMiddleware(ABC):
    """A base of middleware: define `handle`, and put an instance into `middleware=[...]`.

    An instance lives as long as whoever holds it, and serves any number of connections at once:
    what belongs to one of them stands in `handle`. There is no `__init__` here, so that yours
    takes what settings it likes.

    Raises:
        TypeError: A class attribute cannot be what it is.
    """

    scopes: Collection[ScopeType] = (ScopeType.HTTP, ScopeType.WEBSOCKET)
    """The types of connection that it is for; it leaves out the others."""

    exclude_path_pattern: str | Collection[str] | None = None
    """Regular expressions (`re`) of paths that it leaves out, or one; they take whole segments from
    the path's beginning, so that "/admin" takes what is below it, but not "/administrators"."""

    exclude_opt_key: str | None = None
    """The key by which routes leave it out: `@get(opt={"no_limit": True})`."""

    should_bypass_for_scope: Callable[..., bool] | None = None
    """`(scope) -> bool`: whether a connection is left out; asked before routing on the
    application."""

    _hesper_instances_are_factories: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        """Check the class attributes."""
        super().__init_subclass__()
        Exclusion(cls.scopes, cls.exclude_path_pattern, cls.exclude_opt_key)

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """Return *app* inside the middleware; called once for each app that it stands around.

        Args:
            app: The next app.
        """

        def around(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            return self.handle(scope, receive, send, app)

        return Selective(self._exclusion, around, app)

    @abstractmethod
    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Serve one connection, as a rule by awaiting `next_app(scope, receive, send)`.

        Args:
            scope: The connection's scope.
            receive: Waits for the client's next message.
            send: Sends a message to the client.
            next_app: The next app.
        """

    @property
    def _exclusion(self) -> Exclusion:
        return Exclusion(
            self.scopes, self.exclude_path_pattern, self.exclude_opt_key, self._bypass()
        )

    def _bypass(self) -> Callable[..., bool] | None:
        name = "should_bypass_for_scope"
        stated = inspect.getattr_static(self, name)
        # A function on the class becomes a method, and may have been meant for the scope alone.
        is_function = isinstance(stated, FunctionType) and name not in vars(self)
        if is_function and len(inspect.signature(stated).parameters) == 1:
            takes_scope: Callable[..., bool] = stated
            return takes_scope
        return self.should_bypass_for_scope
