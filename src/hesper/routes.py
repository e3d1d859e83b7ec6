"""What tools may know of an app: the routes that `app.iter_routes()` yields.

They are read from the plans, so that no tool has to read handlers again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from hesper._compile.endpoint import EndpointWriter
from hesper._compile.reply import media_type_of
from hesper._compile.websocket import write_asgi, write_websocket
from hesper._place import Place, place_of
from hesper._plan.annotations import declared_by, marks_of
from hesper._plan.arguments import READ_FROM_REQUEST, Argument, Source
from hesper._plan.graph import Step
from hesper._plan.manner import IN_THREADS
from hesper._plan.path import TYPES
from hesper._plan.plan import Plan
from hesper._signature import MISSING, described
from hesper._types import Empty, Middleware
from hesper.enums import ParamType
from hesper.handlers.handler import BaseRouteHandler
from hesper.handlers.http import HTTPRouteHandler
from hesper.handlers.mounting import mount
from hesper.layer import RULES, declared_at
from hesper.lifetime import Lifetime
from hesper.params import Body, ParameterDeclaration

__all__ = ["Route", "RouteArgument", "RouteCall", "routes_data", "routes_text"]

_PARAMETERS: Final = {
    Source.PATH_PARAMETER: ParamType.PATH,
    Source.QUERY_PARAMETER: ParamType.QUERY,
    Source.HEADER_PARAMETER: ParamType.HEADER,
    Source.COOKIE_PARAMETER: ParamType.COOKIE,
}
Role: TypeAlias = Literal[
    "guard",
    "before_request",
    "dependency",
    "handler",
    "after_request",
    "after_response",
    "exception_handler",
]


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class RouteArgument:
    """One argument of a call, and where its value comes from. Never changes."""

    name: str
    """Its name in the signature."""
    source: str
    """`"path parameter"`, `"query parameter"`, `"header parameter"`, `"cookie parameter"`,
    `"dependency"`, `"given"` for what Hesper passes by position, such as a guard's connection, or
    the reserved name: `"data"`, `"request"`, `"state"` ..."""
    param_type: ParamType | None
    """The part of the request that a parameter is read from; `None` for what is no parameter."""
    key: Any
    """Its name in the request, or the key of the dependency."""
    annotation: Any
    """Its type, with constraints as `msgspec.Meta` in `Annotated`."""
    described: Any
    """The same as clients see it: of a body with a DTO, with structs in the place of models."""
    default: Any
    """The value where the request has none; `Empty` if it must have one."""
    declaration: ParameterDeclaration | Body | None
    """What its annotation and the layers' `parameters` say of it, as one; with title and
    description."""
    validated: bool
    """Whether the value is converted and checked."""


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class RouteCall:
    """A function that a route calls, and what it takes. Never changes."""

    role: Role
    """What it is to the route."""
    function: Callable[..., Any]
    arguments: tuple[RouteArgument, ...]
    key: Any
    """The name, or the type, of the dependency that it makes; the status code or the class of the
    exceptions that it handles; `None` for all others."""
    lifetime: Lifetime | None
    """How long the dependency lives; `None` for what makes none."""
    in_thread: bool
    """Whether it runs in a worker thread."""
    returns: Any
    """Its return annotation; `Empty` without one."""


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class Route:
    """One route of an app. Never changes, and does not keep the app alive."""

    path: str
    """The whole path: `/books/{isbn:str}`."""
    path_parameters: Mapping[str, type]
    """What each parameter in the path becomes, whether the handler takes it or not."""
    methods: tuple[str, ...]
    """The declared HTTP methods; none for what is no HTTP handler. `HEAD` is answered for each
    `GET`, and `OPTIONS` for each path, without being here."""
    kind: Literal["http", "websocket", "asgi", "mount"]
    """`"asgi"` takes HTTP and websockets, `"mount"` those below the path, too."""
    name: str | None
    """The name that `app.route_reverse` knows the path by."""
    function: Callable[..., Any]
    """The user's function; of a mount, the method that hands connections on."""
    handler: BaseRouteHandler
    """The decorator's object, every option set to the resolved value."""
    layers: tuple[str, ...]
    """How messages name the layers, the application first and the handler last."""
    options: Mapping[str, Any]
    """The resolved value of every layered option: lists as tuples, `response_headers` and
    `response_cookies` as mappings, hooks as tuples, what nobody sets as its default."""
    calls: tuple[RouteCall, ...]
    """All that the route calls, in order: guards, `before_request`, dependencies, the handler,
    `after_request`, `after_response`, and exception handlers, the nearest layer's first. Each
    dependency is entered when it is first needed."""
    middleware: tuple[Middleware, ...]
    """Around this route, the outermost first; the application's is around routing, and not here."""
    returns: Any
    """The handler's return annotation; `Empty` without one."""
    sends: Any
    """The same as clients see it: with a DTO, the type of the content alone, with structs in the
    place of models."""
    status_code: int | None
    """The status of a successful response; `None` for what is no HTTP handler."""
    media_type: str | None
    """The media type of a plain result; `None` where only the response will tell."""
    _plan: Plan

    @property
    def label(self) -> str:
        """How messages name the route: `GET /books/{isbn:str}`."""
        return self._plan.label

    @property
    def target(self) -> Callable[..., Any]:
        """What serves in the end: the user's function, or the mounted app."""
        handler = self._plan.chain[-1]
        return handler.app if isinstance(handler, mount) else self.function

    @property
    def place(self) -> Place | None:
        """The file and the line of the function, or of the mount; `None` if it is not Python's."""
        handler = self._plan.chain[-1]
        return declared_at(handler) if isinstance(handler, mount) else place_of(self.function)

    @property
    def read_from_request(self) -> tuple[RouteArgument, ...]:
        """Parameters and bodies of all calls, the handler's first.

        One that two calls take is there twice: they may want different types of it.
        """
        names = {source.value for source in (*READ_FROM_REQUEST, Source.BODY)}
        calls = sorted(self.calls, key=lambda call: call.role != "handler")
        return tuple(a for call in calls for a in call.arguments if a.source in names)

    def source(self) -> str:
        """Return the generated text of the endpoint, without the middleware around it."""
        plan = self._plan
        if plan.scope_type == "http":
            return EndpointWriter(plan).write().text
        write = write_websocket if plan.scope_type == "websocket" else write_asgi
        return write(plan).text


def route_of(plan: Plan) -> Route:
    """Return the record of a plan."""
    handler = plan.handler
    returns = _returns(plan.call)
    status_code = handler.default_status if isinstance(handler, HTTPRouteHandler) else None
    is_mount = plan.scope_type == "asgi" and getattr(handler, "is_mount", False)
    return Route(
        path=str(plan.path),
        path_parameters=MappingProxyType({p.name: TYPES[p.kind] for p in plan.path.parameters}),
        methods=plan.methods,
        kind="mount" if is_mount else _KINDS[plan.scope_type],
        name=handler.name,
        function=plan.call.call,
        handler=handler,
        layers=tuple(layer.label for layer in plan.chain),
        options=MappingProxyType({name: _own(plan.option(name)) for name in RULES}),
        calls=tuple(_calls(plan)),
        middleware=plan.middleware,
        returns=returns,
        sends=returns if plan.outbound is None else plan.outbound.described,
        status_code=status_code,
        media_type=None if status_code is None else media_type_of(plan),
        _plan=plan,
    )


_KINDS: Final[Mapping[str, Literal["http", "websocket", "asgi"]]] = {
    "http": "http",
    "websocket": "websocket",
    "asgi": "asgi",
}


def _own(value: Any) -> Any:
    return value.copy() if isinstance(value, dict) else value


def _returns(step: Step) -> Any:
    return Empty if step.returns is MISSING else step.returns


def _calls(plan: Plan) -> Iterator[RouteCall]:
    for guard in plan.guards:
        yield _call(plan, "guard", guard)
    for hook in plan.before_request:
        yield _call(plan, "before_request", hook)
    for key, step in plan.providers.items():
        yield _call(plan, "dependency", step, key)
    yield _call(plan, "handler", plan.call)
    for hook in plan.after_request:
        yield _call(plan, "after_request", hook)
    for hook in plan.after_response:
        yield _call(plan, "after_response", hook)
    for handlers in plan.exception_handlers:
        for raised, handler in handlers.items():
            yield _call(plan, "exception_handler", handler, raised)


def _call(plan: Plan, role: Role, step: Step, key: Any = None) -> RouteCall:
    return RouteCall(
        role=role,
        function=step.call,
        arguments=tuple(_argument(plan, argument) for argument in step.arguments),
        key=key,
        lifetime=step.lifetime if role == "dependency" else None,
        in_thread=step.manner in IN_THREADS,
        returns=_returns(step),
    )


def _argument(plan: Plan, argument: Argument) -> RouteArgument:
    return RouteArgument(
        name=argument.name,
        source=argument.source.value,
        param_type=_PARAMETERS.get(argument.source),
        key=argument.key,
        annotation=argument.annotation,
        default=Empty if argument.default is MISSING else argument.default,
        described=argument.annotation if argument.inbound is None else argument.inbound.described,
        declaration=argument.body or _declaration(plan, argument),
        validated=argument.source in READ_FROM_REQUEST and not argument.skip_validation,
    )


def _declaration(plan: Plan, argument: Argument) -> ParameterDeclaration | None:
    """Return what is declared of a parameter, by its annotation and by the layers."""
    if argument.source not in _PARAMETERS:
        return None
    marks = marks_of(argument.annotation, argument.name)
    return declared_by(marks.parameter, plan.option("parameters").get(argument.name))


def routes_data(routes: Iterable[Route]) -> list[dict[str, Any]]:
    """Return *routes* as plain values: strings, numbers, lists and mappings.

    Args:
        routes: What `app.iter_routes()` yields.
    """
    return [
        {
            "path": route.path,
            "methods": list(route.methods),
            "kind": route.kind,
            "name": route.name,
            "handler": described(route.target),
            "file": route.place and route.place[0],
            "line": route.place and route.place[1],
            "layers": list(route.layers),
            "status_code": route.status_code,
            "media_type": route.media_type and str(route.media_type),
            "include_in_schema": route.options["include_in_schema"],
            "tags": list(route.options["tags"]),
        }
        for route in routes
    ]


def routes_text(routes: Iterable[Route], *, source: bool = False, width: int = 80) -> str:
    """Return a table of *routes*: methods, path and handler.

    Args:
        routes: What `app.iter_routes()` yields.
        source: Whether the generated text of each endpoint follows its line.
        width: The columns of the terminal; a line that does not fit is broken before the handler.
    """
    rows = [(_taken(route), route.path, described(route.target), route) for route in routes]
    if not rows:
        return "no routes\n"
    first = max(len(taken) for taken, *_ in rows)
    second = min(max(len(path) for _, path, *_ in rows), max(width // 2 - first, 10))
    lines: list[str] = []
    for taken, path, handler, route in rows:
        head = f"{taken:{first}}  {path:{second}}"
        fits = len(head) + 2 + len(handler) <= width
        lines += [f"{head}  {handler}"] if fits else [head.rstrip(), f"{'':{first}}    {handler}"]
        if source:
            lines += ["", *(f"    {line}" for line in route.source().splitlines()), ""]
    return "\n".join(lines) + "\n"


def _taken(route: Route) -> str:
    """Return the methods of a route, or what it takes in their place."""
    return "/".join(route.methods) or route.kind.upper()
