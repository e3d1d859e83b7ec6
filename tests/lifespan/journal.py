"""What happens in a lifespan, written down in order: `Journal`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from hesper._types import ASGIApp, Receive, Scope, Send

F = TypeVar("F", bound=Callable[..., object])
Manager = Callable[[], AbstractAsyncContextManager[None]]


class RefusalError(Exception):
    """An error that a test asks for."""


class Journal(list[str]):
    """What happened, in order; makes the managers, hooks and apps that write in it."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        """The managers that have been entered."""
        self.closed: list[str] = []
        """The managers that have been exited."""

    def manager(
        self, name: str, *, enters: BaseException | None = None, exits: BaseException | None = None
    ) -> Manager:
        """Return a manager; it fails to enter, or to exit, with what is given."""

        @asynccontextmanager
        async def manage() -> AsyncIterator[None]:
            task = asyncio.current_task()
            self.append(f"enter {name}")
            await asyncio.sleep(0)
            if enters is not None:
                raise enters
            self.opened.append(name)
            try:
                yield
            finally:
                self.closed.append(name)
                await asyncio.sleep(0)
                self.append(f"exit {name}")
                assert asyncio.current_task() is task, f"{name} is exited in another task"
                if exits is not None:
                    raise exits

        return _named(manage, name)

    def hook(self, name: str, *, fails: BaseException | None = None) -> Callable[[], None]:
        """Return a synchronous hook."""

        def hook() -> None:
            self.append(name)
            if fails is not None:
                raise fails

        return _named(hook, name)

    def async_hook(
        self, name: str, *, fails: BaseException | None = None
    ) -> Callable[[], Awaitable[None]]:
        """Return an asynchronous hook."""

        async def hook() -> None:
            await asyncio.sleep(0)
            self.append(name)
            if fails is not None:
                raise fails

        return _named(hook, name)

    def app(self, name: str, *, starts: str = "complete", stops: str = "complete") -> ASGIApp:
        """Return an ASGI app that knows the lifespan protocol, and answers it as it is told."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["type"] == "lifespan"
            assert (await receive())["type"] == "lifespan.startup"
            self.append(f"start {name}")
            await send({"type": f"lifespan.startup.{starts}", "message": f"{name} cannot start"})
            if starts == "failed":
                return
            assert (await receive())["type"] == "lifespan.shutdown"
            self.append(f"stop {name}")
            await send({"type": f"lifespan.shutdown.{stops}", "message": f"{name} cannot stop"})

        return app


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group and in the groups inside, and any other error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def notes(error: BaseException) -> str:
    """Return the notes of an error, a line each."""
    return "\n".join(getattr(error, "__notes__", ()))


def _named(function: F, name: str) -> F:
    function.__qualname__ = function.__name__ = name
    return function
