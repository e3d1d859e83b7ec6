"""What goes on in a lifespan and ends before what it opened is closed: `Turning`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import suppress
from itertools import count
from typing import Self, TypeVar
from weakref import WeakMethod

import hesper._late as late
from hesper._closing import Closing, call_weakly, until_closing
from hesper._types import LIFESPAN_KEY, Scope
from hesper.lifespan.drain import Drain
from hesper.lifespan.phase import Phase
from hesper.lifespan.tasks import Tasks

T = TypeVar("T")


class Turning:
    """The connections and tasks of a lifespan, and its turn to closing; lives as long as it.

    Args:
        drain_timeout: Seconds from the turn to closing to the end of what goes on.
    """

    __slots__ = (
        "__weakref__",
        "_drain",
        "_mounted",
        "_tasks",
        "arrivals",
        "drain_timeout",
        "in_flight",
        "loop",
        "phase",
        "turn",
    )

    _drain: Drain
    _tasks: Tasks
    phase: Phase
    """How far it has come."""
    loop: asyncio.AbstractEventLoop | None
    """The loop it runs on, once it has been started."""
    arrivals: Iterator[int]
    """The numbers of the connections to come; one that an app hands to itself again takes two."""
    in_flight: dict[int, Scope]
    """The scopes of the connections that are being served, by the number of their arrival."""
    turn: Closing
    """The same as `closing`, before the start, too."""
    drain_timeout: float
    """Seconds from the turn to closing to the end of what goes on."""

    def __init__(self, drain_timeout: float) -> None:
        self.phase = Phase.NEW
        self.loop = None
        self.arrivals = count()
        self.in_flight = {}
        self.turn = Closing()
        self.drain_timeout = drain_timeout
        self._mounted: list[tuple[late.mount, late.MountedRun]] = []

    @property
    def closing(self) -> Closing:
        """Set as soon as the lifespan turns to closing; `await` it to wait for that."""
        return self._started().turn

    @property
    def tasks(self) -> Tasks:
        """Work that goes on as long as the lifespan."""
        return self._started()._tasks

    def _started(self) -> Self:
        if self.phase is Phase.NEW:
            raise RuntimeError("the lifespan has not been started; use `async with lifespan:`")
        return self

    @property
    def connections(self) -> tuple[Scope, ...]:
        """The scopes of the connections that are being served now."""
        return tuple({id(scope): scope for scope in self.in_flight.values()}.values())

    def until_closing(self, source: AsyncIterable[T]) -> AsyncGenerator[T, None]:
        """Yield what *source* does until the lifespan turns to closing, then close it.

        Args:
            source: What to iterate over; what it waits for is cancelled in the iterating task.
        """
        return until_closing(self._started().turn, source)

    def begin_closing(self, within: float | None = None) -> None:
        """Turn to closing, as when the server is told to stop; called in the lifespan's loop.

        Streams end, websockets are closed with 1012, and tasks that look at `closing` can end.
        Requests are still answered. What goes on after the drain time is cancelled. Nothing is
        closed before `stop`. A start that goes on fails after the drain time.

        Args:
            within: Seconds to the end of what goes on, if they are less than the drain time.
        """
        if self.phase is Phase.STARTING and self.loop is not None and not self.turn.is_set():
            self.turn.set()
            patience = self.drain_timeout if within is None else min(within, self.drain_timeout)
            _ = self.loop.call_later(patience, call_weakly, WeakMethod(self._give_up_starting))
        if self.phase not in {Phase.READY, Phase.CLOSING}:
            return
        self.phase = Phase.CLOSING
        self._drain.begin(within)
        for _, run in self._mounted:
            inner = run.state.get(LIFESPAN_KEY)
            if isinstance(inner, Turning):
                inner.begin_closing(self.drain_timeout if within is None else within)

    async def outlast_drain(self) -> None:
        """Wait until it is closing, and what goes on has been cancelled and has had its end."""
        await self.closing
        await self._drain.over()

    def heard(self) -> None:
        """Turn to closing, as the server has been told to stop; called in a signal handler."""
        with suppress(RuntimeError):  # the loop has been closed
            if self.loop is not None:
                self.loop.call_soon_threadsafe(self.begin_closing)

    def _give_up_starting(self) -> None:
        """Fail the start that goes on, if any."""
        raise NotImplementedError

    def _demand_outsider(self) -> None:
        """Make sure that who waits for the end of the lifespan is not waited for by it."""
        if asyncio.current_task() in self._tasks:
            raise RuntimeError(
                "a task of the lifespan cannot wait for the lifespan's end, which waits for it; "
                'let it raise, with on_failure="stop", to end the lifespan'
            )
        if self._drain.is_within_a_connection():
            raise RuntimeError(
                "a connection cannot wait for the end of its lifespan, which waits for it; call "
                "begin_closing() to have it turn to closing"
            )
