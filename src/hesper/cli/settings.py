"""What a project says about its app in files: `.env`, and `[tool.hesper]` in `pyproject.toml`.

Both are looked for in the current directory. The command line goes before the environment, the
environment before `.env`, `.env` before `pyproject.toml`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import rich_click as click

__all__ = ("SETTINGS", "Settings", "read_settings", "settings_of")

SETTINGS: Final = "hesper.cli.settings"
"""Where the outermost context keeps them."""

_TABLE: Final = "[tool.hesper]"
_OWN: Final = {"app": "place", "app-dir": "directory"}


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Settings:
    """What the files say; lives as long as the command."""

    defaults: dict[str, object]
    """The options by parameter, those of a command in a mapping of its own."""
    from_env_file: frozenset[str]
    """The environment variables that were set because `.env` says so."""
    problem: click.ClickException | None = None
    """Why there are no settings, where the files are wrong."""


def read_settings(directory: Path, commands: Mapping[str, click.Command]) -> Settings:
    """Read the files in *directory*, and set the environment variables that `.env` names.

    A variable that is set already stays as it is.

    Args:
        directory: Where the files are, if there are any.
        commands: The commands whose options may be set, by name.

    Raises:
        click.ClickException: A file cannot be read, or what it says has no meaning.
    """
    env_file, project = directory / ".env", directory / "pyproject.toml"
    from_env_file: frozenset[str] = frozenset()
    # A directory called .env is some virtual environment; a pipe is a password manager.
    if env_file.is_file() or env_file.is_fifo():
        from_env_file = _load_environment(env_file)
    defaults = _defaults(_table(project), commands) if project.is_file() else {}
    return Settings(defaults, from_env_file)


def settings_of(context: click.Context) -> Settings:
    """Return what the project's files say; nothing while the options are still being read."""
    settings: Settings = context.meta.get(SETTINGS) or Settings({}, frozenset())
    return settings


def _load_environment(path: Path) -> frozenset[str]:
    try:
        # Needed only where there is such a file.
        from dotenv import load_dotenv
    except ModuleNotFoundError:
        raise click.ClickException(
            "There is a file .env, and python-dotenv, which reads it, is not installed; write:"
            " pip install 'hesper[standard]'"
        ) from None
    before = set(os.environ)
    try:
        load_dotenv(path)
    except (OSError, ValueError) as error:
        raise click.ClickException(f".env cannot be read: {error}") from error
    return frozenset(os.environ.keys() - before)


def _table(path: Path) -> dict[str, object]:
    """Return the table `[tool.hesper]` of the file at *path*."""
    # Needed only where there is such a file.
    import tomllib

    try:
        found: object = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"pyproject.toml cannot be read: {error}") from error
    for name in ("tool", "hesper"):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    if not isinstance(found, dict):
        raise _wrong(f"is to be a table, not {found!r}")
    return found


def _defaults(
    table: Mapping[str, object], commands: Mapping[str, click.Command]
) -> dict[str, object]:
    defaults: dict[str, object] = {}
    for key, value in table.items():
        if key in _OWN:
            if not isinstance(value, str):
                raise _wrong(f"{key} is to be a string, not {value!r}")
            defaults[_OWN[key]] = value
        elif not isinstance(value, dict):
            raise _wrong(f"there is no {key!r}{_meant(key, [*_OWN, *commands])}")
        else:
            # What is no command of ours may be one of a plugin's, which is not loaded yet.
            options = _options(commands[key]) if key in commands else None
            defaults[key] = _options_of_table(key, value, options)
    return defaults


def _options(command: click.Command) -> dict[str, str]:
    """Return the parameters of *command*, by the names that their options have in a file."""
    return {
        name.removeprefix("--"): option.name or ""
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value
        for name in option.opts
        if name.startswith("--")
    }


def _options_of_table(
    command: str, table: Mapping[str, object], options: Mapping[str, str] | None
) -> dict[str, object]:
    if options is None:
        return {key.replace("-", "_"): value for key, value in table.items()}
    for key in table:
        if key not in options:
            raise _wrong(f"{command} has no option {key!r}{_meant(key, options)}")
    return {options[key]: value for key, value in table.items()}


def _meant(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, names, n=1)
    return f"; probably you meant {close[0]!r}" if close else f"; there are {', '.join(names)}"


def _wrong(what: str) -> click.ClickException:
    return click.ClickException(f"{_TABLE} in pyproject.toml: {what}.")
