"""The outermost command, as a class: `HesperGroup`."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import rich_click as click
from click.exceptions import Abort, Exit

from hesper.cli.extending import added_commands
from hesper.cli.settings import SETTINGS, Settings, read_settings, settings_of
from hesper.cli.target import target_of

__all__ = ("COMPLETE", "HesperGroup")

COMPLETE: Final = "_HESPER_COMPLETE"
"""The environment variable by which a shell asks for completions."""


class HesperGroup(click.RichGroup):
    """The command `hesper`: its own commands, then those that others add.

    Errors are shown without tracebacks unless `--debug` is said. Lives as long as the process.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help text."""
        return [*self.commands, *sorted(added_commands(ctx, self.commands.keys()))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name; those of `hesper` itself go first."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        return added_commands(ctx, self.commands.keys()).get(cmd_name)

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """Return the option `--help`, which is read once it is known which app is meant."""
        option = cast("click.Option", super().get_help_option(cast("click.RichContext", ctx)))
        option.is_eager = option.allow_from_autoenv = False
        return option

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the project's settings, then the arguments."""
        try:
            settings = read_settings(Path.cwd(), self.commands)
        except click.ClickException as error:
            settings = Settings({}, frozenset(), error)
        extra.setdefault("default_map", settings.defaults)
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[SETTINGS] = settings
        return context

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called; not if it would go by settings that are wrong."""
        problem = settings_of(ctx).problem
        # A shell that starts, or completes a line, is not to be disturbed.
        if problem is not None and not ctx.resilient_parsing and args[0] != "completion":
            raise problem
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        """Call the command, and turn whatever it raises into something to be shown."""
        try:
            super().invoke(ctx)
        except (click.ClickException, Abort, Exit):
            raise
        except Exception as error:
            if target_of(ctx).debug or getattr(error, "errno", None) == errno.EPIPE:
                raise
            # Loaded when something went wrong.
            from hesper.cli.reporting import described

            raise click.ClickException(described(error)) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line, and exit with its status.

        Args:
            args: The arguments; those of the process if there are none.
            prog_name: What the program is called in texts.
            complete_var: The environment variable by which shells ask for completions.
            standalone_mode: Whether errors are shown and the process exits.
            extra: What else the context takes.
        """
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            # Loaded when something went wrong.
            from hesper.cli.reporting import show

            show(error)
            status = error.exit_code
        except Abort:
            click.echo("Aborted.", err=True)
            status = 1
        sys.exit(status)
