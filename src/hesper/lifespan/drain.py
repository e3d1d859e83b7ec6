"""What lies between a lifespan's turn to closing and the exits of what it opened: `Drain`.

Connections and tasks have one budget, which counts from the turn. At its end those that go on are
cancelled, whether or not the server has got round to asking for the shutdown: it may be waiting
for the very same connections.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from types import FrameType
from typing import Any, Final
from weakref import WeakMethod, WeakSet

from hesper._awaited import awaited_by, frame_of
from hesper._closing import Closing, call_weakly
from hesper._types import Scope
from hesper.lifespan.tasks import Tasks

logger: Final = logging.getLogger("hesper")

PAUSE: Final = 0.02
"""Seconds between two looks at whether everything has ended."""

LAST_WORDS: Final = 0.5
"""Seconds that what has been cancelled is given to clean up."""


class Drain:
    """How the connections and tasks of one lifespan end; lives as long as the lifespan.

    Args:
        closing: The turn of the lifespan.
        tasks: The tasks of the lifespan.
        in_flight: The scopes of its connections.
        patience: Seconds from the turn to the end of what goes on.
    """

    __slots__ = (
        "__weakref__",
        "_closing",
        "_cut",
        "_deadline",
        "_in_flight",
        "_loop",
        "_patience",
        "_tasks",
        "_timer",
    )

    def __init__(
        self, closing: Closing, tasks: Tasks, in_flight: dict[int, Scope], patience: float
    ) -> None:
        self._closing = closing
        self._tasks = tasks
        self._in_flight = in_flight
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._cut: WeakSet[asyncio.Task[Any]] = WeakSet()

    def begin(self, within: float | None) -> None:
        """Turn to closing; called again, it can only shorten the time that is left.

        Args:
            within: Seconds to the end of what goes on, if less than the drain's own.
        """
        patience = self._patience if within is None else min(within, self._patience)
        deadline = self._loop.time() + patience
        if self._timer is not None and deadline >= self._deadline:
            return
        self._deadline = deadline
        self._closing.set()
        self._tasks.turn()
        self._arm(deadline)

    def _arm(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # A lifespan that is dropped takes this object with it.
        self._timer = self._loop.call_at(moment, call_weakly, WeakMethod(self._end_all))

    def _end_all(self) -> None:
        """Cancel what goes on, once each; again and again, as connections may still arrive."""
        try:
            stuck = [task for task in self._connection_tasks() if task not in self._cut]
            for task in stuck:
                self._cut.add(task)
                task.cancel()
            names = [_described(scope) for scope in self._in_flight.values()] if stuck else []
            names += [f"the task {task.get_name()!r}" for task in self._tasks.end()]
            if names:
                logger.warning("the time to drain is over; cancelled: %s", ", ".join(names))
        finally:
            self._arm(self._loop.time() + LAST_WORDS)

    async def rest(self, *, tasks_too: bool) -> None:
        """Wait until nothing goes on, or until it has been cancelled and does not end.

        A caller that is cancelled gives what goes on no more time.

        Args:
            tasks_too: Whether the lifespan's tasks are waited for, besides its connections.
        """
        cancelled: asyncio.CancelledError | None = None
        while self._in_flight or (tasks_too and len(self._tasks)):
            left = self.left
            if left <= 0:
                if self._in_flight:
                    names = ", ".join(map(_described, self._in_flight.values()))
                    logger.error("closing while these go on, although cancelled: %s", names)
                break
            try:
                await asyncio.sleep(min(PAUSE, left))
            except asyncio.CancelledError as error:
                cancelled = error
                self.begin(within=0)
        if self._timer is not None:
            self._timer.cancel()
        try:
            if cancelled is not None:
                raise cancelled
        finally:
            del cancelled

    @property
    def left(self) -> float:
        """Seconds to the end of everything, the time to clean up included."""
        return self._deadline + LAST_WORDS - self._loop.time()

    async def over(self) -> None:
        """Wait until what goes on has been cancelled, and has had the time to end."""
        await asyncio.sleep(self.left)

    def _connection_tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks in which the connections run.

        PERF: connections write down no task; here, where it is needed, all tasks are looked at.
        """
        return [*filter(self._is_of_a_connection, asyncio.all_tasks(self._loop))]

    def _is_of_a_connection(self, task: asyncio.Task[Any]) -> bool:
        """Tell whether one of the connections runs in a task."""
        try:
            return any(map(self._serves, filter(None, map(frame_of, awaited_by(task)))))
        except Exception:  # a task of another library may be like no other
            logger.exception("cannot tell what %r waits for", task)
            return False

    def _serves(self, frame: FrameType) -> bool:
        """Whether a frame is that of the app's `__call__`, serving one of the connections."""
        return "in_flight" in frame.f_code.co_varnames and (
            frame.f_locals.get("in_flight") is self._in_flight
        )

    def is_within_a_connection(self) -> bool:
        """Whether the caller is called by the handler of one of the connections."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if self._serves(frame):
                return True
            frame = frame.f_back
        return False


def _described(scope: Scope) -> str:
    return f"{scope.get('method', scope['type'])} {scope.get('path', '')}"
