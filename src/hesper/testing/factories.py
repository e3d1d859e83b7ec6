"""Test clients together with the app that they test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from hesper.app import Hesper
from hesper.router import ControllerRouterHandler
from hesper.testing.async_client import AsyncTestClient
from hesper.testing.client import TestClient
from hesper.testing.requests import DEFAULT_BASE_URL, CookiesLike, TimeoutLike

__all__ = ("create_async_test_client", "create_test_client")


def create_test_client(
    route_handlers: ControllerRouterHandler | Sequence[ControllerRouterHandler] = (),
    *,
    base_url: str = DEFAULT_BASE_URL,
    raise_server_exceptions: bool = True,
    root_path: str = "",
    backend: Literal["asyncio"] = "asyncio",
    backend_options: dict[str, Any] | None = None,
    cookies: CookiesLike | None = None,
    timeout: TimeoutLike = None,
    **app_options: Any,
) -> TestClient[Hesper]:
    """Build an app and return a sync client for it.

    Args:
        route_handlers: What the app serves: one handler, controller or router, or several.
        base_url: As of `TestClient`, as are the following.
        raise_server_exceptions: As of `TestClient`.
        root_path: As of `TestClient`.
        backend: As of `TestClient`.
        backend_options: As of `TestClient`.
        cookies: As of `TestClient`.
        timeout: As of `TestClient`.
        app_options: Every other keyword of the app, as of `Hesper`.
    """
    return TestClient(
        _app(route_handlers, app_options),
        base_url,
        raise_server_exceptions=raise_server_exceptions,
        root_path=root_path,
        backend=backend,
        backend_options=backend_options,
        cookies=cookies,
        timeout=timeout,
    )


def create_async_test_client(
    route_handlers: ControllerRouterHandler | Sequence[ControllerRouterHandler] = (),
    *,
    base_url: str = DEFAULT_BASE_URL,
    raise_server_exceptions: bool = True,
    root_path: str = "",
    cookies: CookiesLike | None = None,
    timeout: TimeoutLike = None,
    **app_options: Any,
) -> AsyncTestClient[Hesper]:
    """Build an app and return an async client for it.

    Args:
        route_handlers: What the app serves: one handler, controller or router, or several.
        base_url: As of `AsyncTestClient`, as are the following.
        raise_server_exceptions: As of `AsyncTestClient`.
        root_path: As of `AsyncTestClient`.
        cookies: As of `AsyncTestClient`.
        timeout: As of `AsyncTestClient`.
        app_options: Every other keyword of the app, as of `Hesper`.
    """
    return AsyncTestClient(
        _app(route_handlers, app_options),
        base_url,
        raise_server_exceptions=raise_server_exceptions,
        root_path=root_path,
        cookies=cookies,
        timeout=timeout,
    )


def _app(
    route_handlers: ControllerRouterHandler | Sequence[ControllerRouterHandler],
    app_options: dict[str, Any],
) -> Hesper:
    if isinstance(route_handlers, Sequence):
        return Hesper(route_handlers, **app_options)
    return Hesper([route_handlers], **app_options)
