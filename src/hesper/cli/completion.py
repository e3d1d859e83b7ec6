"""The command that lets the user's shell complete `hesper`'s commands and options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import rich_click as click
from click.shell_completion import get_completion_class

from hesper.cli.group import COMPLETE

__all__ = ("completion",)

_HOW: Final = {
    "bash": 'eval "$(hesper completion bash)"    in ~/.bashrc',
    "zsh": 'eval "$(hesper completion zsh)"     in ~/.zshrc',
    "fish": "hesper completion fish | source     in ~/.config/fish/config.fish",
}


@click.command(
    epilog="To have it in every shell:\n\n" + "\n\n".join(f"{line}" for line in _HOW.values())
)
@click.argument("shell", required=False, type=click.Choice(list(_HOW)))
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print what lets SHELL complete commands and options.

    SHELL is bash, zsh or fish; without it, the one that the environment variable SHELL names.
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(name) if name in _HOW else None
    if kind is None:
        raise click.UsageError(f"Say for which shell: {', '.join(_HOW)}.", context)
    click.echo(kind(context.find_root().command, {}, "hesper", COMPLETE).source())
