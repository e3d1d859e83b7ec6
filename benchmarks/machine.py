"""The machine, its clocks and cores, and the versions of what is compared."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def described() -> str:
    """Return the processor, the number of cores, the system and the interpreter."""
    return (
        f"{processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions(packages: Sequence[str]) -> str:
    """Return the versions of *packages*, of those that are installed."""
    found: list[str] = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def two_cores() -> tuple[int, int]:
    """Return a core for the server and one for the client; the same where there is one only."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let this process run on one *core* only inside of the block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(process: int) -> float:
    """Return the CPU time of another process in all its threads, to the nanosecond.

    Raises:
        OSError: There is no such process.
    """
    clock = ctypes.c_int()
    fault = ctypes.CDLL(None).clock_getcpuclockid(process, ctypes.byref(clock))
    if fault:
        raise OSError(fault, os.strerror(fault))
    return time.clock_gettime(clock.value)


def resident() -> int:
    """Return the bytes of memory that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
