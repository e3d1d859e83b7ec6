"""The commands: `hesper` itself, and each of its subcommands.

Servers, the framework and the user's app are imported by the commands that need them, so that
`hesper --help` is there at once.
"""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from hesper.cli.completion import completion
from hesper.cli.group import HesperGroup
from hesper.cli.inspecting import check, explain, info, routes
from hesper.cli.running import run
from hesper.cli.schema import schema
from hesper.cli.target import Target, about_an_app, about_the_app

__all__ = ("hesper",)


@click.group(
    cls=HesperGroup,
    context_settings={
        "auto_envvar_prefix": "HESPER",
        "help_option_names": ["-h", "--help"],
        "rich_help_config": {"theme": "default-slim"},
    },
)
@click.version_option(package_name="hesper", allow_from_autoenv=False)
@about_the_app
@click.pass_context
def hesper(context: click.Context, place: str | None, directory: Path, debug: bool) -> None:
    """Work with a Hesper app."""
    context.obj = Target(place, directory, debug)


@click.command()
@click.option(
    "--lifespan/--no-lifespan",
    default=True,
    help="Whether a lifespan of the app runs meanwhile, which `app.state` needs.",
)
@about_an_app
@click.pass_obj
def shell(target: Target, lifespan: bool) -> None:
    """Open a Python shell with the app in scope.

    `app` is the app, `lifespan` a lifespan of it that runs as long as the shell, and `await`
    works at the prompt. IPython is used if it is installed. A program that is piped in is run.
    """
    # Loading the framework takes longer than all the rest.
    from hesper.cli.loading import load_app
    from hesper.cli.shell import open_shell

    open_shell(load_app(target).app, with_lifespan=lifespan)


for command in (run, check, routes, explain, schema, info, shell, completion):
    hesper.add_command(command)
