"""The client: connections that ask again as soon as they have an answer.

It does as little as it can, so that the server is what there is to wait for. The first answer is
read in full; as all answers to a request are equally long, the others are only counted.
"""

from __future__ import annotations

import asyncio
from operator import sub
from time import perf_counter, process_time
from typing import NamedTuple, TypeAlias, cast

from benchmarks.cases import Case
from benchmarks.driver import HEADERS, Answer
from benchmarks.machine import cpu_seconds

Address: TypeAlias = tuple[str, int]

CONNECTIONS = 32
WARM_UP = 0.1  # seconds, as are the next two
STEP = 0.02
PATIENCE = 60


class UnequalAnswersError(Exception):
    """An answer was not as long as the first one, or not a success."""


class Count(NamedTuple):
    """What happened in one measurement: answers, and the time that passed.

    Attributes:
        answers: How many.
        seconds: By the clock.
        busy: The server's CPU time.
        client: This process's CPU time.
    """

    answers: int
    seconds: float
    busy: float
    client: float


def request_of(case: Case) -> bytes:
    """Return the request as it is sent."""
    target = case.path.encode() + (b"?" + case.query if case.query else b"")
    headers = list(HEADERS)
    if case.body:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(case.body)))
    lines = [b"%s: %s" % header for header in headers]
    head = [b"%s %s HTTP/1.1" % (case.method.encode(), target), *lines, b"", b""]
    return b"\r\n".join(head) + case.body


async def ask(address: Address, case: Case) -> tuple[Answer, int]:
    """Send one request and return the answer, and how many bytes it took."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request_of(case))
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").splitlines()
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    writer.close()
    await writer.wait_closed()
    return Answer(int(first.split()[1]), headers, (body,)), len(head) + len(body)


class Load:
    """Some connections to one server; it lives for one measurement.

    Args:
        name: What an error calls it.
        case: What to ask.
        length: How many bytes an answer takes.
    """

    def __init__(self, name: str, case: Case, length: int) -> None:
        self.name = name
        self.request = request_of(case)
        self.length = length
        self.answers = 0
        self.over = False
        self.fault: Exception | None = None

    async def measure(self, address: Address, server: int, seconds: float) -> Count:
        """Ask until the server has worked for about *seconds*, and count.

        Args:
            address: Where the server listens.
            server: The server's process.
            seconds: How much CPU time the server gets, which is longer on a busy machine.

        Raises:
            UnequalAnswersError: An answer was different from the first one.
        """
        loop = asyncio.get_running_loop()
        asked = [
            (await loop.create_connection(lambda: Connection(self), *address))[0]
            for _ in range(CONNECTIONS)
        ]
        await asyncio.sleep(WARM_UP)
        before = self._count(server)
        found = before
        # Nothing tells when a process has used some CPU time.
        while found.busy - before.busy < seconds and found.seconds - before.seconds < PATIENCE:
            await asyncio.sleep(STEP)
            found = self._count(server)
        self.over = True
        for transport in asked:
            transport.abort()
        if self.fault is not None:
            raise self.fault
        if found.answers == before.answers:
            raise UnequalAnswersError(f"{self.name}: no answer of {self.length} bytes")
        return Count(*map(sub, found, before))

    def _count(self, server: int) -> Count:
        return Count(self.answers, perf_counter(), cpu_seconds(server), process_time())


class Connection(asyncio.Protocol):
    """One connection that is kept alive; it lives as long as its load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._missing = load.length
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        """Count an answer that is complete, and ask again."""
        load = self._load
        self._missing -= len(data)
        if self._missing == 0 and self._transport is not None:
            load.answers += 1
            self._missing = load.length
            self._transport.write(load.request)
        elif self._missing < 0:
            load.fault = UnequalAnswersError(f"{load.name}: {-self._missing} bytes too many")

    def connection_lost(self, fault: Exception | None) -> None:
        """Note that the server closed the connection, unless it was over."""
        if not self._load.over:
            self._load.fault = UnequalAnswersError(f"{self._load.name}: closed, {fault}")
