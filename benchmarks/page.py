"""Keeping what was found: tables in the page `docs/benchmarks/index.md`, pictures beside it.

Each part has a place between two marks in the page. What stands around the marks is written by
hand, and stays.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from benchmarks import machine
from benchmarks.draw import draw
from benchmarks.options import Options
from benchmarks.report import Report, Table

FOLDER = Path(__file__).parents[1] / "docs" / "benchmarks"
PAGE = FOLDER / "index.md"

BEGIN = "<!-- written by `python -m benchmarks {part} --keep`, from here -->"
END = "<!-- to here -->"

PACKAGES = ("msgspec", "anyio", "uvicorn", "uvloop", "httptools")


def keep(part: str, report: Report, options: Options) -> None:
    """Write *report* in the place of its *part*, and draw its pictures."""
    for picture in report.pictures:
        (FOLDER / f"{picture.name}.svg").write_text(draw(picture))
    begin = BEGIN.format(part=part)
    before, found, rest = PAGE.read_text().partition(begin)
    if not found:
        raise LookupError(f"{PAGE} has no line {begin!r}")
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{begin}\n\n{section(report, options)}\n\n{END}{after}")


def section(report: Report, options: Options) -> str:
    """Return *report* in Markdown, with the day, the machine and the versions."""
    how = "A quick run" if options.quick else "A run"
    versions = machine.versions((*options.apps, *PACKAGES))
    when = f"{how} of {date.today():%Y-%m-%d}: {machine.described()}; {versions}."
    pictures = [f"![{picture.title}]({picture.name}.svg)" for picture in report.pictures]
    return "\n\n".join([*pictures, *map(in_markdown, report.tables), f"*{when}*"])


def in_markdown(table: Table) -> str:
    """Return *table* in Markdown."""
    rule = [":--", *("--:" for _ in table.columns[1:])]
    lines = [f"| {' | '.join(line)} |" for line in (table.columns, rule, *table.rows)]
    return "\n\n".join([f"**{table.title}**", "\n".join(lines), *table.notes])
