"""The names of operations, of which no two are alike.

What a handler is given is its own; all others make way for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from hesper._signature import described
from hesper.exceptions import ConfigurationError
from hesper.handlers.http import HTTPRouteHandler
from hesper.openapi.config import OperationIDCreator
from hesper.routes import Route


def wanted_name(create: OperationIDCreator, route: Route, method: str, path: str) -> str:
    """Return what an operation is called if nothing else is called so.

    Args:
        create: What the app makes names with.
        route: The route.
        method: The method.
        path: The path, as the document writes it.
    """
    handler = cast("HTTPRouteHandler", route.handler)
    segments = [part.strip("{}") for part in path.split("/") if part]
    given = handler.operation_id
    if isinstance(given, str):
        return given
    creator = create if given is None else given
    return creator(handler, method, segments)


class OperationNames:
    """The names of operations, no two alike; lives while a document is written.

    Args:
        routes: All routes: a name that a handler is given is kept for it.

    Raises:
        ConfigurationError: Two handlers are given the same name.
    """

    __slots__ = ("__weakref__", "_owners", "_used")

    def __init__(self, routes: Iterable[Route]) -> None:
        self._used: set[str] = set()
        self._owners: dict[str, Callable[..., Any]] = {}
        for route in routes:
            given = _given_id(route)
            if given is None:
                continue
            # A controller in two routers is one handler in two places.
            function = getattr(route.function, "__func__", route.function)
            owner = self._owners.setdefault(given, function)
            if owner != function:
                raise ConfigurationError(
                    f"{route.label}: the operation_id {given!r} is that of {described(owner)}, "
                    "too; give one of them another"
                )

    def name(self, route: Route, wanted: str) -> str:
        """Return the name of an operation, with a number if it is taken.

        Args:
            route: The route.
            wanted: What it is called if nothing else is called so.
        """
        given = _given_id(route)
        free, number = wanted, 1
        while free in self._used or (free in self._owners and free != given):
            number += 1
            free = f"{wanted}_{number}"
        self._used.add(free)
        return free


def _given_id(route: Route) -> str | None:
    given = cast("HTTPRouteHandler", route.handler).operation_id
    return given if isinstance(given, str) else None
