"""Measuring start-up: each measurement in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from benchmarks.apps import LIMIT
from benchmarks.options import Options
from benchmarks.report import Curves, Report, Table, number
from benchmarks.startup import imports

Found: TypeAlias = dict[str, float]
"""What one process measured; nothing if it took too long."""

SIZES = (10, 100, 1000, 5000)
LIMIT_SECONDS = 60
KEPT = 1000
"""Routes of the app whose memory is measured."""

SECOND = 500
"""Routes of the two apps from the same handlers."""

FIRST = {
    "alike": "like another",
    "text": "text",
    "json": "JSON",
    "path": "path",
    "query": "query",
    "body": "body",
    "dependencies": "dependencies",
}


def run(options: Options) -> Report:
    """Measure everything about starting, and report."""
    sizes = SIZES[:3] if options.quick else SIZES
    rounds = 1 if options.quick else 3
    names = [LIMIT, *options.apps]
    built = {
        name: {size: best("construct", name, size, rounds) for size in sizes}
        for name in options.apps
    }
    again = {name: best("second", name, SECOND, rounds) for name in options.apps}
    kept = {name: best("memory", name, KEPT, 1) for name in options.apps}
    return Report(
        [
            imports.table(options.apps, 3 if options.quick else 15),
            first_answers({name: best("start", name, 2, 5 * rounds) for name in names}),
            construction(built, kept, again, sizes),
            first_requests({name: best("first", name, 200, rounds) for name in options.apps}),
            growth({name: leak(name, options.requests) for name in options.apps}, options.requests),
        ],
        [
            Curves(
                "construction",
                "Building and starting an app",
                "routes",
                "ms of CPU time",
                {
                    name: [(size, total(found[size]) * 1000) for size in sizes if found[size]]
                    for name, found in built.items()
                },
            )
        ],
    )


def asked(what: str, name: str, count: int, limit: int = LIMIT_SECONDS) -> Found:
    """Measure in a fresh process; return nothing if that needs more than *limit* CPU seconds."""
    command = ["-m", "benchmarks.startup.child", what, name, str(count), str(limit)]
    done = subprocess.run(
        [sys.executable, *command],
        env=imports.environment(),
        check=False,
        stdout=subprocess.PIPE,
    )
    if done.returncode == -signal.SIGXCPU:
        return {}
    done.check_returncode()
    return msgspec.json.decode(done.stdout, type=Found)


def best(what: str, name: str, count: int, rounds: int) -> Found:
    """Measure in some fresh processes, in one if that takes long; return the least of each."""
    found = [asked(what, name, count)]
    while found[0] and len(found) < rounds and found[0].get("build", 0) < LIMIT_SECONDS / 10:
        found.append(asked(what, name, count))
    return {key: min(each[key] for each in found) for key in found[0]} if all(found) else {}


def total(found: Found) -> float:
    """Return the seconds from the functions to the app that has started."""
    return found["declare"] + found["build"]


def construction(
    built: Mapping[str, Mapping[int, Found]],
    kept: Mapping[str, Found],
    again: Mapping[str, Found],
    sizes: Sequence[int],
) -> Table:
    """Return what building an app takes, by its size."""
    largest = sizes[-1]

    def cells(name: str) -> list[str]:
        """Return the row of one app."""
        found = built[name]
        whole = [milliseconds(total(found[size])) if found[size] else "-" for size in sizes]
        each = f"{number(total(found[largest]) / largest * 1e6)} µs" if found[largest] else "-"
        memory = f"{number(kept[name]['bytes'] / KEPT / 1024)} KiB" if kept[name] else "-"
        second = milliseconds(again[name]["build"]) if again[name] else "-"
        return [*whole, each, memory, second]

    return Table(
        "Building an app and starting it",
        [
            "",
            *(f"{size:,} routes" for size in sizes),
            f"each of {largest:,}",
            f"memory of each of {KEPT:,}",
            f"a second app of {SECOND} from the same handlers",
        ],
        [["goal for hesper", *goals(sizes)], *([name, *cells(name)] for name in built)],
        [
            (
                "Each in a fresh process that has built a small app before; CPU time, from the "
                "decorators to the end of the lifespan's start. Half of the routes have a typed "
                "path parameter; each has a function of its own."
            ),
            f"-: not within {LIMIT_SECONDS} seconds of CPU time.",
        ],
    )


def milliseconds(seconds: float) -> str:
    """Return *seconds* as milliseconds."""
    return f"{number(seconds * 1000)} ms"


def goals(sizes: Sequence[int]) -> list[str]:
    """Return Hesper's goals for building."""
    whole = ["200 ms" if size == SIZES[-1] else "" for size in sizes]
    return [*whole, "30 µs", "3 KiB", "10 ms"]


def first_answers(found: Mapping[str, Found]) -> Table:
    """Return what it takes to come to a first answer."""
    return Table(
        "From the start of the interpreter to the first answer of an app of two routes",
        ["", "CPU", "modules"],
        [
            [name, milliseconds(each["seconds"]), f"{each['modules']:.0f}"]
            for name, each in found.items()
        ],
        ["In every figure: asyncio, msgspec and the driver."],
    )


def first_requests(found: Mapping[str, Found]) -> Table:
    """Return what the first request to a route takes more than the others, by its kind."""
    return Table(
        "The first request to a route: how much longer than the next ones, in µs",
        ["", *FIRST.values()],
        [
            ["goal for hesper", *("300" for _ in FIRST)],
            *(
                [name, *(f"{each[key] * 1e6:,.0f}" if each else "-" for key in FIRST)]
                for name, each in found.items()
            ),
        ],
        [
            (
                "like another: of 100 routes that differ from one asked before in their "
                "function and path alone (median); the others: of the first route of its kind in "
                "the process, after requests to another app."
            )
        ],
    )


def leak(name: str, requests: int) -> Found:
    """Measure what many requests leave behind, with as much time as they need."""
    return asked("growth", name, requests, limit=LIMIT_SECONDS * max(1, requests // 100_000))


def growth(found: Mapping[str, Found], requests: int) -> Table:
    """Return what *requests* requests leave behind."""
    thousands = requests / 1000
    return Table(
        f"Growth over {requests:,} requests of eight kinds, for each 1,000",
        ["", "memory of the process", "blocks of Python's allocator"],
        [
            ["goal for hesper", "0 KiB", "0"],
            *(
                [
                    name,
                    f"{each['bytes'] / 1024 / thousands:.2f} KiB",
                    f"{each['blocks'] / thousands:.2f}",
                ]
                if each
                else [name, "-", "-"]
                for name, each in found.items()
            ),
        ],
        [f"After {requests // 10:,} requests that are not counted."],
    )
