"""Measuring: interleaved rounds, with the raw app before and after each cell.

A cell's share is the raw app's CPU time divided by the app's, where the raw app's is the mean of
the run before and the run after. So a machine that slows down for a while slows down all three. The
collector stays on, as it is under a server; before each run it is called, and what the apps built
is frozen once, so that no framework's objects are searched while another one is measured.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, median, quantiles
from typing import TypeAlias

from benchmarks.apps import LIMIT, takes_part
from benchmarks.cases import Case, Kind
from benchmarks.driver import Client


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
    """One case: the raw app's CPU times in seconds for one connection, and a cell for each app."""

    case: Case
    raw: list[float]
    cells: dict[str, Cell]


Clients: TypeAlias = dict[Kind, Client]
"""The running apps of one framework, by the kind of the cases that they answer."""


async def compare(
    clients: dict[str, Clients], cases: Sequence[Case], rounds: int, seconds: float
) -> list[Row]:
    """Measure every framework on every case.

    Args:
        clients: The running apps by the framework's name, the raw ones among them.
        cases: What to ask.
        rounds: How often each cell is measured.
        seconds: About how long one run takes.
    """
    names = [name for name in clients if name != LIMIT]
    rows = [
        Row(case, [], {name: Cell() for name in names if takes_part(name, case)}) for case in cases
    ]
    times = {
        (name, row.case.name): await repetitions(clients[name][row.case.kind], row.case, seconds)
        for row in rows
        for name in (LIMIT, *row.cells)
    }
    gc.collect()
    gc.freeze()
    for turn in range(rounds):
        for row in rows:
            cells = list(row.cells)
            order = [cells[(turn + place) % len(cells)] for place in range(len(cells))]
            await measure(row, order, clients, times)
    gc.unfreeze()
    return rows


async def measure(
    row: Row, order: Sequence[str], clients: dict[str, Clients], times: dict[tuple[str, str], int]
) -> None:
    """Measure one case once for each app in *order*, each between two runs of the raw app."""

    async def run(name: str) -> float:
        count = times[name, row.case.name]
        gc.collect()
        return await clients[name][row.case.kind].seconds(row.case, count) / count

    before = await run(LIMIT)
    row.raw.append(before)
    for name in order:
        found = await run(name)
        after = await run(LIMIT)
        row.cells[name].shares.append(mean((before, after)) / found)
        row.raw.append(after)
        before = after


async def repetitions(client: Client, case: Case, seconds: float) -> int:
    """Return how many requests take about *seconds*; finding out warms the app up."""
    count = 10
    while (taken := await client.seconds(case, count)) < seconds / 4:
        count *= 2
    return max(1, round(count * seconds / taken))
