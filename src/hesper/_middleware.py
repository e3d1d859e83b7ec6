"""What may stand in `middleware=[...]`: factories `(app) -> app`, and declarations of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from hesper._merge import require_callable, several
from hesper._signature import described
from hesper._types import ASGIApp

INSTANCES: Final = "_hesper_instances_are_factories"
"""An attribute of classes of which instances are middleware, and not the class itself."""


class DefineMiddleware:
    """Middleware with arguments: `DefineMiddleware(Limit, per_minute=60)`.

    The next app is passed as `app=...`; in front of the arguments, where they are by position and
    `app` is the first parameter.

    Args:
        middleware: A class or a function that takes an app, and returns one.
        *args: Its other arguments by position.
        **kwargs: Its other arguments by keyword.

    Raises:
        TypeError: The arguments do not fit.
    """

    __slots__ = ("__weakref__", "_first", "args", "kwargs", "middleware")

    middleware: Callable[..., ASGIApp]
    """What makes the middleware."""
    args: tuple[Any, ...]
    """Its arguments by position, without the app."""
    kwargs: Mapping[str, Any]
    """Its arguments by keyword, without the app."""

    def __init__(self, middleware: Callable[..., ASGIApp], *args: Any, **kwargs: Any) -> None:
        _require_factory(middleware)
        self.middleware = middleware
        self.args = args
        self.kwargs = kwargs
        self._first = _takes_app_first(middleware, args, kwargs)

    def __repr__(self) -> str:
        values = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.kwargs.items())]
        return f"{type(self).__name__}({', '.join([described(self.middleware), *values])})"

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """Return *app* inside the middleware.

        Args:
            app: The next app.
        """
        if self._first:
            return self.middleware(app, *self.args, **self.kwargs)
        return self.middleware(*self.args, app=app, **self.kwargs)


def _takes_app_first(
    middleware: Callable[..., ASGIApp], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> bool:
    try:
        signature = inspect.signature(middleware)
    except (TypeError, ValueError):  # some built-in classes do not tell theirs
        return False
    misfits: list[str] = []
    for first, given in ((), {"app": None}), ((None,), {}):
        try:
            signature.bind(*first, *args, **given, **kwargs)
        except TypeError as error:
            misfits.append(str(error))
        else:
            return bool(first)
    raise TypeError(
        f"the arguments of DefineMiddleware do not fit {described(middleware)}{signature}, which "
        f"gets the next app as app=...: {misfits[bool(args)]}"
    )


class _Given(DefineMiddleware):
    """What another library's object says to make; lives as long as the layer it stands on."""

    __slots__ = ()

    def __init__(self, given: Any) -> None:
        require_callable(given.cls)
        self.middleware = given.cls
        self.args = tuple(given.args)
        self.kwargs = dict(given.kwargs)
        self._first = True


def read_middleware(written: object) -> tuple[Callable[..., ASGIApp], ...]:
    """Read a list of middleware; what declares some becomes a factory.

    Raises:
        TypeError: *written* is no list, or a value in it is neither callable nor a declaration.
    """
    return tuple(map(_factory, several(written)))


def _factory(value: Any) -> Callable[..., ASGIApp]:
    if not callable(value) and _declares(value):
        return _Given(value)
    _require_factory(value)
    return cast("Callable[..., ASGIApp]", value)


def _require_factory(value: object) -> None:
    require_callable(value, " (app) -> app")
    if not isinstance(value, type):
        return
    if inspect.isabstract(value):
        missing = ", ".join(sorted(getattr(value, "__abstractmethods__", ())))
        raise TypeError(f"takes {value.__name__} only when it is complete; define {missing}")
    if hasattr(value, INSTANCES):
        raise TypeError(f"takes instances of {value.__name__}; write {value.__name__}(...)")


def _declares(value: Any) -> bool:
    """Whether *value* is what Starlette's `Middleware(cls, *args, **kwargs)` makes."""
    return (
        callable(getattr(value, "cls", None))
        and isinstance(getattr(value, "args", None), Iterable)
        and isinstance(getattr(value, "kwargs", None), Mapping)
    )
