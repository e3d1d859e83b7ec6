"""What one layer says that cannot be, whatever route it is for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from hesper._plan.arguments import RESERVED
from hesper._plan.manner import yields
from hesper._signature import described
from hesper.handlers.handler import BaseRouteHandler
from hesper.layer import Layer, changes_of

_HOOKS: Final[Mapping[str, str]] = {
    "guards": "guard",
    "before_request": "before_request hook",
    "after_request": "after_request hook",
    "after_response": "after_response hook",
    "exception_handlers": "exception handler",
}
"""How messages name what an option holds."""

_ABOUT_RESPONSES: Final = frozenset(
    {
        "after_request",
        "before_request",
        "cache_control",
        "etag",
        "request_class",
        "request_max_body_size",
        "response_class",
        "response_cookies",
        "response_headers",
    }
)

_WITHOUT_EFFECT: Final[Mapping[str, frozenset[str]]] = {
    "http": frozenset({"websocket_class"}),
    "websocket": _ABOUT_RESPONSES | {"after_response"},
    "asgi": _ABOUT_RESPONSES | {"websocket_class"},
}
"""By the type of scope that a handler serves: the options that say nothing on it."""


def misfits(layer: Layer) -> Iterator[str]:
    """Yield what is wrong with *layer*: what was found, and what to write instead."""
    yield from _without_effect(layer)
    yield from _never_run(layer)
    changes = changes_of(layer)
    if "dependencies" in changes:
        for key in changes["dependencies"].value:
            if key in RESERVED:
                yield (
                    f"{layer.label}: the dependency {key!r} would never be injected, for an "
                    "argument of that name is the connection's own; call it otherwise"
                )
    if "exception_handlers" in changes:
        for handler in changes["exception_handlers"].value.values():
            yield from _not_called_with(layer, handler, "exception handler", "request", "exception")
    if "after_response" in changes:
        for hook in changes["after_response"].value:
            yield from _not_called_with(layer, hook, "after_response hook", "request")


def _without_effect(layer: Layer) -> Iterator[str]:
    """Yield the options that a handler itself sets though they mean nothing to it."""
    if not isinstance(layer, BaseRouteHandler):
        return
    for option in changes_of(layer):
        if option in _WITHOUT_EFFECT.get(layer.scope_type, ()):
            yield (
                f"{layer.label}: {option} has no effect on {type(layer).__name__} handlers; "
                "leave it out there (set on a layer above, it is for the other handlers)"
            )


def _never_run(layer: Layer) -> Iterator[str]:
    """Yield the guards and hooks that, when they are called, do nothing of what they say."""
    changes = changes_of(layer)
    for option, kind in _HOOKS.items():
        if option not in changes:
            continue
        value = changes[option].value
        for call in value.values() if isinstance(value, Mapping) else value:
            name = f"{layer.label}: the {kind} {described(call)}"
            if yields(call):
                yield (
                    f"{name} is a generator function, and calling it runs nothing; "
                    "write it without yield"
                )
            elif option == "guards" and isinstance(call, type) and not hasattr(call, "__await__"):
                yield (
                    f"{name} is a class, and making an instance checks nothing; "
                    f"put an instance, such as {call.__name__}(), or a function into guards"
                )


def _not_called_with(
    layer: Layer, function: Callable[..., Any], kind: str, *arguments: str
) -> Iterator[str]:
    """Yield a problem if *function* cannot be called with these positional arguments.

    What it takes besides is injected.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some built-in functions nobody knows
        return
    try:
        signature.bind_partial(*arguments)
    except TypeError as error:
        yield (
            f"{layer.label}: the {kind} {described(function)} is called with "
            f"({', '.join(arguments)}), which it does not take ({error})"
        )
