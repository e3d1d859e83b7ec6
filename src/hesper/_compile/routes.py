"""Put the plans of an app into a matcher; an endpoint is compiled on its route's first request."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import hesper._late as late
from hesper._compile.endpoint import build_endpoint, finish_of, recovery_of
from hesper._compile.errors import Finish, Recovery
from hesper._compile.matcher import Matcher, Node, Target
from hesper._plan.manner import IN_THREADS
from hesper._plan.plan import Plan
from hesper._resolution import options_of
from hesper._signature import described
from hesper._types import ASGIApp, Message, Middleware, Receive, Scope, Send
from hesper.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from hesper.response.headers import VALIDATORS
from hesper.response.prepared import Prepared
from hesper.response.response import Response


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


class Sockets:
    """Answers what the websockets of one plan raise; lives as long as its app.

    PERF: what that takes is made for the first of them; most apps have none.

    Args:
        plan: The route, or what the application says without one.
    """

    __slots__ = ("__weakref__", "_plan", "_recovery")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._recovery: late.SocketRecovery | None = None

    @property
    def recovery(self) -> late.SocketRecovery:
        """What answers."""
        if self._recovery is None:
            self._recovery = late.socket_recovery_of(self._plan)
        return self._recovery

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a websocket by *app*, and answer what that raises."""
        overheard = late.Overheard(receive, send)
        try:
            await app(scope, overheard.receive, overheard.send)
        except Exception as error:
            socket = await overheard.socket(scope, self.recovery.websocket_class)
            await self.recovery(error, socket)

    async def refuse(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a websocket that nothing else answers."""
        await self.recovery(error, self.recovery.websocket_class(scope, receive, send))


def compile_plan(plan: Plan) -> ASGIApp:
    """Return the endpoint of *plan*, inside its middleware."""
    if plan.scope_type == "http":
        endpoint = build_endpoint(plan)
    elif plan.scope_type == "websocket":
        endpoint = late.build_websocket(plan)
    else:
        endpoint = late.build_asgi(plan)
    if plan.option("when_disconnected") == "cancel":
        endpoint = late.ended_when_gone(endpoint, plan.label)
    if not plan.middleware:
        return endpoint
    finish = finish_of(plan) if plan.after_response else None
    limit = plan.option("request_max_body_size")
    return within(plan.middleware, endpoint, recovery_of(plan), Sockets(plan), limit, finish, plan)


def within(
    middleware: Sequence[Middleware],
    app: ASGIApp,
    recovery: Recovery,
    sockets: Sockets,
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
        sockets: Answers what the middleware of websockets raises.
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
            await sockets.serve(app, scope, receive, send)
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
    choosing = late.selective(cast("ASGIApp", made), app)
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
    placed: dict[Node, tuple[Plan, ...]] = {}
    for plan in plans:
        node = matcher.node(plan.path)
        neighbours = placed.get(node, ())
        if neighbours:
            problems += [
                f"{plan.label} is declared twice: by {_function(other)} "
                f"and by {_function(plan)}; change a path or a method"
                for other in neighbours
                if _clash(other, plan)
            ]
        placed[node] = (*neighbours, plan)
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
    _load(plan)
    target = Target(_not_yet, parameter_names(plan), plan.option("opt"))
    target.endpoint = Deferred(plan, target)
    return target


def _load(plan: Plan) -> None:
    """Load what serves a route of its kind, and not every one.

    No request may be the first to need a file: the deployment may be another one by then.
    """
    if plan.scope_type != "http":
        _ = late.build_websocket, late.build_asgi, late.socket_recovery_of
    if plan.middleware:
        _ = late.selective
    if any(step.manner in IN_THREADS for step in (plan.call, *plan.providers.values())):
        late.import_anyio()
    options = options_of(plan.handler)
    if options["when_disconnected"] == "cancel":
        _ = late.ended_when_gone
    headers = options["response_headers"]
    tagged = headers and any(name.encode() in VALIDATORS for name in headers)
    if tagged or options["etag"] is not None:
        _ = late.Conditional, late.refuse_unmatched


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
        node.http["HEAD"] = Head(node.http["GET"])


class Missing:
    """Makes what answers connections that have no endpoint; lives as long as its app.

    Args:
        recovery: Answers the exceptions of routing.
        sockets: Answers those of websockets.
    """

    __slots__ = ("__weakref__", "_made", "_recovery", "_sockets")

    def __init__(self, recovery: Recovery, sockets: Sockets) -> None:
        self._recovery = recovery
        self._sockets = sockets
        # By the methods of a path, of which the tree holds few combinations; none for 404.
        self._made: dict[tuple[str, ...], ASGIApp] = {}

    def __call__(self, methods: tuple[str, ...]) -> ASGIApp:
        """Return what answers 405 with the methods that a path has, 404 if it has none."""
        if methods not in self._made:
            refusal = Refusal(methods, self._recovery, self._sockets)
            self._made[methods] = refusal.serve
        return self._made[methods]


class Refusal:
    """Answers connections to paths that have the same methods, or none; lives as long as its app.

    Args:
        methods: The methods.
        recovery: Answers the exceptions of routing.
        sockets: Answers those of websockets.
    """

    __slots__ = ("__weakref__", "_constant", "_is_known", "_methods", "_recovery", "_sockets")

    def __init__(self, methods: tuple[str, ...], recovery: Recovery, sockets: Sockets) -> None:
        self._methods = methods
        self._recovery = recovery
        self._sockets = sockets
        self._constant: Prepared | None = None
        """The response, once it is known to be always the same."""
        self._is_known = False

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        constant, method = self._constant, scope.get("method")
        if constant is None or method is None or (method == "OPTIONS" and self._methods):
            await self._answer(scope, receive, send)
            return
        # PERF: two messages, and nothing that this connection does not need.
        # The header list sent is the connection's own: middleware may edit it.
        headers = constant.headers.copy()
        await send({"type": "http.response.start", "status": constant.status, "headers": headers})
        body = constant.body if method != "HEAD" else b""
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods, error = self._methods, _error(self._methods)
        if scope["type"] == "websocket":
            await self._sockets.refuse(error, scope, receive, send)
        elif methods and scope["method"] == "OPTIONS":
            # RFC 9110, section 9.3.7: what a path that declares no OPTIONS answers.
            response = Response(None, status_code=204, headers={"allow": _allow(methods)})
            await self._recovery.respond(response, scope, receive, send)
        else:
            if not self._is_known:
                self._is_known = True
                if not scope["hesper_app"].exception_observers:
                    self._constant = self._recovery.constant(error, scope)
            await self._recovery(error, scope, receive, send)


def _allow(methods: tuple[str, ...]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _error(methods: tuple[str, ...]) -> HTTPException:
    if methods:
        return MethodNotAllowedException(headers={"allow": _allow(methods)})
    return NotFoundException()


class Head(Target):
    """Answers `HEAD` as `GET` is answered, without the body; lives as long as its app.

    Args:
        target: Where the endpoint of `GET` is found.
    """

    __slots__ = ("_target",)

    def __init__(self, target: Target) -> None:
        self._target = target
        self.names = target.names
        self.opt = target.opt

    def endpoint(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return the endpoint's coroutine."""

        def without_body(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            return send(message)

        return self._target.endpoint(scope, receive, without_body)
