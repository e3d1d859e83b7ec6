"""The first part: shares of the raw app's throughput, all in one process on one core.

The times are CPU times. On one core, since waking a thread on another one costs anything between
a little and many times that, which has nothing to do with the app. The collector stays on, as it
is under a server; before each run it is called, and what the apps built is frozen once, so that no
framework's objects are searched while another one is measured.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import TypeAlias

from benchmarks.apps import ABSENT, LIMIT, build, takes_part
from benchmarks.cases import Case, Kind
from benchmarks.comparison import Row, compare, goal, shown
from benchmarks.driver import Client, idle, running
from benchmarks.machine import on_core, two_cores
from benchmarks.options import Options
from benchmarks.report import Dots, Report, Table
from benchmarks.verify import Ask, verify

Clients: TypeAlias = dict[Kind, Client]
"""The running apps of one framework, by the kind of the cases that they answer."""

IDLE_REQUESTS = 20_000


def run(options: Options) -> Report:
    """Start the apps, check that they do the same work, measure them and report."""
    with on_core(two_cores()[1]):
        return asyncio.run(measured(options))


async def measured(options: Options) -> Report:
    kinds = {Kind.WORK, *(case.kind for case in options.cases)}
    async with AsyncExitStack() as lifespans:
        clients: dict[str, Clients] = {}
        for name in [LIMIT, *options.apps]:
            clients[name] = {
                kind: await lifespans.enter_async_context(running(build(name, kind)))
                for kind in kinds
            }
            await verify(name, asking(clients[name]), options.cases)
        rows = await compared(clients, options)
    alone = await Client(idle, {}).seconds(options.cases[0], IDLE_REQUESTS) / IDLE_REQUESTS
    return report(options.apps, rows, alone)


def asking(clients: Clients) -> Ask:
    """Return what asks the app of *clients* that answers a case."""
    return lambda case: clients[case.kind].ask(case)


async def compared(clients: dict[str, Clients], options: Options) -> list[Row]:
    """Measure every app on every case, each run as long as *options* say."""
    times = {
        (name, case.name): await repetitions(clients[name][case.kind], case, options.seconds)
        for case in options.cases
        for name in clients
        if takes_part(name, case)
    }

    async def once(name: str, case: Case) -> float:
        count = times[name, case.name]
        gc.collect()
        return await clients[name][case.kind].seconds(case, count) / count

    gc.collect()
    gc.freeze()
    rows = await compare(options.apps, options.cases, options.rounds, once)
    gc.unfreeze()
    return rows


async def repetitions(client: Client, case: Case, seconds: float) -> int:
    """Return how many connections take about *seconds*; finding out warms the app up."""
    count = 10
    while (taken := await client.seconds(case, count)) < seconds / 4:
        count *= 2
    return max(1, round(count * seconds / taken))


def report(apps: Sequence[str], rows: Sequence[Row], idle: float) -> Report:
    """Return a line for each case and a column for each app.

    Args:
        apps: The apps, in order.
        rows: What was measured.
        idle: The driver's own time for one request, in seconds.
    """
    table = Table(
        "Share of the raw app's throughput in one process",
        ["", "raw", "goal", *apps],
        [
            [
                row.case.name,
                f"{median(row.raw) * 1e6:.2f} µs",
                goal(row.case, row.cells, row.case.goal),
                *(shown(row.cells.get(name)) for name in apps),
            ]
            for row in rows
        ],
        [
            (
                "raw: CPU time of one connection, with the driver's own time, which is "
                f"{idle * 1e6:.2f} µs for a request."
            ),
            (
                "Shares are medians over the rounds (raw = 1.00), ± half the distance between the "
                "quartiles."
            ),
            *(f"-: {name} has no {case}: {reason}." for (name, case), reason in ABSENT.items()),
        ],
    )
    dots = Dots(
        "shares",
        "Share of a hand-written ASGI app's throughput",
        "share of the raw app's throughput (1.0 = the raw app)",
        {row.case.name: {name: cell.share for name, cell in row.cells.items()} for row in rows},
        {row.case.name: row.case.goal for row in rows},
    )
    return Report([table], [dots])
