"""An asynchronous context manager that is open in a task of its own: `Host`.

What is entered in a task is exited in that task, wherever those who ask for it run; so a manager
may hold a task group or a cancel scope open, and a crash inside it cancels no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Any, TypeAlias
from weakref import WeakMethod

Died: TypeAlias = Callable[["Host", BaseException | None], None]


class Host:
    """A context manager open in a task of its own; lives from `enter` to `exit`.

    Args:
        name: How notes and the task's name call it.
        manager: What is entered and exited.
        context: The context variables it sees and sets.
        died: Called if it ends before it is asked to, with what it raised; known weakly.
    """

    __slots__ = ("__weakref__", "_asked", "_died", "_entered", "_task", "manager", "name")

    def __init__(
        self,
        name: str,
        manager: AbstractAsyncContextManager[Any, bool | None],
        context: Context,
        died: WeakMethod[Died],
    ) -> None:
        self.name = name
        self.manager = manager
        self._died = died
        self._asked = asyncio.Event()
        self._entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = asyncio.get_running_loop().create_task(
            self._live(), name=f"hesper: {name}", context=context
        )

    async def _live(self) -> None:
        async with _Kept(self.manager) as value:
            if not self._entered.done():
                self._entered.set_result(value)
            await self._asked.wait()

    async def enter(self) -> Any:
        """Wait until the manager is entered, and return its value.

        Raises:
            BaseException: What entering raised; it is not open then.
        """
        task = self._taken()
        try:
            try:
                await asyncio.wait({task, self._entered}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                task.cancel()
                await joined(task)
                raise
            if not self._entered.done():
                self._entered.cancel()
                await joined(task)
            task.add_done_callback(self._ended_by_itself)
            self._task = task
            return self._entered.result()
        finally:
            del task

    def _taken(self) -> asyncio.Task[None]:
        """Return the task, and forget it: its exception's traceback may refer to this object."""
        task, self._task = self._task, None
        if task is None:
            raise RuntimeError(f"{self.name} has ended")
        return task

    def _ended_by_itself(self, task: asyncio.Task[None]) -> None:
        if not self._asked.is_set():
            self._task = None
            died = self._died()
            if died is not None:
                died(self, _outcome(task))

    async def exit(self) -> None:
        """Exit the manager and wait for it; a cancellation of the caller reaches the manager.

        Raises:
            BaseException: What exiting raised, or what it died of before.
        """
        self._asked.set()
        await joined(self._taken())


class _Kept:
    """A context manager that cannot make an exception vanish."""

    __slots__ = ("_manager",)

    def __init__(self, manager: AbstractAsyncContextManager[Any, bool | None]) -> None:
        self._manager = manager

    async def __aenter__(self) -> Any:
        return await self._manager.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        await self._manager.__aexit__(*raised)


async def joined(task: asyncio.Task[None], told: BaseException | None = None) -> None:
    """Wait for *task*, which is cancelled when the caller is, and raise what it raises.

    A cancelled caller waits on until the task has ended: what it must clean up is cleaned up. A
    cancellation that is delivered again and again, as anyio's are, reaches the task once, so that
    the clean-up can wait for something.

    Args:
        task: What is waited for.
        told: A cancellation that the task need not hear of.
    """
    cancelled = await outlast(task, told)
    outcome = _outcome(task)
    try:
        if cancelled is not None:
            failed = [cancelled, *([] if outcome is None else [outcome])]
            raise_together(failed, "cancelled, and failed to end")
        if outcome is not None:
            raise outcome
    finally:
        # The task holds its exception, whose traceback holds this frame.
        del task, cancelled, outcome, told


async def outlast(
    task: asyncio.Task[None], told: BaseException | None = None
) -> asyncio.CancelledError | None:
    """Wait until *task* has ended, and return the cancellation of the caller, if there was one.

    Args:
        task: What is waited for; it is cancelled when the caller is.
        told: A cancellation that the task need not hear of.
    """
    cancelled: asyncio.CancelledError | None = None
    try:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                if told is None or not error.args or error.args != told.args:
                    task.cancel(*error.args)
                told = error
                cancelled = cancelled or error
        return cancelled
    finally:
        del cancelled, told


def raise_together(errors: list[BaseException], message: str) -> None:
    """Raise the one error that there is, or all in one group; several cancellations count as one.

    Args:
        errors: What failed; the list is emptied, so that no error refers to itself by it.
        message: The message of the group.
    """
    cancelled = [error for error in errors if isinstance(error, asyncio.CancelledError)]
    others = [error for error in errors if not isinstance(error, asyncio.CancelledError)]
    errors[:] = [*cancelled[:1], *others]
    cancelled.clear()
    others.clear()
    try:
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup(message, errors)
    finally:
        errors.clear()


def without_cancellation(error: BaseException) -> list[BaseException]:
    """Return what is left of *error* without cancellations: nothing, or one error or group."""
    if isinstance(error, BaseExceptionGroup):
        rest = error.split(asyncio.CancelledError)[1]
        if rest is None:
            return []
        return [rest.exceptions[0] if len(rest.exceptions) == 1 else rest]
    return [] if isinstance(error, asyncio.CancelledError) else [error]


def _outcome(task: asyncio.Task[None]) -> BaseException | None:
    try:
        return task.exception()
    except asyncio.CancelledError as error:
        return error
