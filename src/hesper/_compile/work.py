"""Do the background work of one route, after its responses: `Worker`."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeAlias

from hesper._compile.injected import write_work
from hesper._compile.reply import Background
from hesper._plan.plan import Plan
from hesper._types import LIFESPAN_KEY, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask, BackgroundTasks, InjectedTask
from hesper.lifetime import belong

logger: Final = logging.getLogger("hesper")

_Work: TypeAlias = Callable[..., Awaitable[None]]


class Worker:
    """Does background work, its further arguments injected; lives as long as its endpoint.

    Args:
        plan: What start-up knows about the route.
    """

    __slots__ = ("__weakref__", "_plan", "_written")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # By function, weakly: many are made for one request.
        self._written: weakref.WeakKeyDictionary[Any, dict[Any, _Work]]
        self._written = weakref.WeakKeyDictionary()

    async def __call__(self, work: Background, scope: Scope, receive: Receive, send: Send) -> None:
        """Do *work*; what fails is logged and counted, and reaches nobody else."""
        if work is None:
            return
        belong(scope)  # plain functions run in threads

        async def do(task: BackgroundTask) -> None:
            if isinstance(task, InjectedTask):
                written = self._function(task)
                await written(scope, receive, send, task.fn, task.args, task.kwargs)
            else:
                await task()

        try:
            await (work.run(do) if isinstance(work, BackgroundTasks) else do(work))
        except Exception:
            scope["state"][LIFESPAN_KEY].background_failures += 1
            logger.exception("background work of %s raised", self._plan.label)

    def _function(self, task: InjectedTask) -> _Work:
        """Return the function that calls what *task* calls, with what it takes besides."""
        known = self._known(getattr(task.fn, "__func__", task.fn))
        place = (hasattr(task.fn, "__func__"), len(task.args), frozenset(task.kwargs))
        if place not in known:
            step, providers = self._plan.at_hand.work(partial(task.fn, *task.args, **task.kwargs))
            source = write_work(self._plan.with_providers(providers), step)
            known[place] = source.build("work", f"{self._plan.label} {step.name}")
        return known[place]

    def _known(self, function: Any) -> dict[Any, _Work]:
        try:
            return self._written.setdefault(function, {})
        except TypeError:  # it has no hash, or cannot be referred to weakly
            return {}
