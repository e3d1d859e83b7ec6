"""The application: the outermost layer, and the ASGI app."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any, Never, Self

from hesper._compile.errors import Finish, Recovery, observe
from hesper._compile.matcher import Matcher
from hesper._compile.reply import Replies, layer_defaults
from hesper._compile.routes import Missing, add_plans, within
from hesper._plan.path import PathTemplate
from hesper._plan.plan import Plan, exception_handlers_of, plan_route
from hesper._plan.reverse import reverse_path
from hesper._plan.walk import Walk
from hesper._types import LIFESPAN_KEY, ASGIApp, Empty, Message, Receive, Scope, Send
from hesper.config.app import (
    NAMES,
    AfterExceptionHookHandler,
    AppConfig,
    BeforeMessageSendHookHandler,
    OnAppInitHandler,
    Plugin,
    initialised,
    layered_options,
    options_of,
)
from hesper.datastructures import ImmutableState, State
from hesper.exceptions import ConfigurationError, LifespanNotStarted, NoRouteMatchFoundException
from hesper.handlers.mount import mount
from hesper.layer import RULES, Layer, detached, did_you_mean, resolved_options
from hesper.lifespan.course import Course
from hesper.lifespan.hooks import LifespanHook, LifespanManager, read_hooks, read_managers
from hesper.lifespan.initial import InitialState
from hesper.lifespan.lifespan import Lifespan, current_lifespan
from hesper.lifespan.protocol import serve_lifespan
from hesper.lifetime import BELONGS_TO
from hesper.registry import Details, Registry, live
from hesper.router import ControllerRouterHandler


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ApplicationLayer(Layer):
    """The options of an application."""

    route_handlers: Sequence[ControllerRouterHandler] = field(default=(), kw_only=False)
    """Handlers, controllers and routers."""

    path: str = "/"
    """The prefix of every path of the app."""

    on_startup: LifespanHook | Sequence[LifespanHook] = ()
    """Called, in order, at the end of each lifespan's start-up: with nothing, or with the app."""

    on_shutdown: LifespanHook | Sequence[LifespanHook] = ()
    """Called, in order, at the end of each lifespan's shutdown: with nothing, or with the app."""

    lifespan: LifespanManager | Sequence[LifespanManager] = ()
    """Context managers, or functions that make one from the app, open as long as the lifespan."""

    state: ImmutableState | Mapping[str, Any] | None = None
    """What each lifespan's state starts with; each starts with a copy of its own."""

    on_app_init: OnAppInitHandler | Sequence[OnAppInitHandler] = ()
    """Called with the configuration while the app is built; returns it, or another."""

    after_exception: AfterExceptionHookHandler | Sequence[AfterExceptionHookHandler] = ()
    """Called with every exception and the connection's scope; observes, and handles nothing."""

    before_send: BeforeMessageSendHookHandler | Sequence[BeforeMessageSendHookHandler] = ()
    """Called with every message that is sent, and the connection's scope; may change it."""

    plugins: Sequence[Plugin] = ()
    """Objects whose `on_app_init` is called after the hooks."""


class Hesper(ApplicationLayer):
    """An application: the outermost layer, and an ASGI app.

    Never changes once it is made. What changes lives in a lifespan, and the same app may run any
    number of them, one after another or at once, on any loops and threads.

    Raises:
        ConfigurationError: The app contradicts itself; all problems are reported together.
        TypeError: An option is unknown, or its value does not fit.
    """

    exception_observers: tuple[AfterExceptionHookHandler, ...]
    """The `after_exception` hooks, in order."""
    _before_send: tuple[BeforeMessageSendHookHandler, ...]
    _course: Course
    _initial_state: State
    _lifespans: Registry[Lifespan]
    _names: dict[str, list[PathTemplate]]
    _plans: tuple[Plan, ...]
    _stack: ASGIApp

    def __post_init__(self) -> None:
        """Read the tree of layers and plan every route."""
        super().__post_init__()
        own = vars(self)
        if _several(self.on_app_init) or self.plugins:
            self._initialise()
        own["_before_send"] = _several(self.before_send)
        own["exception_observers"] = _several(self.after_exception)
        # A layer of its own: were the app in the plans, it would be in a cycle with them.
        outermost = detached(self)
        walk = Walk(outermost, self.path)
        plans = [plan_route(route, walk.problems) for route in walk.routes(self.route_handlers)]
        own["_plans"] = tuple(plans)
        own["_names"] = _names(plans, walk.problems)
        own["_course"] = _course(own.pop("lifespan"), self, plans, walk.problems)
        own["_lifespans"] = Registry[Lifespan]()
        options = resolved_options((outermost,))
        finish = Finish("routing", options["request_class"], options["after_response"])
        recovery = _recovery(outermost, options, finish)
        matcher = Matcher(Missing(recovery))
        add_plans(matcher, plans, walk.problems)
        if walk.problems:
            raise ConfigurationError(*walk.problems)
        middleware = options["middleware"]
        live.add("app", self)
        stacked = middleware or options["after_response"]
        own["_stack"] = within(middleware, matcher, recovery, finish) if stacked else matcher

    def _initialise(self) -> None:
        """Let hooks and plugins change the options."""
        own = vars(self)
        given = AppConfig(
            **layered_options(self),
            route_handlers=list(self.route_handlers),
            path=self.path,
            on_startup=list(_several(self.on_startup)),
            on_shutdown=list(_several(self.on_shutdown)),
            lifespan=list(_several(own["lifespan"])),
            state=self._initial_state,
            after_exception=list(_several(self.after_exception)),
            before_send=list(_several(self.before_send)),
            plugins=list(self.plugins),
        )
        config = initialised(given, _several(self.on_app_init))
        own.update({name: getattr(config, name) for name in NAMES if name != "state"})
        own["_initial_state"] = _initial(config.state)
        own.update(dict.fromkeys(RULES, Empty))
        own.update(options_of(config))
        super().__post_init__()

    def __setattr__(self, name: str, value: Never) -> Never:
        raise FrozenInstanceError(
            f"an app never changes once it is made, so {name!r} cannot be set; "
            "what changes belongs to a lifespan: app.state"
        )

    @property
    def label(self) -> str:
        """How messages name the application."""
        return "application"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or answer the server's lifespan protocol.

        Raises:
            LifespanNotStarted: The app has something to start, and no lifespan of it is running.
        """
        if scope["type"] == "lifespan":
            await serve_lifespan(self.lifespan(), scope, receive, send)
            return
        scope["hesper_app"] = self
        namespace = scope.get("state")
        lifespan = None if namespace is None else namespace.get(LIFESPAN_KEY)
        if lifespan is None or lifespan.serves is not self:
            lifespan = self._lifespan_for(scope)
        # PERF: nothing is entered for a connection but this one name.
        in_flight, key = lifespan.in_flight, id(scope)
        is_new = key not in in_flight  # a scope may pass through here again, from inside
        in_flight[key] = scope
        try:
            for variable, value in lifespan.variables:
                variable.set(value)
            if self._before_send:
                send = _sending(send, self._before_send, scope)
            await self._stack(scope, receive, send)
        except Exception as error:
            # Whatever comes this far is answered no more: a response had begun, or none was due.
            await observe(error, scope)
            raise
        finally:
            if is_new:
                del in_flight[key]

    def _lifespan_for(self, scope: Scope) -> Lifespan:
        """Return the lifespan of a connection whose server offers no state, or not this app's."""
        lifespan = self._only_lifespan()
        if lifespan is None:
            if self._course.to_start:
                raise LifespanNotStarted(self._not_started())
            lifespan = self.lifespan()
            lifespan.variables = ((BELONGS_TO, weakref.ref(lifespan)),)
        given = scope.get("state")
        # What an outer app put there stays; what another lifespan did, perhaps an ended one, goes.
        around = {} if given is None or LIFESPAN_KEY in given else given
        scope["state"] = {**around, **lifespan.namespace}
        return lifespan

    def _not_started(self) -> str:
        return (
            f"no lifespan of this app is running, so these have not been started: "
            f"{', '.join(self._course.to_start)}. Serve the app with a server that speaks the ASGI "
            "lifespan protocol (daphne does not), or run it yourself: `with TestClient(app)` in "
            "tests, `async with app.lifespan():` elsewhere"
        )

    def lifespan(self) -> Lifespan:
        """Return a new run of this app, to be used as `async with app.lifespan() as lifespan:`."""
        return Lifespan(self, self._initial_state.copy(), self._course, self._lifespans)

    def _only_lifespan(self) -> Lifespan | None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        running = [lifespan for lifespan in self._lifespans if lifespan.loop is loop]
        if len(running) > 1:
            raise RuntimeError(
                f"{len(running)} lifespans of this app run on this loop, and nothing tells which "
                "one is meant; use the state of the connection or of the lifespan"
            )
        return running[0] if running else None

    @property
    def state(self) -> State:
        """The state of the caller's lifespan; the initial state, to read only, outside one."""
        lifespan = current_lifespan()
        if lifespan is None or lifespan.app is not self:
            lifespan = self._only_lifespan()
        return InitialState.over(self._initial_state.dict()) if lifespan is None else lifespan.state

    @state.setter
    def state(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, given: ImmutableState | Mapping[str, Any] | None
    ) -> None:
        # Called by the constructor alone: afterwards the app is frozen.
        vars(self)["_initial_state"] = _initial(given)

    def route_reverse(self, name: str, **path_parameters: Any) -> str:
        """Return the path of the handler called *name*, percent-encoded.

        Args:
            name: The `name` of a handler.
            path_parameters: The values of the path's parameters.

        Raises:
            NoRouteMatchFoundException: There is no such handler, or it takes other parameters.
        """
        try:
            paths = self._names[name]
        except KeyError:
            raise NoRouteMatchFoundException(
                f"no handler is called {name!r}{did_you_mean(name, self._names)}"
            ) from None
        return reverse_path(name, paths, path_parameters)

    def describe(self) -> tuple[str, Details]:
        """Return what `hesper.live` shows of the app."""
        return f"{type(self).__name__} at {id(self):#x}", {"routes": len(self._plans)}

    @classmethod
    def from_scope(cls, scope: Scope) -> Self:
        """Return the app that serves the connection of *scope*.

        Raises:
            LookupError: The connection is not served by a Hesper app.
        """
        app = scope.get("hesper_app")
        if not isinstance(app, cls):
            raise LookupError(  # noqa: TRY004 - nothing is there to be of a type
                "the scope belongs to no connection of a Hesper app"
            )
        return app


def _several(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _sending(send: Send, hooks: tuple[BeforeMessageSendHookHandler, ...], scope: Scope) -> Send:
    """Return a send that shows each message to *hooks* first."""

    async def sending(message: Message) -> None:
        for hook in hooks:
            result = hook(message, scope)
            if inspect.isawaitable(result):
                await result
        await send(message)

    return sending


def _recovery(outermost: Layer, options: Mapping[str, Any], finish: Finish) -> Recovery:
    """Return what answers the exceptions of routing and of the app's middleware."""
    return Recovery(
        "routing",
        exception_handlers_of((outermost,)),
        options["request_class"],
        Replies(layer_defaults(options, 200), options["response_class"]),
        finish=finish,
    )


def _course(
    managers: Any, app: ApplicationLayer, plans: Sequence[Plan], problems: list[str]
) -> Course:
    mounts = {plan.chain[-1]: (str(plan.path), plan.chain[-1]) for plan in plans}
    return Course(
        read_managers(managers, problems),
        read_hooks(app.on_startup, "start-up hook", problems),
        read_hooks(app.on_shutdown, "shutdown hook", problems),
        tuple(
            (path, mounted)
            for path, mounted in mounts.values()
            if isinstance(mounted, mount) and mounted.lifespan != "off"
        ),
    )


def _initial(given: ImmutableState | Mapping[str, Any] | None) -> State:
    if isinstance(given, State):
        return given.copy()
    return given.mutable_copy() if isinstance(given, ImmutableState) else State(given)


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
