"""The app in a process that ends soon after the drain time, whatever its server waits for.

A server that has been told to stop may wait without limit: for a client that does not read what was
sent, for a task that ignores its cancellation, for a thread that is blocked. The lifespan waits for
none of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable
from typing import Final

from hesper._types import LIFESPAN_KEY, ASGIApp, Message, Receive, Scope, Send
from hesper.app import Hesper
from hesper.cli.serve import SHUTDOWN_FAILED
from hesper.lifespan import drain
from hesper.lifespan.lifespan import Lifespan
from hesper.lifespan.phase import Phase

__all__ = ("ending_with_its_lifespan",)

logger: Final = logging.getLogger("hesper")

PAUSE: Final = 0.05
"""Seconds between two looks at whether the server has ended."""

LAST_WORDS: Final = 0.25
"""Seconds after those of the drain that the server is given to end by itself."""


def ending_with_its_lifespan(app: Hesper) -> ASGIApp:
    """Return *app*, whose process ends when its lifespan and the drain time have.

    Args:
        app: The app.
    """

    def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        is_lifespan = scope["type"] == "lifespan"
        return (
            _serve_lifespan(app, scope, receive, send) if is_lifespan else app(scope, receive, send)
        )

    return serve


async def _serve_lifespan(app: Hesper, scope: Scope, receive: Receive, send: Send) -> None:
    end: _End | None = None

    async def noting(message: Message) -> None:
        nonlocal end
        if message["type"] == "lifespan.startup.complete":
            end = _End(scope["state"][LIFESPAN_KEY])
        elif message["type"] == "lifespan.shutdown.failed" and end is not None:
            end.status = SHUTDOWN_FAILED
        await send(message)

    await app(scope, receive, noting)


class _End:
    """The end of the process; lives as long as the lifespan is served, or as its own thread.

    Args:
        lifespan: The lifespan, in its loop.
    """

    __slots__ = ("__weakref__", "_lifespan", "_loop", "status")

    def __init__(self, lifespan: Lifespan) -> None:
        self._lifespan = lifespan
        self._loop = asyncio.get_running_loop()
        self.status = 0
        """What the process ends with."""
        if lifespan.closing.is_set():  # it was told to stop while it started
            self.turned()
        else:
            lifespan.closing.tell(self)

    def turned(self) -> None:
        """Look after the end from now on."""
        # A thread: the loop may be ending, and wait for what does not. It keeps nothing alive.
        threading.Thread(target=self._wait, name="hesper: end of the process", daemon=True).start()

    def _wait(self) -> None:
        patience = self._lifespan.drain_timeout + drain.LAST_WORDS + LAST_WORDS
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            time.sleep(PAUSE)
            if self._loop.is_closed():
                return
            if self._lifespan.phase is not Phase.CLOSED:
                deadline = max(deadline, time.monotonic() + LAST_WORDS)
        logger.warning("the server still waits after the drain time; its process ends")
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.status)
