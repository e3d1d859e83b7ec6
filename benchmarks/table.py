"""The comparison as text."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.compare import Cell, Row

WIDTH = 22


def table(names: Sequence[str], rows: Sequence[Row], idle: float) -> str:
    """Return a line for each case and a column for each app.

    Args:
        names: The apps, in order.
        rows: What was measured.
        idle: The driver's own time for one request, in seconds.
    """
    head = f"{'':18}{'raw':>10}{'goal':>7}" + "".join(f"{name:>{WIDTH}}" for name in names)
    lines = [head]
    for row in rows:
        raw = f"{median(row.raw) * 1e6:.2f} µs"
        cells = (shown(row.cells.get(name)).rjust(WIDTH) for name in names)
        goal = f"{row.case.goal:.2f}"
        lines.append(f"{row.case.name:18}{raw:>10}{goal:>7}" + "".join(cells))
    notes = (
        "share of the raw app's throughput by CPU time (median over the rounds, raw = 1.00)",
        "goal: what Hesper is to reach",
        "± half the distance between the quartiles",
        "the last number: how many times as long a request takes",
        "-: the framework does not give this answer",
    )
    return "\n".join([*lines, "", *notes, f"in every time: {idle * 1e6:.2f} µs of the driver"])


def shown(cell: Cell | None) -> str:
    """Return a cell's share, its spread and the ratio of the times."""
    if cell is None:
        return "-"
    return f"{cell.share:.2f} ±{cell.spread:.2f}  {1 / cell.share:6.2f}"
