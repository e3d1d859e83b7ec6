"""Errors as a command shows them: what happened and where, without a traceback."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from types import TracebackType
from typing import Final

import rich_click as click

import hesper
from hesper.exceptions import ConfigurationError

__all__ = ("described", "show")

_NOT_THE_USERS: Final = tuple(
    str(Path(folder).resolve()) + os.sep
    for folder in (
        *hesper.__path__,
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)
"""Where files are that the user did not write."""


def show(error: click.ClickException) -> None:
    """Print *error* to the standard error output, in colour if it is a terminal."""
    in_colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    head = click.style("Error:", fg="red", bold=True) if in_colour else "Error:"
    text = f"{head} {error.format_message().rstrip()}"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text += f"\nTry '{error.ctx.command_path} --help' for help."
    click.echo(text, err=True)


def described(error: BaseException) -> str:
    """Return what *error* is, and the last place of the user's own that it passed."""
    if isinstance(error, ConfigurationError):
        lines = [f"The app cannot be built. {error}", _last_place(error.__traceback__)]
    else:
        lines = [
            *_parts(error),
            _last_place(error.__traceback__),
            "The whole traceback is there with --debug.",
        ]
    return "\n".join(filter(None, lines))


def _parts(error: BaseException) -> Iterator[str]:
    """Yield the text of *error*, and of those that it is a group of."""
    yield "".join(traceback.format_exception_only(error)).rstrip()
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from (indent(part, "  ") for part in _parts(inner))


def _last_place(trace: TracebackType | None) -> str:
    """Return the line of the innermost frame in a file that the user wrote."""
    for frame in reversed(traceback.extract_tb(trace)):
        path = Path(frame.filename)
        # Generated code and that of extension modules is in no file that there is.
        is_there = path.is_file() or frame.filename == "<stdin>"
        if not is_there or _is_installed(frame.filename):
            continue
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        place = f"  {shown}, line {frame.lineno}, in {frame.name}"
        # What was piped in is nowhere to be read again.
        return f"{place}\n    {frame.line}" if frame.line else place
    return ""


def _is_installed(filename: str) -> bool:
    return str(Path(filename).resolve()).startswith(_NOT_THE_USERS)
