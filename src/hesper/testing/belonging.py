"""The lifespan that a client's requests are served in, and whose the block's `app.state` is."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import suppress
from contextvars import Token
from typing import Any

from hesper._types import LIFESPAN_KEY, Receive, Scope, Send
from hesper.lifespan.lifespan import Lifespan
from hesper.lifespan.phase import Phase
from hesper.lifetime import BELONGS_TO
from hesper.registry import live
from hesper.testing.server import Server


class Belonging:
    """Makes the block of a client belong to the lifespan that it runs; lives with the client.

    Args:
        server: The client's side of the server.
    """

    __slots__ = ("__weakref__", "_server", "_token")

    def __init__(self, server: Server) -> None:
        self._server = server
        self._token: Token[weakref.ref[Any]] | None = None

    @property
    def lifespan(self) -> Lifespan:
        """The lifespan that runs.

        Raises:
            RuntimeError: None runs, or the app is none of Hesper's.
        """
        found = self._found()
        if found is None:
            raise RuntimeError(
                "no lifespan of a Hesper app runs in this client; use it as `with client:`"
            )
        return found

    def _found(self) -> Lifespan | None:
        offered = (self._server.namespace or {}).get(LIFESPAN_KEY)
        if isinstance(offered, Lifespan):
            return offered
        app = self._server.app
        running = [found for found in live.members("lifespan") if isinstance(found, Lifespan)]
        return next((found for found in reversed(running) if found.app is app), None)

    def begin(self) -> None:
        """Let the caller's context belong to the lifespan, if one runs."""
        found = self._found()
        if found is not None:
            self._token = BELONGS_TO.set(weakref.ref(found))

    def end(self) -> None:
        """Let the caller's context belong to what it belonged to before."""
        token, self._token = self._token, None
        if token is not None:
            with suppress(ValueError):  # left in another context than entered, as fixtures may be
                BELONGS_TO.reset(token)


class InLifespan:
    """The app of a lifespan, as long as that runs; lives with the clients of the lifespan.

    Args:
        lifespan: A lifespan that runs.

    Raises:
        RuntimeError: It does not.
    """

    __slots__ = ("__weakref__", "_lifespan")

    def __init__(self, lifespan: Lifespan) -> None:
        self._lifespan = lifespan
        self._require_running()

    def _require_running(self) -> None:
        if self._lifespan.phase not in {Phase.READY, Phase.CLOSING}:
            raise RuntimeError(
                f"this lifespan is {self._lifespan.phase}, and serves nothing; use its clients in "
                "its block: `async with app.lifespan() as lifespan:`"
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app.

        Raises:
            RuntimeError: The lifespan has ended, or runs on another loop.
        """
        self._require_running()
        if self._lifespan.loop is not asyncio.get_running_loop():
            raise RuntimeError(
                "this client's lifespan runs on another loop; from another thread, go through the "
                "TestClient that runs it"
            )
        await self._lifespan.app(scope, receive, send)
