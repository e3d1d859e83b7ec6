"""Find the endpoint of a connection by its path and method.

A path matches whole, or with one trailing slash more. Static segments come before parameters, and
parameters in the order of their types, the strictest first; a branch that leads nowhere, or to
other methods only, is left again. What is known is reached by one look into a dictionary; the
search below it visits each node of the tree at most once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from hesper._plan.path import TYPES, PathParameterSegment, PathTemplate
from hesper._plan.path_values import CONVERTERS
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.serialization import DECODE_ERRORS

Values: TypeAlias = tuple[Any, ...]
Missing: TypeAlias = Callable[[tuple[str, ...]], ASGIApp]
"""Returns what answers a connection without endpoint, by the methods that its path has."""

_NO_OPTIONS: Final[Mapping[str, Any]] = {}
_NOTHING: Final[dict[str, Any]] = {}
"""What is below a node that is the last one, and its methods, if it has none; stays empty."""


class Target:
    """An endpoint and the names of the path parameters it is given; lives as long as its app."""

    __slots__ = ("__weakref__", "endpoint", "names", "opt")

    def __init__(
        self, endpoint: ASGIApp, names: tuple[str, ...], opt: Mapping[str, Any] = _NO_OPTIONS
    ) -> None:
        self.endpoint = endpoint
        self.names = names
        self.opt = opt
        """The free-form values of the route, for middleware that is asked before routing."""


class Node:
    """A place in the tree of paths; lives as long as its app."""

    __slots__ = (
        "__weakref__",
        "any",
        "below",
        "http",
        "is_closed",
        "mount",
        "parameters",
        "rest",
        "websocket",
    )

    def __init__(self) -> None:
        # PERF: most nodes have nothing below, or no methods: a dictionary each would be the
        # larger part of the tree.
        self.below: dict[str, Node] = _NOTHING
        self.parameters: tuple[Branch, ...] = ()
        """Nodes below by the kind of parameter, the strictest kind first."""
        self.rest: Node | None = None
        """Where a `path` parameter takes all that follows."""
        self.http: dict[str, Target] = _NOTHING
        self.websocket: Target | None = None
        self.any: Target | None = None
        """What takes all methods, and websockets."""
        self.mount: Target | None = None
        """What takes all that, here and below."""
        self.is_closed = False
        """Whether a path that ends below, or goes on, is known as a whole or not at all."""

    def child(self, segment: str | PathParameterSegment) -> Node:
        """Return the node below for *segment*, made if there is none."""
        if isinstance(segment, str):
            node = self.below.get(segment)
            if node is None:
                if self.below is _NOTHING:
                    self.below = {}
                node = self.below[segment] = Node()
            return node
        if segment.kind == "path":
            self.rest = self.rest or Node()
            return self.rest
        for kind, _, node in self.parameters:
            if kind == segment.kind:
                return node
        node = Node()
        found = (*self.parameters, (segment.kind, CONVERTERS.get(segment.kind), node))
        self.parameters = tuple(sorted(found, key=_strictness)) if len(found) > 1 else found
        return node


Branch: TypeAlias = tuple[str, Callable[[str], Any] | None, Node]
"""A kind of parameter, what converts its text (`None` if any is taken as it is), what follows."""


def _strictness(branch: Branch) -> int:
    return list(TYPES).index(branch[0])


class Found(msgspec.Struct, frozen=True):
    """Where a search ended."""

    target: Target
    values: Values
    rest: str | None
    """What is left of the path, where a mount was found."""


class Refusing(msgspec.Struct, frozen=True):
    """What a static path says to the methods that it has not."""

    methods: Container[str]
    refuse: ASGIApp


class Matcher:
    """Hands each connection to its endpoint; what it serves by is an app's innermost ASGI app.

    Lives as long as the application, which it does not know.

    Args:
        missing: Makes what answers connections without endpoint; called with the methods that
            their path has, none if there is no such path.
    """

    __slots__ = (
        "__weakref__",
        "_last",
        "_missing",
        "_nowhere",
        "_refusing",
        "_root",
        "_sockets",
        "_static",
    )

    def __init__(self, missing: Missing) -> None:
        self._missing = missing
        self._nowhere = missing(())
        self._root = Node()
        self._static: dict[str, dict[str, Target]] = {}
        # By static path, once one was asked with a method that it has not.
        self._refusing: dict[str, Refusing] = {}
        # By static path, once a websocket has come there.
        self._sockets: dict[str, Target] = {}
        self._last: dict[str, Node] = {}

    def node(self, path: PathTemplate) -> Node:
        """Return the place of *path* in the tree, made if there is none."""
        node = above = self._root
        for segment in path.segments:
            node, above = node.child(segment), node
        if node.http is _NOTHING:
            node.http = {}
        parameters = path.parameters
        if not parameters:
            self._static[str(path)] = node.http
        elif len(parameters) == 1 and parameters[0] is path.segments[-1]:
            self._last["".join([f"/{segment}" for segment in path.segments[:-1]])] = above
        return node

    def complete(self) -> None:
        """Prepare for searching, once all endpoints are in their places."""
        for above, place in list(self._last.items()):
            neighbours = [*place.below.values(), *(node for *_, node in place.parameters)]
            if any(node.any or node.mount for node in neighbours):
                del self._last[above]
        self._close("", self._root)

    def _close(self, above: str, place: Node) -> None:
        """Note where a last segment, if its path is not known as a whole, leads nowhere."""
        if place.parameters or place.rest is not None or place.mount is not None:
            return
        place.is_closed = not any(node.any or node.mount for node in place.below.values())
        if place.is_closed:
            self._last[above] = place
        for segment, node in place.below.items():
            if node.below:
                self._close(f"{above}/{segment}", node)

    def serve(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return the endpoint's coroutine for a connection.

        Not a coroutine function itself: that would be one more frame under each request.
        """
        # PERF: what is called is put into a local first, or CPython would search its class for it.
        path: str = scope["path"]
        root_path: str | None = scope.get("root_path")
        if root_path:
            path = below_root(path, root_path)
        if scope["type"] != "http":
            target = self._sockets.get(path)
            if target is None:
                return self._search(path, None, scope, receive, send)
            scope["path_params"] = {}
            endpoint = target.endpoint
            return endpoint(scope, receive, send)
        method: str = scope["method"]
        static = self._static.get(path)
        if static is not None:
            scope["path_params"] = {}
            if method in static:
                endpoint = static[method].endpoint
                return endpoint(scope, receive, send)
            known = self._refusing.get(path)
            if known is None or method in known.methods:
                return self._search(path, method, scope, receive, send)
            refuse = known.refuse
            return refuse(scope, receive, send)
        # PERF: most parameters stand alone at the end, so that one look-up finds their place. It
        # is the one that the search would find first: all before it is static, and no neighbour
        # takes connections whatever their method.
        above, slash, segment = path.rpartition("/")
        place = self._last.get(above) if slash and segment else None
        if place is not None:
            if place.is_closed:
                scope["path_params"] = {}
                refuse = self._nowhere
                return refuse(scope, receive, send)
            for _, convert, node in place.parameters:
                target = node.http.get(method)
                if target is not None:
                    try:
                        value = segment if convert is None else convert(segment)
                    except DECODE_ERRORS:
                        continue
                    scope["path_params"] = {target.names[0]: value}
                    endpoint = target.endpoint
                    return endpoint(scope, receive, send)
        return self._search(path, method, scope, receive, send)

    def options_of(self, scope: Scope) -> Mapping[str, Any]:
        """Return the `opt` of the route that a connection will come to; empty without one."""
        path = below_root(scope["path"], scope.get("root_path", ""))
        method = scope["method"] if scope["type"] == "http" else None
        found = self._found(without_slash(path), method, {})
        return _NO_OPTIONS if found is None else found.target.opt

    def _found(self, path: str, method: str | None, allowed: dict[str, object]) -> Found | None:
        """Search the tree for a path; *method* is `None` for a websocket."""
        first, *segments = path.split("/") if path != "/" else ("",)
        # A path begins with a slash; `OPTIONS *` asks about the server, and is not answered here.
        return None if first else _find(self._root, segments, 0, (), method, allowed)

    def _search(
        self, path: str, method: str | None, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Return the coroutine of what the tree has for a path."""
        path = without_slash(path)
        allowed: dict[str, object] = {}
        found = self._found(path, method, allowed)
        if found is None:
            scope["path_params"] = {}
            refuse = self._missing(tuple(allowed))
            if method is not None and path in self._static:
                self._refusing[path] = Refusing(allowed, refuse)
            return refuse(scope, receive, send)
        target = found.target
        if found.rest is not None:
            scope = _mounted(scope, path, found.rest)
        elif method is None and path in self._static and not target.names:
            self._sockets[path] = target
        scope["path_params"] = dict(zip(target.names, found.values, strict=True))
        return target.endpoint(scope, receive, send)


def _find(
    node: Node,
    segments: list[str],
    index: int,
    values: Values,
    method: str | None,
    allowed: dict[str, object],
) -> Found | None:
    """Return the best endpoint at or below *node*.

    Args:
        node: Where the first *index* segments have led.
        segments: The segments of the path.
        index: How many of them are used up.
        values: The values of the parameters on the way.
        method: The HTTP method; `None` for a websocket.
        allowed: Takes the methods of places that fit the path but not the method.
    """
    # PERF: where static segments alone lead on, there is nothing to come back to.
    while index < len(segments) and not (node.parameters or node.rest or node.mount):
        child = node.below.get(segments[index])
        if child is None:
            return None
        node, index = child, index + 1
    if index == len(segments):
        target = (node.websocket if method is None else node.http.get(method)) or node.any
        if target is not None:
            return Found(target, values, None)
        if method is not None:
            allowed.update(node.http)
        return None if node.mount is None else Found(node.mount, values, "")
    segment = segments[index]
    found: Found | None = None
    below = node.below.get(segment)
    if below is not None:
        found = _find(below, segments, index + 1, values, method, allowed)
    for _, convert, child in node.parameters:
        if found is not None:
            return found
        value = _converted(convert, segment)
        if value is not None:
            found = _find(child, segments, index + 1, (*values, value), method, allowed)
    if found is None and node.rest is not None and segment:
        rest = Path("/" + "/".join(segments[index:]))
        found = _find(node.rest, segments, len(segments), (*values, rest), method, allowed)
    if found is None and node.mount is not None:
        found = Found(node.mount, values, "/" + "/".join(segments[index:]))
    return found


def _mounted(scope: Scope, path: str, rest: str) -> Scope:
    """Return the scope inside a mount: the part of the path above it moves to `root_path`.

    `path` stays whole, as the ASGI specification has it.
    """
    above = path[: len(path) - len(rest)]
    return {**scope, "root_path": scope.get("root_path", "") + above}


def _converted(convert: Callable[[str], Any] | None, segment: str) -> Any:
    """Return the value of a segment; `None` if it is not of the kind that *convert* makes."""
    if not segment or convert is None:
        return segment or None
    try:
        return convert(segment)
    except DECODE_ERRORS:
        return None


def without_slash(path: str) -> str:
    """Return *path* without the one slash that may follow it."""
    return path[:-1] if len(path) > 1 and path.endswith("/") and path[-2] != "/" else path


def below_root(path: str, root_path: str) -> str:
    """Return the part of *path* below *root_path*; some servers have removed it already."""
    root_path = root_path.rstrip("/")
    if path == root_path:
        return "/"
    return path[len(root_path) :] if path.startswith(root_path + "/") else path
