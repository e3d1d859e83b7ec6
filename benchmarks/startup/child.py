"""One measurement in a process: `python -m benchmarks.startup.child WHAT APP COUNT LIMIT`.

It prints numbers by name, as JSON. Times are CPU times, in seconds; when the process has used as
many as the limit says, the system ends it.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from statistics import median
from time import thread_time
from typing import Any

import msgspec

from benchmarks.apps import build, module_of, takes_part
from benchmarks.cases import CASES, Case, json
from benchmarks.driver import Client, running
from benchmarks.machine import resident
from benchmarks.verify import DifferentWorkError, differences
from benchmarks.work import shelves

SAMPLE = 50
"""Routes of which the first request is measured."""

PLAIN = ("text", "json", "path", "query", "body", "dependencies", "404", "state")
"""The cases that are asked again and again to see whether memory grows."""


async def warmed(name: str) -> Any:
    """Return what builds the apps called *name*, after it has built, started and asked one."""
    module = module_of(name)
    async with running(module.of(module.handlers(4))) as client:
        await client.ask(Case("", "GET", f"{shelves(4)[-1]}/1851", 200))
    gc.collect()
    return module


async def start(name: str, count: int) -> dict[str, float]:
    """Build and start an app of *count* routes and ask it once; measure the whole process."""
    module = module_of(name)
    async with running(module.of(module.handlers(count))) as client:
        await client.ask(Case("", "GET", f"{shelves(count)[-1]}/1851", 200))
        return {"seconds": thread_time(), "modules": len(sys.modules)}


async def construct(name: str, count: int) -> dict[str, float]:
    """Declare, build and start an app of *count* routes."""
    module = await warmed(name)
    begin = thread_time()
    handlers = module.handlers(count)
    declared = thread_time()
    async with running(module.of(handlers)) as client:
        built = thread_time()
        await verify_last(client, count)
    return {"declare": declared - begin, "build": built - declared}


async def second(name: str, count: int) -> dict[str, float]:
    """Build and start an app from handlers of which another app was made before."""
    module = await warmed(name)
    handlers = module.handlers(count)
    async with running(module.of(handlers)) as client:
        await verify_last(client, count)
    begin = thread_time()
    async with running(module.of(handlers)) as client:
        built = thread_time()
        await verify_last(client, count)
    return {"build": built - begin}


async def verify_last(client: Client, count: int) -> None:
    """Check that an app of *count* routes answers on the last one."""
    case = json("last", f"{shelves(count)[-1]}/1851", 0, {"item_id": 1851})
    if faults := differences(case, await client.ask(case)):
        raise DifferentWorkError(str(faults))


async def memory(name: str, count: int) -> dict[str, float]:
    """Measure what is kept of an app of *count* routes that has started, in bytes."""
    module = await warmed(name)
    tracemalloc.start()
    async with running(module.of(module.handlers(count))):
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    return {"bytes": held}


async def first(name: str, count: int) -> dict[str, float]:
    """Measure what the first request to a route takes more than the second.

    By case, of routes unlike those asked before; and of routes that are like one asked before.
    """
    module = await warmed(name)
    async with running(module.of(module.handlers(count))) as client:
        extras: list[float] = []
        for shelf in shelves(count)[:SAMPLE]:
            extras += [
                await extra(client, Case("", "GET", path, 200)) for path in (shelf, f"{shelf}/1851")
            ]
    found = {"alike": median(extras)}
    async with running(build(name)) as client:
        for case in CASES:
            if case.name in PLAIN and case.status < 400:
                found[case.name] = await extra(client, case)
    return found


async def extra(client: Client, case: Case) -> float:
    """Return what the first request takes more than the fastest of some more."""
    times = [await client.seconds(case, 1) for _ in range(6)]
    return times[0] - min(times[1:])


async def growth(name: str, requests: int) -> dict[str, float]:
    """Measure what *requests* requests leave behind: bytes of the process, and Python's blocks."""
    cases = [case for case in CASES if case.name in PLAIN and takes_part(name, case)]
    async with running(build(name)) as client:

        async def ask(times: int) -> None:
            for case in cases:
                await client.seconds(case, times // len(cases))

        await ask(requests // 10)
        gc.collect()
        before, blocks = resident(), sys.getallocatedblocks()
        await ask(requests)
        gc.collect()
        return {
            "bytes": resident() - before,
            "blocks": sys.getallocatedblocks() - blocks,
        }


WHAT: dict[str, Callable[[str, int], Awaitable[dict[str, float]]]] = {
    "start": start,
    "construct": construct,
    "second": second,
    "memory": memory,
    "first": first,
    "growth": growth,
}

TIMED_BY_PROCESS = ("first", "growth")
"""What has no limit: with one, Linux tells the time of a process, not of a thread, by its ticks."""


async def main() -> None:
    what, name, count, limit = sys.argv[1:]
    if what not in TIMED_BY_PROCESS:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 1))
    print(msgspec.json.encode(await WHAT[what](name, int(count))).decode())


if __name__ == "__main__":
    asyncio.run(main())
