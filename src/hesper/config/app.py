"""What `on_app_init` hooks and plugins may change before an app is built: `AppConfig`.

It holds the app's options in a form that is easy to add to: lists and dictionaries of its own. An
option that nobody set is empty, or `Empty` where there is but one value. A test compares its
fields with the app's options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeAlias

from hesper._signature import described
from hesper._types import (
    Empty,
    EmptyType,
    ExceptionHandler,
    Guard,
    Hook,
    Message,
    Middleware,
    Provider,
    Scope,
    TypeDecodersSequence,
)
from hesper.connection import Request, WebSocket
from hesper.datastructures import CacheControlHeader, Cookie, ETag, ResponseHeader, State
from hesper.di import Provide
from hesper.layer import RULES, Layer, changes_of
from hesper.lifespan.hooks import LifespanHook, LifespanManager
from hesper.params import ParameterDeclaration
from hesper.response import Response
from hesper.router import ControllerRouterHandler


@dataclass(kw_only=True)
class AppConfig:
    """The options of an app that is being built; it lives until the app is."""

    route_handlers: list[ControllerRouterHandler] = field(default_factory=list)
    path: str = "/"
    on_startup: list[LifespanHook] = field(default_factory=list)
    on_shutdown: list[LifespanHook] = field(default_factory=list)
    lifespan: list[LifespanManager] = field(default_factory=list)
    state: State = field(default_factory=State)
    after_exception: list[AfterExceptionHookHandler] = field(default_factory=list)
    before_send: list[BeforeMessageSendHookHandler] = field(default_factory=list)
    plugins: list[Plugin] = field(default_factory=list)

    before_request: list[Hook] = field(default_factory=list)
    after_request: list[Hook] = field(default_factory=list)
    after_response: list[Hook] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    middleware: list[Middleware] = field(default_factory=list)
    dependencies: dict[str | type[Any], Provide | Provider] = field(default_factory=dict)
    exception_handlers: dict[int | type[Exception], ExceptionHandler] = field(default_factory=dict)
    opt: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, ParameterDeclaration] = field(default_factory=dict)
    response_headers: list[ResponseHeader] = field(default_factory=list)
    response_cookies: list[Cookie] = field(default_factory=list)
    type_encoders: dict[Any, Callable[[Any], Any]] = field(default_factory=dict)
    type_decoders: TypeDecodersSequence = field(default_factory=list)
    request_class: type[Request] | EmptyType = Empty
    response_class: type[Response[Any]] | EmptyType = Empty
    websocket_class: type[WebSocket] | EmptyType = Empty
    request_max_body_size: int | EmptyType | None = Empty
    when_disconnected: str | EmptyType = Empty
    cache_control: CacheControlHeader | EmptyType | None = Empty
    etag: ETag | EmptyType | None = Empty
    dto: type[object] | EmptyType | None = Empty
    return_dto: type[object] | EmptyType | None = Empty
    include_in_schema: bool | EmptyType = Empty
    tags: list[str] = field(default_factory=list)
    security: list[Mapping[str, Sequence[str]]] = field(default_factory=list)


AfterExceptionHookHandler: TypeAlias = Callable[[Exception, Scope], object]
"""`(exception, scope)`: observes every exception, and handles none; sync or asynchronous."""

BeforeMessageSendHookHandler: TypeAlias = Callable[[Message, Scope], object]
"""`(message, scope)`: sees every message before it is sent; sync or asynchronous."""

OnAppInitHandler: TypeAlias = Callable[[AppConfig], AppConfig]
"""Receives the configuration of an app that is being built, and returns it, or another."""


class Plugin(Protocol):
    """Anything that takes part in building an app."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Receive the configuration of an app that is being built, and return it, or another."""
        ...


def initialised(config: AppConfig, hooks: Sequence[OnAppInitHandler]) -> AppConfig:
    """Return what *hooks*, then the plugins, make of *config*; plugins may add plugins.

    Raises:
        TypeError: A hook is asynchronous, or returns something else than a configuration; a plugin
            has no hook.
    """
    for hook in hooks:
        config = _called(hook, config)
    done: list[Plugin] = []
    while waiting := [p for p in config.plugins if not any(p is known for known in done)]:
        plugin = waiting[0]
        on_app_init: OnAppInitHandler | None = getattr(plugin, "on_app_init", None)
        if on_app_init is None:
            raise TypeError(f"a plugin is an object with on_app_init(app_config), not {plugin!r}")
        config = _called(on_app_init, config)
        done.append(plugin)
    return config


def _called(hook: OnAppInitHandler, config: AppConfig) -> AppConfig:
    result: object = hook(config)
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            f"on_app_init: {described(hook)} is asynchronous, but an app is built without a loop; "
            "make it a plain function, and do what must be awaited in a start-up hook"
        )
    if not isinstance(result, AppConfig):
        raise TypeError(
            f"on_app_init: {described(hook)} returns {type(result).__name__}; "
            "it must return the AppConfig it received, or another"
        )
    return result


def layered_options(layer: Layer) -> dict[str, Any]:
    """Return the layered options of *layer* as `AppConfig` holds them."""
    options: dict[str, Any] = {}
    for name, change in changes_of(layer).items():
        value = change.value
        if name in {"response_headers", "response_cookies"}:
            options[name] = list(value.values())
        elif isinstance(value, tuple):
            options[name] = list(value)
        else:
            options[name] = dict(value) if isinstance(value, dict) else value
    return options


def options_of(config: AppConfig) -> dict[str, Any]:
    """Return the layered options that *config* sets, as a layer takes them."""
    options = {name: getattr(config, name) for name in RULES}
    return {
        name: value
        for name, value in options.items()
        if value is not Empty and not (isinstance(value, (list, dict)) and not value)
    }


NAMES = tuple(f.name for f in fields(AppConfig) if f.name not in RULES)
"""The app's own options, besides the layered ones."""
