"""The bridge from a sync client to the thread and the loop that its app runs on."""

from __future__ import annotations

import asyncio
import functools
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import httpx2
from anyio.from_thread import BlockingPortal, BlockingPortalProvider

from hesper.testing.exchange import Exchange
from hesper.testing.openings import calling_from, noted
from hesper.testing.transport import AppTransport, response

__all__ = ("PortalTransport", "Portals", "run")

T = TypeVar("T")
P = ParamSpec("P")


class Portals:
    """A thread with a loop for as long as somebody needs one. It lives as long as the client.

    The first who enters starts the thread; the last who leaves ends it, and waits for its end. One
    that is dropped, or kept until the program ends, is ended with a `ResourceWarning`.

    Args:
        backend_options: What anyio takes to start asyncio, such as `{"use_uvloop": True}`.
    """

    __slots__ = ("__weakref__", "_entered", "_provider")

    def __init__(self, backend_options: dict[str, Any] | None) -> None:
        self._provider = BlockingPortalProvider("asyncio", backend_options)
        self._entered: list[BlockingPortal] = []
        # At the program's end it comes before the thread is stopped for good: the portal would
        # wait for its answer for ever.
        weakref.finalize(self, _end_forgotten, self._provider, self._entered)

    def enter(self) -> BlockingPortal:
        """Return the portal into the thread; `leave` has to follow."""
        portal = self._provider.__enter__()
        self._entered.append(portal)
        return portal

    def leave(self) -> None:
        """Say that the portal is not needed any more by the one who entered."""
        self._entered.pop()
        self._provider.__exit__(None, None, None)

    @contextmanager
    def entered(self) -> Generator[BlockingPortal, None, None]:
        """Enter for the time of a block."""
        portal = self.enter()
        try:
            yield portal
        finally:
            self.leave()


def _end_forgotten(provider: BlockingPortalProvider, entered: list[BlockingPortal]) -> None:
    """End the thread of portals that nobody has left."""
    if not entered:
        return
    leave = functools.partial(_leave_all, provider, len(entered))
    entered.clear()
    if asyncio._get_running_loop() is None:
        leave()
    else:  # the collector may have come on the very loop that is to end
        threading.Thread(target=leave, daemon=True, name="hesper: end of a client").start()
    warnings.warn(
        "a TestClient was dropped while its app ran; leave it with `with client:`, and close its"
        " websockets and the responses that are read as streams",
        ResourceWarning,
        stacklevel=2,
    )


def _leave_all(provider: BlockingPortalProvider, times: int) -> None:
    for _ in range(times):
        # With an exception the app's tasks are cancelled; else it would be waited for them.
        provider.__exit__(GeneratorExit, GeneratorExit(), None)


def run(
    portal: BlockingPortal,
    function: Callable[P, Coroutine[Any, Any, T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run *function* on the portal's loop, and return or raise what it does.

    An exception crosses the threads beside the portal's future, which would keep it in a cycle: one
    that raises does, and so does one that returns it, where CPython links the frame of a coroutine
    that has ended to its caller's (3.12 and early 3.13).
    """
    failures: list[BaseException] = []

    async def outcome() -> list[T]:
        try:
            return [await function(*args, **kwargs)]
        except asyncio.CancelledError:
            raise
        except BaseException as failure:
            failures.append(failure)
            return []

    with calling_from():
        future = portal.start_task_soon(outcome)
    try:
        results = future.result()
    except BaseException:
        future.cancel()
        raise
    finally:
        del future
    if failures:
        raise failures.pop()
    return results[0]


class PortalTransport(httpx2.BaseTransport):
    """The way from a sync client to an app in another thread. It lives as long as the client.

    Entering it keeps one thread and loop, and runs the app's lifespan there; before and without,
    each response has a thread of its own until it is closed.

    Args:
        transport: The way to the app, on its loop.
        portals: Where the loop is.
    """

    def __init__(self, transport: AppTransport, portals: Portals) -> None:
        self.transport = transport
        self.portals = portals
        self.bodies: set[PortalBody] = set()
        self._portal: BlockingPortal | None = None

    @property
    def entered(self) -> bool:
        """Whether the thread is there to stay, and what is left open will be ended later."""
        return self._portal is not None

    def __enter__(self) -> Self:
        portal = self.portals.enter()
        try:
            run(portal, self.transport.__aenter__)
        except BaseException:
            self.portals.leave()
            raise
        self._portal = portal
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        portal, self._portal = self._portal, None
        if portal is None:
            return
        try:
            run(portal, self.transport.__aexit__)
        finally:
            self._release_bodies()
            self.portals.leave()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request* and return its response, whose body is still to be read."""
        exchange = self.transport.exchange(request)
        portal = self.portals.enter()
        try:
            status, headers = run(portal, exchange.open, request)
        except BaseException:
            try:
                if not self.entered:
                    run(portal, exchange.abandon)
            finally:
                self.portals.leave()
            raise
        return response(status, headers, PortalBody(self, portal, exchange))

    def close(self) -> None:
        """End the calls of the app that still run."""
        try:
            if self.transport.calls:
                with self.portals.entered() as portal:
                    run(portal, self.transport.aclose)
        finally:
            self._release_bodies()

    def _release_bodies(self) -> None:
        """Let go of the thread for responses that nobody has closed."""
        while self.bodies:
            self.bodies.pop().release()


class PortalBody(httpx2.SyncByteStream):
    """The body of a response from another thread. It lives until it is closed.

    Args:
        transport: The client's transport.
        portal: Where the app runs.
        exchange: Whose body it is.
    """

    def __init__(
        self, transport: PortalTransport, portal: BlockingPortal, exchange: Exchange
    ) -> None:
        self._transport = transport
        self._portal: BlockingPortal | None = portal
        self._exchange = exchange
        # In a client's block the thread is the client's.
        self._opening = None if transport.entered else noted("thread", "of a response")
        transport.bodies.add(self)

    def __iter__(self) -> Generator[bytes, None, None]:
        while self._portal is not None:
            chunk = run(self._portal, self._exchange.next_chunk)
            if chunk is None:
                return
            yield chunk
        raise httpx2.ReadError("The client has left the response before its end.")

    def close(self) -> None:
        """Leave the response, read to its end or not."""
        if self._portal is None:
            return
        try:
            run(self._portal, self._exchange.leave, for_good=not self._transport.entered)
        finally:
            self._transport.bodies.discard(self)
            self.release()

    def release(self) -> None:
        """Let go of the thread."""
        self._portal = None
        if self._opening is not None:
            self._opening.close()
        self._transport.portals.leave()
