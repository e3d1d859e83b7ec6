"""What belongs to one event loop and ends with it: `LoopContainer`.

The container hangs on the loop itself, so that nothing but the loop keeps it. An asynchronous
generator is its anchor: loops close those that are left when they end, while tasks and the default
executor still work, and closing the anchor closes the container. Where a loop is closed without
that, `close` does it. On trio a system task is the anchor.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import suppress
from contextvars import Context
from typing import Any, Final

from hesper._backends import AsyncioBackend, TrioBackend
from hesper._container import Container
from hesper._residents import Backend, Deferred

logger: Final = logging.getLogger("hesper")

_ATTRIBUTE: Final = "__hesper_loop_container__"
_CLOSE: Final = "close"
_FAILED: Final = "exits at the end of the loop failed"


class LoopContainer(Container):
    """The values of one loop, and their exits; lives as long as the loop.

    Args:
        backend: Starts tasks and makes events.
    """

    __slots__ = ("_claimed", "_reference", "anchor", "is_borrowed", "storage")

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, Context(), "the loop")
        self.storage: dict[Hashable, Any] = {}
        """What the loop's users keep there."""
        self._claimed: dict[int, tuple[object, int]] = {}
        self._reference: weakref.ref[LoopContainer] = weakref.ref(self)
        self.anchor: AsyncGenerator[None, None] | None = None
        """What closes the container when the loop ends; kept here, as loops do not keep it."""
        self.is_borrowed = False
        """Whether the loop had values before its first lifespan: then the loop is not theirs."""

    @property
    def is_used(self) -> bool:
        """Whether anything belongs to the loop."""
        return super().is_used or bool(self.storage)

    def defer(self, callback: Callable[[], object]) -> None:
        """Call *callback* with the exits, in its turn, and await what it returns."""
        self._tenants.append(Deferred(callback, self._backend, self._context))

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

    def forget(self) -> None:
        """Drop all values, and what the loop's users keep."""
        super().forget()
        self.storage.clear()

    def __del__(self) -> None:
        with _claiming:
            for key in self._claimed:
                if _claims.get(key) is self._reference:
                    del _claims[key]
        super().__del__()

    def left_open(self, left: str) -> str:
        """Return the warning of a loop that was closed with *left* open."""
        return _left_open(left)


# By the identity of a context manager: the container in which it is entered, and which holds it.
_claims: Final[dict[int, weakref.ref[LoopContainer]]] = {}
# Held for a few steps that wait for nothing. The collector may come in between, hence re-entrant.
_claiming: Final = threading.RLock()


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
