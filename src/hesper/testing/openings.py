"""What is opened while somebody watches, and where: `noted`, `Opening`.

Nobody watches but the pytest plugin's check for leaks; without it nothing is noted, and asking
costs one look at a name.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Protocol, TypeAlias

__all__ = (
    "CALLED_FROM",
    "WITHIN",
    "Frame",
    "Opening",
    "Watch",
    "calling_frames",
    "calling_from",
    "noted",
    "watch",
)

Frame: TypeAlias = tuple[str, int, str]
"""A file, a line in it, and the function that the line is in."""

CALLED_FROM: Final[ContextVar[tuple[Frame, ...]]] = ContextVar("hesper_called_from", default=())
"""The frames that led to this task or thread, outermost first; set only while somebody watches."""

WITHIN: Final[ContextVar[Opening | None]] = ContextVar("hesper_within", default=None)
"""The lifespan or the server inside of which something is opened; set only while somebody watches.

Where that is left, what is inside goes without saying.
"""

# Whose frames say nothing about where a test opened something.
_MACHINERY: Final = frozenset(
    {
        "_pytest",
        "anyio",
        "execnet",
        "hesper",
        "httpx2",
        "hypothesis",
        "pluggy",
        "pytest",
        "pytest_asyncio",
        "starlette",
        "uvicorn",
        "xdist",
    }
)
_INSTALLED: Final = tuple({sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib")})
_STANDARD: Final = sysconfig.get_path("stdlib") + os.sep
_PACKAGE: Final = str(Path(__file__).parents[1]) + os.sep


class Opening:
    """One thing that was opened, and is to be closed again; lives as long as the watch.

    Args:
        kind: What kind of thing it is.
        name: What tells it apart from others of its kind.
        frames: The frames that led to it, outermost first.
        is_open: Whether it is open still, as far as nobody has said that it is closed.
    """

    __slots__ = (
        "__weakref__",
        "closed",
        "frames",
        "is_open",
        "kind",
        "loop",
        "name",
        "thread",
        "thread_name",
        "within",
    )

    def __init__(
        self,
        kind: str,
        name: str,
        frames: tuple[Frame, ...],
        is_open: Callable[[], bool] | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.frames = frames
        self.is_open = is_open
        self.within = WITHIN.get()
        self.closed = False
        """Whether it has been said to be closed."""
        self.loop: int | None = None
        """The identity of the loop it runs on, if it ends with that."""
        thread = threading.current_thread()
        self.thread = thread.ident
        self.thread_name = thread.name

    @property
    def is_left(self) -> bool:
        """Whether it is open."""
        return not self.closed and (self.is_open is None or self.is_open())

    def close(self, *_: object) -> None:
        """Say that it is closed."""
        self.closed = True


class Watch(Protocol):
    """Whoever wants to know what is opened."""

    def opened(self, opening: Opening) -> None:
        """Take note of *opening*."""
        ...


class _Watching:
    """Where the watch is, if there is one; lives as long as the process."""

    __slots__ = ("watch",)

    def __init__(self) -> None:
        self.watch: Watch | None = None


watch: Final = _Watching()
"""Who watches now, if anybody."""


def noted(kind: str, name: str, is_open: Callable[[], bool] | None = None) -> Opening | None:
    """Note that something has been opened by the caller; nothing if nobody watches.

    Args:
        kind: What kind of thing it is.
        name: What tells it apart from others of its kind.
        is_open: Whether it is open still.
    """
    watching = watch.watch
    if watching is None:
        return None
    opening = Opening(kind, name, calling_frames(), is_open)
    watching.opened(opening)
    return opening


@contextmanager
def calling_from() -> Iterator[None]:
    """Let what is opened for the block by another thread say that the caller did it."""
    if watch.watch is None:
        yield
        return
    token = CALLED_FROM.set(calling_frames())
    try:
        yield
    finally:
        CALLED_FROM.reset(token)


def calling_frames() -> tuple[Frame, ...]:
    """Return the frames of the caller that are not the machinery of tests, outermost first."""
    frame = sys._getframe(1)
    own: list[Frame] = []
    while frame is not None:
        code = frame.f_code
        if not _is_machinery(code.co_filename):
            own.append((code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back  # type: ignore[assignment] # None ends the loop
    return (*CALLED_FROM.get(), *reversed(own))


def _is_machinery(file: str) -> bool:
    if file.startswith((_PACKAGE, "<")):
        return True
    for folder in _INSTALLED:
        if file.startswith(folder):
            return file.removeprefix(folder).partition(os.sep)[0].removesuffix(".py") in _MACHINERY
    return file.startswith(_STANDARD)
