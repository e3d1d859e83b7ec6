"""What lives on a loop until the loop ends: context managers and callbacks, as tenants.

Each tenant has a task of its own, which the end of the loop does not cancel: a context manager is
entered and exited in it, a callback called. A backend gives it the task.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from types import TracebackType
from typing import Any, Protocol, TypeAlias

Run: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Event(Protocol):
    """An event of the running loop's kind."""

    def set(self) -> object:
        """Wake all that wait."""
        ...

    def is_set(self) -> bool:
        """Whether nobody need wait any more."""
        ...

    async def wait(self) -> object:
        """Wait until it is set."""
        ...


class Backend(Protocol):
    """A kind of loop."""

    def event(self) -> Event:
        """Make an event."""
        ...

    def checkpoint(self) -> Awaitable[object]:
        """Let a cancellation that is on its way arrive."""
        ...

    def current_task(self) -> object:
        """Return the running task."""
        ...

    def start(self, tenant: Tenant, context: Context) -> None:
        """Start the task of *tenant*, which the end of the loop does not cancel."""
        ...

    def run(self, function: Run, context: Context) -> None:
        """Run *function*, which raises nothing but cancellations, in a task."""
        ...

    async def outlast(
        self, event: Event, interrupted: Callable[[], object], known: BaseException | None = None
    ) -> BaseException | None:
        """Wait for *event*, come what may, and return the caller's cancellation if there was one.

        Args:
            event: What is waited for.
            interrupted: Called when the caller is cancelled meanwhile.
            known: A cancellation that has been passed on before, and need not be again.
        """
        ...


def _nothing() -> None:
    """Do nothing."""


class Tenant:
    """What ends with the loop, in a task of its own; lives until it has ended.

    Args:
        backend: The kind of loop.
    """

    __slots__ = ("__weakref__", "cancel_task", "ended", "error", "given_up", "task")

    def __init__(self, backend: Backend) -> None:
        self.ended = backend.event()
        """Set when the task has ended."""
        self.error: BaseException | None = None
        """What the task raised, until it is taken."""
        self.given_up = False
        """Whether it was cancelled by whoever waited for it."""
        self.task: object = None
        self.cancel_task: Callable[[], object] = _nothing
        """Cancels the task; set by who starts it."""

    async def live(self) -> None:
        """Do what the task is for."""
        raise NotImplementedError

    def ask(self) -> None:
        """Ask it to end."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Cancel the task."""
        self.given_up = True
        self.cancel_task()

    def finished(self, error: BaseException | None) -> None:
        """Take note that the task has ended, and how."""
        # An error leads here by its traceback, and a task leads to its error.
        self.task, self.cancel_task = None, _nothing
        self.error = error
        self.ended.set()

    def take_error(self) -> BaseException | None:
        """Return what the task raised, and forget it."""
        error, self.error = self.error, None
        return error


class Resident(Tenant):
    """A context manager that is open in a task of its own; lives from enter to exit.

    Args:
        manager: What is entered and exited.
        backend: The kind of loop.
        entered: Called when it is entered.
        died: Called when it has ended without having been asked to.
        place: How messages call what it ends with.
    """

    __slots__ = (
        "_asked",
        "_checkpoint",
        "_died",
        "_entered",
        "_manager",
        "_place",
        "_value",
        "is_entered",
        "ready",
    )

    def __init__(
        self,
        manager: AbstractAsyncContextManager[Any, bool | None],
        backend: Backend,
        entered: Callable[[Resident], object],
        died: Callable[[Resident], object],
        place: str,
    ) -> None:
        super().__init__(backend)
        self._place = place
        self._manager = manager
        self._entered = entered
        self._died = died
        self._asked = backend.event()
        self._checkpoint = backend.checkpoint
        self.ready = backend.event()
        """Set when it is entered, or has ended without."""
        self.is_entered = False
        """Whether entering it has succeeded."""
        self._value: Any = None

    def __repr__(self) -> str:
        return repr(self._manager)

    async def live(self) -> None:
        """Enter, wait until asked, exit."""
        async with self._manager as self._value:
            if self.given_up:
                # Not `_asked`: the manager may have kept the cancellation to itself.
                await self._checkpoint()
                return
            self.is_entered = True
            self._entered(self)
            self.ready.set()
            await self._asked.wait()

    def take_value(self) -> Any:
        """Return what entering it gave, and forget it."""
        value, self._value = self._value, None
        return value

    def ask(self) -> None:
        """Ask it to exit."""
        self._asked.set()

    def finished(self, error: BaseException | None) -> None:
        """Take note that the task has ended, and how."""
        was_asked = self._asked.is_set()
        if error is not None and self.is_entered:
            when = f"was exited at the end of {self._place}" if was_asked else "was open"
            error.add_note(f"raised when {self._manager!r} {when}")
        super().finished(error)
        self.ready.set()
        if self.is_entered and not was_asked:
            self._died(self)


class Deferred(Tenant):
    """A callback that is called in its turn; lives until it is.

    Args:
        callback: What is called.
        backend: The kind of loop.
        context: The context variables it sees.
    """

    __slots__ = ("_backend", "_callback", "_context")

    def __init__(self, callback: Callable[[], object], backend: Backend, context: Context) -> None:
        super().__init__(backend)
        self._callback = callback
        self._backend = backend
        self._context = context

    def __repr__(self) -> str:
        return repr(self._callback)

    async def live(self) -> None:
        """Call the callback, and await what it returns."""
        result = self._callback()
        if inspect.isawaitable(result):
            await result

    def ask(self) -> None:
        """Start the task."""
        self._backend.start(self, self._context)

    def finished(self, error: BaseException | None) -> None:
        """Take note that the task has ended, and how."""
        if error is not None:
            error.add_note(f"raised by {self._callback!r} at the end of its loop")
        super().finished(error)


class Making:
    """A value that is being made; lives as long as it is known, or somebody waits for it."""

    __slots__ = (
        "__weakref__",
        "done",
        "error",
        "is_given_up",
        "task",
        "trace",
        "value",
        "waits_for",
    )

    def __init__(self, done: Event) -> None:
        self.done = done
        self.task: Any = None
        """The task that makes it and nothing else, while it does."""
        self.is_given_up = False
        """Whether it was cancelled for a reason that does not concern those who wait for it."""
        self.waits_for: Making | None = None
        """Another one, without which this cannot go on."""
        self.error: BaseException | None = None
        self.trace: TracebackType | None = None
        """Where the error was raised, without those who have waited for the value."""
        self.value: Any = None

    def leads_to(self, other: Making) -> bool:
        """Whether it is *other*, or waits for it, directly or through more."""
        making: Making | None = self
        while making is not None and making is not other:
            making = making.waits_for
        return making is other
