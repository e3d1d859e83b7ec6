"""Work to do after a response has been sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, ParamSpec

from hesper.concurrency import in_thread, is_async_callable

__all__ = ("BackgroundTask", "BackgroundTasks", "background")

P = ParamSpec("P")


class BackgroundTask:
    """One call to make after a response has been sent.

    It lives as long as the response, and may be awaited with `await task()` more than once.

    Args:
        fn: What to call: a coroutine function, or a function that then runs in a thread.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.
    """

    __slots__ = ("__weakref__", "args", "fn", "kwargs")

    def __init__(
        self, fn: Callable[P, Awaitable[Any] | Any], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        self.fn: Callable[..., Any] = fn
        self.args: tuple[Any, ...] = args
        self.kwargs: dict[str, Any] = kwargs

    async def __call__(self) -> None:
        """Make the call, and wait until it has ended.

        Raises:
            BaseException: Whatever the function raises.
        """
        if is_async_callable(self.fn):
            await self.fn(*self.args, **self.kwargs)
        else:
            await in_thread(self.fn, *self.args, **self.kwargs)


class InjectedTask(BackgroundTask):
    """What `background` returns: a call whose further arguments are injected when it is made."""

    __slots__ = ()


def background(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> BackgroundTask:
    """Return a call to make after a response, with dependencies of its own.

    It goes wherever a `BackgroundTask` does. What *fn* takes besides *args* and *kwargs* is
    injected, as for a handler: values of one call are made for it alone, and exited after it.

    Args:
        fn: What to call: a coroutine function, or a function that then runs in a thread.
        *args: Its leading arguments.
        **kwargs: Arguments by name.
    """
    return InjectedTask(fn, *args, **kwargs)


class BackgroundTasks:
    """Several calls to make after a response has been sent.

    They live as long as the response. One after another, a call that fails leaves those after it
    undone.

    Args:
        tasks: The calls.
        run_in_task_group: Make them at the same time; if one fails, the others are cancelled.
    """

    __slots__ = ("__weakref__", "run_in_task_group", "tasks")

    def __init__(self, tasks: Iterable[BackgroundTask], run_in_task_group: bool = False) -> None:
        self.tasks = list(tasks)
        self.run_in_task_group = run_in_task_group

    async def __call__(self) -> None:
        """Make the calls, and wait until all have ended.

        Raises:
            ExceptionGroup: What failed, if they are made at the same time; else the first
                exception as it is.
        """
        await self.run(_call)

    async def run(self, do: Callable[[BackgroundTask], Coroutine[Any, Any, object]]) -> None:
        """Have *do* make each call, in turn or at the same time; else like calling this object."""
        if not self.run_in_task_group:
            for task in self.tasks:
                await do(task)
            return
        from anyio import create_task_group  # here, as it is slow to load

        async with create_task_group() as group:
            for task in self.tasks:
                group.start_soon(do, task)


async def _call(task: BackgroundTask) -> None:
    await task()
