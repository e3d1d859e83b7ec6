"""Serving an app with uvicorn."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.supervisors import Multiprocess

from hesper._types import ASGIApp
from hesper.cli.discovery import FoundApp, find_app
from hesper.cli.ending import ending_with_its_lifespan
from hesper.cli.serve import SHUTDOWN_FAILED, STARTUP_FAILED, ServerOptions
from hesper.lifespan.drain import LAST_WORDS

__all__ = ("serve",)


def serve(found: FoundApp, options: ServerOptions) -> None:
    """Serve the app until uvicorn is told to stop.

    Args:
        found: The app.
        options: What the server is told.

    Raises:
        SystemExit: The server could not start (uvicorn's status 3), or the app's shutdown failed
            (status 1; uvicorn itself ends as if it had not).
    """
    # A client that does not read what was sent keeps its connection open, whatever becomes of the
    # request; uvicorn waits for it, unless it is told how long. It wants an integer, and hands it
    # to asyncio, which takes fractions.
    patience = cast("int", options.drain_time(found) + LAST_WORDS)
    # With lifespan="on" a start-up that fails ends the server; by default uvicorn may take the
    # failure for an app that has no lifespan.
    settings: dict[str, Any] = {
        "host": options.host,
        "port": options.port,
        "uds": None if options.uds is None else str(options.uds),
        "fd": options.fd,
        "lifespan": "on",
        "interface": "asgi3",
        "timeout_graceful_shutdown": patience,
        "ssl_certfile": options.ssl_certfile,
        "ssl_keyfile": options.ssl_keyfile,
        "proxy_headers": options.trusted_proxies is not None,
        "forwarded_allow_ips": options.trusted_proxies,
    }
    # A new process imports the app for itself, and so needs its name.
    if options.reload:
        uvicorn.run(found.import_string, factory=found.factory, reload=True, **settings)
    elif options.workers > 1:
        app = partial(_load, found.import_string, found.directory)
        _serve_in_workers(uvicorn.Config(app, factory=True, workers=options.workers, **settings))
    else:
        _serve_here(uvicorn.Config(cast("Any", ending_with_its_lifespan(found.app)), **settings))


def _load(place: str, directory: Path) -> ASGIApp:
    return ending_with_its_lifespan(find_app(place, directory).app)


def _serve_in_workers(config: uvicorn.Config) -> None:
    supervisor = Multiprocess(config, sockets=[config.bind_socket()])
    supervisor.run()
    # A worker that could not start ends them all, and uvicorn itself as if nothing had happened.
    if any(process.exitcode == STARTUP_FAILED for process in supervisor.processes):
        sys.exit(STARTUP_FAILED)


def _serve_here(config: uvicorn.Config) -> None:
    server = uvicorn.Server(config)
    # Once it has shut down, uvicorn raises the signal that stopped it again. SIGTERM would end the
    # process there, whatever became of the app; like this both signals interrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run()
    if server.started and server.lifespan.should_exit:
        sys.exit(SHUTDOWN_FAILED)
