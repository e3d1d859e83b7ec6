"""What belongs to one event loop and ends with it: `LoopContainer`.

The container hangs on the loop itself, so that nothing but the loop keeps it. An asynchronous
generator is its anchor: loops close those that are left when they end, while tasks and the default
executor still work, and closing the anchor closes the container. Where a loop is closed without
that, `close` does it. On trio a system task is the anchor.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import Context
from typing import Any, Final

from hesper._backends import AsyncioBackend, TrioBackend
from hesper._residents import Backend, Deferred, Making, Resident, Tenant

logger: Final = logging.getLogger("hesper")

_ATTRIBUTE: Final = "__hesper_loop_container__"
_CLOSE: Final = "close"
_FAILED: Final = "exits at the end of the loop failed"


class LoopContainer:
    """The values of one loop, and their exits; lives as long as the loop.

    Args:
        backend: Starts tasks and makes events.
    """

    __slots__ = (
        "__weakref__",
        "_backend",
        "_claimed",
        "_closers",
        "_closing",
        "_context",
        "_made",
        "_makers",
        "_reference",
        "_tenants",
        "anchor",
        "is_borrowed",
        "storage",
        "values",
    )

    def __init__(self, backend: Backend) -> None:
        self.storage: dict[Hashable, Any] = {}
        """What the loop's users keep there."""
        self.values: dict[Hashable, Any] = {}
        """Results of plain factories, by factory and arguments."""
        self._made: dict[Hashable, Making] = {}
        self._makers: dict[object, Making] = {}
        self._tenants: list[Tenant] = []
        self._backend = backend
        self._context = Context()
        self._closing = backend.event()
        self._closers: set[object] = set()
        self._claimed: dict[int, tuple[object, int]] = {}
        self._reference: weakref.ref[LoopContainer] = weakref.ref(self)
        self.anchor: AsyncGenerator[None, None] | None = None
        """What closes the container when the loop ends; kept here, as loops do not keep it."""
        self.is_borrowed = False
        """Whether the loop had values before its first lifespan: then the loop is not theirs."""

    @property
    def is_used(self) -> bool:
        """Whether anything belongs to the loop."""
        return bool(self.storage or self.values or self._made or self._tenants)

    async def enter(self, manager: AbstractAsyncContextManager[Any, bool | None]) -> Any:
        """Enter *manager* now; it is exited with the loop.

        Raises:
            BaseException: What entering raised.
        """
        resident = Resident(manager, self._backend, self._tenants.append, self._died)
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
                _raise(interruption)
            finally:
                _raise(error)
        finally:
            # This frame hangs on the error's traceback.
            del error, interruption, making, task
        return resident.take_value()

    def _died(self, resident: Resident) -> None:
        if resident.error is None:
            self._tenants.remove(resident)
        else:  # raised when the container is closed; somebody might want to know now
            logger.error("%r died before its loop ended", resident, exc_info=resident.error)

    def defer(self, callback: Callable[[], object]) -> None:
        """Call *callback* with the exits, in its turn, and await what it returns."""
        self._tenants.append(Deferred(callback, self._backend, self._context))

    async def once(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Return the value of *key*, made once however many tasks ask at the same time.

        A failure reaches every waiter and is then forgotten; a cancelled waiter cancels nothing.
        """
        making = self._made.get(key)
        if making is None:
            making = self._made[key] = Making(self._backend.event())
            self._backend.run(functools.partial(self._make, key, making, make), self._context)
        mine = self._makers.get(self._backend.current_task())
        try:
            await self._wait(making, mine)
            if making.error is not None:
                raise making.error.with_traceback(making.trace)
            return making.value
        finally:
            del making, mine  # this frame hangs on the error's traceback

    async def _wait(self, making: Making, mine: Making | None) -> None:
        """Wait for *making*, on behalf of *mine* if that is what the caller makes."""
        if mine is None:
            await making.done.wait()
            return
        if making.leads_to(mine):
            raise RuntimeError(
                "a value of the loop waits for itself: what makes it asks for it, directly or "
                "through others; the traceback shows where"
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
        self._makers[me] = making
        try:
            making.value = await make()
        except BaseException as error:
            if self._made.get(key) is making:
                del self._made[key]
            making.error, making.trace = error, error.__traceback__
            if not isinstance(error, Exception):
                raise
        finally:
            making.done.set()
            del self._makers[me], making, me  # as above

    def claim(self, manager: object) -> None:
        """Take note that *manager* is entered on this loop, until it is released.

        Raises:
            RuntimeError: It is entered on another loop.
        """
        key = id(manager)
        with _claiming:
            reference = _claims.get(key)
            owner = None if reference is None else reference()
            if owner is not None and owner is not self:
                raise RuntimeError(
                    f"{manager!r} is entered on another event loop; make one for each loop, "
                    "such as with sticky_singleton_acm(factory)"
                )
            _claims[key] = self._reference
            # Held here, so that its identity cannot pass to another.
            _, times = self._claimed.get(key, (manager, 0))
            self._claimed[key] = (manager, times + 1)

    def release(self, manager: object) -> None:
        """Take note that *manager* is exited."""
        key = id(manager)
        with _claiming:
            _, times = self._claimed.pop(key, (manager, 0))
            if times > 1:
                self._claimed[key] = (manager, times - 1)
            elif times and _claims.get(key) is self._reference:
                del _claims[key]

    async def aclose(self) -> None:
        """Exit everything, last in, first out; what is entered meanwhile, too.

        Called while it is being closed, it waits for that; called by an exit, it does nothing.

        Raises:
            BaseException: The one error that there was, or a group of all.
        """
        me = self._backend.current_task()
        if self._closers:
            if me not in self._closers:
                await self._closing.wait()
            return
        self._closing = self._backend.event()
        self._closers.add(me)
        errors: list[BaseException] = []
        try:
            await self._exit_all(errors)
            self._made.clear()
            self.values.clear()
            self.storage.clear()
            if errors:
                _raise(errors[0] if len(errors) == 1 else BaseExceptionGroup(_FAILED, errors))
        finally:
            errors.clear()
            self._closers.clear()
            self._closing.set()
            del me

    async def _exit_all(self, errors: list[BaseException]) -> None:
        interruption: BaseException | None = None
        while self._tenants:
            tenant = self._tenants.pop()
            tenant.ask()
            self._closers.add(tenant.task)
            interruption = await self._backend.outlast(tenant.ended, tenant.cancel, interruption)
            error = tenant.take_error()
            if error is not None:
                errors.append(error)
            del error
        if interruption is not None:
            errors.insert(0, interruption)
        del interruption

    def left(self) -> str:
        """Return what is open, in words; nothing if nothing is."""
        return ", ".join(map(repr, self._tenants))

    def __del__(self) -> None:
        with _claiming:
            for key in self._claimed:
                if _claims.get(key) is self._reference:
                    del _claims[key]
        left = self.left()
        if left:
            warnings.warn(_left_open(left), ResourceWarning, stacklevel=2)


# By the identity of a context manager: the container in which it is entered, and which holds it.
_claims: Final[dict[int, weakref.ref[LoopContainer]]] = {}
# Held for a few steps that wait for nothing. The collector may come in between, hence re-entrant.
_claiming: Final = threading.RLock()


def _raise(error: BaseException | None) -> None:
    """Raise *error*, if there is one, from a frame that forgets it."""
    try:
        if error is not None:
            raise error
    finally:
        del error


def _left_open(left: str) -> str:
    return (
        f"a loop was closed without asyncio.Runner's clean-up, and left open: {left}; "
        "use asyncio.run, or await hesper.loop_local.aclose() before closing the loop"
    )


def loop_container() -> LoopContainer:
    """Return the container of the running loop, made if there is none.

    Raises:
        RuntimeError: No loop is running.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _trio_container()
    container: LoopContainer | None = getattr(loop, _ATTRIBUTE, None)
    if container is None:
        container = LoopContainer(AsyncioBackend())
        setattr(loop, _ATTRIBUTE, container)
        setattr(loop, _CLOSE, _close_of(loop))
        anchor = container.anchor = _anchor(loop, container)
        with suppress(StopIteration):
            # The first step makes the anchor known to the loop; it waits for nothing.
            anchor.__anext__().send(None)
    return container


async def _anchor(
    loop: asyncio.AbstractEventLoop, container: LoopContainer
) -> AsyncGenerator[None, None]:
    with suppress(GeneratorExit):
        yield
    try:
        await container.aclose()
    except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
        # Told here, because the loop forgets what is no `Exception`.
        loop.call_exception_handler({"message": _FAILED, "exception": error})
    finally:
        delattr(loop, _ATTRIBUTE)
        delattr(loop, _CLOSE)


def _close_of(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Return what closes *loop*, and first, if nobody has done it, what belongs to it."""
    close = loop.close
    # The collector calls `close` of a loop that it frees, too; nothing can run on that any more.
    alive = weakref.ref(loop, lambda _: None)

    def close_after_exits() -> None:
        container: LoopContainer | None = getattr(loop, _ATTRIBUTE, None)
        busy = loop.is_closed() or loop.is_running() or asyncio._get_running_loop() is not None
        if container is not None and container.anchor is not None and alive() and not busy:
            left = container.left()
            if left:
                warnings.warn(_left_open(left), ResourceWarning, stacklevel=2)
            loop.run_until_complete(container.anchor.aclose())
        close()

    return close_after_exits


def present_container() -> LoopContainer | None:
    """Return the container of the running asyncio loop, if there is one."""
    container: LoopContainer | None = getattr(asyncio.get_running_loop(), _ATTRIBUTE, None)
    return container


def _trio_container() -> LoopContainer:
    trio: Any = sys.modules.get("trio")
    try:
        if trio is None:
            raise RuntimeError
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        raise RuntimeError(
            "no event loop is running here, so nothing can belong to one; "
            "call this from a coroutine or a callback"
        ) from None
    variable = _trio_variable(trio)
    container: LoopContainer | None = variable.get(None)
    if container is None:
        container = LoopContainer(TrioBackend(trio))
        variable.set(container)
        trio.lowlevel.spawn_system_task(_trio_anchor, trio, container)
    return container


async def _trio_anchor(trio: Any, container: LoopContainer) -> None:
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            try:
                await container.aclose()
            except BaseException as error:
                # A system task has nobody to raise to; trio would call it an internal error.
                logger.error(_FAILED, exc_info=error)


_variables: dict[str, Any] = {}


def _trio_variable(trio: Any) -> Any:
    """Return trio's own kind of variable, of which each run has one value."""
    if "container" not in _variables:
        _variables["container"] = trio.lowlevel.RunVar(_ATTRIBUTE)
    return _variables["container"]
