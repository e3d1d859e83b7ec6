"""What lives on a loop until the loop ends, and how asyncio and trio give it a task.

* Each tenant has a task of its own, which the end of the loop does not cancel: a context manager
  is entered and exited in it, a callback called.
* Whoever is cancelled while it waits for a tenant passes the cancellation on and waits until the
  tenant has cleaned up.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from types import TracebackType
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

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


class Unhooked:
    """Awaits a coroutine whose asynchronous generators are not closed by the end of the loop.

    A loop that ends closes the generators it knows, all at once: a context manager made from one
    would be ended at its `yield`, instead of being resumed there in its turn. One that is dropped
    half-way is finalised as always.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, None]:
        coroutine, given, thrown = self._coroutine, None, None
        while True:
            hooks = sys.get_asyncgen_hooks()
            sys.set_asyncgen_hooks(firstiter=None, finalizer=hooks.finalizer)
            try:
                wanted = coroutine.send(given) if thrown is None else coroutine.throw(thrown)
            except StopIteration:
                return
            finally:
                sys.set_asyncgen_hooks(*hooks)
                # The collector does not see into the hooks, and they lead to the loop.
                del hooks
                given = thrown = None
            try:
                given = yield wanted
            except GeneratorExit:
                # The loop was dropped with this task pending; nothing can be awaited any more.
                coroutine.close()
                raise
            except BaseException as error:
                thrown = error


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
    """

    __slots__ = (
        "_asked",
        "_checkpoint",
        "_died",
        "_entered",
        "_manager",
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
    ) -> None:
        super().__init__(backend)
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
            when = "was exited at the end of its loop" if was_asked else "was open"
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

    __slots__ = ("__weakref__", "done", "error", "trace", "value")

    def __init__(self, done: Event) -> None:
        self.done = done
        self.error: BaseException | None = None
        self.trace: TracebackType | None = None
        """Where the error was raised, without those who have waited for the value."""
        self.value: Any = None


class AsyncioBackend:
    """asyncio, and loops that keep its rules, uvloop among them."""

    __slots__ = ("__weakref__", "_running")

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def event(self) -> Event:
        """Make an event."""
        return asyncio.Event()

    def checkpoint(self) -> Awaitable[object]:
        """Let a cancellation that is on its way arrive."""
        return asyncio.sleep(0)

    def current_task(self) -> object:
        """Return the running task."""
        return asyncio.current_task()

    def start(self, tenant: Tenant, context: Context) -> None:
        """Start the task of *tenant*, which the end of the loop does not cancel."""
        task = self._task(_outcome(tenant), context)
        # A loop that ends cancels all tasks it knows, before it closes generators: ours must
        # outlast that. (asyncio, Extending: task life-time support.)
        asyncio._unregister_task(task)
        # The container's own warning says what is left open when a loop is dropped.
        private: Any = task
        private._log_destroy_pending = False
        tenant.task, tenant.cancel_task = task, task.cancel
        task.add_done_callback(lambda done: tenant.finished(_error(done, tenant)))

    def run(self, function: Run, context: Context) -> None:
        """Run *function*, which raises nothing but cancellations, in a task."""
        _ = self._task(function(), context)

    def _task(self, coroutine: Coroutine[Any, Any, T], context: Context) -> asyncio.Task[T]:
        # Not `create_task`: an eager task factory cannot enter the one context twice.
        task = asyncio.Task(coroutine, loop=asyncio.get_running_loop(), context=context)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def outlast(
        self, event: Event, interrupted: Callable[[], object], known: BaseException | None = None
    ) -> BaseException | None:
        """Wait for *event*, come what may, and return the caller's cancellation, if any."""
        while not event.is_set():
            try:
                await event.wait()
            except asyncio.CancelledError as error:
                # anyio cancels again and again, with one message: what is told once can clean up.
                is_known = known is not None and error.args and error.args == known.args
                if not event.is_set() and not is_known:
                    interrupted()
                known = known or error
        try:
            return known
        finally:
            del known


async def _outcome(tenant: Tenant) -> BaseException | None:
    """Let *tenant* live, and return what it raises."""
    try:
        await Unhooked(tenant.live())
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        return error
    return None


def _error(task: asyncio.Task[BaseException | None], tenant: Tenant) -> BaseException | None:
    """Return what the task of *tenant* has raised, unless that is what it was told."""
    if task.cancelled():  # before its first step
        error: BaseException | None = asyncio.CancelledError()
    else:
        error = task.exception() or task.result()
    told = tenant.given_up and isinstance(error, asyncio.CancelledError)
    return None if told else error


class TrioBackend:
    """trio; its system tasks outlast the main task, and are shielded from what ends them."""

    __slots__ = ("__weakref__", "_trio")

    def __init__(self, trio: Any) -> None:
        self._trio = trio

    def event(self) -> Event:
        """Make an event."""
        made: Event = self._trio.Event()
        return made

    def checkpoint(self) -> Awaitable[object]:
        """Let a cancellation that is on its way arrive."""
        pause: Awaitable[object] = self._trio.lowlevel.checkpoint()
        return pause

    def current_task(self) -> object:
        """Return the running task."""
        task: object = self._trio.lowlevel.current_task()
        return task

    def start(self, tenant: Tenant, context: Context) -> None:
        """Start the task of *tenant*, which the end of the loop does not cancel."""
        scope = self._trio.CancelScope(shield=True)
        tenant.cancel_task = scope.cancel

        async def shielded() -> None:
            error: BaseException | None = None
            try:
                with scope:
                    await Unhooked(tenant.live())
            except BaseException as raised:
                error = raised
            try:
                tenant.finished(error)
            finally:
                del error

        tenant.task = self._spawn(shielded, context)

    def run(self, function: Run, context: Context) -> None:
        """Run *function*, which raises nothing but cancellations, in a task."""
        self._spawn(function, context)

    def _spawn(self, function: Run, context: Context) -> object:
        # trio enters the context to call the function, which a tenant that spawns another has done.
        task = self._trio.lowlevel.spawn_system_task(function, context=Context())
        task.context = context
        started: object = task
        return started

    async def outlast(
        self, event: Event, interrupted: Callable[[], object], known: BaseException | None = None
    ) -> BaseException | None:
        """Wait for *event*, come what may, and return the caller's cancellation, if any."""
        if event.is_set():
            return known
        try:
            with self._trio.CancelScope(shield=known is not None):
                await event.wait()
        except self._trio.Cancelled as error:
            known = error
            if not event.is_set():
                interrupted()
                with self._trio.CancelScope(shield=True):
                    await event.wait()
        try:
            return known
        finally:
            del known
