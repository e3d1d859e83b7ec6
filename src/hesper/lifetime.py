"""How long values live, what keeps those of a connection, and the lifespan of a caller."""

from __future__ import annotations

import asyncio
import enum
import weakref
from collections.abc import Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final

from hesper._backends import AsyncioBackend
from hesper._container import FinalContainer
from hesper._residents import Backend, Tenant
from hesper._types import LIFESPAN_KEY, Scope

__all__ = ("Lifetime",)


class Lifetime(enum.IntEnum):
    """How long a value lives; the longer, the greater.

    A provider may depend on values that live as long as its own, or longer.
    """

    CALL = 1
    """From the call of a handler until its result is encoded; of a stream, until that ends."""
    CONNECTION = 2
    """One HTTP request, its background work included, or one websocket."""
    LIFESPAN = 3
    """One run of the app, from start-up to shutdown."""
    LOOP = 4
    """The event loop."""


class ConnectionContainer(FinalContainer):
    """The values of one connection; lives until its background work is done.

    What the connection's own task asks for is made, entered and exited there; what other tasks ask
    for has tasks of its own.
    """

    __slots__ = ("_owner", "_present")

    def __init__(self) -> None:
        super().__init__(AsyncioBackend(outlasting=False), copy_context(), "the connection")
        self._owner = asyncio.current_task()
        self._present: BaseException | None = None

    async def once(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Return the value of *key*, made once however many tasks ask at the same time."""
        if key in self._made or asyncio.current_task() is not self._owner:
            return await super().once(key, make)
        me = self._owner
        outer = self._makers.get(me)
        making = self._makers[me] = self._made[key] = self._begun()
        if outer is not None:
            outer.waits_for = making
        try:
            making.value = await make()
        except BaseException as error:
            del self._made[key]
            if isinstance(error, asyncio.CancelledError):
                making.is_given_up = True  # this task's own concern: others make it anew
            else:
                making.error, making.trace = error, error.__traceback__
            raise
        else:
            return making.value
        finally:
            making.done.set()
            if outer is None:
                del self._makers[me]
            else:
                self._makers[me], outer.waits_for = outer, None
            del making, outer, me  # this frame hangs on the error's traceback

    async def enter(self, manager: AbstractAsyncContextManager[Any, bool | None]) -> Any:
        """Enter *manager* now; it is exited with the connection.

        Raises:
            BaseException: What entering raised.
        """
        if asyncio.current_task() is not self._owner:
            return await super().enter(manager)
        value = await manager.__aenter__()
        self._tenants.append(_Entered(manager, self._backend))
        return value

    async def end(
        self, tenant: Tenant, errors: list[BaseException], interruption: BaseException | None
    ) -> BaseException | None:
        """Exit one value."""
        if not isinstance(tenant, _Entered):
            return await super().end(tenant, errors, interruption)
        present = self._present
        try:
            if present is None:
                await tenant.manager.__aexit__(None, None, None)
            else:
                await tenant.manager.__aexit__(type(present), present, present.__traceback__)
        except BaseException as error:
            if present is None:
                errors.append(error)
            else:
                self._present = error
        finally:
            del present
        return interruption

    async def close_after(
        self, error: BaseException | None, errors: list[BaseException]
    ) -> BaseException | None:
        """Exit everything, and append to *errors* what fails.

        Args:
            error: What the connection ends with, which those see that its own task has entered.
            errors: What has failed so far.

        Returns:
            The error, or what one that has seen it raised about it.
        """
        self._present = error
        try:
            await self.close(errors)
            return self._present
        finally:
            self._present = error = None

    def forget(self) -> None:
        """Drop all values, and what they were made in."""
        super().forget()
        self._owner, self._context = None, Context()


class _Entered(Tenant):
    """What the connection's own task has entered; lives until it exits it."""

    __slots__ = ("manager",)

    def __init__(
        self, manager: AbstractAsyncContextManager[Any, bool | None], backend: Backend
    ) -> None:
        super().__init__(backend)
        self.manager = manager

    def __repr__(self) -> str:
        return repr(self.manager)


BELONGS_TO: Final[ContextVar[weakref.ref[Any]]] = ContextVar("hesper_lifespan")
"""The lifespan that the caller belongs to, weakly, where its connection does not tell.

Set while a lifespan starts and stops, in worker threads, in the test clients, and for connections
while two lifespans of one app share a loop.
"""


def belong(scope: Scope) -> None:
    """Make the caller's context belong to the lifespan of a connection.

    Called where a worker thread is to be used, which has no loop to tell what it belongs to.
    """
    BELONGS_TO.set(weakref.ref(scope["state"][LIFESPAN_KEY]))
