"""Test clients together with the app that they test.

The keywords of an app are declared with the app, and are not written down again here: checkers take
them from `AsyncOptions` and `SyncOptions`, of which none is ever made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeAlias, TypeVar

from hesper.app import ApplicationLayer, Hesper
from hesper.router import ControllerRouterHandler
from hesper.testing.async_client import AsyncTestClient
from hesper.testing.client import TestClient
from hesper.testing.requests import DEFAULT_BASE_URL, CookiesLike, HeadersLike, TimeoutLike

__all__ = ("create_async_test_client", "create_test_client")

P = ParamSpec("P")
ClientT = TypeVar("ClientT")

Served: TypeAlias = ControllerRouterHandler | Sequence[ControllerRouterHandler]
"""One handler, controller or router, or several."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AsyncOptions(ApplicationLayer):
    """The keywords of an app, and those of an `AsyncTestClient` that do not mean the app."""

    # One handler will do, where an app takes several; nobody takes these options for an app's.
    route_handlers: Served = field(default=(), kw_only=False)  # type: ignore[assignment] # pyright: ignore[reportIncompatibleVariableOverride]
    base_url: str = DEFAULT_BASE_URL
    raise_server_exceptions: bool = True
    root_path: str = ""
    headers: HeadersLike | None = None
    cookies: CookiesLike | None = None
    client: tuple[str, int] | None = ("testclient", 50000)
    timeout: TimeoutLike = None
    follow_redirects: bool = True
    spec_version: str = "2.3"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SyncOptions(AsyncOptions):
    """The keywords of an app, and those of a `TestClient` that do not mean the app."""

    backend: Literal["asyncio"] = "asyncio"
    backend_options: dict[str, Any] | None = None


_OF_THE_APP: Final = frozenset(option.name for option in fields(ApplicationLayer))


def _taking(
    _options: Callable[Concatenate[Any, P], None],
) -> Callable[[Callable[..., ClientT]], Callable[P, ClientT]]:
    """Let checkers see the keywords of an options class on a function that takes any."""
    return lambda function: function


def _parted(keywords: dict[str, Any]) -> tuple[Hesper, dict[str, Any]]:
    """Return the app that *keywords* describe, and the keywords that are the client's."""
    route_handlers = keywords.pop("route_handlers", ())
    if not isinstance(route_handlers, Sequence):
        route_handlers = [route_handlers]
    clients = {option.name for option in fields(SyncOptions)} - _OF_THE_APP
    options = {name: keywords.pop(name) for name in tuple(keywords) if name in clients}
    return Hesper(route_handlers, **keywords), options


@_taking(SyncOptions.__init__)
def create_test_client(
    route_handlers: Served = (),
    **options: Any,
) -> TestClient[Hesper]:
    """Build an app and return a sync client for it.

    Args:
        route_handlers: What the app serves: one handler, controller or router, or several.
        options: The keywords of `TestClient`, but for `state` and `lifespan`, which mean the app's,
            and all keywords of `Hesper`.
    """
    app, client_options = _parted({"route_handlers": route_handlers, **options})
    return TestClient(app, **client_options)


@_taking(AsyncOptions.__init__)
def create_async_test_client(
    route_handlers: Served = (),
    **options: Any,
) -> AsyncTestClient[Hesper]:
    """Build an app and return an async client for it.

    Args:
        route_handlers: What the app serves: one handler, controller or router, or several.
        options: The keywords of `AsyncTestClient`, but for `state` and `lifespan`, which mean the
            app's, and all keywords of `Hesper`.
    """
    app, client_options = _parted({"route_handlers": route_handlers, **options})
    return AsyncTestClient(app, **client_options)
