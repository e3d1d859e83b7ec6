"""What an app does with one method and path, and why: what `app.explain()` returns.

A method and a path are looked up as a connection's are, by the same matcher. `str()` of an
explanation is a page of plain text, at most 80 columns wide.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote

from hesper._compile.exclusion import exclusion_of
from hesper._compile.matcher import Matcher, Target, without_slash
from hesper._compile.routes import parameter_names, put
from hesper._contributions import Contribution, ExplainedOption, explained_option
from hesper._place import Place
from hesper._plan.path import PathParameterSegment
from hesper._plan.plan import Plan
from hesper._shown import called, columns, folded, shown, shown_key, shown_place
from hesper._signature import described
from hesper._types import Middleware, Receive, Scope, Send
from hesper.handlers.mounting import mount
from hesper.layer import RULES, Layer, declared_at
from hesper.lifetime import Lifetime
from hesper.routes import Route, RouteCall, route_of

__all__ = ["Contribution", "ExplainedOption", "Explanation"]


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class Explanation:
    """What an app does with one method and path, and why. Never changes."""

    method: str
    path: str
    """The decoded path."""
    route: Route | None
    """The route that takes the connection; `None` if none does."""
    status: int | None
    """What is answered without a route: 404, 405, or 204 for `OPTIONS`."""
    allowed: tuple[str, ...]
    """The methods of a path that does not have this one."""
    near: tuple[Route, ...]
    """Routes that were probably meant, the likeliest first."""
    path_parameters: Mapping[str, Any]
    """The values of the path's parameters."""
    layers: tuple[tuple[str, Place | None], ...]
    """The names and the places of the layers, outermost first."""
    options: Mapping[str, ExplainedOption]
    """Every option by name; without a route, the application's own."""
    left_out_by: tuple[Middleware, ...]
    """The middleware around the route that leaves out such connections, whatever else they are: by
    type, path or `opt`. What decides by `should_bypass_for_scope` alone is not here."""
    inner: Explanation | None
    """What the mounted app says, if it is one of Hesper's."""

    def source(self) -> str:
        """Return the generated text of the endpoint; nothing, if no route was found."""
        return "" if self.route is None else self.route.source()

    def __str__(self) -> str:
        """Return all of it as text."""
        return "\n".join(_lines(self)) + "\n"


class _Match(NamedTuple):
    """Where the matcher leads: to a plan, or to the methods that the path has."""

    plan: Plan | None
    path_parameters: Mapping[str, Any]
    methods: tuple[str, ...]
    rest: str


class _Finder:
    """Stands where an endpoint would; tells which one it is instead of serving."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> Any:
        rest = scope["path"].removeprefix(scope["root_path"])
        return _Match(self._plan, scope["path_params"], (), rest)


def _missing(methods: tuple[str, ...]) -> Any:
    return lambda _scope, _receive, _send: _Match(None, {}, methods, "")


def _match(plans: Sequence[Plan], method: str, path: str) -> _Match:
    matcher = Matcher(_missing)
    for plan in plans:
        put(matcher.node(plan.path), plan, Target(_Finder(plan), parameter_names(plan)))
    for plan in plans:  # HEAD is answered where GET is
        http = matcher.node(plan.path).http
        if "GET" in http:
            http.setdefault("HEAD", http["GET"])
    matcher.complete()
    kind = "websocket" if method == "WEBSOCKET" else "http"
    scope: Scope = {"type": kind, "method": method, "path": path, "root_path": ""}
    unused: Any = None
    return cast("_Match", matcher.serve(scope, unused, unused))


def explain(plans: Sequence[Plan], application: Layer, method: str, path: str) -> Explanation:
    """Return what an app does with *method* and *path*.

    Args:
        plans: The plans of the app.
        application: The app's own layer.
        method: An HTTP method, or `WEBSOCKET`.
        path: The path as in a URL: percent-encoded; a query is left out.
    """
    method = {"WS": "WEBSOCKET"}.get(method.upper(), method.upper())
    decoded = "/" + unquote(path.partition("?")[0]).removeprefix("/")
    match = _match(plans, method, decoded)
    plan = match.plan
    chain = (application,) if plan is None else plan.chain
    dependencies = None if plan is None else plan.option("dependencies")
    options = {name: explained_option(chain, name, dependencies) for name in RULES}
    return Explanation(
        method=method,
        path=decoded,
        route=None if plan is None else route_of(plan),
        status=_status(match, method),
        allowed=tuple(sorted({*match.methods, "OPTIONS"})) if match.methods else (),
        near=() if plan is not None else tuple(_near(plans, match.methods, method, decoded)),
        path_parameters=MappingProxyType(dict(match.path_parameters)),
        layers=tuple((layer.label, declared_at(layer)) for layer in chain),
        options=MappingProxyType(options),
        left_out_by=tuple(_leaving_out(method, decoded, options)),
        inner=_inner(plan, method, match.rest),
    )


def _leaving_out(
    method: str, path: str, options: Mapping[str, ExplainedOption]
) -> Iterator[Middleware]:
    """Yield the middleware that leaves out the connections of a method and a path."""
    scope_type = "websocket" if method == "WEBSOCKET" else "http"
    for factory in options["middleware"].value:
        exclusion = exclusion_of(factory)
        opt = options["opt"].value
        if exclusion is not None and exclusion.covers(scope_type, without_slash(path), opt):
            yield factory


def _status(match: _Match, method: str) -> int | None:
    if match.plan is not None:
        return None
    if not match.methods:
        return 404
    return 204 if method == "OPTIONS" else 405


def _inner(plan: Plan | None, method: str, rest: str) -> Explanation | None:
    """Return what a mounted Hesper app does; its class stands above this file."""
    if plan is None or not isinstance(plan.chain[-1], mount):
        return None
    ask = getattr(plan.chain[-1].app, "explain", None)
    explanation = None if ask is None else ask(method, rest or "/")
    return explanation if isinstance(explanation, Explanation) else None


_SIMILAR: Final = 0.6
_SHOWN: Final = 5


def _near(
    plans: Sequence[Plan], methods: tuple[str, ...], method: str, path: str
) -> Iterator[Route]:
    """Yield the routes of a path that has other methods, or else those of similar paths."""
    if methods:
        for plan in plans:
            if _match([plan], method, path).methods:
                yield route_of(plan)
        return
    given = path.split("/")[1:]
    filled: dict[str, dict[Plan, None]] = {}
    for plan in plans:
        segments = plan.path.segments
        # A parameter looks like what stands in its place, counted from either end.
        for shift in {0, len(given) - len(segments)}:
            parts = [
                given[index + shift]
                if isinstance(segment, PathParameterSegment) and 0 <= index + shift < len(given)
                else str(segment)
                for index, segment in enumerate(segments)
            ]
            filled.setdefault("/" + "/".join(parts), {})[plan] = None
    likely = difflib.get_close_matches(path, filled, n=_SHOWN, cutoff=_SIMILAR)
    for plan in dict.fromkeys(plan for text in likely for plan in filled[text]):
        yield route_of(plan)


def _lines(explanation: Explanation) -> Iterator[str]:
    route, asked = explanation.route, f"{explanation.method} {explanation.path}"
    if route is None:
        yield from folded(f"{asked}: {_outcome(explanation)}")
        if explanation.near:
            yield from ("", "Near it are:")
            yield from columns([(near.label, called(near.target)) for near in explanation.near])
    else:
        yield from folded(f"{asked}: {route.label}")
        yield ""
        values = explanation.path_parameters.items()
        yield from columns(
            [
                ("handler", described(route.target)),
                ("", shown_place(route.place)),
                *((f"{name}", f"{value!r}, from the path") for name, value in values),
            ]
        )
    yield from ("", "Layers, outermost first:")
    yield from columns([(name, shown_place(place)) for name, place in explanation.layers])
    if route is not None:
        yield from _calls(route, explanation)
    yield from _options(explanation)
    if explanation.inner is not None:
        yield from ("", "The mounted app:", "")
        yield from _lines(explanation.inner)


def _outcome(explanation: Explanation) -> str:
    if explanation.status == 404:
        return "404, no route has this path"
    allow = ", ".join(explanation.allowed)
    if explanation.status == 204:
        return f"204, with Allow: {allow}"
    return f"405, this path has other methods (Allow: {allow})"


def _calls(route: Route, explanation: Explanation) -> Iterator[str]:
    middleware = explanation.options["middleware"].value
    around = len(middleware) - len(route.middleware)
    rows = [
        (
            "middleware",
            shown(factory)
            + (", around routing" if index < around else "")
            + (", leaves this out" if factory in explanation.left_out_by else ""),
        )
        for index, factory in enumerate(middleware)
    ]
    rows += [(c.role, _call(c)) for c in route.calls if c.role != "exception_handler"]
    yield from ("", "What is called, in order; each dependency when it is first needed:")
    yield from columns(rows)


def _call(call: RouteCall) -> str:
    taken = [
        argument.name
        if argument.source in {argument.name, "given"}
        else f"{argument.name} ({argument.source})"
        for argument in call.arguments
    ]
    text = f"{called(call.function)}({', '.join(taken)})"
    if call.lifetime is not None:
        text = f"{shown_key(call.key)} = {text}, lives for {_LIVES[call.lifetime]}"
    return f"{text}, in a thread" if call.in_thread else text


_LIVES: Final = {
    Lifetime.CALL: "the call",
    Lifetime.CONNECTION: "the connection",
    Lifetime.LIFESPAN: "the lifespan",
    Lifetime.LOOP: "the loop",
}


def _options(explanation: Explanation) -> Iterator[str]:
    said = [option for option in explanation.options.values() if option.contributions]
    silent = [option for option in explanation.options.values() if not option.contributions]
    if said:
        yield from ("", "Options:")
    for option in said:
        yield from folded(f"{option.name} = {shown(option.value)}", "  ", "      ")
        for given in option.contributions:
            place = None if given.file is None else (given.file, given.line or 0)
            text = f"{given.layer}, {shown_place(place)}" if place else given.layer
            if len(option.contributions) > 1 or given.wrapper:
                text = f"{text}: {_said(given)}"
            yield from folded(text, "    ", "        ")
    if explanation.route is not None:
        yield from ("", "Options that no layer sets:")
        # Spaces that do not break keep each pair on one line.
        pairs = (f"{option.name} = {shown(option.value)}" for option in silent)
        together = ", ".join(pair.replace(" ", _UNBROKEN) for pair in pairs)
        yield from (line.replace(_UNBROKEN, " ") for line in folded(together, "  ", "  "))


_UNBROKEN: Final = "\N{NO-BREAK SPACE}"


def _said(given: Contribution) -> str:
    value = f"{given.wrapper}({shown(given.value)})" if given.wrapper else shown(given.value)
    return value if given.in_force else f"{value} (dropped)"
