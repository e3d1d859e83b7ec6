"""What an application makes of its layers when it is built: `Wiring`.

It does not refer to the application, so that nothing it made keeps the application alive.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

import hesper._late as late
from hesper._compile.endpoint import finish_of, recovery_of
from hesper._compile.errors import observe
from hesper._compile.injected import Resolver
from hesper._compile.matcher import Matcher, Target
from hesper._compile.routes import Missing, Sockets, add_plans, within
from hesper._plan.graph import Graph, Lasting, Providers, Step
from hesper._plan.path import ROOT, PathTemplate
from hesper._plan.plan import Plan, plan_layer, plan_route, reading_of
from hesper._plan.walk import Walk
from hesper._resolution import detached, options_of
from hesper._types import CONNECTION_VALUES, ASGIApp, Receive, Scope, Send
from hesper.exceptions import ConfigurationError
from hesper.layer import Layer
from hesper.lifespan.course import Course
from hesper.lifespan.hooks import Available, read_hooks, read_managers
from hesper.lifetime import ConnectionContainer, Lifetime
from hesper.router import Router

logger: Final = logging.getLogger("hesper")


class LifespanParts(msgspec.Struct, frozen=True, eq=False):
    """What an application was given to start and to stop."""

    managers: Any
    on_startup: Any
    on_shutdown: Any


class Documentation(msgspec.Struct, frozen=True):
    """The routes of an app's OpenAPI document."""

    router: Router
    is_implied: bool
    """Whether nobody asked for them, so that they give way to the app's own."""


class Wiring(msgspec.Struct, frozen=True, eq=False):
    """Everything an application has made of its layers; lives as long as the application."""

    outermost: Layer
    """The application as a layer."""
    plans: tuple[Plan, ...]
    targets: Mapping[Plan, Target]
    """Where the endpoints of the plans are, or will be."""
    names: Mapping[str, list[PathTemplate]]
    """The paths of named handlers."""
    parts: LifespanParts
    course: Course
    routing: Mapping[str, Plan]
    """What the application says where there is no route, by scope type."""
    lasting: Lasting
    stack: ASGIApp
    """What serves the connections."""
    _resolvers: dict[Any, Resolver] = msgspec.field(default_factory=dict)

    def resolver(self, scope: Scope, key: Any) -> Resolver:
        """Return what finds the value of *key* for the connection of *scope*.

        Raises:
            LookupError: There is no such dependency, or it lives for one call.
            ConfigurationError: Its provider cannot be used.
        """
        route_handler = scope.get("route_handler")
        place = (id(route_handler), scope["type"], key)
        found = self._resolvers.get(place)
        if found is None:
            plan = next(
                (plan for plan in self.plans if plan.handler is route_handler),
                self.routing[scope["type"]],
            )
            found = self._resolvers[place] = Resolver(plan, key)
        return found


def wired(
    layer: Layer,
    route_handlers: Any,
    path: str,
    parts: LifespanParts,
    documentation: Documentation | None = None,
) -> Wiring:
    """Return the wiring of an application.

    Args:
        layer: The application.
        route_handlers: Handlers, controllers and routers.
        path: The prefix of every path.
        parts: What the application was given to start and to stop.
        documentation: The routes of its OpenAPI document; `None` if there are none.

    Raises:
        ConfigurationError: It contradicts itself; all problems are reported together.
    """
    # A layer of its own: were the application in the plans, it would be in a cycle with them.
    outermost, lasting = detached(layer), Lasting()
    walk = Walk(outermost, path)
    problems = walk.problems
    plans = tuple(plan_route(route, problems, lasting) for route in walk.routes(route_handlers))
    if documentation is not None:
        plans += _documenting(documentation, walk, plans, lasting)
    names = _names(plans, problems)
    return _wired(outermost, plans, names, parts, lasting, problems)


def _documenting(
    documentation: Documentation, walk: Walk, plans: Sequence[Plan], lasting: Lasting
) -> tuple[Plan, ...]:
    """Return the plans of the document's routes; none where they are unasked for and in the way."""
    declared = list(walk.routes([documentation.router]))
    taken = {plan.path for plan in plans}
    found: list[str] = []
    added = tuple(plan_route(route, found, lasting) for route in declared)
    if documentation.is_implied:
        return () if found or taken & {route.path for route in declared} else added
    walk.problems.extend(found)
    return added


def overridden(wiring: Wiring, replacements: Mapping[Any, Any]) -> Wiring:
    """Return a copy of *wiring* in which providers are replaced.

    Args:
        wiring: The original, which stays as it is.
        replacements: Providers, or values, by the keys that they replace.

    Raises:
        ConfigurationError: No layer has such a key, or a provider does not fit.
    """
    lasting, problems = wiring.lasting.copy(), list[str]()
    overriding = late.Overriding(replacements, lasting, problems)
    outermost = overriding.layer(wiring.outermost)
    plans = tuple(overriding.plan(plan) for plan in wiring.plans)
    provided = [*wiring.plans, *wiring.routing.values()]
    problems += overriding.unknown(key for plan in provided for key in plan.option("dependencies"))
    kept = {plan: wiring.targets[plan] for plan in plans if plan in wiring.targets}
    return _wired(outermost, plans, wiring.names, wiring.parts, lasting, problems, kept)


def _wired(
    outermost: Layer,
    plans: tuple[Plan, ...],
    names: Mapping[str, list[PathTemplate]],
    parts: LifespanParts,
    lasting: Lasting,
    problems: list[str],
    kept: Mapping[Plan, Target] | None = None,
) -> Wiring:
    routing = {
        scope_type: plan_layer(outermost, problems, lasting, scope_type)
        for scope_type in ("http", "websocket")
    }
    course = _course(parts, routing["http"], plans, lasting, problems)
    plan = routing["http"]
    recovery, sockets = recovery_of(plan), Sockets(routing["websocket"])
    matcher = Matcher(Missing(recovery, sockets))
    targets = add_plans(matcher, plans, problems, kept or {})
    if problems:
        raise ConfigurationError(*problems)
    stack: ASGIApp = matcher.serve
    middleware = plan.option("middleware")
    if middleware or plan.after_response:
        limit, finish = plan.option("request_max_body_size"), finish_of(plan)
        to_come = matcher.options_of
        stack = within(middleware, stack, recovery, sockets, limit, finish, options=to_come)
    if _has_connection_values((plan, *plans)):
        stack = _with_values(stack)
    return Wiring(outermost, plans, targets, names, parts, course, routing, lasting, stack)


def _course(
    parts: LifespanParts,
    routing: Plan,
    plans: Sequence[Plan],
    lasting: Lasting,
    problems: list[str],
) -> Course:
    """Return what every lifespan goes through."""
    found: list[str] = []
    handler, chain = routing.handler, routing.chain
    reading = reading_of(handler, options_of(handler), ROOT, "lifespan", chain, lasting)
    graph = Graph(reading, found, lasting)
    for key, provide in reading.dependencies.items():
        if provide.lifetime is Lifetime.LIFESPAN:
            graph.provider(key)
    needed = Available(reading.dependencies, graph, found)
    managers = read_managers(parts.managers, needed)
    on_shutdown = read_hooks(parts.on_shutdown, "shutdown hook", needed)
    needed_after = msgspec.structs.replace(needed, at_least=Lifetime.LIFESPAN)
    on_startup = read_hooks(parts.on_startup, "start-up hook", needed_after)
    label = routing.chain[0].label
    problems.extend(f"{label}: {problem}" for problem in found)
    lasting_steps = _lasting_steps([graph.providers, *(plan.providers for plan in plans)])
    mounts = {
        plan.declared: (str(plan.path), cast("late.mount", plan.declared))
        for plan in plans
        if plan.handler.hands_to is not None
    }
    return Course(
        loop_values=tuple(s for s in lasting_steps if s.lifetime is Lifetime.LOOP),
        values=tuple(s for s in lasting_steps if s.lifetime is Lifetime.LIFESPAN),
        providers=Providers(reading, lasting),
        managers=managers,
        on_startup=on_startup,
        on_shutdown=on_shutdown,
        mounts=tuple(pair for pair in mounts.values() if pair[1].lifespan != "off"),
    )


def _lasting_steps(graphs: Sequence[Mapping[Any, Step]]) -> tuple[Step, ...]:
    """Return what is made before there are connections, each behind what it depends on."""
    steps: dict[Step, None] = {}
    for providers in graphs:
        for step in providers.values():
            if step.lifetime >= Lifetime.LIFESPAN and not step.is_lazy:
                steps[step] = None
    return tuple(steps)


def _has_connection_values(plans: Sequence[Plan]) -> bool:
    # Most routes share what they have inherited, so that there are few to look at.
    options = [plan.option("dependencies") for plan in plans]
    return any(
        provide.lifetime is Lifetime.CONNECTION
        for dependencies in {id(option): option for option in options}.values()
        for provide in dependencies.values()
    )


def _with_values(app: ASGIApp) -> ASGIApp:
    """Return *app* with values of its own for each connection."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        around = scope.get(CONNECTION_VALUES)
        values = scope[CONNECTION_VALUES] = ConnectionContainer()
        try:
            await app(scope, receive, send)
        except BaseException as error:
            await _end_values(values, scope, error)
        else:
            await _end_values(values, scope, None)
        finally:
            if around is not None:
                scope[CONNECTION_VALUES] = around
            del values

    return serve


async def _end_values(
    values: ConnectionContainer, scope: Scope, error: BaseException | None
) -> None:
    """Exit the values of a connection, and raise what it ends with, if anything."""
    errors: list[BaseException] = []
    try:
        left = await values.close_after(error, errors)
        failed = [error for error in errors if isinstance(error, Exception)]
        if left is None:
            left = next((error for error in errors if not isinstance(error, Exception)), None)
        if failed:
            await _tell(failed, scope)
        if left is not None:
            raise left
    finally:
        errors.clear()
        error = left = None


async def _tell(failed: list[Exception], scope: Scope) -> None:
    """Tell the log and the observers of exits that failed: nobody else can be told any more."""
    message = "exits at the end of the connection failed"
    error = failed[0] if len(failed) == 1 else ExceptionGroup(message, failed)
    failed.clear()
    try:
        path = scope["path"]
        logger.error("a dependency of the connection to %s failed", path, exc_info=error)
        await observe(error, scope)
    finally:
        del error


def _names(plans: Sequence[Plan], problems: list[str]) -> dict[str, list[PathTemplate]]:
    """Return the paths of named handlers by name."""
    owners: dict[str, Plan] = {}
    names: dict[str, list[PathTemplate]] = {}
    for plan in plans:
        name = plan.handler.name
        if name is None:
            continue
        owner = owners.setdefault(name, plan)
        if owner.call.call != plan.call.call:
            problems.append(f"two handlers are called {name!r}: {owner.label} and {plan.label}")
        names.setdefault(name, []).append(plan.path)
    return names
