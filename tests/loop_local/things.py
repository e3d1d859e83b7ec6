"""What factories make, and two of them."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from hesper import loop_local


class Thing:
    """Made by factories; equal only to itself."""

    def __init__(self, name: str = "one", *, size: int = 1) -> None:
        self.name = name
        self.size = size


@loop_local.singleton
def make(name: str = "one", /, size: int = 1, *rest: int, color: str = "red", **more: int) -> Thing:
    return Thing(name, size=size)


@loop_local.singleton
async def connect(name: str = "one", *, size: int = 1) -> Thing:
    loop_local.storage()["calls"] = loop_local.storage().get("calls", 0) + 1
    await anyio.lowlevel.checkpoint()
    return Thing(name, size=size)
