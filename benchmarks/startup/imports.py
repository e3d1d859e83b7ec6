"""What importing takes: CPU time, modules and memory of a fresh process that does nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.report import Table, number

LINES = {
    "asyncio": ("import asyncio",),
    "hesper": ("from hesper import Hesper, get", "import hesper"),
    "litestar": ("from litestar import Litestar, get",),
    "starlette": (
        "from starlette.applications import Starlette; from starlette.routing import Route",
    ),
    "fastapi": ("from fastapi import FastAPI",),
    "blacksheep": ("from blacksheep import Application, get",),
    "falcon": ("import falcon.asgi",),
    "quart": ("from quart import Quart",),
}
"""What an app's first lines import, by framework."""

BARE = LINES["asyncio"][0]
TIMES = 2.0
"""How many times as long as the bare import Hesper's may take (70 ms, where asyncio takes 35)."""

MODULES = 220

MEASURE = """
import sys, time  # which every interpreter has loaded already
seconds, modules = time.process_time(), len(sys.modules)
with open("/proc/self/status") as status:
    highest = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
print(seconds, modules, highest)
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a process used: CPU seconds, modules, and KiB of memory."""

    seconds: float
    modules: int
    memory: int


def table(apps: Sequence[str], rounds: int) -> Table:
    """Measure the imports of *apps* in *rounds*, one after the other in each round."""
    lines = [line for name in ("asyncio", *apps) for line in LINES[name]]
    found: dict[str, list[Found]] = {line: [] for line in lines}
    for turn in range(rounds + 1):
        for line in lines:
            measured = process(line)
            if turn:  # the first one wrote the bytecode
                found[line].append(measured)
    bare = summary(found[BARE])
    return Table(
        "Importing, in a fresh process",
        ["", "CPU", "times `import asyncio`", "modules", "memory", "more than `import asyncio`"],
        [
            [
                f"`{line}`",
                f"{each.seconds * 1000:.0f} ms",
                number(each.seconds / bare.seconds),
                str(each.modules),
                f"{each.memory / 1024:.1f} MiB",
                f"{(each.memory - bare.memory) / 1024:.1f} MiB",
            ]
            for line, each in ((line, summary(found[line])) for line in lines)
        ],
        [
            (
                "The whole process, from the interpreter's start; modules: all in `sys.modules`. "
                f"Goal for Hesper: at most {TIMES} times `import asyncio`, and {MODULES} modules."
            )
        ],
    )


def process(line: str) -> Found:
    """Run *line* in a fresh process and return what that used."""
    answer = subprocess.run(
        [sys.executable, "-c", f"{line}\n{MEASURE}"],
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return Found(float(answer[0]), int(answer[1]), int(answer[2]))


def environment() -> dict[str, str]:
    """Return the environment of a process that keeps bytecode, as an installed app's is kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def summary(found: Sequence[Found]) -> Found:
    """Return the least CPU time of several processes: nothing makes one faster than it is."""
    return Found(
        min(each.seconds for each in found),
        found[0].modules,
        round(median(each.memory for each in found)),
    )
