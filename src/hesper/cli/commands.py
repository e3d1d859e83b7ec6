"""The commands: `hesper` itself, and each of its subcommands.

Servers, the framework and the user's app are imported by the commands that need them, so that
`hesper --help` is there at once.
"""

from __future__ import annotations

import rich_click as click

__all__ = ("hesper",)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hesper")
@click.option(
    "--app",
    "place",
    metavar="MODULE:NAME",
    envvar="HESPER_APP",
    show_envvar=True,
    help="The app, or a function that makes it. Without it, app.py, main.py, asgi.py and"
    " application.py are searched.",
)
@click.pass_context
def hesper(context: click.Context, place: str | None) -> None:
    """Work with a Hesper app."""
    context.obj = place


@hesper.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 takes any that is free.",
)
@click.option("--reload", is_flag=True, help="Start anew whenever a file changes.")
@click.pass_obj
def run(place: str | None, host: str, port: int, reload: bool) -> None:
    """Serve the app with uvicorn."""
    try:
        # Loading the server and the framework takes longer than all the rest.
        from hesper.cli.serve import serve
    except ModuleNotFoundError as error:
        if error.name != "uvicorn":
            raise
        raise click.ClickException(
            "uvicorn is not installed; write: pip install 'hesper[standard]'"
        ) from None
    serve(place, host=host, port=port, reload=reload)
