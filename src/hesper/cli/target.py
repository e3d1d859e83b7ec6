"""What a command is about: `Target`, and the options that say it.

The options may stand before the command's name and after it; what stands after it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import rich_click as click

__all__ = ("Target", "about_an_app", "about_the_app", "target_of")

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_DIRECTORY: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_PLACE_HELP: Final = "The app, or a function that makes it."
_DIRECTORY_HELP: Final = "Where modules are looked for first."
_DEBUG_HELP: Final = "Show errors with their tracebacks."


@dataclass(slots=True, weakref_slot=True)
class Target:
    """The app that a command is about, and how its errors are shown; lives with the command."""

    place: str | None
    """`module:name`, or the module alone; without it, the usual modules are searched."""
    directory: Path
    """Where modules are looked for first."""
    debug: bool
    """Whether errors are shown with their tracebacks."""


def target_of(context: click.Context) -> Target:
    """Return what the command of *context* is about.

    While options are still being read, as for `--help` and for completion, it holds those that
    came before.
    """
    root = context.find_root()
    if isinstance(root.obj, Target):
        return root.obj
    said = root.params
    return Target(said.get("place"), said.get("directory") or Path(), bool(said.get("debug")))


def about_the_app(function: FunctionT) -> FunctionT:
    """Give the outermost command the options `place`, `directory` and `debug`."""
    return _with_options(
        function,
        # Eager, so that they are known when `--help` asks the app for its commands.
        click.option(
            "--app",
            "place",
            metavar="MODULE:NAME",
            envvar="HESPER_APP",
            show_envvar=True,
            is_eager=True,
            help=f"{_PLACE_HELP} Without it, app.py, main.py, asgi.py and application.py are"
            " searched.",
        ),
        click.option(
            "--app-dir",
            "directory",
            type=_DIRECTORY,
            default=Path(),
            envvar="HESPER_APP_DIR",
            show_envvar=True,
            is_eager=True,
            help=_DIRECTORY_HELP,
        ),
        click.option("--debug", is_flag=True, is_eager=True, help=_DEBUG_HELP),
    )


def about_an_app(function: FunctionT) -> FunctionT:
    """Let the options of the outermost command stand after a command's name, too."""
    return _with_options(
        function,
        click.option(
            "--app",
            metavar="MODULE:NAME",
            help=_PLACE_HELP,
            expose_value=False,
            allow_from_autoenv=False,
            callback=_say_place,
        ),
        click.option(
            "--app-dir",
            type=_DIRECTORY,
            help=_DIRECTORY_HELP,
            expose_value=False,
            allow_from_autoenv=False,
            callback=_say_directory,
        ),
        click.option(
            "--debug",
            is_flag=True,
            help=_DEBUG_HELP,
            expose_value=False,
            allow_from_autoenv=False,
            callback=_say_debug,
        ),
    )


def _with_options(function: FunctionT, *options: Callable[[FunctionT], FunctionT]) -> FunctionT:
    for option in reversed(options):
        function = option(function)
    return function


def _say_place(context: click.Context, _option: click.Parameter, place: str | None) -> None:
    if place is not None:
        target_of(context).place = place


def _say_directory(
    context: click.Context, _option: click.Parameter, directory: Path | None
) -> None:
    if directory is not None:
        target_of(context).directory = directory


def _say_debug(context: click.Context, _option: click.Parameter, debug: bool) -> None:
    if debug:
        target_of(context).debug = True
