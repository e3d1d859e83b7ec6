"""Serving an app with hypercorn, in this process.

hypercorn's own command serves in worker processes, which the signal that stops the server never
reaches: connections would be cut before the app learns of it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, cast

import rich_click as click
from hypercorn.asyncio import serve as serve_with_hypercorn
from hypercorn.config import Config
from hypercorn.utils import LifespanFailureError

from hesper._types import ASGIApp
from hesper.cli.discovery import FoundApp
from hesper.cli.ending import ending_with_its_lifespan
from hesper.cli.serve import SHUTDOWN_FAILED, STARTUP_FAILED, ServerOptions
from hesper.lifespan.drain import LAST_WORDS

__all__ = ("serve",)


def serve(found: FoundApp, options: ServerOptions) -> None:
    """Serve the app until it is told to stop.

    Args:
        found: The app.
        options: What the server is told.

    Raises:
        SystemExit: The app could not be started (status 3), or its shutdown failed (status 1).
    """
    drain_time = options.drain_time(found)
    config = Config()
    config.bind = [_bind(options)]
    config.certfile = None if options.ssl_certfile is None else str(options.ssl_certfile)
    config.keyfile = None if options.ssl_keyfile is None else str(options.ssl_keyfile)
    config.graceful_timeout = drain_time + LAST_WORDS
    config.shutdown_timeout += drain_time
    server = _Server(ending_with_its_lifespan(found.app), config)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(server.run())
    except LifespanFailureError as error:
        click.echo(error, err=True)
        sys.exit(SHUTDOWN_FAILED if server.is_told else STARTUP_FAILED)


def _bind(options: ServerOptions) -> str:
    if options.uds is not None:
        return f"unix:{options.uds}"
    return f"{options.shown_host}:{options.port}" if options.fd is None else f"fd://{options.fd}"


class _Server:
    """hypercorn, until it is told to stop; lives as long as it runs.

    Args:
        app: What it serves.
        config: What it is told.
    """

    __slots__ = ("__weakref__", "_app", "_config", "is_told")

    is_told: bool
    """Whether it has been told to stop."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._config = config
        self.is_told = False

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        def hear(number: int, _frame: FrameType | None) -> None:
            if self.is_told and number == signal.SIGINT:  # Ctrl-C again
                raise KeyboardInterrupt
            self.is_told = True
            loop.call_soon_threadsafe(told.set)

        signal.signal(signal.SIGINT, hear)
        signal.signal(signal.SIGTERM, hear)
        # hypercorn's own types spell out every message.
        app = cast("Any", self._app)
        await serve_with_hypercorn(app, self._config, shutdown_trigger=told.wait, mode="asgi")
