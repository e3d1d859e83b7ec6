"""The client of an app, cached as long as the app lives: `client_for`."""

from __future__ import annotations

import weakref

from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.registry import attached
from hesper.testing.async_client import AsyncTestClient


class WeakApp:
    """An ASGI app that passes all calls to another, which it does not keep alive.

    Args:
        app: The other.
    """

    __slots__ = ("__weakref__", "_app")

    def __init__(self, app: ASGIApp) -> None:
        self._app = weakref.ref(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app.

        Raises:
            ReferenceError: The app is gone.
        """
        app = self._app()
        if app is None:
            raise ReferenceError("the app of this client is gone; keep the app as long as it")
        await app(scope, receive, send)


class _Cache:
    """Where an app has its client; lives as long as the app."""

    __slots__ = ("__weakref__", "client")

    def __init__(self) -> None:
        self.client: AsyncTestClient[WeakApp] | None = None


def client_for(app: ASGIApp) -> AsyncTestClient[WeakApp]:
    """Return the client of *app*: the same one until it is closed, gone when the app is.

    It is stored on the app, and does not keep the app alive.

    Args:
        app: An app with a `__dict__`, as every `Hesper` has.
    """
    cache = attached(app, client_for, _Cache)
    if cache.client is None or cache.client.is_closed:
        cache.client = AsyncTestClient(WeakApp(app))
    return cache.client
