"""Work that goes on as long as a lifespan: `Tasks`.

* A failure is reported at once. What follows is said when the task is started: the lifespan ends
  (`stop`), the task begins again after a pause that grows (`restart`), or nothing (`log`).
* Once the lifespan turns to closing, a task has the drain time to end by itself, unless it was
  started with `drain=False`; one that waits for its restart is ended at once.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import Context
from typing import Any, Final, Literal, TypeAlias
from weakref import WeakSet

from hesper._signature import described

logger: Final = logging.getLogger("hesper")

OnFailure: TypeAlias = Literal["stop", "restart", "log"]

FIRST_PAUSE: Final = 0.1
"""Seconds before a task that failed is first restarted; each pause is twice the last."""

LONGEST_PAUSE: Final = 30.0
"""Seconds that no pause before a restart exceeds; a task that ran as long starts over."""


class Tasks:
    """The supervised tasks of one lifespan; they are cancelled before anything it opened is closed.

    Made in the lifespan's loop.

    Args:
        stop: The lifespan's method that is called with a failure after which it is to end.
        context: The context variables that tasks see.
    """

    __slots__ = (
        "__weakref__",
        "_context",
        "_ended",
        "_idle",
        "_loop",
        "_stop",
        "_tasks",
        "_told",
        "_turned",
    )

    def __init__(
        self, stop: weakref.WeakMethod[Callable[[Exception], None]], context: Context
    ) -> None:
        self._stop = stop
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._turned = False
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: WeakSet[asyncio.Task[None]] = WeakSet()
        """Those that are cancelled as soon as the lifespan turns to closing."""
        self._told: WeakSet[asyncio.Task[None]] = WeakSet()
        """Those that have been cancelled here."""

    def start(
        self,
        function: Callable[..., Awaitable[object]],
        *arguments: Any,
        name: str | None = None,
        on_failure: OnFailure = "stop",
        drain: bool = True,
    ) -> asyncio.Task[None]:
        """Run `function(*arguments)` until it returns or the lifespan ends.

        Args:
            function: An asynchronous function.
            arguments: Its arguments.
            name: How the log calls the task; the function's name, by default.
            on_failure: What follows if it raises: `"stop"` ends the lifespan, `"restart"` runs it
                again after a pause, `"log"` does nothing more.
            drain: Whether it is given the drain time when the server is told to stop, to end by
                itself; it is cancelled at once otherwise.

        Returns:
            The task; cancelling it ends the work.

        Raises:
            RuntimeError: Called outside the lifespan's loop, or once its tasks have been cancelled.
            ValueError: *on_failure* is none of the three.
        """
        if on_failure not in {"stop", "restart", "log"}:
            raise ValueError(f'on_failure is "stop", "restart" or "log", not {on_failure!r}')
        called = described(function) if name is None else name
        if self._ended:
            raise RuntimeError(
                f"the task {called!r} comes too late: the lifespan has cancelled its tasks already"
            )
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                f"the task {called!r} would run on another loop than its lifespan; start it there"
            )
        task = self._loop.create_task(
            self._supervise(lambda: function(*arguments), called, on_failure),
            name=called,
            context=self._context.copy(),
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not drain:
            self._idle.add(task)
            if self._turned:
                self._tell_all([task])
        return task

    async def _supervise(
        self, run: Callable[[], Awaitable[object]], name: str, on_failure: OnFailure
    ) -> None:
        pause = FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await run()
            except Exception as error:
                logger.exception("the task %r failed", name)
                error.add_note(f"raised by the task {name!r}")
                if on_failure == "stop":
                    self._tell(error)
            else:
                return
            if on_failure != "restart" or self._turned or self._ended:
                return
            if clock() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await self._pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _pause(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None, "the work runs in a task of its own"
        drains = task not in self._idle
        self._idle.add(task)
        await asyncio.sleep(seconds)
        if drains:
            self._idle.discard(task)

    def _tell(self, error: Exception) -> None:
        # Not a name in the frame of the work, which the error's traceback keeps alive.
        stop = self._stop()
        if stop is not None:
            stop(error)

    def turn(self) -> None:
        """End what has nothing to finish, as the lifespan turns to closing."""
        self._turned = True
        self._tell_all(self._idle & self._tasks)

    def end(self) -> list[asyncio.Task[None]]:
        """Cancel all tasks, once, and return those that were not told before.

        No task can be started afterwards.
        """
        self._ended = True
        return self._tell_all(self._tasks)

    def _tell_all(self, tasks: Iterable[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
        # A second cancellation would cut short the clean-up that the first began.
        untold = [task for task in tasks if task not in self._told]
        self._told.update(untold)
        for task in untold:
            task.cancel()
        return untold

    async def cancel(self, patience: float) -> None:
        """Cancel all tasks and wait until they have ended, whatever they raise.

        No task can be started afterwards. A cancelled caller waits on, too.

        Args:
            patience: Seconds after which those that ignore it are left to themselves.
        """
        _ = self.end()
        deadline = self._loop.time() + patience
        cancelled: asyncio.CancelledError | None = None
        while self._tasks:
            left = deadline - self._loop.time()
            if left <= 0:
                names = ", ".join(repr(task.get_name()) for task in self._tasks)
                logger.error("closing while these tasks go on, although cancelled: %s", names)
                break
            try:
                await asyncio.wait(set(self._tasks), timeout=left)
            except asyncio.CancelledError as error:
                cancelled = error
        try:
            if cancelled is not None:
                raise cancelled
        finally:
            del cancelled

    def __contains__(self, task: object) -> bool:
        return task in self._tasks

    def __iter__(self) -> Iterator[asyncio.Task[None]]:
        return iter(tuple(self._tasks))

    def __len__(self) -> int:
        return len(self._tasks)
