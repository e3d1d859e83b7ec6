"""The commands that others add: packages by an entry point, an app by its plugins.

They are looked for only when a command is asked for that `hesper` itself does not have, and for
`--help` and completion.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Final

import rich_click as click

from hesper.cli.places import usual_modules
from hesper.cli.target import target_of

__all__ = ("GROUP", "added_commands")

GROUP: Final = "hesper.commands"
"""The group of entry points, each of which names a command."""

_KNOWN: Final = "hesper.cli.extending"


def added_commands(context: click.Context, own: Set[str]) -> dict[str, click.Command]:
    """Return the commands that packages and the app add, by name; those of the app go first.

    An app that cannot be loaded adds none, and a line on the standard error output says why.

    Args:
        context: The context of the outermost command.
        own: The names of its own commands, which nobody replaces.
    """
    known = context.meta.get(_KNOWN)
    if not isinstance(known, dict):
        known = {**_of_packages(), **_of_app(context)}
        for name in own & known.keys():
            del known[name]
            if not context.resilient_parsing:
                click.echo(f"There are two commands {name!r}; hesper's own is meant.", err=True)
        context.meta[_KNOWN] = known
    return known


def _of_packages() -> dict[str, click.Command]:
    # It takes half as long to load as click does.
    from importlib.metadata import entry_points

    points = entry_points(group=GROUP)
    return {point.name: _loaded(point.name, point.value, point.load) for point in points}


def _loaded(name: str, value: str, load: Callable[[], object]) -> click.Command:
    try:
        command = load()
    except Exception as error:
        return _broken(name, error)
    if isinstance(command, click.Command):
        return command
    return _broken(name, TypeError(f"{value} is {command!r:.100}, and no command"))


def _broken(name: str, error: Exception) -> click.Command:
    """Return a command in the place of one that cannot be loaded."""

    def fail() -> None:
        raise error

    return click.RichCommand(
        name=name,
        callback=fail,
        help=f"Cannot be loaded: {type(error).__name__}: {error}",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )


def _of_app(context: click.Context) -> dict[str, click.Command]:
    target = target_of(context)
    if target.place is None and not any(usual_modules(target.directory).values()):
        return {}
    if context.resilient_parsing:
        # Anything that is printed while the shell completes a line ends up in the line.
        silence = StringIO()
        with redirect_stdout(silence), redirect_stderr(silence), context.scope(cleanup=False):
            try:
                return _of_plugins(context)
            except (Exception, SystemExit):
                return {}
    try:
        return _of_plugins(context)
    except (Exception, SystemExit) as error:
        if target.debug:
            raise
        click.echo(
            f"The app's own commands are not known, for it cannot be loaded: {_shortly(error)}",
            err=True,
        )
        return {}


def _of_plugins(context: click.Context) -> dict[str, click.Command]:
    # It takes the framework, and the user's app, to know.
    from hesper.cli.loading import load_app
    from hesper.config.app import CLIPlugin

    group = click.RichGroup(name="plugins")
    for plugin in load_app(target_of(context)).app.plugins:
        if isinstance(plugin, CLIPlugin):
            plugin.on_cli_init(group)
    return dict(group.commands)


def _shortly(error: BaseException) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message().partition("\n")[0]
    return f"{type(error).__name__}: {error}".partition("\n")[0]
