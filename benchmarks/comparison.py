"""Comparing: interleaved rounds, with the raw app before and after each cell.

A cell's share is the raw app's time divided by the app's, where the raw app's is the mean of the
run before and the run after. So a machine that slows down for a while slows down all three.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median, quantiles
from typing import TypeAlias

from benchmarks.apps import LIMIT, takes_part
from benchmarks.cases import Case
from benchmarks.report import number

Run: TypeAlias = Callable[[str, Case], Awaitable[float]]
"""Measures the app called so on a case once, and returns the seconds for one connection."""


@dataclass
class Cell:
    """One app on one case; it collects a share for each round."""

    shares: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The median of the app's throughput divided by the raw app's."""
        return median(self.shares)

    @property
    def spread(self) -> float:
        """Half of the distance between the quartiles of the shares."""
        if len(self.shares) < 2:
            return 0.0
        low, _, high = quantiles(self.shares, n=4, method="inclusive")
        return (high - low) / 2


@dataclass
class Row:
    """One case: the raw app's times in seconds for one connection, and a cell for each app."""

    case: Case
    raw: list[float]
    cells: dict[str, Cell]


async def compare(apps: Sequence[str], cases: Sequence[Case], rounds: int, run: Run) -> list[Row]:
    """Measure every app on every case.

    Args:
        apps: The names of the apps, besides the raw one.
        cases: What to ask.
        rounds: How often each cell is measured.
        run: Measures one app on one case once.
    """
    rows = [
        Row(case, [], {name: Cell() for name in apps if takes_part(name, case)}) for case in cases
    ]
    for turn in range(rounds):
        for row in rows:
            cells = list(row.cells)
            order = [cells[(turn + place) % len(cells)] for place in range(len(cells))]
            await measure(row, order, run)
    return rows


async def measure(row: Row, order: Sequence[str], run: Run) -> None:
    """Measure one case once for each app in *order*, each between two runs of the raw app."""
    before = await run(LIMIT, row.case)
    row.raw.append(before)
    for name in order:
        found = await run(name, row.case)
        after = await run(LIMIT, row.case)
        row.cells[name].shares.append(mean((before, after)) / found)
        row.raw.append(after)
        before = after


def shown(cell: Cell | None) -> str:
    """Return a cell's share and its spread."""
    return "-" if cell is None else f"{number(cell.share)} ±{cell.spread:.2f}"


def goal(case: Case, cells: dict[str, Cell], of: float) -> str:
    """Return the goal *of* a case, and whether Hesper has reached it, if it was measured."""
    if "hesper" not in cells:
        return f"{of:.2f}"
    return f"{of:.2f} {'✓' if round(cells['hesper'].share, 2) >= of else '✗'}"
