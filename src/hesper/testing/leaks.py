"""What a test leaves behind: `LeakWatch`.

* Left is what is open when the test and its fixtures are done, or when the loop it runs on is
  closed by its runner, which would cancel it without a word.
* What is opened while a fixture of a wider scope is set up belongs to that fixture, not to a test.
* Hesper's own tasks are not told apart: each belongs to something that is watched itself.
* While nobody watches, everything here is as if it were not there.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from hesper._loop import LoopContainer
from hesper._signature import described
from hesper.lifespan.lifespan import Lifespan
from hesper.lifespan.phase import Phase
from hesper.registry import Live
from hesper.testing.openings import WITHIN, Opening, Watch, calling_frames, noted, watch

__all__ = ("LeakWatch",)

GRACE: Final = 0.5
"""Seconds that loops in other threads have to end what they are about to end."""

PAUSE: Final = 0.005
"""Seconds between two looks at what they have not ended yet."""

PASSES: Final = 10
"""How many passes a loop that is about to be closed gets, for tasks that are about to end."""

Around: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes a method that does something more than the one it is given."""

_RUNNING: Final[weakref.WeakKeyDictionary[Lifespan, Opening]] = weakref.WeakKeyDictionary()
"""The openings of lifespans that are noted by themselves."""

MANY: Final = 1000
"""How many openings are kept, at least, before those that are closed are forgotten."""

_TEST_RUNNERS: Final = ("hesper.", "anyio.", "pytest_asyncio.")


class LeakWatch:
    """Notes what is opened, and tells what is left; lives for one test."""

    def __init__(self) -> None:
        self._openings: list[Opening] = []
        self._many = MANY
        self._noting = threading.Lock()
        self._patches = ExitStack()
        self._loops: weakref.WeakKeyDictionary[asyncio.Runner, asyncio.AbstractEventLoop]
        self._loops = weakref.WeakKeyDictionary()
        self._left: list[Opening] = []
        self._outer: Watch | None = None
        self.pausing = False
        """Whether what is opened now belongs to something that outlives the test."""

    def __enter__(self) -> Self:
        self._outer, watch.watch = watch.watch, self
        replacements: dict[tuple[type[Any], str], Around] = {
            (Lifespan, "start"): _starting,
            (Live, "discard"): _discarding,
            (LoopContainer, "enter"): _entering,
            (LoopContainer, "defer"): _deferring,
            (asyncio.BaseEventLoop, "create_task"): _creating_task,
            (asyncio.Runner, "run"): self._running,
            (asyncio.Runner, "get_loop"): self._getting_loop,
            (asyncio.Runner, "close"): self._before_close,
        }
        for (owner, name), around in replacements.items():
            self._patches.enter_context(_replaced(owner, name, around))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._patches.close()
        watch.watch = self._outer

    def opened(self, opening: Opening) -> None:
        """Take note of *opening*."""
        if self.pausing:
            return
        with self._noting:
            if len(self._openings) >= self._many:
                self._openings[:] = [o for o in self._openings if not o.closed]
                self._many = max(MANY, 2 * len(self._openings))
            self._openings.append(opening)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let what is opened in the block belong to something that outlives the test."""
        before, self.pausing = self.pausing, True
        try:
            yield
        finally:
            self.pausing = before

    def left(self) -> list[Opening]:
        """Return what is left, in the order in which it was opened."""
        here, deadline = threading.get_ident(), time.monotonic() + GRACE
        while any(o.is_left for o in self._openings) and time.monotonic() < deadline:
            if not any(o.is_left and o.thread != here for o in self._openings):
                break
            time.sleep(PAUSE)
        left = [o for o in self._openings if o in self._left or o.is_left]
        return [o for o in left if not any(outer in left for outer in _around(o))]

    def _running(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return `asyncio.Runner.run`, which tells which loop the runner has."""

        @functools.wraps(run)
        def running(runner: asyncio.Runner, *args: Any, **kwargs: Any) -> Any:
            if asyncio._get_running_loop() is None:  # else the runner refuses, before it has a loop
                runner.get_loop()
            try:
                return run(runner, *args, **kwargs)
            except (KeyboardInterrupt, SystemExit):
                # Whoever interrupts a program does not ask what it leaves; the loop runs no more.
                self._loops.pop(runner, None)
                raise

        return running

    def _getting_loop(self, get_loop: Callable[..., Any]) -> Callable[..., Any]:
        """Return `asyncio.Runner.get_loop`, which tells which loop the runner has."""

        @functools.wraps(get_loop)
        def got(runner: asyncio.Runner) -> asyncio.AbstractEventLoop:
            loop: asyncio.AbstractEventLoop = get_loop(runner)
            self._loops[runner] = loop
            if not isinstance(loop, asyncio.BaseEventLoop) and loop.get_task_factory() is None:
                # Loops written in C, as uvloop's are, have no method to put another around.
                loop.set_task_factory(_task_factory)
            return loop

        return got

    def _before_close(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return `asyncio.Runner.close`, which first keeps what it is about to cancel."""

        @functools.wraps(original)
        def close(runner: asyncio.Runner) -> None:
            loop = self._loops.pop(runner, None)
            try:
                if loop is not None and not loop.is_closed() and not loop.is_running():
                    _settle(loop)
                    self._left += [o for o in self._openings if o.loop == id(loop) and o.is_left]
            finally:
                original(runner)

        return close


def _around(opening: Opening) -> Iterator[Opening]:
    """Yield what *opening* is inside of, innermost first."""
    outer = opening.within
    while outer is not None:
        yield outer
        outer = outer.within


def _settle(loop: asyncio.AbstractEventLoop) -> None:
    """Let tasks of *loop* end that are about to."""
    for _ in range(PASSES):
        if not asyncio.all_tasks(loop):
            break
        loop.run_until_complete(asyncio.sleep(0))


@contextmanager
def _replaced(owner: Any, name: str, around: Around) -> Iterator[None]:
    """Put something around a method of a class for the time of the block."""
    is_own = name in vars(owner)
    original = getattr(owner, name)
    setattr(owner, name, around(original))
    try:
        yield
    finally:
        if is_own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


def _starting(start: Callable[[Lifespan], Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    """Return `Lifespan.start`, which notes the lifespan once it has started."""

    @functools.wraps(start)
    async def started(lifespan: Lifespan) -> None:
        opening = Opening("lifespan", f"of {lifespan.app!r}", calling_frames())
        opening.loop = id(asyncio.get_running_loop())
        token = WITHIN.set(opening)
        try:
            await start(lifespan)
        finally:
            WITHIN.reset(token)
        if watch.watch is not None:
            _RUNNING[lifespan] = opening
            watch.watch.opened(opening)

    return started


def _discarding(discard: Callable[..., None]) -> Callable[..., None]:
    """Return `live.discard`, by which a lifespan says that it ends."""

    @functools.wraps(discard)
    def discarded(registry: Live, kind: str, member: Any) -> None:
        opening = _RUNNING.pop(member, None) if kind == "lifespan" else None
        if opening is not None:
            opening.is_open = _is_closing(weakref.ref(member))
        discard(registry, kind, member)

    return discarded


def _is_closing(reference: weakref.ref[Lifespan]) -> Callable[[], bool]:
    def is_closing() -> bool:
        lifespan = reference()
        return lifespan is not None and lifespan.phase is Phase.CLOSING

    return is_closing


class _Noted:
    """A context manager that says when it is exited; lives as long as its loop has it open."""

    __slots__ = ("_manager", "_opening")

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._opening = noted("loop-local resource", _called(manager))

    def __repr__(self) -> str:
        return repr(self._manager)

    async def __aenter__(self) -> Any:
        try:
            return await self._manager.__aenter__()
        except BaseException:
            self._close()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        try:
            return await self._manager.__aexit__(kind, error, trace)
        finally:
            self._close()

    def _close(self) -> None:
        if self._opening is not None:
            self._opening.close()


def _entering(enter: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Return `LoopContainer.enter`, which notes what is entered."""

    @functools.wraps(enter)
    def entered(
        container: LoopContainer, manager: Any, *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, Any]:
        return enter(container, _Noted(manager), *args, **kwargs)

    return entered


def _called(thing: Any) -> str:
    """Return how messages call a context manager or a callback."""
    inner = getattr(thing, "_acm", thing)
    function = getattr(inner, "func", None)  # of a partial, or what made a context manager
    return repr(inner) if function is None else described(function)


def _deferring(defer: Callable[..., None]) -> Callable[..., None]:
    """Return `LoopContainer.defer`, which notes the callback until it is called."""

    @functools.wraps(defer)
    def deferred(container: LoopContainer, callback: Callable[[], object]) -> None:
        defer(container, _NotedCallback(callback))

    return deferred


class _NotedCallback:
    """A callback that says when it is called; lives until it is."""

    __slots__ = ("_callback", "_opening")

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self._opening = noted("loop-local callback", _called(callback))

    def __repr__(self) -> str:
        return repr(self._callback)

    def __call__(self) -> object:
        if self._opening is not None:
            self._opening.close()
        return self._callback()


def _creating_task(create_task: Callable[..., asyncio.Task[Any]]) -> Callable[..., Any]:
    """Return `create_task` of loops, which notes the task."""

    @functools.wraps(create_task)
    def created(
        loop: asyncio.AbstractEventLoop, coroutine: Any, *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        return _with_note(create_task(loop, coroutine, *args, **kwargs), coroutine, loop)

    return created


def _task_factory(
    loop: asyncio.AbstractEventLoop, coroutine: Any, **kwargs: Any
) -> asyncio.Task[Any]:
    return _with_note(asyncio.Task(coroutine, loop=loop, **kwargs), coroutine, loop)


def _with_note(
    task: asyncio.Task[Any], coroutine: Any, loop: asyncio.AbstractEventLoop
) -> asyncio.Task[Any]:
    """Note *task*, unless it belongs to something that is noted, or to the runner of tests."""
    coroutine = _innermost(coroutine)
    if _module(coroutine).startswith(_TEST_RUNNERS):
        return task
    opening = noted("task", f"running {_named(coroutine)}", _is_pending(task))
    if opening is not None:
        opening.loop = id(loop)
        task.add_done_callback(opening.close)
    return task


def _innermost(coroutine: Any) -> Any:
    """Return *coroutine*, or the one that it runs on behalf of one of anyio's task groups."""
    if not _module(coroutine).startswith("anyio."):
        return coroutine
    handle = coroutine.cr_frame.f_locals.get("self")
    return getattr(handle, "_coro", coroutine)


def _module(coroutine: Any) -> str:
    frame = getattr(coroutine, "cr_frame", None)
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def _named(coroutine: Any) -> str:
    return str(getattr(coroutine, "__qualname__", repr(coroutine)))


def _is_pending(task: asyncio.Task[Any]) -> Callable[[], bool]:
    reference = weakref.ref(task)

    def is_pending() -> bool:
        alive = reference()
        # One that has been cancelled is not left: somebody has seen to its end.
        return alive is None or not (alive.done() or alive.cancelling())

    return is_pending
