"""Answer the server's lifespan protocol (ASGI, Lifespan Protocol 2.0) with one lifespan.

Who runs a server may give another drain time than the app does, in the environment: servers have
worker processes, and no other way to tell them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hesper._loop import present_container
from hesper._types import Message, Receive, Scope, Send
from hesper.lifespan.host import raise_together
from hesper.lifespan.lifespan import Lifespan, current_lifespan
from hesper.lifespan.phase import Phase
from hesper.registry import Registry, live

logger: Final = logging.getLogger("hesper")

DRAIN_TIMEOUT: Final = "HESPER_DRAIN_TIMEOUT"
"""The variable of the environment with the seconds that go before the app's `drain_timeout`."""

_SERVED: Final[Registry[Lifespan]] = Registry()
"""The lifespans that servers run, from before they start until after they have stopped."""


async def serve_lifespan(lifespan: Lifespan, scope: Scope, receive: Receive, send: Send) -> None:
    """Run *lifespan* as the server asks.

    Args:
        lifespan: A new one.
        scope: The scope of type `lifespan`.
        receive: Waits for the server's next event.
        send: Answers the server.
    """
    await receive()
    _begin(lifespan)
    is_mounted = _is_within_another()

    async def start() -> None:
        try:
            lifespan.drain_timeout = _drain_timeout(lifespan.drain_timeout)
            await lifespan.start()
        except BaseException as error:
            await _end(lifespan, [error], is_mounted=is_mounted)

    async def stop() -> None:
        errors: list[BaseException] = []
        try:
            await lifespan.stop()
        except BaseException as error:
            errors.append(error)
        await _end(lifespan, errors, is_mounted=is_mounted)

    if not await _answered(start, "startup", send):
        return
    offered = scope.get("state")
    if offered is not None:
        offered.update(lifespan.namespace)
    try:
        await send({"type": "lifespan.startup.complete"})
        asked = await _asked(lifespan, receive, is_mounted=is_mounted)
    except BaseException:
        # The server is gone, or gives up waiting: what was opened is closed all the same.
        lifespan.begin_closing(within=0)
        await stop()
        raise

    async def send_when_asked(message: Message) -> None:
        await asked
        await send(message)

    if await _answered(stop, "shutdown", send_when_asked):
        await send_when_asked({"type": "lifespan.shutdown.complete"})


async def _asked(
    lifespan: Lifespan, receive: Receive, *, is_mounted: bool
) -> asyncio.Future[Message]:
    """Wait until the server asks for the shutdown, or is overdue; return what waits for it.

    A server that has been told to stop may wait without limit for a client that does not read. The
    exits run nevertheless, before somebody loses patience and kills the process. A mounted app
    relies on the outer one, whose drain time may be longer.
    """
    asked: asyncio.Future[Message] = asyncio.ensure_future(receive())
    waiting: set[asyncio.Future[Any]] = {asked}
    if not is_mounted:
        waiting.add(asyncio.ensure_future(lifespan.outlast_drain()))
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        asked.cancel()
        raise
    finally:
        for overdue in waiting - {asked}:
            overdue.cancel()
    if asked.done():
        asked.result()
    return asked


def _drain_timeout(of_the_app: float) -> float:
    given = os.environ.get(DRAIN_TIMEOUT)
    if not given:
        return of_the_app
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{DRAIN_TIMEOUT} is {given!r} in the environment; give it seconds")
    return seconds


def _begin(lifespan: Lifespan) -> None:
    container = present_container()
    if container is not None and not _on_this_loop():
        # Whoever used the loop before there was a server on it goes on using it afterwards.
        container.is_borrowed = container.is_used
    _SERVED.add(lifespan)


async def _end(lifespan: Lifespan, errors: list[BaseException], *, is_mounted: bool) -> None:
    """Close what belongs to the loop, if its last lifespan has ended, and raise what failed.

    A server may end its loop without giving anybody a chance to clean up.
    """
    _SERVED.discard(lifespan)
    container = present_container()
    is_last = not is_mounted and not _on_this_loop()
    if container is not None and is_last and not container.is_borrowed:
        try:
            await container.aclose()
        except BaseException as error:
            errors.append(error)
    raise_together(errors, "the lifespan and the loop failed to end")


def _is_within_another() -> bool:
    """Whether the running lifespan of another app mounts this one, and ends after it."""
    outer = current_lifespan()
    return outer is not None and outer.phase not in {Phase.NEW, Phase.CLOSED, Phase.FAILED}


def _on_this_loop() -> bool:
    """Whether a lifespan runs on this loop."""
    loop = asyncio.get_running_loop()
    return any(
        isinstance(other, Lifespan) and other.loop is loop
        for other in (*_SERVED, *live.members("lifespan"))
    )


async def _answered(step: Callable[[], Awaitable[None]], name: str, send: Send) -> bool:
    """Take one step; if it fails, tell the server and the log. Return whether it went well."""
    try:
        await step()
    except BaseException as error:
        logger.error("%s failed", name, exc_info=error)
        await send({"type": f"lifespan.{name}.failed", "message": _described(error)})
        if not isinstance(error, Exception):
            raise
        return False
    return True


def _described(error: BaseException) -> str:
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    text = f"{type(error).__name__}: {error}{notes}"
    if isinstance(error, BaseExceptionGroup):
        text += "".join(f"\n  {_described(inner)}" for inner in error.exceptions)
    return text
