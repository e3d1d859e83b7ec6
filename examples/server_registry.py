"""Who is alive? A registry of servers that lists them all and keeps none of them.

Four apps have three servers each. The registry knows all twelve as long as somebody holds the
apps, and nobody has to tell it when they go.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

from hesper import Hesper, get
from hesper.datastructures import State
from hesper.registry import Registry

COMPONENTS: Final = ("web", "worker", "database")


class ServerRegistry:
    """The servers that are alive now."""

    def __init__(self) -> None:
        self._servers: Registry[Server] = Registry()

    def add(self, server: Server) -> None:
        """List *server* as long as it is alive."""
        self._servers.add(server)

    @property
    def servers(self) -> set[Server]:
        """A copy, which does hold the servers as long as it is held itself."""
        return set(self._servers)

    @property
    def server_count(self) -> int:
        """How many there are."""
        return len(self._servers)


registry: Final = ServerRegistry()


@dataclass(eq=False, slots=True, weakref_slot=True)
class Server:
    """A machine; lives as long as the app that it was created for."""

    role: str
    provider: str

    @classmethod
    def create(cls, role: str, provider: str = "aws") -> Server:
        """Return a new server, which the registry lists."""
        server = cls(role, provider)
        registry.add(server)
        return server


@get("/")
async def servers(state: State) -> list[str]:
    """Say what the app runs on."""
    return [f"{server.role} at {server.provider}" for server in state.servers]


def create_app() -> Hesper:
    """Return an app with a server for each of its components."""
    return Hesper([servers], state={"servers": [Server.create(role) for role in COMPONENTS]})


def deploy() -> int:
    """Make four apps, and return how many servers there are while they exist."""
    apps = [create_app() for _ in range(4)]
    assert len(apps) * len(COMPONENTS) == len(registry.servers)
    return registry.server_count


if __name__ == "__main__":
    sys.stdout.write(f"{deploy()} servers while there were apps\n")
    sys.stdout.write(f"{registry.server_count} servers now\n")
