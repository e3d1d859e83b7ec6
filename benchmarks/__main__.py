"""`python -m benchmarks [PART ...]`: Hesper beside a hand-written ASGI app and its peers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

from benchmarks import growth, machine, shares
from benchmarks.apps import APPS, installed
from benchmarks.cases import CASES
from benchmarks.options import Options
from benchmarks.report import Report, text
from benchmarks.server import part as server
from benchmarks.startup import part as startup
from benchmarks.verify import DifferentWorkError

PARTS: dict[str, Callable[[Options], Report]] = {
    "shares": shares.run,
    "server": server.run,
    "startup": startup.run,
    "growth": growth.run,
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (the default: shares), or all"
    )
    parser.add_argument("--rounds", type=int, help="measurements of each cell")
    parser.add_argument("--seconds", type=float, help="length of one measurement")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="CASE")
    parser.add_argument("--apps", nargs="+", choices=APPS, default=installed(), metavar="APP")
    parser.add_argument("--requests", type=int, help="requests that must not make memory grow")
    parser.add_argument("--quick", action="store_true", help="measure less, and less often")
    parser.add_argument("--keep", action="store_true", help="write the page in docs/benchmarks")
    chosen = parser.parse_args()
    chosen.parts = chosen.parts or ["shares"]
    if "all" in chosen.parts:
        chosen.parts = list(PARTS)
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return chosen


def options(chosen: argparse.Namespace) -> Options:
    """Return what the command line asks for, with what it does not say."""
    quick: bool = chosen.quick
    return Options(
        apps=chosen.apps,
        cases=[case for case in CASES if case.name in chosen.only],
        rounds=chosen.rounds or (3 if quick else 9),
        seconds=chosen.seconds or (0.02 if quick else 0.05),
        requests=chosen.requests or (10_000 if quick else 100_000),
        quick=quick,
    )


def main() -> None:
    """Run the parts, print what they find, and keep it where that is asked for."""
    chosen = arguments()
    print(f"{machine.described()}\n{machine.versions(chosen.apps)}\n")
    for name in chosen.parts:
        try:
            report = PARTS[name](options(chosen))
        except DifferentWorkError as fault:
            raise SystemExit(str(fault)) from None
        for table in report.tables:
            print(text(table), flush=True)
        if chosen.keep:
            # Drawing needs a library that measuring does not.
            import_module("benchmarks.page").keep(name, report, options(chosen))


if __name__ == "__main__":
    main()
