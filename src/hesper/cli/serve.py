"""Serving an app with one of the servers.

What `hesper run` is told travels as one `ServerOptions`. A new option is a field of it, an option
of the command, and what each server's module makes of the field.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import rich_click as click

from hesper.cli.discovery import FoundApp
from hesper.cli.loading import load_app
from hesper.cli.target import Target
from hesper.lifespan.protocol import DRAIN_TIMEOUT

__all__ = ("SERVERS", "SHUTDOWN_FAILED", "STARTUP_FAILED", "ServerOptions", "serve")

SERVERS: Final = {
    "uvicorn": "hesper[standard]",
    "granian": "granian",
    "hypercorn": "hypercorn",
}
"""The servers, and what to install for each."""

# hypercorn is run in this process, so that it hears the signal that stops it; and it would believe
# whoever sends a proxy's headers.
_LACKING: Final = {"granian": ("--fd",), "hypercorn": ("--reload", "--workers", "--proxy-headers")}

SHUTDOWN_FAILED: Final = 1
"""The status of a process whose app could not be stopped properly."""
STARTUP_FAILED: Final = 3
"""The status of a process whose app could not be started; uvicorn's own."""


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class ServerOptions:
    """What a server is told; lives as long as the command."""

    host: str
    """The address to listen on."""
    port: int
    """The port to listen on; 0 takes any that is free."""
    reload: bool
    """Whether the server starts anew when a file changes."""
    drain_timeout: float | None
    """Seconds in the place of the app's own `drain_timeout`."""
    workers: int = 1
    """How many processes serve the app."""
    uds: Path | None = None
    """The Unix domain socket to listen on instead of a port."""
    fd: int | None = None
    """The open file descriptor to listen on instead of a port."""
    ssl_certfile: Path | None = None
    """The certificate, and those of its chain."""
    ssl_keyfile: Path | None = None
    """The certificate's private key."""
    proxy_headers: bool = False
    """Whether the proxies at `trusted_proxies` are believed what they say of the client."""
    forwarded_allow_ips: str | None = None
    """Whom to believe, separated by commas; everybody with `*`."""

    @property
    def trusted_proxies(self) -> str | None:
        """The addresses of the proxies that are believed, separated by commas; `*` is everybody."""
        if self.forwarded_allow_ips is not None:
            return self.forwarded_allow_ips
        # Who connects to a Unix domain socket is on this machine, and has no address.
        here = "127.0.0.1,::1" if self.uds is None else "*"
        return here if self.proxy_headers else None

    @property
    def address(self) -> str:
        """Where the app is served, for people."""
        if self.uds is not None:
            return f"unix:{self.uds}"
        if self.fd is not None:
            return f"file descriptor {self.fd}"
        scheme = "http" if self.ssl_certfile is None else "https"
        if not self.port:
            return f"{scheme}://{self.shown_host} (a free port)"
        return f"{scheme}://{self.shown_host}:{self.port}"

    @property
    def shown_host(self) -> str:
        """The address as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def drain_time(self, found: FoundApp) -> float:
        """Return the seconds that connections and tasks are given to end."""
        return found.app.drain_timeout if self.drain_timeout is None else self.drain_timeout


def serve(target: Target, server: str, options: ServerOptions) -> None:
    """Serve the app until the server is told to stop.

    Args:
        target: Which app is served.
        server: One of `SERVERS`.
        options: What the server is told.

    Raises:
        ClickException: The server is not installed, or cannot do what it is told.
        SystemExit: The app could not be started or stopped, as far as the server tells.
    """
    try:
        module = import_module(f"hesper.cli.{server}_server")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != server:
            raise
        raise click.ClickException(
            f"{server} is not installed; write: pip install '{SERVERS[server]}'"
        ) from None
    _check(server, options)
    found = load_app(target)
    if options.drain_timeout is not None:
        # For the lifespans of the server's own processes, too.
        os.environ[DRAIN_TIMEOUT] = str(options.drain_timeout)
    click.echo(f"Serving {found.import_string} on {options.address} with {_how(server, options)}")
    try:
        module.serve(found, options)
    finally:
        if options.uds is not None:
            options.uds.unlink(missing_ok=True)


def _how(server: str, options: ServerOptions) -> str:
    workers = f", {options.workers} workers" if options.workers > 1 else ""
    return f"{server}{workers}{', reloading' if options.reload else ''}"


def _check(server: str, options: ServerOptions) -> None:
    """Refuse options that contradict each other, or that the server does not have."""
    wanted = {
        "--reload": options.reload,
        "--workers": options.workers > 1,
        "--fd": options.fd is not None,
        "--proxy-headers": options.trusted_proxies is not None,
    }
    for name in _LACKING.get(server, ()):
        if wanted[name]:
            raise click.UsageError(
                f"{server} takes no {name} here; leave it out, or write --server uvicorn."
            )
    if options.reload and options.workers > 1:
        raise click.UsageError("--reload and --workers exclude each other.")
    if options.uds is not None and options.fd is not None:
        raise click.UsageError("--uds and --fd exclude each other.")
    if (options.ssl_certfile is None) != (options.ssl_keyfile is None):
        raise click.UsageError("--ssl-certfile and --ssl-keyfile go together.")
    if options.uds is not None:
        _check_socket(options.uds)
    if options.fd is not None:
        try:
            os.fstat(options.fd)
        except OSError:
            raise click.UsageError(f"The file descriptor {options.fd} is not open.") from None


def _check_socket(path: Path) -> None:
    """Refuse a socket that cannot be made there; when the server ends, the path is removed."""
    if not path.parent.is_dir():
        raise click.UsageError(f"There is no directory {str(path.parent)!r} for the socket.")
    if path.exists() and not path.is_socket():
        raise click.UsageError(f"{str(path)!r} is there already, and is no socket.")
