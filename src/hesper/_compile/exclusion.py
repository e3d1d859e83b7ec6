"""The connections that a piece of middleware leaves out, decided at start-up where that can be.

* A pattern is a regular expression of `re` that takes whole segments from the beginning of the
  path: "/admin" takes "/admin" and all below it, but not "/administrators" or "/api/admin".
* The path is that inside of the app, as routes declare it, without one slash at its end.
* What is not understood is not left out: middleware may be what protects a route.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from hesper._compile.matcher import below_root, without_slash
from hesper._middleware import DefineMiddleware
from hesper._plan.plan import Plan
from hesper._types import ASGIApp, Middleware, Receive, Scope, Send

Options: TypeAlias = Mapping[str, Any]

_BOTH: Final = frozenset({"http", "websocket"})

# Not after nothing, so that a pattern that may be empty takes no other path; before a slash, at
# the end, or behind a slash that the pattern itself ends with, unless that is all of it.
_WHOLE_SEGMENTS: Final = r"(?!\A)(?:(?=/)|\Z|(?<=[^/]/))"
_FLAGS: Final = re.compile(r"\(\?[aimsu]+\)")
_NO_OPTIONS: Final[Options] = {}


class Exclusion:
    """What a piece of middleware leaves out; lives as long as that.

    Args:
        scopes: The types of scope that it is for.
        patterns: Regular expressions of the paths that it leaves out, or one of them.
        opt_key: The key of the `opt` by which routes leave it out.
        bypass: Tells of a scope whether it is left out.

    Raises:
        TypeError: Something of that cannot be.
    """

    __slots__ = ("__weakref__", "_bypass", "_opt_key", "_patterns", "_scopes")

    def __init__(
        self,
        scopes: Collection[str],
        patterns: str | Collection[str] | None,
        opt_key: str | None,
        bypass: Callable[[Scope], object] | None = None,
    ) -> None:
        self._scopes = _BOTH.intersection(scopes)
        if not self._scopes:
            raise TypeError(
                f"scopes takes ScopeType.HTTP, ScopeType.WEBSOCKET or both, not {scopes!r}: "
                "middleware for neither is never run"
            )
        several = (patterns,) if isinstance(patterns, str) else tuple(patterns or ())
        self._patterns = tuple(map(_compiled, several))
        self._opt_key = opt_key
        self._bypass = bypass

    def decides(self, plan: Plan) -> bool | None:
        """Tell whether all connections of a route are left out; None if it depends on each.

        Args:
            plan: What start-up knows about the route.
        """
        is_mount = getattr(plan.handler, "is_mount", False)
        known = {plan.scope_type} if plan.scope_type in _BOTH else _BOTH
        if not known & self._scopes or self._by_option(plan.option("opt")):
            return True
        fixed = not is_mount and not plan.path.parameters
        if fixed and self._by_path(str(plan.path)):
            return True
        undecided = bool(self._patterns) and not fixed
        if undecided or self._bypass is not None or not known <= self._scopes:
            return None
        return False

    def leaves_out(
        self, scope: Scope, depth: int, options: Callable[[Scope], Options] | None
    ) -> bool:
        """Tell whether a connection is left out.

        Args:
            scope: The connection's scope.
            depth: How many segments of the scope's `root_path` are the app's own.
            options: Looks up the `opt` of the scope's route.
        """
        if scope["type"] not in self._scopes:
            return True
        if self._bypass is not None and self._bypass(scope):
            return True
        if self._patterns and self._by_path(_path_of(scope, depth)):
            return True
        return self._opt_key is not None and self._by_option((options or _options_of)(scope))

    def covers(self, scope_type: str, path: str, options: Options) -> bool:
        """Tell whether all connections of a type and a path are left out, whatever else they are.

        Args:
            scope_type: `http` or `websocket`.
            path: The path as routes declare it.
            options: The `opt` of the route.
        """
        return scope_type not in self._scopes or self._by_path(path) or self._by_option(options)

    def _by_option(self, options: Options) -> bool:
        return self._opt_key is not None and bool(options.get(self._opt_key))

    def _by_path(self, path: str) -> bool:
        return any(pattern.match(path) for pattern in self._patterns)


def _compiled(pattern: str) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        raise TypeError(f"takes regular expressions of paths as text, not {pattern!r}")
    begin = pattern.removeprefix("^")
    if not begin or begin[0].isalnum() or begin[0] in "_-":
        raise TypeError(
            f"the pattern {pattern!r} takes no path, for a path begins with a slash; "
            f"write {'/' + begin!r}, or {'/.*' + begin!r} for it to stand anywhere"
        )
    flags = _FLAGS.match(pattern)
    leading = flags[0] if flags else ""
    try:
        re.compile(pattern)  # alone, so that it cannot end the group that it is put into
        return re.compile(f"{leading}(?:{pattern[len(leading) :]}){_WHOLE_SEGMENTS}")
    except re.error as error:
        raise TypeError(f"the pattern {pattern!r} is no regular expression: {error}") from None


def _path_of(scope: Scope, depth: int) -> str:
    root_path: str = scope.get("root_path", "").rstrip("/")
    if depth:
        root_path = root_path.rsplit("/", depth)[0]
    return without_slash(below_root(scope["path"], root_path))


def _options_of(scope: Scope) -> Options:
    options: Options = getattr(scope.get("route_handler"), "opt", _NO_OPTIONS)
    return options


class Selective:
    """Middleware around an app, and the app itself for what that leaves out.

    Lives as long as the app that it is a part of.

    Args:
        exclusion: What is left out.
        around: The middleware, with *inside* in it.
        inside: The app.
        depth: How many segments of a scope's `root_path` are the app's own.
        options: Looks up the `opt` of a scope's route, where the scope does not tell it.
    """

    __slots__ = ("__weakref__", "_around", "_depth", "_inside", "_options", "exclusion")

    exclusion: Exclusion
    """What is left out."""

    def __init__(
        self,
        exclusion: Exclusion,
        around: ASGIApp,
        inside: ASGIApp,
        depth: int = 0,
        options: Callable[[Scope], Options] | None = None,
    ) -> None:
        self.exclusion = exclusion
        self._around = around
        self._inside = inside
        self._depth = depth
        self._options = options

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Hand the connection to the one or the other."""
        if self.exclusion.leaves_out(scope, self._depth, self._options):
            return self._inside(scope, receive, send)
        return self._around(scope, receive, send)

    def on_route(self, plan: Plan) -> ASGIApp:
        """Return what it takes on one route: one of both where start-up can decide.

        Args:
            plan: What start-up knows about the route.
        """
        left_out = self.exclusion.decides(plan)
        if left_out is not None:
            return self._inside if left_out else self._around
        is_mount = getattr(plan.handler, "is_mount", False)
        depth = len(plan.path.segments) if is_mount else 0
        return Selective(self.exclusion, self._around, self._inside, depth)

    def around_routing(self, options: Callable[[Scope], Options]) -> ASGIApp:
        """Return what it takes where routing is still to come.

        Args:
            options: Looks up the `opt` of the route that a scope will come to.
        """
        return Selective(self.exclusion, self._around, self._inside, options=options)


def selective(made: ASGIApp, inside: ASGIApp) -> Selective | None:
    """Return what a factory made of *inside*, if it leaves out some connections.

    Args:
        made: What the factory made.
        inside: What it was given.
    """
    if isinstance(made, Selective):
        return made
    exclusion = getattr(made, "_exclusion", None)
    return Selective(exclusion, made, inside) if isinstance(exclusion, Exclusion) else None


def exclusion_of(factory: Middleware) -> Exclusion | None:
    """Return what the middleware of a factory leaves out, if it can leave out anything.

    Args:
        factory: What makes the middleware; it makes some, to be asked.
    """
    makes = factory.middleware if isinstance(factory, DefineMiddleware) else factory
    if not hasattr(makes, "_exclusion"):
        return None
    choosing = selective(factory(_nowhere), _nowhere)
    return None if choosing is None else choosing.exclusion


async def _nowhere(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("middleware that is made to be asked serves nothing")
