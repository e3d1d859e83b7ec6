"""Measuring behind uvicorn: one worker on one core, its client on another.

All servers run all the time, but only one of them is asked. The raw app's is measured before and
after each cell. Two figures are taken: answers a second, and the CPU time of the server's process
for one of them, which other processes on the machine disturb less.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median

import uvloop

from benchmarks.apps import LIMIT
from benchmarks.cases import CASES, Case
from benchmarks.comparison import Row, compare, goal, shown
from benchmarks.driver import Answer
from benchmarks.machine import on_core, two_cores
from benchmarks.options import Options
from benchmarks.report import Dots, Report, Table
from benchmarks.server.load import Address, Count, Load, ask
from benchmarks.verify import verify

ASKED = ("json", "path", "body")
GOAL = 0.92


def run(options: Options) -> Report:
    """Start a server for each app, check that they do the same work, measure them and report."""
    with ExitStack() as servers:
        found = {name: servers.enter_context(serving(name)) for name in (LIMIT, *options.apps)}
        servers.enter_context(on_core(two_cores()[1]))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(measured(found, options))


Server = tuple[Address, int]
"""Where a server listens, and its process."""


@contextmanager
def serving(name: str) -> Iterator[Server]:
    """Serve the app called *name* around the block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        command = ["-m", "benchmarks.server.serve", name, str(descriptor), str(two_cores()[0])]
        process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, pass_fds=[descriptor]
        )
        address: Address = listening.getsockname()
    try:
        yield address, process.pid
    finally:
        process.communicate()


async def measured(servers: dict[str, Server], options: Options) -> Report:
    cases = [case for case in CASES if case.name in ASKED]
    lengths: dict[tuple[str, str], int] = {}
    for name, (address, _) in servers.items():

        async def asked(case: Case, name: str = name, address: Address = address) -> Answer:
            answer, lengths[name, case.name] = await ask(address, case)
            return answer

        await verify(name, asked, cases)
    counts: dict[tuple[str, str], list[Count]] = {}

    async def once(name: str, case: Case) -> float:
        address, process = servers[name]
        load = Load(f"{name}, {case.name}", case, lengths[name, case.name])
        found = await load.measure(address, process, 0.3 if options.quick else 1.0)
        counts.setdefault((name, case.name), []).append(found)
        return found.seconds / found.answers

    rows = await compare(options.apps, cases, min(options.rounds, 5), once)
    return report(options.apps, rows, counts)


def report(
    apps: Sequence[str], rows: Sequence[Row], counts: dict[tuple[str, str], list[Count]]
) -> Report:
    """Return a table of answers a second, and one of the server's CPU time for an answer."""
    names = [LIMIT, *apps]
    every = [count for found in counts.values() for count in found]
    busy = median(count.busy / count.seconds for count in every)
    client = median(count.client / count.answers for count in every) * 1e6

    def in_cpu_time(name: str, case: str) -> str:
        found, raw = cpu(counts[name, case]), cpu(counts[LIMIT, case])
        return f"{found:.1f} ({raw / found:.2f})"

    rates = Table(
        "Behind uvicorn: share of the raw app's requests a second",
        ["", "raw", "goal", *apps],
        [
            [
                row.case.name,
                f"{1 / median(row.raw):,.0f}/s",
                goal(row.case, row.cells, GOAL),
                *(shown(row.cells.get(name)) for name in apps),
            ]
            for row in rows
        ],
        [
            (
                f"The server's core was busy with the server for {busy:.0%} of the time, and the "
                f"client took {client:.1f} µs of its own core for a request (medians)."
            )
        ],
    )
    times = Table(
        "Behind uvicorn: CPU time of the server for one request, in µs",
        ["", *names],
        [[row.case.name, *(in_cpu_time(name, row.case.name) for name in names)] for row in rows],
        ["In brackets: the share of the raw app's requests in the same CPU time."],
    )
    dots = Dots(
        "server",
        "Behind uvicorn: share of a hand-written ASGI app's requests a second",
        "share of the raw app's requests a second (1.0 = the raw app)",
        {row.case.name: {name: cell.share for name, cell in row.cells.items()} for row in rows},
        {row.case.name: GOAL for row in rows},
    )
    return Report([rates, times], [dots])


def cpu(counts: Sequence[Count]) -> float:
    """Return the CPU time of the server for one request, in microseconds."""
    return median(count.busy / count.answers for count in counts) * 1e6
