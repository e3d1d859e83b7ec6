"""Network addresses of clients and servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ("Address",)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Address:
    """Host and port of one end of a connection; it unpacks as `host, port = address`."""

    # No named tuple, which could not be weakly referenced.

    host: str
    """The host's name or number, or the path of a socket file."""
    port: int | None
    """The port; `None` for a socket file."""

    def __iter__(self) -> Iterator[str | int | None]:
        return iter((self.host, self.port))
