"""The help texts of the command line, as the reference shows them."""

from __future__ import annotations

from contextlib import chdir
from tempfile import TemporaryDirectory

from click.testing import CliRunner

from hesper.cli.commands import hesper

__all__ = ("help_texts",)


def help_texts() -> str:
    """Return the help text of each command, as it is printed into a pipe of 80 columns."""
    return "\n\n".join(
        f"## `{' '.join(('hesper', *command))}`\n\n```text\n{_help(*command)}\n```"
        for command in [(), *((name,) for name in hesper.commands)]
    )


def _help(*command: str) -> str:
    runner = CliRunner(env={"COLUMNS": "80", "HESPER_APP": None})
    # An app in the current directory might add commands.
    with TemporaryDirectory() as empty, chdir(empty):
        printed = runner.invoke(hesper, [*command, "--help"], prog_name="hesper").stdout
    return "\n".join(line.rstrip() for line in printed.rstrip().splitlines())
