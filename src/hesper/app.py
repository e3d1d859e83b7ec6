"""The application: the outermost layer, and the ASGI app."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError, field
from typing import Any, Never, Self

import hesper._late as late
from hesper._compile.errors import observe
from hesper._plan.plan import Plan
from hesper._sparse import sparse
from hesper._types import (
    LIFESPAN_KEY,
    AfterExceptionHookHandler,
    ASGIApp,
    BeforeMessageSendHookHandler,
    Empty,
    EmptyType,
    Message,
    Receive,
    Scope,
    Send,
)
from hesper._wiring import Documentation, LifespanParts, Wiring, overridden, wired
from hesper.datastructures.state import ImmutableState, State
from hesper.exceptions import LifespanNotStarted, NoRouteMatchFoundException
from hesper.layer import RULES, Layer
from hesper.lifespan.hooks import LifespanHook, LifespanManager, one_or_several
from hesper.lifespan.lifespan import Lifespan, current_lifespan
from hesper.lifespan.protocol import serve_lifespan
from hesper.lifetime import BELONGS_TO
from hesper.openapi.serving import document_router, serve_document
from hesper.registry import Details, Registry, live
from hesper.router import ControllerRouterHandler


@sparse
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

    on_app_init: late.OnAppInitHandler | Sequence[late.OnAppInitHandler] = ()
    """Called with the configuration while the app is built; returns it, or another."""

    after_exception: AfterExceptionHookHandler | Sequence[AfterExceptionHookHandler] = ()
    """Called with every exception and the connection's scope; observes, and handles nothing."""

    before_send: BeforeMessageSendHookHandler | Sequence[BeforeMessageSendHookHandler] = ()
    """Called with every message that is sent, and the connection's scope; may change it."""

    drain_timeout: float = 10
    """Seconds from being told to stop to the end of the connections and tasks that go on."""

    debug: bool = False
    """Whether a 500 shows the traceback, the route and the request, for developers only."""

    problem_details: bool = False
    """Whether the bodies of errors are `application/problem+json` (RFC 9457)."""

    plugins: Sequence[late.Plugin | late.CLIPlugin] = ()
    """Objects whose `on_app_init` is called after the hooks, or that add commands to `hesper`."""

    openapi_config: late.DocumentConfig | EmptyType | None = Empty
    """What the OpenAPI document says and where it is served, an `OpenAPIConfig`; by default at
    `/schema`, unless a route of the app's is there. `None` serves none."""

    _holds_defaults = True


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
    _initial_state: State
    _lifespans: Registry[Lifespan]
    _stack: ASGIApp
    _wiring: Wiring

    def __post_init__(self) -> None:
        """Read the tree of layers and plan every route."""
        super().__post_init__()
        own = vars(self)
        if one_or_several(self.on_app_init) or self.plugins:
            self._initialise()
        for name in ("debug", "problem_details"):
            given: object = getattr(self, name)
            if not isinstance(given, bool):
                # "0" of the environment is true: a debug page would be shown to everybody.
                raise TypeError(f"{name} takes True or False, not {given!r}")
        if isinstance(self.drain_timeout, bool) or not _is_time(self.drain_timeout):
            raise TypeError(f"drain_timeout takes seconds, 0 or more, not {self.drain_timeout!r}")
        own["_before_send"] = one_or_several(self.before_send)
        own["exception_observers"] = one_or_several(self.after_exception)
        parts = LifespanParts(own.pop("lifespan"), self.on_startup, self.on_shutdown)
        documentation = _documentation(self.openapi_config)
        self._serve(wired(self, self.route_handlers, self.path, parts, documentation))

    def _serve(self, wiring: Wiring) -> None:
        """Take *wiring* for the app's own."""
        vars(self).update(_wiring=wiring, _stack=wiring.stack, _lifespans=Registry[Lifespan]())
        live.add("app", self)

    def _initialise(self) -> None:
        """Let hooks and plugins change the options."""
        own = vars(self)
        given = late.AppConfig(
            **late.layered_options(self),
            route_handlers=list(self.route_handlers),
            path=self.path,
            on_startup=list(one_or_several(self.on_startup)),
            on_shutdown=list(one_or_several(self.on_shutdown)),
            lifespan=list(one_or_several(own["lifespan"])),
            state=self._initial_state,
            after_exception=list(one_or_several(self.after_exception)),
            before_send=list(one_or_several(self.before_send)),
            drain_timeout=self.drain_timeout,
            debug=self.debug,
            problem_details=self.problem_details,
            plugins=list(self.plugins),
            openapi_config=self.openapi_config,
        )
        own["_amendments"] = []
        config = late.initialised(given, one_or_several(self.on_app_init), own["_amendments"])
        own.update(late.own_options_of(config))
        own["_initial_state"] = _initial(own.pop("state"))
        own.update(dict.fromkeys(RULES, Empty))
        own.update(late.options_of(config))
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
        # PERF: nothing is entered for a connection but this one number, and what is called is
        # local: CPython calls a function of Python's own without a step through C.
        in_flight, stack = lifespan.in_flight, self._stack
        arrival = next(lifespan.arrivals)
        in_flight[arrival] = scope
        try:
            if lifespan.variables:
                for variable, value in lifespan.variables:
                    variable.set(value)
            if self._before_send:
                send = _sending(send, self._before_send, scope)
            await stack(scope, receive, send)
        except Exception as error:
            # Whatever comes this far is answered no more: a response had begun, or none was due.
            await observe(error, scope)
            raise
        finally:
            del in_flight[arrival]

    def _lifespan_for(self, scope: Scope) -> Lifespan:
        """Return the lifespan of a connection whose server offers no state, or not this app's."""
        lifespan = self._only_lifespan()
        if lifespan is None:
            if self._wiring.course.to_start:
                raise LifespanNotStarted(self._not_started(scope))
            lifespan = self.lifespan()
            lifespan.variables = ((BELONGS_TO, weakref.ref(lifespan)),)
        given = scope.get("state")
        # What an outer app put there stays; what another lifespan did, perhaps an ended one, goes.
        around = {} if given is None or LIFESPAN_KEY in given else given
        scope["state"] = {**around, **lifespan.namespace}
        return lifespan

    def _not_started(self, scope: Scope) -> str:
        to_start = ", ".join(self._wiring.course.to_start)
        ended = (scope.get("state") or {}).get(LIFESPAN_KEY)
        if isinstance(ended, Lifespan) and ended.app is self:
            return (
                "the lifespan that this connection belongs to has ended before its server, and "
                f"with it {to_start}. It was told to stop, or something of it died; the log says "
                "which"
            )
        return (
            f"no lifespan of this app is running, so these have not been started: "
            f"{to_start}. Serve the app with a server that speaks the ASGI "
            "lifespan protocol (daphne does not), or run it yourself: `with TestClient(app)` in "
            "tests, `async with app.lifespan():` elsewhere"
        )

    def lifespan(self) -> Lifespan:
        """Return a new run of this app, to be used as `async with app.lifespan() as lifespan:`."""
        return Lifespan(
            self,
            self._initial_state.copy(),
            self._wiring.course,
            self._lifespans,
            self.drain_timeout,
        )

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
        return (
            late.InitialState.over(self._initial_state.dict())
            if lifespan is None
            else lifespan.state
        )

    @state.setter
    def state(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, given: ImmutableState | Mapping[str, Any] | None
    ) -> None:
        # Called by constructors alone: afterwards the app is frozen.
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
            paths = self._wiring.names[name]
        except KeyError:
            raise NoRouteMatchFoundException(
                f"no handler is called {name!r}{late.did_you_mean(name, self._wiring.names)}"
            ) from None
        return late.reverse_path(name, paths, path_parameters)

    def override(self, replacements: Mapping[str | type[Any], Any]) -> Self:
        """Return a new app like this one, with dependencies replaced on every layer.

        Args:
            replacements: By name or type, a `Provide`, or what else the value itself is, which
                then lives as long as the one it stands in for.

        Raises:
            ConfigurationError: No layer has such a dependency, or a provider does not fit.
        """
        wiring = overridden(self._wiring, replacements)
        app = object.__new__(type(self))
        vars(app).update(vars(self))
        app._serve(wiring)
        return app

    async def resolve_for(
        self, scope: Scope, receive: Receive, send: Send, key: str | type[Any]
    ) -> Any:
        """Return a dependency of the connection of *scope*; see `ASGIConnection.resolve`."""
        return await self._wiring.resolver(scope, key)(scope, receive, send)

    def iter_routes(self) -> Iterator[late.Route]:
        """Yield what is known about each route, in the order of their declaration, for tools.

        The routes that the OpenAPI document is served by are not among them.
        """
        return map(late.route_of, _own_plans(self._wiring))

    def explain(self, method: str, path: str) -> late.Explanation:
        """Return what the app does with *method* and *path*, and why; `str()` of it is a page.

        Args:
            method: An HTTP method, or `WEBSOCKET`.
            path: The path as in a URL: percent-encoded; a query is left out.
        """
        return late.explain(self._wiring.plans, self._wiring.outermost, method, path)

    def describe(self) -> tuple[str, Details]:
        """Return what `hesper.live` shows of the app."""
        return f"{type(self).__name__} at {id(self):#x}", {"routes": len(_own_plans(self._wiring))}

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


def _documentation(config: object) -> Documentation | None:
    if config is None:
        return None
    if config is Empty:
        return Documentation(document_router(Empty), is_implied=True)
    if not isinstance(config, late.DocumentConfig):
        raise TypeError(f"openapi_config takes OpenAPIConfig(...) or None, not {config!r}")
    return Documentation(document_router(config), is_implied=False)


def _own_plans(wiring: Wiring) -> list[Plan]:
    """Return the plans of the app's own routes."""
    return [plan for plan in wiring.plans if plan.call.call is not serve_document]


def _is_time(given: object) -> bool:
    return isinstance(given, (int, float)) and 0 <= given < float("inf")


def _sending(send: Send, hooks: tuple[BeforeMessageSendHookHandler, ...], scope: Scope) -> Send:
    """Return a send that shows each message to *hooks* first."""

    async def sending(message: Message) -> None:
        for hook in hooks:
            result = hook(message, scope)
            if inspect.isawaitable(result):
                await result
        await send(message)

    return sending


def _initial(given: ImmutableState | Mapping[str, Any] | None) -> State:
    if isinstance(given, State):
        return given.copy()
    return given.mutable_copy() if isinstance(given, ImmutableState) else State(given)
