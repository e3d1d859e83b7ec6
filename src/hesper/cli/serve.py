"""Serving an app with uvicorn."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import Final

import rich_click as click
import uvicorn

from hesper.app import Hesper
from hesper.cli.loading import load_app

__all__ = ("serve",)

_SHUTDOWN_FAILED: Final = 1


def serve(place: str | None, *, host: str, port: int, reload: bool) -> None:
    """Serve the app until the server is told to stop.

    Args:
        place: Where the app is, as `--app` takes it.
        host: The address to listen on.
        port: The port to listen on; 0 takes any that is free.
        reload: Whether the server starts anew when a file changes.

    Raises:
        SystemExit: There is no app to serve, the server could not start (uvicorn's status 3), or
            the app's shutdown failed (status 1; uvicorn itself ends as if it had not).
    """
    found = load_app(place)
    shown_host = f"[{host}]" if ":" in host else host
    click.echo(f"Serving {found.import_string} on http://{shown_host}:{port}")
    # With lifespan="on" a start-up that fails ends the server; by default uvicorn may take the
    # failure for an app that has no lifespan.
    if reload:
        # Each new process imports the app for itself, and so needs its name.
        uvicorn.run(
            found.import_string,
            factory=found.factory,
            host=host,
            port=port,
            reload=True,
            lifespan="on",
        )
    else:
        _serve_here(found.app, host, port)


def _serve_here(app: Hesper, host: str, port: int) -> None:
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, lifespan="on"))
    # Once it has shut down, uvicorn raises the signal that stopped it again. SIGTERM would end the
    # process there, whatever became of the app; like this both signals interrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run()
    if server.started and server.lifespan.should_exit:
        sys.exit(_SHUTDOWN_FAILED)
