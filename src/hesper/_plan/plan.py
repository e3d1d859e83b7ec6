"""Everything that start-up knows about one route, frozen: the plan.

What it takes to serve the route is written from the plan alone; tools read it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from hesper._plan.arguments import Reading, Source
from hesper._plan.graph import Graph, Manner, Step, manner_of_handler, manner_of_hook, yields
from hesper._plan.path import PathTemplate
from hesper._plan.result import Result, result_of
from hesper._plan.walk import DeclaredRoute
from hesper._signature import UnreadableSignature, read_signature
from hesper._types import ExceptionHandler, Middleware
from hesper.handlers import BaseRouteHandler, HTTPRouteHandler
from hesper.layer import Layer, contributions, resolve
from hesper.response.response import WITHOUT_BODY


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything that start-up knows about one route; lives as long as its app."""

    path: PathTemplate
    methods: tuple[str, ...]
    """The HTTP methods; none for websockets and ASGI apps."""
    scope_type: str
    """`http`, `websocket` or `asgi` (both)."""
    handler: BaseRouteHandler
    """The resolved handler: every option is set, in its normal form."""
    chain: tuple[Layer, ...]
    call: Step
    """The call of the handler's function."""
    guards: tuple[Step, ...]
    before_request: tuple[Step, ...]
    after_request: tuple[Step, ...]
    after_response: tuple[Step, ...]
    providers: Mapping[Any, Step]
    """The dependencies that are needed, each behind those it depends on."""
    exception_handlers: tuple[Mapping[int | type[Exception], ExceptionHandler], ...]
    """By layer, the nearest first."""
    middleware: tuple[Middleware, ...]
    """Inside the application layer's, which stands around routing; the outermost first."""
    result: Result

    @property
    def label(self) -> str:
        """How messages, logs and tracebacks name the route."""
        return f"{'/'.join(self.methods) or self.scope_type.upper()} {self.path}"

    def option(self, name: str) -> Any:
        """Return the resolved value of the option *name*, in its normal form."""
        return vars(self.handler)[name]


def plan_route(declared: DeclaredRoute, problems: list[str]) -> Plan:
    """Return the plan of a declared route.

    Args:
        declared: A route from the walk.
        problems: Where problems are added, each naming the route, the layer and the fix.
    """
    found: list[str] = []
    handler = cast("BaseRouteHandler", resolve(declared.chain))
    vars(handler)["_function"] = declared.function
    options = vars(handler)
    scope_type = handler.scope_type
    is_http = scope_type == "http"
    reading = Reading(
        declared.path,
        scope_type,
        options["dependencies"],
        options["parameters"],
        options["type_decoders"],
    )
    graph = Graph(reading, found)
    plan = Plan(
        path=declared.path,
        methods=handler.http_methods if isinstance(handler, HTTPRouteHandler) else (),
        scope_type=scope_type,
        handler=handler,
        chain=declared.chain,
        guards=_hooks(graph, options["guards"], given=2),
        before_request=_hooks(graph, options["before_request"] if is_http else (), given=1),
        call=_call(graph, handler, declared.function),
        after_request=_hooks(graph, options["after_request"] if is_http else (), given=1),
        after_response=_finishing(options["after_response"]),
        providers=graph.providers,
        exception_handlers=exception_handlers_of(declared.chain),
        middleware=_middleware(declared.chain),
        result=_result(declared.function),
    )
    found.extend(_contradictions(plan))
    problems.extend(f"{declared.label}: {problem}" for problem in found)
    return plan


def _hooks(graph: Graph, calls: Iterable[Callable[..., Any]], given: int) -> tuple[Step, ...]:
    return tuple(graph.step(_name(call), call, manner_of_hook(call), given) for call in calls)


def _finishing(calls: Iterable[Callable[..., Any]]) -> tuple[Step, ...]:
    """Return the steps of hooks that take the request alone: what is injected is gone by then."""
    return tuple(Step(_name(call), call, (), manner_of_hook(call)) for call in calls)


def _name(call: Callable[..., Any]) -> str:
    return getattr(call, "__name__", type(call).__name__)


def _call(graph: Graph, handler: BaseRouteHandler, function: Callable[..., Any]) -> Step:
    to_thread = handler.sync_to_thread if isinstance(handler, HTTPRouteHandler) else False
    manner = manner_of_handler(function, to_thread=to_thread)
    given = 3 if handler.scope_type == "asgi" else 0
    name = getattr(function, "__name__", "handler")
    return graph.step(name, function, manner, given)


def exception_handlers_of(
    chain: tuple[Layer, ...],
) -> tuple[Mapping[int | type[Exception], ExceptionHandler], ...]:
    """Return the exception handlers of *chain* by layer, the nearest first."""
    found = [change.value for _, change in contributions(chain, "exception_handlers")]
    return tuple(reversed([mapping for mapping in found if mapping]))


def _middleware(chain: tuple[Layer, ...]) -> tuple[Middleware, ...]:
    below_the_application = chain[1:]
    return tuple(
        middleware
        for _, change in contributions(below_the_application, "middleware")
        for middleware in change.value
    )


def _result(function: Callable[..., Any]) -> Result:
    try:
        return result_of(read_signature(function).returns)
    except UnreadableSignature:  # reported with the arguments
        return Result.UNKNOWN


def _contradictions(plan: Plan) -> Iterable[str]:
    """Yield what a route asks for that cannot be."""
    sources = {argument.source for step in _steps(plan) for argument in step.arguments}
    if plan.methods and set(plan.methods) <= {"GET", "HEAD"}:
        for source in (Source.DATA, Source.BODY):
            if source in sources:
                method = plan.methods[0]
                yield f"{source.value!r} is the body, which a {method} request does not have"
    if yields(plan.call.call):
        yield _generator(plan)
    elif plan.scope_type != "http" and plan.call.manner is not Manner.AWAITED:
        kind = type(plan.handler).__name__
        yield f"a {kind} handler is an asynchronous function; write async def"
    status = plan.handler.default_status if isinstance(plan.handler, HTTPRouteHandler) else 200
    bodiless = status in WITHOUT_BODY
    if bodiless and plan.result in {Result.TEXT, Result.RAW, Result.DATA}:
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


def _steps(plan: Plan) -> Iterable[Step]:
    yield from plan.guards
    yield from plan.before_request
    yield from plan.providers.values()
    yield plan.call
    yield from plan.after_request
