"""`python -m benchmarks`: compare Hesper with the raw app and with the installed peers."""

from __future__ import annotations

import argparse
import asyncio
import platform
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version

from benchmarks.apps import APPS, LIMIT, build, installed
from benchmarks.cases import CASES, Case, Kind
from benchmarks.compare import Clients, compare
from benchmarks.driver import Client, idle, running
from benchmarks.table import table
from benchmarks.verify import Ask, DifferentWorkError, verify


def options() -> argparse.Namespace:
    """Read the command line."""
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each cell")
    parser.add_argument("--seconds", type=float, default=0.05, help="length of one measurement")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="CASE")
    parser.add_argument("--apps", nargs="+", choices=APPS, default=installed(), metavar="APP")
    return parser.parse_args()


async def run(apps: Sequence[str], cases: Sequence[Case], rounds: int, seconds: float) -> str:
    """Start the apps, check that they do the same work, measure them and return the table."""
    kinds = {Kind.WORK, *(case.kind for case in cases)}
    async with AsyncExitStack() as lifespans:
        clients: dict[str, Clients] = {}
        for name in [LIMIT, *apps]:
            clients[name] = {
                kind: await lifespans.enter_async_context(running(build(name, kind)))
                for kind in kinds
            }
            await verify(name, asking(clients[name]), cases)
        rows = await compare(clients, cases, rounds, seconds)
    requests = 20_000
    alone = await Client(idle, {}).seconds(cases[0], requests) / requests
    return table(apps, rows, alone)


def asking(clients: Clients) -> Ask:
    """Return what asks the app of *clients* that answers a case."""
    return lambda case: clients[case.kind].ask(case)


def main() -> None:
    """Run the comparison and print it."""
    chosen = options()
    versions = ", ".join(f"{name} {version(name)}" for name in chosen.apps)
    print(f"{platform.python_implementation()} {platform.python_version()}, {versions}\n")
    cases = [case for case in CASES if case.name in chosen.only]
    try:
        print(asyncio.run(run(chosen.apps, cases, chosen.rounds, chosen.seconds)))
    except DifferentWorkError as fault:
        raise SystemExit(str(fault)) from None


if __name__ == "__main__":
    main()
