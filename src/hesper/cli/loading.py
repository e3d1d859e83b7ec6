"""Loading the app for a command, or ending the command with the reason why there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import rich_click as click

from hesper.cli.discovery import AppNotFoundError, FoundApp, find_app
from hesper.exceptions import ConfigurationError

__all__ = ("load_app",)

_WRONG_APP: Final = 1
_NO_APP: Final = 2


def load_app(place: str | None) -> FoundApp:
    """Return the app at *place*, or the one in the current directory.

    Args:
        place: As `--app` takes it.

    Raises:
        SystemExit: There is no app (status 2), or it contradicts itself (status 1).
        Exception: Whatever else the user's module raises.
    """
    try:
        return find_app(place, Path.cwd())
    except AppNotFoundError as error:
        click.echo(error, err=True)
        sys.exit(_NO_APP)
    except ConfigurationError as error:
        click.echo(f"The app cannot be built. {error}", err=True)
        sys.exit(_WRONG_APP)
