"""What `on_app_init` hooks and plugins may change before an app is built: `AppConfig`.

It holds the app's options in a form that is easy to add to: lists and dictionaries of its own. An
option that nobody set is empty, or `Empty` where there is but one value. A test compares its
fields with the app's options.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeAlias, runtime_checkable

import hesper._late as late
from hesper._dto import DTO
from hesper._openapi import DocumentConfig
from hesper._signature import described
from hesper._types import (
    AfterExceptionHookHandler,
    BeforeMessageSendHookHandler,
    DeclaredMiddleware,
    Empty,
    EmptyType,
    ExceptionHandler,
    Guard,
    Hook,
    Middleware,
    Provider,
    TypeDecodersSequence,
)
from hesper.connection.request import Request
from hesper.connection.websocket import WebSocket
from hesper.datastructures.cache_control import CacheControlHeader
from hesper.datastructures.cookies import Cookie
from hesper.datastructures.etag import ETag
from hesper.datastructures.response_header import ResponseHeader
from hesper.datastructures.state import State
from hesper.di import Provide
from hesper.layer import RULES, Amendment, Layer, changes_of
from hesper.lifespan.hooks import LifespanHook, LifespanManager
from hesper.params import ParameterDeclaration
from hesper.response.response import Response
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
    drain_timeout: float = 10
    debug: bool = False
    problem_details: bool = False
    plugins: list[Plugin | CLIPlugin] = field(default_factory=list)
    openapi_config: DocumentConfig | EmptyType | None = Empty

    before_request: list[Hook] = field(default_factory=list)
    after_request: list[Hook] = field(default_factory=list)
    after_response: list[Hook] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    middleware: list[Middleware | DeclaredMiddleware] = field(default_factory=list)
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
    dto: type[DTO] | EmptyType | None = Empty
    return_dto: type[DTO] | EmptyType | None = Empty
    include_in_schema: bool | EmptyType = Empty
    tags: list[str] = field(default_factory=list)
    security: list[Mapping[str, Sequence[str]]] = field(default_factory=list)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse unknown names with the one that was probably meant.

        Raises:
            AttributeError: There is no such option.
        """
        known = type(self).__dataclass_fields__
        if name not in known:
            raise AttributeError(f"an app has no option {name!r}{late.did_you_mean(name, known)}")
        super().__setattr__(name, value)


OnAppInitHandler: TypeAlias = Callable[[AppConfig], AppConfig]
"""Receives the configuration of an app that is being built, and returns it, or another."""


class Plugin(Protocol):
    """Anything that takes part in building an app."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Receive the configuration of an app that is being built, and return it, or another."""
        ...


@runtime_checkable
class CLIPlugin(Protocol):
    """A plugin that adds commands to the command line, whether it is a `Plugin`, too, or not."""

    # A `click.Group`, and click is optional.
    def on_cli_init(self, group: Any) -> None:
        """Add commands to *group*; they become commands of `hesper` for this app."""
        ...


def initialised(
    config: AppConfig, hooks: Sequence[OnAppInitHandler], amendments: list[Amendment]
) -> AppConfig:
    """Return what *hooks*, then the plugins, make of *config*; plugins may add plugins.

    Args:
        config: The options as they are given to the app.
        hooks: The `on_app_init` hooks, in order.
        amendments: Where it is noted which of them changes which layered option.

    Raises:
        TypeError: A hook is asynchronous, or returns something else than a configuration; a plugin
            is none.
    """
    for hook in hooks:
        config = _called(hook, config, amendments)
    done: list[Plugin | CLIPlugin] = []
    while waiting := [p for p in config.plugins if not any(p is known for known in done)]:
        plugin = waiting[0]
        done.append(plugin)
        on_app_init = _on_app_init(plugin)
        if on_app_init is not None:
            config = _called(on_app_init, config, amendments)
    return config


def _on_app_init(plugin: object) -> OnAppInitHandler | None:
    """Return the hook of *plugin*, which may have none if it adds commands."""
    if isinstance(plugin, type):
        raise TypeError(f"a plugin is an object, not the class {described(plugin)}; call it")
    on_app_init: OnAppInitHandler | None = getattr(plugin, "on_app_init", None)
    if on_app_init is None and not isinstance(plugin, CLIPlugin):
        raise TypeError(
            "a plugin is an object with on_app_init(app_config), or with on_cli_init(group),"
            f" not {plugin!r}"
        )
    return on_app_init


def _called(hook: OnAppInitHandler, config: AppConfig, amendments: list[Amendment]) -> AppConfig:
    before = {name: _copied(getattr(config, name)) for name in RULES}
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
    for name, known in before.items():
        value = _copied(getattr(result, name))
        if not _is_same(known, value):
            amendments.append(Amendment(name, hook, known, value))
    return result


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (list, dict)) else value


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of an option have the same parts: the very same, whatever they equal."""
    first, second = _parts(one), _parts(other)
    return len(first) == len(second) and not any(map(operator.is_not, first, second))


def _parts(value: Any) -> tuple[object, ...]:
    if isinstance(value, Mapping):
        return tuple(part for pair in value.items() for part in pair)
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


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


def own_options_of(config: AppConfig) -> dict[str, Any]:
    """Return the application's own options, besides the layered ones, as *config* has them."""
    return {f.name: getattr(config, f.name) for f in fields(config) if f.name not in RULES}
