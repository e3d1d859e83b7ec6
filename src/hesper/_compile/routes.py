"""Put the plans of an app into a matcher; an endpoint is compiled on its route's first request."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

from hesper._compile.disconnect import ended_when_gone
from hesper._compile.endpoint import build_endpoint, finish_of, recovery_of
from hesper._compile.errors import Finish, Recovery
from hesper._compile.exclusion import selective
from hesper._compile.matcher import Matcher, Node, Target
from hesper._compile.socket_recovery import Overheard, SocketRecovery, socket_recovery_of
from hesper._compile.websocket import build_asgi, build_websocket
from hesper._plan.plan import Plan
from hesper._signature import described
from hesper._types import ASGIApp, Message, Middleware, Receive, Scope, Send
from hesper.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from hesper.response.response import Prepared, Response


class Deferred:
    """Stands in for an endpoint until its route's first request, and then compiles it.

    Args:
        plan: What is compiled.
        target: Where the endpoint takes this object's place; it holds this object, so it is
            referred to weakly.
    """

    __slots__ = ("__weakref__", "_plan", "_target")

    def __init__(self, plan: Plan, target: Target) -> None:
        self._plan = plan
        self._target = weakref.ref(target)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Compile the endpoint and return its coroutine."""
        endpoint = compile_plan(self._plan)
        target = self._target()
        if target is not None:
            target.endpoint = endpoint
        return endpoint(scope, receive, send)


def compile_plan(plan: Plan) -> ASGIApp:
    """Return the endpoint of *plan*, inside its middleware."""
    build = {"http": build_endpoint, "websocket": build_websocket, "asgi": build_asgi}
    endpoint = build[plan.scope_type](plan)
    if plan.option("when_disconnected") == "cancel":
        endpoint = ended_when_gone(endpoint, plan.label)
    if not plan.middleware:
        return endpoint
    finish = finish_of(plan) if plan.after_response else None
    sockets = socket_recovery_of(plan)
    limit = plan.option("request_max_body_size")
    return within(plan.middleware, endpoint, recovery_of(plan), sockets, limit, finish, plan)


def within(
    middleware: Sequence[Middleware],
    app: ASGIApp,
    recovery: Recovery,
    socket_recovery: SocketRecovery,
    max_body_size: int | None,
    finish: Finish | None = None,
    plan: Plan | None = None,
    options: Callable[[Scope], Mapping[str, Any]] | None = None,
) -> ASGIApp:
    """Return *app* inside *middleware*, the first outermost.

    Args:
        middleware: Factories `(app) -> app`.
        app: The innermost app.
        recovery: Answers what the middleware raises before a response has started.
        socket_recovery: Answers what the middleware of websockets raises.
        max_body_size: The bytes that a body may have which middleware reads; None for any number.
        finish: Does what follows a response, where nothing inside has done it.
        plan: The route that the middleware is for; None where routing is still to come.
        options: Returns the `opt` of the route to come, where routing is still to come.
    """
    for factory in reversed(middleware):
        app = _inside(factory, app, plan, options)
    route_handler = None if plan is None else plan.handler
    if finish is not None and not finish.has_hooks:
        finish = None

    async def stack(scope: Scope, receive: Receive, send: Send) -> None:
        if route_handler is not None:
            scope["route_handler"] = route_handler
        if scope["type"] == "websocket":
            await _socket(app, scope, receive, send, socket_recovery)
            return
        scope["hesper_max_body_size"] = max_body_size
        if finish is not None:
            finish.expect(scope)
        has_started = False

        def noting(message: Message) -> Awaitable[None]:
            nonlocal has_started
            has_started = True
            return send(message)

        try:
            await app(scope, receive, noting)
        except Exception as error:
            if has_started:
                raise
            await recovery(error, scope, receive, send)
        finally:
            if finish is not None:
                await finish(None, scope, receive, send)

    return stack


async def _socket(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, recovery: SocketRecovery
) -> None:
    """Serve a websocket by *app*, and answer what that raises."""
    overheard = Overheard(receive, send)
    try:
        await app(scope, overheard.receive, overheard.send)
    except Exception as error:
        socket = await overheard.socket(scope, recovery.websocket_class)
        await recovery(error, socket)


def _inside(
    factory: Middleware,
    app: ASGIApp,
    plan: Plan | None,
    options: Callable[[Scope], Mapping[str, Any]] | None,
) -> ASGIApp:
    """Return *app* inside of what *factory* makes, but for what that leaves out."""
    made: object = factory(app)
    if not callable(made):
        if inspect.iscoroutine(made):
            made.close()
        raise TypeError(
            f"the middleware {described(factory)} returned {type(made).__name__}, and no ASGI app; "
            "a factory takes an app and returns one, such as a function (scope, receive, send)"
        )
    choosing = selective(cast("ASGIApp", made), app)
    if choosing is None:
        return cast("ASGIApp", made)
    if plan is not None:
        return choosing.on_route(plan)
    return choosing if options is None else choosing.around_routing(options)


def add_plans(
    matcher: Matcher, plans: Sequence[Plan], problems: list[str], known: Mapping[Plan, Target]
) -> dict[Plan, Target]:
    """Put *plans* into *matcher*.

    Args:
        matcher: Where the endpoints are found.
        plans: The plans of an app.
        problems: Where conflicts are added, each naming both routes.
        known: Targets of plans that another app has, too: their endpoints are compiled once.

    Returns:
        The target of each plan.
    """
    targets: dict[Plan, Target] = {}
    placed: dict[Node, list[Plan]] = {}
    for plan in plans:
        node = matcher.node(plan.path)
        neighbours = placed.setdefault(node, [])
        problems += [
            f"{plan.label} is declared twice: by {_function(other)} "
            f"and by {_function(plan)}; change a path or a method"
            for other in neighbours
            if _clash(other, plan)
        ]
        neighbours.append(plan)
        target = targets[plan] = known.get(plan) or _target(plan)
        put(node, plan, target)
    for node in placed:
        _add_implied(node)
    matcher.complete()
    return targets


def _clash(one: Plan, other: Plan) -> bool:
    """Whether two plans of the same path take the same connections."""
    these, those = _takes(one), _takes(other)
    if "mount" in these | those:  # which leaves to others what they take
        return these == those
    return bool(these & those) or "asgi" in these | those


def _takes(plan: Plan) -> frozenset[str]:
    if getattr(plan.handler, "is_mount", False):
        return frozenset({"mount"})
    return frozenset(plan.methods or (plan.scope_type,))


def _function(plan: Plan) -> str:
    function = plan.call.call
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}"


def _target(plan: Plan) -> Target:
    target = Target(_not_yet, parameter_names(plan), plan.option("opt"))
    target.endpoint = Deferred(plan, target)
    return target


def parameter_names(plan: Plan) -> tuple[str, ...]:
    """Return the names of a route's path parameters, in order."""
    return tuple([parameter.name for parameter in plan.path.parameters])


def put(node: Node, plan: Plan, target: Target) -> None:
    """Put *target* where the connections that *plan* takes are looked for.

    Args:
        node: The place of the plan's path.
        plan: What is known about the route.
        target: What is found there.
    """
    if plan.scope_type == "websocket":
        node.websocket = target
    elif plan.scope_type == "asgi":
        if getattr(plan.handler, "is_mount", False):
            node.mount = target
        else:
            node.any = target
    else:
        for method in plan.methods:
            node.http[method] = target


async def _not_yet(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("a target is given its endpoint when it is made")


def _add_implied(node: Node) -> None:
    """Answer `HEAD` where `GET` is (RFC 9110, section 9.3.2)."""
    if "GET" in node.http and "HEAD" not in node.http:
        target = node.http["GET"]
        node.http["HEAD"] = Target(Head(target), target.names, target.opt)


class Missing:
    """Makes what answers connections that have no endpoint; lives as long as its app.

    Args:
        recovery: Answers the exceptions of routing.
        socket_recovery: Answers those of websockets.
    """

    __slots__ = ("__weakref__", "_made", "_recovery", "_socket_recovery")

    def __init__(self, recovery: Recovery, socket_recovery: SocketRecovery) -> None:
        self._recovery = recovery
        self._socket_recovery = socket_recovery
        # By the methods of a path, of which the tree holds few combinations; none for 404.
        self._made: dict[tuple[str, ...], ASGIApp] = {}

    def __call__(self, methods: tuple[str, ...]) -> ASGIApp:
        """Return what answers 405 with the methods that a path has, 404 if it has none."""
        if methods not in self._made:
            refusal = Refusal(methods, self._recovery, self._socket_recovery)
            self._made[methods] = refusal.serve
        return self._made[methods]


_ANSWERED_OTHERWISE: Final = frozenset({"HEAD", "OPTIONS", None})
"""The methods whose refusal is not the same as all others'; a websocket has none."""


class Refusal:
    """Answers connections to paths that have the same methods, or none; lives as long as its app.

    Args:
        methods: The methods.
        recovery: Answers the exceptions of routing.
        socket_recovery: Answers those of websockets.
    """

    __slots__ = ("__weakref__", "_constant", "_methods", "_recovery", "_socket_recovery")

    def __init__(
        self, methods: tuple[str, ...], recovery: Recovery, socket_recovery: SocketRecovery
    ) -> None:
        self._methods = methods
        self._recovery = recovery
        self._socket_recovery = socket_recovery
        self._constant: Prepared | None = None
        """The response, once it was sent and is known to be always the same."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        constant = self._constant
        if constant is None or scope.get("method") in _ANSWERED_OTHERWISE:
            await self._answer(scope, receive, send)
            return
        # PERF: two messages, and nothing that this connection does not need.
        # The header list sent is the connection's own: middleware may edit it.
        headers = constant.headers.copy()
        await send({"type": "http.response.start", "status": constant.status, "headers": headers})
        await send({"type": "http.response.body", "body": constant.body})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods, error = self._methods, _error(self._methods)
        if scope["type"] == "websocket":
            socket = self._socket_recovery.websocket_class(scope, receive, send)
            await self._socket_recovery(error, socket)
        elif methods and scope["method"] == "OPTIONS":
            # RFC 9110, section 9.3.7: what a path that declares no OPTIONS answers.
            response = Response(None, status_code=204, headers={"allow": _allow(methods)})
            await self._recovery.respond(response, scope, receive, send)
        else:
            if not scope["hesper_app"].exception_observers:
                self._constant = self._recovery.constant(error, scope)
            await self._recovery(error, scope, receive, send)


def _allow(methods: tuple[str, ...]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _error(methods: tuple[str, ...]) -> HTTPException:
    if methods:
        return MethodNotAllowedException(headers={"allow": _allow(methods)})
    return NotFoundException()


class Head:
    """Answers `HEAD` as `GET` is answered, without the body; lives as long as its app.

    Args:
        target: Where the endpoint of `GET` is found.
    """

    __slots__ = ("__weakref__", "_target")

    def __init__(self, target: Target) -> None:
        self._target = target

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return the endpoint's coroutine."""

        def without_body(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            return send(message)

        return self._target.endpoint(scope, receive, without_body)
