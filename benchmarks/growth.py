"""The fourth part: how a request's time grows with what there is more of."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any, TypeAlias

from benchmarks.apps import LIMIT, build, module_of
from benchmarks.cases import Case, json, text
from benchmarks.driver import ASGIApp, Client, running
from benchmarks.options import Options
from benchmarks.report import Curves, Report, Table, number
from benchmarks.shares import repetitions
from benchmarks.verify import DifferentWorkError, differences
from benchmarks.work import GATE, shelves

Curve: TypeAlias = list[tuple[float, float]]
"""Sizes, and what was measured at each."""

MICROSECONDS = "µs of CPU time for a request"


@dataclass(frozen=True, slots=True)
class Growth:
    """Something that an app can have more or less of.

    Attributes:
        name: The picture's file, without a suffix.
        title: What the picture shows.
        across: What there is more of.
        sizes: How much.
        needs: The function that a framework's module must have.
        app: Builds an app of some size with a framework's module.
        case: What is asked of it.
    """

    name: str
    title: str
    across: str
    sizes: Sequence[int]
    needs: str
    app: Callable[[Any, int], ASGIApp]
    case: Callable[[int], Case]


def middle_shelf(routes: int) -> str:
    """Return the path of a route that has as many before it as after it."""
    return shelves(routes)[routes // 4]


ROUTES = (10, 100, 1000, 5000)
AT_ONCE = (10, 100, 1000, 10_000)

GROWTHS = (
    Growth(
        "routes-static",
        "A static route among others",
        "routes",
        ROUTES,
        "handlers",
        lambda module, size: module.of(module.handlers(size)),
        lambda size: text("routes-static", middle_shelf(size), 0),
    ),
    Growth(
        "routes-parameter",
        "A route with a typed parameter among others",
        "routes",
        ROUTES,
        "handlers",
        lambda module, size: module.of(module.handlers(size)),
        lambda size: json("routes-parameter", f"{middle_shelf(size)}/7", 0, {"item_id": 7}),
    ),
    Growth(
        "dependencies",
        "A chain of asynchronous dependencies",
        "dependencies",
        (1, 2, 4, 8, 16, 32),
        "with_dependencies",
        lambda module, size: module.with_dependencies(size),
        lambda size: json("dependencies", "/depth", 0, {"depth": size}),
    ),
    Growth(
        "layers",
        "Routers in routers",
        "routers",
        (1, 2, 4, 8, 16),
        "with_layers",
        lambda module, size: module.with_layers(size),
        lambda size: text("layers", f"{'/layer' * size}/text", 0),
    ),
    Growth(
        "middlewares",
        "Behind middlewares that pass on what they get",
        "middlewares",
        (1, 2, 4, 8, 16),
        "with_middlewares",
        lambda module, size: module.with_middlewares(size),
        lambda size: text("middlewares", "/text", 0),
    ),
)

MOST_ROUTES = {"litestar": 1000, "fastapi": 1000}
"""Where building more takes longer than all the rest of this part."""


def run(options: Options) -> Report:
    """Measure every curve for every app and report."""
    names = [LIMIT, *options.apps]
    pictures: list[Curves] = []
    for growth in GROWTHS:
        lines = {
            name: asyncio.run(curve(name, growth, options))
            for name in names
            if hasattr(module_of(name), growth.needs)
        }
        pictures.append(Curves(growth.name, growth.title, growth.across, MICROSECONDS, lines))
    sizes = AT_ONCE[:3] if options.quick else AT_ONCE
    crowds = {name: asyncio.run(crowd(name, sizes)) for name in names}
    across = "requests in flight at once"
    for kind, title, up in (
        ("time", "Requests that wait for each other", MICROSECONDS),
        ("memory", "Memory of requests that wait", "KiB for a request"),
    ):
        lines = {name: found[kind] for name, found in crowds.items()}
        pictures.append(Curves(f"at-once-{kind}", title, across, up, lines))
    return Report([table(picture) for picture in pictures], pictures)


async def curve(name: str, growth: Growth, options: Options) -> Curve:
    """Measure the app called *name* at every size, each time at its fastest."""
    most = MOST_ROUTES.get(name) if growth.sizes is ROUTES else None
    points: Curve = []
    for size in growth.sizes[:3] if options.quick else growth.sizes:
        if most is not None and size > most:
            continue
        case = growth.case(size)
        async with running(growth.app(module_of(name), size)) as client:
            if faults := differences(case, await client.ask(case)):
                raise DifferentWorkError(f"{name}, {size} {growth.across}: {faults}")
            count = await repetitions(client, case, options.seconds)
            gc.collect()
            times = [await client.seconds(case, count) / count for _ in range(options.rounds)]
        points.append((size, min(times) * 1e6))
    return points


async def crowd(name: str, sizes: Sequence[int]) -> Mapping[str, Curve]:
    """Measure the time and the memory of requests that are all in flight at once."""
    time: Curve = []
    memory: Curve = []
    async with running(build(name)) as client:
        await together(client, 1)
        for size in sizes:
            rounds = max(3, 100 // size)
            times = [(await together(client, size))[0] for _ in range(rounds)]
            gc.collect()
            tracemalloc.start()
            _, held = await together(client, size)
            tracemalloc.stop()
            time.append((size, min(times) / size * 1e6))
            memory.append((size, held / size / 1024))
    return {"time": time, "memory": memory}


async def together(client: Client, size: int) -> tuple[float, int]:
    """Send requests that wait until all are there.

    Returns:
        The CPU time of all of them, and the bytes that they held together, if that is traced.
    """
    case = text("wait", "/wait", 0)
    GATE.close(size)
    empty, _ = tracemalloc.get_traced_memory()
    begin = process_time()
    asking = [asyncio.create_task(client.seconds(case, 1)) for _ in range(size)]
    await GATE.full()
    held, _ = tracemalloc.get_traced_memory()
    GATE.open()
    for task in asking:
        await task
    return process_time() - begin, held - empty


def table(picture: Curves) -> Table:
    """Return the points of a picture's curves."""
    sizes = sorted({size for line in picture.lines.values() for size, _ in line})
    return Table(
        f"{picture.title}: {picture.up}",
        [picture.across, *(f"{size:,.0f}" for size in sizes)],
        [
            [name, *(number(found[size]) if size in found else "-" for size in sizes)]
            for name, found in ((name, dict(line)) for name, line in picture.lines.items())
        ],
    )
