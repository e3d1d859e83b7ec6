"""Hearing the signals that tell a server to stop, without taking them from the server.

* A handler that is installed is called as before, after ours; one that is ignored stays without
  effect. Where the system's default is in place, which ends the process, nothing is done.
* `signal.signal` alone: `loop.add_signal_handler` would replace the server's own.
* A handler of ours is taken away only while it is the one installed. Under another it stays, and
  does nothing but call the one before it.
"""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final, Protocol

_NUMBERS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
"""What servers take as being told to stop; SIGBREAK is Windows' own."""


class Hearer(Protocol):
    """What is told that the server has been told to stop."""

    def heard(self) -> None:
        """Act on it; called in a signal handler, between any two instructions of the loop."""
        ...


class _Link:
    """A signal handler before another; lives as long as it is installed.

    Args:
        previous: The handler that it stands before.
    """

    __slots__ = ("__weakref__", "hearers", "previous")

    def __init__(
        self, previous: Callable[[int, FrameType | None], object] | signal.Handlers
    ) -> None:
        self.previous = previous
        # Replaced as a whole, never changed: a signal may come at any moment.
        self.hearers: tuple[weakref.ref[Hearer], ...] = ()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        for reference in self.hearers:
            hearer = reference()
            if hearer is not None:
                hearer.heard()
        if callable(self.previous):
            self.previous(number, frame)


def hear_signals(hearer: Hearer) -> None:
    """Tell *hearer* of the signals, as long as it lives; outside the main thread, of none."""
    if not _in_main_thread():
        return
    for number in _NUMBERS:
        handler = signal.getsignal(number)
        if isinstance(handler, _Link):
            handler.hearers = (*_alive(handler), weakref.ref(hearer))
        elif handler is signal.SIG_IGN or callable(handler):
            link = _Link(handler)
            link.hearers = (weakref.ref(hearer),)
            with suppress(ValueError):  # as in an interpreter besides the main one
                signal.signal(number, link)


def forget_signals(hearer: Hearer) -> None:
    """Tell *hearer* no more, and take away the handlers that nobody needs any longer."""
    if not _in_main_thread():
        return
    for number in _NUMBERS:
        handler = top = signal.getsignal(number)
        while isinstance(handler, _Link):
            handler.hearers = tuple(known for known in _alive(handler) if known() is not hearer)
            handler = handler.previous
        needed = top
        while isinstance(needed, _Link) and not needed.hearers:
            needed = needed.previous
        if needed is not top:
            signal.signal(number, needed)


def _in_main_thread() -> bool:
    """Whether this is where signal handlers run; Python lets nobody else install them."""
    return threading.current_thread() is threading.main_thread()


def _alive(link: _Link) -> tuple[weakref.ref[Hearer], ...]:
    return tuple(reference for reference in link.hearers if reference() is not None)
