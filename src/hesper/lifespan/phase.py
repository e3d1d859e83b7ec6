"""How far a lifespan has come, and the event that tells of its end: `Phase`, `Closing`."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Generator
from typing import Any


class Phase(enum.StrEnum):
    """How far a lifespan has come."""

    NEW = "new"
    STARTING = "starting"
    READY = "ready"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"


class Closing:
    """Set once its lifespan turns to closing; `await` it to wait for that. Lives as long as it."""

    __slots__ = ("__weakref__", "_event")

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def is_set(self) -> bool:
        """Whether the lifespan is closing, or closed."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait until the lifespan turns to closing."""
        await self._event.wait()

    def __await__(self) -> Generator[Any, None, None]:
        return self.wait().__await__()

    def set(self) -> None:
        """Wake all that wait."""
        self._event.set()
