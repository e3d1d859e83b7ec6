"""The innermost layer: a route handler, declared by a decorator.

A decorator puts its declaration on the function and returns the function itself, so that it stays
callable as it was, with its types. Nothing is inspected at import; that happens when an app is
built. The declaration does not refer to the function: they would keep each other alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import Any, ClassVar, Final, TypeVar

from hesper._sparse import sparse
from hesper.layer import Layer

F = TypeVar("F", bound=Callable[..., Any])

DECLARATIONS: Final = "__hesper_handlers__"
"""The attribute of a decorated function that holds its declarations."""


@sparse
class BaseRouteHandler(Layer):
    """A route handler's own options; applied to a function, it declares a route."""

    path: str | Sequence[str] = field(default="/", kw_only=False)
    """The path below the outer layers' paths, or several."""

    name: str | None = None
    """The name to reverse the path by (`app.route_reverse`)."""

    scope_type: ClassVar[str] = "http"
    """The type of the ASGI scope that the handler serves."""

    def __post_init__(self) -> None:
        """Check the path."""
        if not isinstance(self.path, str):
            object.__setattr__(self, "path", _several_paths(self.path, type(self).__name__))
        super().__post_init__()

    def __call__(self, function: F) -> F:
        """Declare *function* to be a route handler, and return it as it is.

        Raises:
            TypeError: Nothing can be declared on *function*.
        """
        if not callable(function):
            raise TypeError(f"a route handler is a function, not {function!r}")
        declared: tuple[BaseRouteHandler, ...] = declarations(function)
        try:
            setattr(function, DECLARATIONS, (*declared, self))
        except AttributeError:
            raise TypeError(
                f"{function!r} cannot carry a declaration; wrap it in a function of its own"
            ) from None
        return function

    @property
    def hands_to(self) -> Callable[..., Any] | None:
        """What is called if the handler itself stands in `route_handlers`; none for decorators."""
        return None

    @property
    def paths(self) -> tuple[str, ...]:
        """The handler's paths."""
        return (self.path,) if isinstance(self.path, str) else tuple(self.path)

    @property
    def fn(self) -> Callable[..., Any]:
        """The user's function, on a resolved handler (`connection.route_handler`).

        Raises:
            AttributeError: The handler is a declaration, which belongs to no function yet.
        """
        try:
            function: Callable[..., Any] = vars(self)["_function"]
        except KeyError:
            raise AttributeError(
                f"{self.label} is a declaration; only the handler that guards and "
                "connection.route_handler see has a function"
            ) from None
        return function

    @property
    def label(self) -> str:
        """How messages name the handler."""
        function = vars(self).get("_function")
        kind = type(self).__name__
        return f"{kind} {function.__qualname__}" if function else f"{kind}({self.path!r})"


def _several_paths(given: Any, decorator: str) -> tuple[str, ...]:
    if callable(given):
        raise TypeError(f"@{decorator} stands without parentheses; write @{decorator}()")
    paths = tuple(given) if isinstance(given, Iterable) else ()
    if not paths or not all(isinstance(path, str) for path in paths):
        raise TypeError(f"{decorator} takes a path or a list of paths, not {given!r}")
    return paths


def declarations(function: object) -> tuple[BaseRouteHandler, ...]:
    """Return the handlers declared on *function*; none, if it is not decorated."""
    declared: tuple[BaseRouteHandler, ...] = getattr(function, DECLARATIONS, ())
    return declared
