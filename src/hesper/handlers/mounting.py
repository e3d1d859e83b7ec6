"""An ASGI app that stands among the handlers: `mount`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Literal, Never, TypeAlias

from hesper._sparse import sparse
from hesper._types import LIFESPAN_KEY, ASGIApp, Receive, Scope, Send
from hesper.handlers.handler import BaseRouteHandler

LifespanMode: TypeAlias = Literal["auto", "required", "off"]


@sparse
class mount(BaseRouteHandler):  # noqa: N801 - stands beside the decorators
    """Hand all connections below a path to another ASGI app: `mount("/admin", admin)`.

    It stands in `route_handlers`. Options of the layers above apply, guards among them. The
    mounted app's own lifespan is run with that of the outer app, with a namespace of its own;
    what it sets there while starting, and what the connection's state holds, is its
    `scope["state"]`.
    """

    path: str | Sequence[str] = field(kw_only=False)
    """The path below which all connections are handed on, or several."""

    app: ASGIApp = field(kw_only=False)
    """The ASGI app."""

    lifespan: LifespanMode = "auto"
    """Whether the app's lifespan is run: `"auto"` if it knows the protocol; `"required"` makes it
    an error if it does not; `"off"` never."""

    scope_type = "asgi"
    is_mount = True

    def __post_init__(self) -> None:
        """Check what is mounted."""
        super().__post_init__()
        if not callable(self.app):
            raise TypeError(f"mount takes an ASGI app, not {self.app!r}")
        if self.lifespan not in {"auto", "required", "off"}:
            raise TypeError(f'lifespan is "auto", "required" or "off", not {self.lifespan!r}')

    @property
    def hands_to(self) -> Callable[..., Any]:
        """What is called, as it decorates nothing."""
        return self.serve

    def __call__(self, function: Callable[..., Any]) -> Never:
        """Refuse to decorate."""
        raise TypeError("mount decorates nothing; put mount(path, app) into route_handlers")

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a connection to the mounted app.

        Args:
            scope: The connection's scope, its own copy.
            receive: Waits for the client's next message.
            send: Sends a message to the client.
        """
        outer = scope["state"]
        state = {name: value for name, value in outer.items() if name != LIFESPAN_KEY}
        state.update(outer[LIFESPAN_KEY].namespace_of(self))
        # A copy, for an app inside writes into its scope what does not hold outside.
        inside = {**scope, "state": state}
        for name in ("hesper_finished", "hesper_max_body_size"):  # of this app alone
            inside.pop(name, None)
        await self.app(inside, receive, send)
