"""Serving an app with granian."""

from __future__ import annotations

import multiprocessing
import socket
from functools import partial
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.utils.proxies import wrap_asgi_with_proxy_headers

from hesper._types import ASGIApp
from hesper.cli.discovery import FoundApp, find_app
from hesper.cli.ending import ending_with_its_lifespan
from hesper.cli.serve import ServerOptions

__all__ = ("serve",)


def serve(found: FoundApp, options: ServerOptions) -> None:
    """Serve the app until granian is told to stop.

    Args:
        found: The app.
        options: What the server is told.

    Raises:
        SystemExit: The app could not be started (granian's status 1).
    """
    # The app has been imported here. A worker that is forked would have it as it was then, in
    # spite of changes, without the threads that it may have started.
    multiprocessing.set_start_method("spawn", force=True)
    Granian(
        found.import_string,
        address=options.host,
        port=options.port or _free_port(options.host),
        uds=options.uds,
        interface=Interfaces.ASGI,
        workers=options.workers,
        reload=options.reload,
        ssl_cert=options.ssl_certfile,
        ssl_key=options.ssl_keyfile,
    ).serve(target_loader=partial(_load, found.directory, options.trusted_proxies))


def _load(directory: Path, trusted_proxies: str | None, place: str) -> ASGIApp:
    """Return the app of a worker; granian's own way is to look in the current directory first."""
    app = ending_with_its_lifespan(find_app(place, directory).app)
    return app if trusted_proxies is None else wrap_asgi_with_proxy_headers(app, trusted_proxies)


def _free_port(host: str) -> int:
    """Return a port; granian would take one by itself, and not tell which."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as free:
        free.bind((host, 0))
        port: int = free.getsockname()[1]
    return port
