"""Everything that start-up knows about one route, frozen: the plan.

What it takes to serve the route is written from the plan alone; tools read it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import msgspec

import hesper._late as late
from hesper._plan.arguments import Reading, Source
from hesper._plan.graph import Graph, Lasting, Providers, Step
from hesper._plan.manner import Manner, manner_of_handler, yields
from hesper._plan.path import ROOT, PathTemplate
from hesper._plan.result import Result, result_of
from hesper._plan.walk import DeclaredRoute
from hesper._resolution import contributions, option_of, options_of, resolve
from hesper._types import Middleware
from hesper.handlers.handler import BaseRouteHandler
from hesper.handlers.http import HTTPRouteHandler
from hesper.layer import Layer, changes_of
from hesper.response.response import WITHOUT_BODY

_WITHOUT_REQUEST_BODY: Final = frozenset({"GET", "HEAD"})
_WITH_BODY: Final = (Result.TEXT, Result.RAW, Result.DATA)

ExceptionHandlers: TypeAlias = Mapping[int | type[Exception], Step]
"""The exception handlers of one layer, by status code or exception class."""


class Plan(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """Everything that start-up knows about one route; lives as long as its app."""

    path: PathTemplate
    methods: tuple[str, ...]
    """The HTTP methods; none for websockets and ASGI apps."""
    scope_type: str
    """`http`, `websocket` or `asgi` (both)."""
    handler: BaseRouteHandler
    """The resolved handler: every option is set, in its normal form."""
    above: tuple[Layer, ...]
    """The layers above the handler, outermost first."""
    declared: Layer
    """The innermost layer, as it was declared."""
    call: Step
    """The call of the handler's function."""
    guards: tuple[Step, ...]
    before_request: tuple[Step, ...]
    after_request: tuple[Step, ...]
    after_response: tuple[Step, ...]
    providers: Mapping[Any, Step]
    """The dependencies that are needed, each behind those it depends on."""
    exception_handlers: tuple[ExceptionHandlers, ...]
    """By layer, the nearest first."""
    middleware: tuple[Middleware, ...]
    """Inside the application layer's, which stands around routing; the outermost first."""
    result: Result
    outbound: late.Outbound | None
    """What a DTO makes of the handler's results."""
    lasting: Lasting
    """The app's providers of values that outlive a connection."""
    is_route: bool = True
    """Whether a handler stands behind it; else it is what the application says without one."""

    is_started: bool = True
    """Whether its providers of LIFESPAN values have been called when a connection arrives."""

    @property
    def label(self) -> str:
        """How messages, logs and tracebacks name the route."""
        if not self.is_route:
            return "routing"
        return f"{'/'.join(self.methods) or self.scope_type.upper()} {self.path}"

    @property
    def route_handler(self) -> BaseRouteHandler | None:
        """The resolved handler that connections are routed to, if there is one."""
        return self.handler if self.is_route else None

    @property
    def chain(self) -> tuple[Layer, ...]:
        """The layers as they were declared, outermost first."""
        return (*self.above, self.declared)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, outermost first, the handler in its resolved form."""
        return (*self.above, self.handler) if self.is_route else self.chain

    def with_providers(self, providers: Mapping[Any, Step]) -> Plan:
        """Return a copy that knows *providers*, for what nobody knew of at start-up."""
        return msgspec.structs.replace(self, providers=providers, is_started=False)

    @property
    def returns(self) -> Any:
        """What the handler says that it returns; `MISSING` if it does not."""
        return self.call.returns

    @property
    def at_hand(self) -> Providers:
        """Finds further dependencies, for what is only known while a connection is served."""
        options, lasting = options_of(self.handler), self.lasting
        reading = reading_of(self.handler, options, self.path, self.scope_type, self.chain, lasting)
        return Providers(reading, lasting)

    def option(self, name: str) -> Any:
        """Return the resolved value of the option *name*, in its normal form."""
        return option_of(self.handler, name)


def plan_route(declared: DeclaredRoute, problems: list[str], lasting: Lasting) -> Plan:
    """Return the plan of a declared route.

    Args:
        declared: A route from the walk.
        problems: Where problems are added, each naming the route, the layer and the fix.
        lasting: The app's providers of values that outlive a connection.
    """
    found: list[str] = []
    branch, chain = declared.branch, declared.chain
    handler = branch.resolve(declared.handler)
    vars(handler)["_function"] = declared.function
    scope_type = handler.scope_type
    options, is_http = options_of(handler), scope_type == "http"
    reading = reading_of(handler, options, declared.path, scope_type, chain, lasting)
    graph = Graph(reading, found, lasting)
    has_dto = options["dto"] is not None or options["return_dto"] is not None
    plan = Plan(
        path=declared.path,
        methods=handler.http_methods if isinstance(handler, HTTPRouteHandler) else (),
        scope_type=scope_type,
        handler=handler,
        above=branch.layers,
        declared=declared.handler,
        guards=_hooks(graph, options["guards"], given=2),
        before_request=_hooks(graph, options["before_request"], 1) if is_http else (),
        call=(call := _call(graph, handler, declared.function)),
        after_request=_hooks(graph, options["after_request"], 1) if is_http else (),
        after_response=_finishing(graph, options["after_response"]),
        exception_handlers=(
            _exception_handlers(graph, chain) if declared.says("exception_handlers") else ()
        ),
        providers=graph.providers,
        middleware=_middleware(chain) if declared.says("middleware") else (),
        result=result_of(call.returns),
        outbound=(
            late.outbound(handler, chain, call.returns, found) if is_http and has_dto else None
        ),
        lasting=lasting,
    )
    found.extend(_contradictions(plan))
    if has_dto and not found:
        found.extend(_idle(plan))
    if found:
        problems.extend([f"{declared.label}: {problem}" for problem in found])
    return plan


def _idle(plan: Plan) -> Iterable[str]:
    """Return what is wrong with the DTOs that a handler itself names."""
    arguments = (argument for step in _steps(plan) for argument in step.arguments)
    read = [argument.inbound for argument in arguments if argument.source is Source.DATA]
    return late.idle(plan.handler, plan.scope_type, read, plan.outbound)


def reading_of(
    handler: Layer,
    options: Mapping[str, Any],
    path: PathTemplate,
    scope_type: str,
    chain: tuple[Layer, ...],
    lasting: Lasting,
) -> Reading:
    """Return what the arguments of a route's callables are read with.

    Args:
        handler: The resolved handler.
        options: All of its options.
        path: The route's path.
        scope_type: The type of its connections.
        chain: The layers that it was resolved from.
        lasting: What has been read of the app so far.
    """
    return Reading(
        path,
        scope_type,
        options["dependencies"],
        options["parameters"],
        options["type_decoders"],
        options["dto"],
        "dto" in changes_of(handler),
        chain,
        lasting.decoding,
    )


def plan_layer(outermost: Layer, problems: list[str], lasting: Lasting, scope_type: str) -> Plan:
    """Return what an application says where no route has been found, as a plan without a handler.

    Args:
        outermost: The application as a layer.
        problems: Where problems are added.
        lasting: The app's providers of values that outlive a connection.
        scope_type: `http` or `websocket`.
    """
    found: list[str] = []
    nothing = BaseRouteHandler()
    handler = resolve((cast("BaseRouteHandler", outermost), nothing))
    chain = (outermost,)
    options = options_of(handler)
    reading = reading_of(handler, options, ROOT, scope_type, chain, lasting)
    graph = Graph(reading, found, lasting)
    is_http = scope_type == "http"
    plan = Plan(
        path=reading.path,
        methods=(),
        scope_type=scope_type,
        handler=handler,
        above=(),
        declared=outermost,
        guards=(),
        before_request=(),
        call=Step("routing", nothing, (), Manner.DIRECT),
        after_request=(),
        after_response=_finishing(graph, options["after_response"] if is_http else ()),
        exception_handlers=_exception_handlers(graph, chain),
        providers=graph.providers,
        middleware=(),
        result=Result.UNKNOWN,
        outbound=None,
        lasting=lasting,
        is_route=False,
    )
    problems.extend(f"{outermost.label}: {problem}" for problem in found)
    return plan


def _hooks(graph: Graph, calls: Sequence[Callable[..., Any]], given: int) -> tuple[Step, ...]:
    return tuple([graph.hook(call, given) for call in calls]) if calls else ()


def _finishing(graph: Graph, calls: Sequence[Callable[..., Any]]) -> tuple[Step, ...]:
    """Return the steps of hooks that are called when the handler's call has ended."""
    return tuple([graph.late_hook(call, given=1) for call in calls]) if calls else ()


def _call(graph: Graph, handler: BaseRouteHandler, function: Callable[..., Any]) -> Step:
    to_thread = handler.sync_to_thread if isinstance(handler, HTTPRouteHandler) else False
    manner = manner_of_handler(function, to_thread=to_thread)
    given = 3 if handler.scope_type == "asgi" else 0
    name = getattr(function, "__name__", "handler")
    return graph.step(name, function, manner, given)


def _exception_handlers(graph: Graph, chain: tuple[Layer, ...]) -> tuple[ExceptionHandlers, ...]:
    """Return the exception handlers of *chain* by layer, the nearest first."""
    found = [change.value for _, change in contributions(chain, "exception_handlers")]
    by_layer = (
        {key: handler for key, handler in handlers.items() if graph.suits(handler)}
        for handlers in reversed(found)
    )
    return tuple(
        {key: graph.late_hook(handler, given=2) for key, handler in handlers.items()}
        for handlers in by_layer
        if handlers
    )


def late_steps(plan: Plan) -> tuple[Step, ...]:
    """Return the steps of what is called when the handler's call has ended."""
    handlers = (step for layer in plan.exception_handlers for step in layer.values())
    return (*plan.after_response, *handlers)


def _middleware(chain: tuple[Layer, ...]) -> tuple[Middleware, ...]:
    below_the_application = chain[1:]
    return tuple(
        [
            middleware
            for _, change in contributions(below_the_application, "middleware")
            for middleware in change.value
        ]
    )


def _contradictions(plan: Plan) -> Iterable[str]:
    """Yield what a route asks for that cannot be."""
    if plan.methods and _WITHOUT_REQUEST_BODY.issuperset(plan.methods):
        sources = [argument.source for step in _steps(plan) for argument in step.arguments]
        for source in (Source.DATA, Source.BODY) if sources else ():
            if source in sources:
                method = plan.methods[0]
                yield f"{source.value!r} is the body, which a {method} request does not have"
    if yields(plan.call.call):
        yield _generator(plan)
    elif plan.scope_type != "http" and plan.call.manner is not Manner.AWAITED:
        kind = type(plan.handler).__name__
        yield f"a {kind} handler is an asynchronous function; write async def"
    if plan.result in _WITH_BODY and isinstance(plan.handler, HTTPRouteHandler):
        status = plan.handler.default_status
        if status in WITHOUT_BODY:
            yield (
                f"a response of status {status} has no body, but the handler returns one; "
                "annotate it with -> None or give another status_code"
            )


def _generator(plan: Plan) -> str:
    found = f"{plan.call.name} is a generator function, and calling it runs nothing"
    if plan.scope_type == "http":
        return (
            f"{found}; to stream what it yields, give the generator another name and write a "
            "handler that says return Stream(generator())"
        )
    return f"{found}; write async def without yield"


def _steps(plan: Plan) -> tuple[Step, ...]:
    around = (*plan.guards, *plan.before_request, *plan.providers.values())
    return (*around, plan.call, *plan.after_request)
