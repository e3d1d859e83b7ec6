"""Loading the app that a command is about, once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

from click import get_current_context

from hesper.app import Hesper
from hesper.cli.discovery import AppNotFoundError, FoundApp, find_app
from hesper.cli.origin import COMMAND_LINE, origin_of_target
from hesper.cli.target import Target, target_of

__all__ = ("load_app", "pass_app")

P = ParamSpec("P")
T = TypeVar("T")

_FOUND: Final = "hesper.cli.loading"


def load_app(target: Target) -> FoundApp:
    """Return the app that *target* names; it is loaded once for each command.

    Raises:
        AppNotFoundError: There is no app.
        ConfigurationError: The app contradicts itself.
        Exception: Whatever else the user's module raises.
    """
    context = get_current_context()
    # Shared by a context and all those above it.
    found = context.meta.get(_FOUND)
    if isinstance(found, FoundApp):
        return found
    try:
        found = find_app(target.place, target.directory.resolve())
    except AppNotFoundError as error:
        origin = None if target.place is None else origin_of_target(context, "place")
        if origin in {None, COMMAND_LINE}:
            raise
        message = f"{error.message}\n{target.place!r} is from {origin}."
        raise AppNotFoundError(message) from None
    context.meta[_FOUND] = found
    return found


def pass_app(function: Callable[Concatenate[Hesper, P], T]) -> Callable[P, T]:
    """Give a command of one's own the app as its first argument.

    Args:
        function: What is called by the command.
    """

    @wraps(function)
    def with_app(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(load_app(target_of(get_current_context())).app, *args, **kwargs)

    return with_app
