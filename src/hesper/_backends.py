"""How asyncio and trio run tenants of the loop: in tasks which the loop's end does not cancel.

Whoever is cancelled while it waits for a tenant passes the cancellation on, once, and waits until
the tenant has cleaned up.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

from hesper._residents import Event, Run, Tenant

T = TypeVar("T")


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


class AsyncioBackend:
    """asyncio, and loops that keep its rules, uvloop among them.

    Args:
        outlasting: Whether tenants go on when the loop, as it ends, cancels all tasks it knows.
    """

    __slots__ = ("__weakref__", "_outlasting", "_running")

    def __init__(self, *, outlasting: bool = True) -> None:
        self._outlasting = outlasting
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
        """Start the task of *tenant*."""
        task = self._task(_outcome(tenant), context)
        if self._outlasting:
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
