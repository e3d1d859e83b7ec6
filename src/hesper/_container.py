"""The values of one lifetime, and their exits: `Container`.

Each value is made once, however many ask for it at the same time, and what is entered has a task
of its own that exits it. Exits run last in, first out, all of them, whatever fails.
"""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Any, Final

from hesper._residents import Backend, Making, Resident, Tenant

logger: Final = logging.getLogger("hesper")


class Container:
    """The values of one lifetime, and their exits; lives as long as they do.

    Args:
        backend: Starts tasks and makes events.
        context: The context variables that all makers and exits see and set.
        place: How messages call what the values end with, such as `the loop`.
    """

    __slots__ = (
        "__weakref__",
        "_backend",
        "_closers",
        "_closing",
        "_context",
        "_made",
        "_makers",
        "_place",
        "_tenants",
        "values",
    )

    def __init__(self, backend: Backend, context: Context, place: str) -> None:
        self.values: dict[Hashable, Any] = {}
        """The values at hand, by key."""
        self._made: dict[Hashable, Making] = {}
        self._makers: dict[object, Making] = {}
        self._tenants: list[Tenant] = []
        self._backend = backend
        self._context = context
        self._place = place
        self._closing = backend.event()
        self._closers: set[object] = set()

    @property
    def is_used(self) -> bool:
        """Whether anything belongs to it."""
        return bool(self.values or self._made or self._tenants)

    async def enter(self, manager: AbstractAsyncContextManager[Any, bool | None]) -> Any:
        """Enter *manager* now, in a task of its own; it is exited with the container.

        Raises:
            BaseException: What entering raised.
        """
        resident = Resident(manager, self._backend, self._tenants.append, self.died, self._place)
        self._backend.start(resident, self._context)
        task, making = resident.task, self._makers.get(self._backend.current_task())
        if making is not None:
            self._makers[task] = making
        interruption = await self._backend.outlast(resident.ready, resident.cancel)
        self._makers.pop(task, None)
        error = None if resident.is_entered else resident.take_error()
        if interruption is not None and isinstance(error, (KeyboardInterrupt, SystemExit)):
            error = None  # it has ended the loop, and with that cancelled the caller
        try:
            try:
                raise_from_here(interruption)
            finally:
                raise_from_here(error)
        finally:
            # This frame hangs on the error's traceback.
            del error, interruption, making, task
        return resident.take_value()

    def died(self, resident: Resident) -> None:
        """Take note that a value has ended before it was asked to."""
        if resident.error is None:
            self._tenants.remove(resident)
        else:  # raised when the container is closed; somebody might want to know now
            logger.error("%r died before %s ended", resident, self._place, exc_info=resident.error)

    async def once(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Return the value of *key*, made once however many tasks ask at the same time.

        A failure reaches every waiter and is then forgotten; a cancelled waiter cancels nothing.
        """
        making = self._made.get(key)
        if making is None:
            making = self._made[key] = self._begun()
            self._backend.run(functools.partial(self._make, key, making, make), self._context)
        mine = self._makers.get(self._backend.current_task())
        try:
            await self._wait(making, mine)
            if making.is_given_up:
                return await self.once(key, make)
            if making.error is not None:
                raise making.error.with_traceback(making.trace)
            return making.value
        finally:
            del making, mine  # this frame hangs on the error's traceback

    def _begun(self) -> Making:
        """Return what is known of a value whose making begins now."""
        return Making(self._backend.event())

    async def _wait(self, making: Making, mine: Making | None) -> None:
        """Wait for *making*, on behalf of *mine* if that is what the caller makes."""
        if mine is None:
            await making.done.wait()
            return
        if making.leads_to(mine):
            raise RuntimeError(
                f"a value of {self._place} waits for itself: what makes it asks for it, directly "
                "or through others; the traceback shows where"
            )
        mine.waits_for = making
        try:
            await making.done.wait()
        finally:
            mine.waits_for = None

    async def _make(
        self, key: Hashable, making: Making, make: Callable[[], Coroutine[Any, Any, Any]]
    ) -> None:
        me = self._backend.current_task()
        making.task, self._makers[me] = me, making
        try:
            if not making.is_given_up:
                making.value = await make()
        except BaseException as error:
            if self._made.get(key) is making:
                del self._made[key]
            if not making.is_given_up:
                making.error, making.trace = error, error.__traceback__
                if not isinstance(error, Exception):
                    raise
        finally:
            making.task = None
            making.done.set()
            del self._makers[me], making, me  # as above

    async def aclose(self) -> None:
        """Exit everything, last in, first out; what is entered meanwhile, too.

        Called while it is being closed, it waits for that; called by an exit, it does nothing.

        Raises:
            BaseException: The one error that there was, or a group of all.
        """
        errors: list[BaseException] = []
        try:
            await self.close(errors)
            if errors:
                failed = f"exits at the end of {self._place} failed"
                raise_from_here(
                    errors[0] if len(errors) == 1 else BaseExceptionGroup(failed, errors)
                )
        finally:
            errors.clear()

    async def close(self, errors: list[BaseException]) -> None:
        """Do what `aclose` does, and append to *errors* what fails."""
        me = self._backend.current_task()
        if self._closers:
            if me not in self._closers:
                await self._closing.wait()
            return
        self._closing = self._backend.event()
        self._closers.add(me)
        try:
            await self._exit_all(errors)
            self.forget()
        finally:
            self._closers.clear()
            self._closing.set()
            del me

    def forget(self) -> None:
        """Drop all values; they are exited."""
        self._made.clear()
        self.values.clear()

    async def _exit_all(self, errors: list[BaseException]) -> None:
        interruption: BaseException | None = None
        while self._tenants:
            interruption = await self.end(self._tenants.pop(), errors, interruption)
        if interruption is not None:
            errors.insert(0, interruption)
        del interruption

    async def end(
        self, tenant: Tenant, errors: list[BaseException], interruption: BaseException | None
    ) -> BaseException | None:
        """Exit one value, and append what it raises to *errors*.

        Args:
            tenant: What is exited.
            errors: What has failed so far.
            interruption: The caller's cancellation, if there has been one.

        Returns:
            The caller's cancellation, the one known or a new one.
        """
        tenant.ask()
        self._closers.add(tenant.task)
        interruption = await self._backend.outlast(tenant.ended, tenant.cancel, interruption)
        error = tenant.take_error()
        if error is not None:
            errors.append(error)
        try:
            return interruption
        finally:
            del error, interruption

    def left(self) -> str:
        """Return what is open, in words; nothing if nothing is."""
        return ", ".join(map(repr, self._tenants))

    def __del__(self) -> None:
        left = self.left()
        if left:
            warnings.warn(self.left_open(left), ResourceWarning, stacklevel=2)

    def left_open(self, left: str) -> str:
        """Return the warning of a container that was dropped with *left* open."""
        return f"{self._place} was dropped, and left open: {left}"


class FinalContainer(Container):
    """A container of a connection or a lifespan, for which nothing is made after its end.

    On asyncio alone. Who waits for a value that is being made then, is told so.
    """

    __slots__ = ("_is_over",)

    def __init__(self, backend: Backend, context: Context, place: str) -> None:
        super().__init__(backend, context, place)
        self._is_over = False

    def _begun(self) -> Making:
        if self._is_over:
            raise RuntimeError(
                f"{self._place} is over, and nothing is made for it any more; "
                "ask for its values while it lasts"
            )
        return super()._begun()

    async def _exit_all(self, errors: list[BaseException]) -> None:
        self._is_over = True
        interruption: BaseException | None = None
        for key, making in tuple(self._made.items()):
            if making.done.is_set():
                continue
            making.is_given_up = True
            self._made.pop(key, None)
            if making.task is not None:
                making.task.cancel()
            interruption = await self._backend.outlast(making.done, _nothing, interruption)
        if interruption is not None:
            errors.insert(0, interruption)
        del interruption
        await super()._exit_all(errors)


def _nothing() -> None:
    """Do nothing."""


def raise_from_here(error: BaseException | None) -> None:
    """Raise *error*, if there is one, from a frame that forgets it."""
    try:
        if error is not None:
            raise error
    finally:
        del error
