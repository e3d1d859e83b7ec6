"""What a part of the benchmarks found, as tables and pictures that are not drawn yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts below a row of column names; the first column names the rows.

    Attributes:
        title: What it shows.
        columns: The names of the columns.
        rows: The rows, each as long as the columns.
        notes: Sentences below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Dots:
    """A picture with a line for each case, and a dot for each app on it.

    Attributes:
        name: The picture's file, without a suffix.
        title: What it shows.
        across: What the place of a dot says.
        rows: By case and app, the place of the dot.
        goals: By case, the place of the goal.
    """

    name: str
    title: str
    across: str
    rows: Mapping[str, Mapping[str, float]]
    goals: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Curves:
    """A picture with a curve for each app, over logarithmic axes.

    Attributes:
        name: The picture's file, without a suffix.
        title: What it shows.
        across: What grows from left to right.
        up: What was measured.
        lines: By app, the points of its curve.
    """

    name: str
    title: str
    across: str
    up: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


Picture: TypeAlias = Dots | Curves


@dataclass(frozen=True, slots=True)
class Report:
    """All that one part found."""

    tables: Sequence[Table] = field(default_factory=list)
    pictures: Sequence[Picture] = field(default_factory=list)


def text(table: Table) -> str:
    """Return *table* for a terminal."""
    lines = [table.columns, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    ]
    return "\n".join([table.title, "", *shown, "", *table.notes, ""])


def number(value: float) -> str:
    """Return *value* with about three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
