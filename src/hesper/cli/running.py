"""The command `run`, which serves the app.

The server, the framework and the user's app are imported inside the command, so that
`hesper --help` is there at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import rich_click as click

from hesper.cli.target import Target, about_an_app

__all__ = ("run",)

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    metavar="NUMBER",
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 takes any that is free.",
)
@click.option(
    "--uds",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Listen on a Unix domain socket instead.",
)
@click.option(
    "--fd",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    help="Listen on an open file descriptor instead.",
)
@click.option(
    "--server",
    default="uvicorn",
    show_default=True,
    metavar="NAME",
    type=click.Choice(["uvicorn", "granian", "hypercorn"]),
    help="What serves the app: uvicorn, granian or hypercorn.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    metavar="NUMBER",
    type=click.IntRange(min=1),
    help="How many processes serve the app.",
)
@click.option("--reload", is_flag=True, help="Start anew whenever a file changes.")
@click.option(
    "--drain-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    envvar="HESPER_DRAIN_TIMEOUT",
    show_envvar=True,
    help="How long connections and tasks may go on once the server is told to stop; by default as"
    " long as the app says.",
)
@click.option("--ssl-certfile", metavar="FILE", type=_FILE, help="The certificate, for HTTPS.")
@click.option("--ssl-keyfile", metavar="FILE", type=_FILE, help="The certificate's private key.")
@click.option(
    "--proxy-headers",
    is_flag=True,
    help="Believe what a proxy on this machine says of the client: X-Forwarded-For and"
    " X-Forwarded-Proto.",
)
@click.option(
    "--forwarded-allow-ips",
    metavar="LIST",
    help="Believe proxies at these addresses instead, separated by commas; * believes everybody.",
)
@about_an_app
@click.pass_obj
def run(target: Target, /, server: str, **options: Any) -> None:
    """Serve the app.

    Every option can be set in the environment, as HESPER_RUN_PORT, and in pyproject.toml, below
    [tool.hesper.run].
    """
    from hesper.cli.serve import ServerOptions, serve

    serve(target, server, ServerOptions(**options))
