"""Where the value of an option comes from."""

from __future__ import annotations

from typing import Final

import rich_click as click
from click.core import ParameterSource

from hesper.cli.settings import settings_of
from hesper.cli.target import target_of

__all__ = ("COMMAND_LINE", "origin_of", "origin_of_target")

COMMAND_LINE: Final = "the command line"


def origin_of(context: click.Context, parameter: click.Parameter) -> str | None:
    """Return where the value of *parameter* comes from; `None` if it is the default."""
    name = parameter.name or ""
    source = context.get_parameter_source(name)
    if source is ParameterSource.ENVIRONMENT:
        automatic = f"{context.auto_envvar_prefix}_{name.upper()}"
        variable = parameter.envvar if isinstance(parameter.envvar, str) else automatic
        in_file = variable in settings_of(context).from_env_file
        return f"{variable} in {'.env' if in_file else 'the environment'}"
    if source is ParameterSource.DEFAULT_MAP:
        return "pyproject.toml"
    return COMMAND_LINE if source is ParameterSource.COMMANDLINE else None


def origin_of_target(context: click.Context, field: str) -> str | None:
    """Return where the field *field* of the command's `Target` comes from; `None` if nowhere."""
    target, root = target_of(context), context.find_root()
    if getattr(target, field) != root.params[field]:
        return COMMAND_LINE  # said after the command's name
    return origin_of(root, next(p for p in root.command.params if p.name == field))
