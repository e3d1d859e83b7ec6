"""The ways to run a loop from its start to its end, and resources that say what happens to them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import anyio
import anyio.lowlevel
import trio
import uvloop

T = TypeVar("T")


class Run(Protocol):
    """Runs a coroutine function on a loop of its own."""

    def __call__(self, main: Callable[[], Coroutine[Any, Any, T]], /) -> T: ...


def by_asyncio_run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(main())


def by_a_runner(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner() as runner:
        return runner.run(main())


def by_uvloop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return uvloop.run(main())


def by_anyio_on_asyncio(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return anyio.run(main)


def by_anyio_on_trio(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return anyio.run(main, backend="trio")


def by_trio(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return trio.run(main)


def with_eager_tasks(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    async def eagerly() -> T:
        if sys.version_info >= (3, 12):
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return await main()

    return asyncio.run(eagerly())


ON_ASYNCIO: dict[str, Run] = {
    "asyncio.run": by_asyncio_run,
    "asyncio.Runner": by_a_runner,
    "uvloop.run": by_uvloop,
    "anyio.run": by_anyio_on_asyncio,
    "eager tasks": with_eager_tasks,
}
ON_TRIO: dict[str, Run] = {"anyio.run on trio": by_anyio_on_trio, "trio.run": by_trio}


class Journal(list[str]):
    """What has happened, in order."""

    @asynccontextmanager
    async def resource(
        self, name: str, *, fails: BaseException | None = None
    ) -> AsyncIterator[str]:
        """Say when it is entered and exited; the exit needs the loop, and its own task."""
        task = anyio.get_current_task().id
        self.append(f"enter {name}")
        yield name
        await anyio.lowlevel.checkpoint()
        assert anyio.get_current_task().id == task, "exited in another task"
        self.append(f"exit {name}")
        if fails is not None:
            raise fails
