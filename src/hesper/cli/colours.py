"""Colours for what describes an app, where the terminal has them; the text stays the same."""

from __future__ import annotations

import sys
from typing import Final

import rich_click as click
from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.theme import Theme

__all__ = ("show",)


class _Description(RegexHighlighter):
    """Finds the parts of a list of routes and of an explanation; lives as long as the process."""

    base_style = "hesper."
    highlights = [
        r"(?m)^(?P<method>(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|[A-Z]+)(?:/[A-Z]+)*)(?= +/)",
        r"(?m)^(?P<heading>[A-Z][^=\n]*:)$",
        r"(?P<parameter>\{\w+:\w+\})",
        r"(?m)^  (?P<option>\w+)(?= = )",
        r"(?P<place>[^\s,'\"]+\.py:\d+)",
        r"\b(?P<rule>Extend|Replace)(?=\()",
    ]


_THEME: Final = Theme(
    {
        "hesper.heading": "bold",
        "hesper.method": "bold green",
        "hesper.option": "cyan",
        "hesper.parameter": "magenta",
        "hesper.place": "dim",
        "hesper.rule": "yellow",
    }
)


def show(text: str) -> None:
    """Print *text* as it is, its parts coloured where standard output is a terminal with colours.

    Args:
        text: What `routes_text` returns, or an explanation.
    """
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    console = Console(theme=_THEME, highlighter=_Description(), emoji=False, markup=False)
    console.print(text, end="", soft_wrap=True)
