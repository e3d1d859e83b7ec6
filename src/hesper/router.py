"""A layer that groups routes under a path: `Router`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, TypeAlias

from hesper._merge import several
from hesper._sparse import sparse
from hesper.controller import Controller
from hesper.layer import Layer


@sparse
class Router(Layer):
    """Group handlers, controllers and routers under a path.

    Never changes once it is made, and may be part of any number of apps.
    """

    path: str = field(default="/", kw_only=False)
    """The prefix of every path below; it may have parameters."""

    route_handlers: Sequence[ControllerRouterHandler] = field(default=(), kw_only=False)
    """Handlers, controllers and routers."""

    _holds_defaults = True

    def __post_init__(self) -> None:
        """Check the path, and keep the handlers as they are now."""
        super().__post_init__()
        if not isinstance(self.path, str):
            raise TypeError(
                f"Router takes a path first, then route_handlers, not {self.path!r} as the path"
            )
        try:
            object.__setattr__(self, "route_handlers", several(self.route_handlers))
        except TypeError as error:
            raise TypeError(f"Router: route_handlers {error}") from None

    @property
    def label(self) -> str:
        """How messages name the router."""
        return f"router {self.path}"


ControllerRouterHandler: TypeAlias = Callable[..., Any] | type[Controller] | Controller | Router
"""What stands in `route_handlers`: a decorated function, a controller or a router."""
