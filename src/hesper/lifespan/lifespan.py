"""One run of an app on one loop, from `lifespan.startup` to `lifespan.shutdown`: `Lifespan`.

Start: managers in the order given, start-up hooks in theirs, mounted apps. Stop: supervised tasks,
mounted apps in reverse, managers in reverse, shutdown hooks in the order given. Whatever fails,
everything that was opened is closed, once, in the task that opened it; errors come out together.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
import weakref
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from hesper._types import LIFESPAN_KEY, Application, Scope
from hesper.datastructures import ImmutableState, State
from hesper.handlers.mount import mount
from hesper.lifespan.course import Course
from hesper.lifespan.hooks import LifespanCall, Wanted, Whole, not_a_manager
from hesper.lifespan.host import Host, joined, raise_together, without_cancellation
from hesper.lifespan.mounted import MountedRun
from hesper.lifespan.phase import Closing, Phase
from hesper.lifespan.tasks import Tasks
from hesper.lifetime import BELONGS_TO
from hesper.registry import Details, Registry, live

logger: Final = logging.getLogger("hesper")

StateT = TypeVar("StateT", bound=ImmutableState)

_AT_REST: Final = frozenset({Phase.NEW, Phase.CLOSED, Phase.FAILED})
"""The phases in which a lifespan has nothing but its connections."""

_ENTERED: Final[Registry[object]] = Registry()
"""The manager objects that lifespans have entered; some can be entered once only."""


class Lifespan:
    """One run of an app on one loop; lives from its start-up to its shutdown.

    Made by the server's lifespan protocol, and by `async with app.lifespan() as lifespan:`. It can
    run once.

    Args:
        app: The app that runs.
        state: The state that this lifespan starts with, its own.
        course: What it goes through.
        siblings: The running lifespans of the same app.
    """

    __slots__ = (
        "__weakref__",
        "_closing",
        "_context",
        "_course",
        "_ending",
        "_errors",
        "_hooks_reached",
        "_hosts",
        "_mounted",
        "_names",
        "_opening",
        "_own_variables",
        "_siblings",
        "_tasks",
        "app",
        "in_flight",
        "loop",
        "phase",
        "serves",
        "state",
        "variables",
    )

    app: Application
    """The app that runs."""
    state: State
    """What this run of the app knows; gone after shutdown."""
    phase: Phase
    """How far it has come."""
    loop: asyncio.AbstractEventLoop | None
    """The loop it runs on, once it has been started."""
    serves: Application | None
    """The app while connections are served in this lifespan; else `None`."""
    in_flight: dict[int, Scope]
    """The scopes of the connections that are being served, by identity."""
    variables: tuple[tuple[ContextVar[Any], Any], ...]
    """The context variables that are set for each connection."""

    def __init__(
        self, app: Application, state: State, course: Course, siblings: Registry[Lifespan]
    ) -> None:
        self.app = app
        self.state = state
        self.phase = Phase.NEW
        self.loop = None
        self.serves = None
        self.in_flight = {}
        self.variables = ()
        self._course = course
        self._siblings = siblings
        self._hosts: list[Host] = []
        self._mounted: list[tuple[mount, MountedRun]] = []
        self._errors: list[BaseException] = []
        self._opening: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._names: Mapping[str, Any] | None = None
        self._own_variables: tuple[tuple[ContextVar[Any], Any], ...] = ()
        self._hooks_reached = False

    def __repr__(self) -> str:
        return f"<Lifespan {self.phase} of {self.app!r}>"

    @property
    def closing(self) -> Closing:
        """Set as soon as the lifespan turns to closing; `await` it to wait for that."""
        return self._started()._closing

    @property
    def tasks(self) -> Tasks:
        """Work that goes on as long as the lifespan."""
        return self._started()._tasks

    def _started(self) -> Self:
        if self.phase is Phase.NEW:
            raise RuntimeError("the lifespan has not been started; use `async with lifespan:`")
        return self

    @property
    def connections(self) -> tuple[Scope, ...]:
        """The scopes of the connections that are being served now."""
        return tuple(self.in_flight.values())

    @property
    def namespace(self) -> dict[str, Any]:
        """What each connection is given a copy of as its `scope["state"]`.

        The names are those set while starting: a server has copied them by then, so one that is
        bound later is seen through the lifespan's state alone, whatever the server offers.
        """
        names = self.state.dict() if self._names is None else self._names
        return {**names, LIFESPAN_KEY: self}

    def state_as(self, kind: type[StateT]) -> StateT:
        """Return the state as an instance of *kind*, over the same data."""
        return kind.over(self.state._data)

    def namespace_of(self, mounted: object) -> Mapping[str, Any]:
        """Return what a mounted app has set in its own namespace while it started."""
        return next((run.state for mount_, run in self._mounted if mount_ is mounted), {})

    async def start(self) -> None:
        """Enter the managers, run the start-up hooks, start mounted apps.

        Raises:
            BaseException: What failed, with a note that names it, or a group with what failed
                while the rest was closed again.
            RuntimeError: It has been started before.
        """
        if self.phase is not Phase.NEW:
            raise RuntimeError(
                f"this lifespan is {self.phase}, and it can run once; call app.lifespan() for each"
            )
        self.phase = Phase.STARTING
        self.loop = asyncio.get_running_loop()
        before = copy_context()
        self._context = copy_context()
        self._context.run(BELONGS_TO.set, weakref.ref(self))
        self._closing = Closing()
        self._tasks = Tasks(weakref.WeakMethod(self._end_after), self._context)
        self._opening = self.loop.create_task(self._open_or_die(), context=self._context)
        try:
            await joined(self._opening)
        except BaseException as error:
            self._errors.append(error)
        self._opening = None
        if self._errors:
            await self._finish()
        self._names = self.state.dict()
        self._own_variables = _changed(before, self._context)
        self.phase = Phase.READY
        self.serves = self.app
        self._siblings.add(self)
        live.add("lifespan", self)
        self._tell_siblings()

    async def _open_or_die(self) -> None:
        try:
            await self._open()
        except BaseException as error:
            if not self._errors:
                raise
            # Something that was open has died and cancelled this task: no error by itself.
            raise_together(without_cancellation(error), "failed to end")

    async def _open(self) -> None:
        for manager in self._course.managers:
            with _noting(f"raised when the lifespan manager {manager.name} was entered"):
                await self._enter(manager)
        self._hooks_reached = True
        for hook in self._course.on_startup:
            with _noting(f"raised by the start-up hook {hook.name}"):
                await self._run(hook)
        for path, mounted in self._course.mounts:
            run = MountedRun(path, mounted.app, required=mounted.lifespan == "required")
            await run.start()
            self._mounted.append((mounted, run))

    async def _enter(self, call: LifespanCall) -> None:
        manager = call.function if call.is_manager else self._called(call)
        if not isinstance(manager, AbstractAsyncContextManager):
            raise not_a_manager(manager)
        again = call.is_manager and manager in _ENTERED
        if call.is_manager:
            with suppress(TypeError):  # not every object can be referred to weakly
                _ENTERED.add(manager)
        host = Host(call.name, manager, self._context, weakref.WeakMethod(self._died))
        try:
            yielded = await host.enter()
        except Exception as error:
            if again:
                raise RuntimeError(
                    f"{call.name} was entered by an earlier lifespan, and could not be entered "
                    "again; give the app the function that makes it, not what the function returned"
                ) from error
            raise
        self._hosts.append(host)
        if isinstance(yielded, Mapping):
            self.state.update(yielded)

    async def _run(self, hook: LifespanCall) -> None:
        result = self._called(hook)
        if inspect.isawaitable(result):
            await result
        elif isinstance(result, (AbstractAsyncContextManager, AsyncGenerator, Generator)):
            raise TypeError(
                f"{hook.name} returned {type(result).__name__}, which a hook does not enter; put "
                "a function that makes an asynchronous context manager into lifespan=[...]"
            )

    def _called(self, call: LifespanCall) -> Any:
        positional = [self._given(wanted) for wanted in call.positional]
        keywords = {name: self._given(wanted) for name, wanted in call.keywords}
        return call.function(*positional, **keywords)

    def _given(self, wanted: Wanted) -> object:
        if isinstance(wanted, Whole):
            return self.app if wanted is Whole.APP else self
        return self.state_as(wanted)

    def _died(self, host: Host, error: BaseException | None) -> None:
        # A cancel scope that the manager holds open may have cancelled its task, and nobody else.
        died = error
        if died is None or isinstance(died, asyncio.CancelledError):
            died = RuntimeError(f"the lifespan manager {host.name} ended by itself")
        died.add_note(f"raised by the lifespan manager {host.name} while the lifespan ran")
        logger.error("the lifespan manager %s died", host.name, exc_info=died)
        self._hosts.remove(host)
        self._end_after(died)

    def _end_after(self, error: BaseException) -> None:
        """End the lifespan early; what it died of comes out when it is stopped."""
        self._errors.append(error)
        if self._opening is not None:
            self._opening.cancel()
        elif self.phase is Phase.READY:
            _ = self._end()

    def _end(self) -> asyncio.Task[None]:
        if self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.create_task(self._close(), context=self._context)
        return self._ending

    async def stop(self) -> None:
        """Cancel the tasks, stop mounted apps, exit the managers, run the shutdown hooks.

        All of it is done, whatever fails. One that has been stopped stays so.

        Raises:
            BaseException: The one error that there was, or a group of all.
            RuntimeError: It has not been started, or a task of its own waits for it.
        """
        if self.phase in {Phase.NEW, Phase.STARTING}:
            raise RuntimeError(
                f"this lifespan is {self.phase}, and what has not been started cannot be stopped; "
                "to give up a start, cancel the task that waits for it"
            )
        if asyncio.current_task() in self._tasks:
            raise RuntimeError(
                "a task of the lifespan cannot wait for the lifespan's end, which waits for it; "
                'let it raise, with on_failure="stop", to end the lifespan'
            )
        await self._finish()

    async def _finish(self, present: BaseException | None = None) -> None:
        """Close everything, and raise what failed.

        Args:
            present: The exception that is on its way out of the lifespan's block.
        """
        if self.phase in {Phase.CLOSED, Phase.FAILED}:
            return
        failed_start = self.phase is Phase.STARTING
        known = [*self._errors, *([] if present is None else [present])]
        told = next((error for error in known if isinstance(error, asyncio.CancelledError)), None)
        known.clear()
        try:
            await joined(self._end(), told)
        except BaseException as error:
            self._errors.append(error)
        finally:
            del told
        self.phase = Phase.FAILED if failed_start else Phase.CLOSED
        errors, self._errors = self._errors, []
        self._ending = None
        if errors and present is not None:
            errors.insert(0, present)
        del present
        raise_together(errors, "the lifespan failed in several places")

    async def _close(self) -> None:
        if self.phase is not Phase.STARTING:
            self.phase = Phase.CLOSING
        self._closing.set()
        self.serves = None
        self._siblings.discard(self)
        live.discard("lifespan", self)
        self._tell_siblings()
        with _Collecting(self._errors, "raised when the tasks were cancelled"):
            await self._tasks.cancel()
        while self._mounted:
            _, run = self._mounted.pop()
            with _Collecting(
                self._errors, f"raised when the app mounted at {run.path} was stopped"
            ):
                await run.stop()
        while self._hosts:
            host = self._hosts.pop()
            with _Collecting(
                self._errors, f"raised when the lifespan manager {host.name} was exited"
            ):
                await host.exit()
        for hook in self._course.on_shutdown if self._hooks_reached else ():
            with _Collecting(self._errors, f"raised by the shutdown hook {hook.name}"):
                await self._run(hook)
        self.state = State()
        self._names = None

    def _tell_siblings(self) -> None:
        """Have connections carry their lifespan while several of one app share a loop."""
        together = [sibling for sibling in self._siblings if sibling.loop is self.loop]
        for sibling in together:
            mine = ((BELONGS_TO, weakref.ref(sibling)),) if len(together) > 1 else ()
            sibling.variables = (*sibling._own_variables, *mine)

    def describe(self) -> tuple[str, Details]:
        """Return what `hesper.live` shows of the lifespan."""
        name = f"lifespan of {type(self.app).__name__} at {id(self.app):#x}"
        return name, {"phase": str(self.phase), "connections": len(self.in_flight)}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._finish(error)
        finally:
            del error

    def __del__(self) -> None:
        if self.phase in {Phase.STARTING, Phase.READY}:
            warnings.warn(
                f"{self!r} was dropped before it was stopped, so its exits have not run; "
                "use `async with app.lifespan():`, or await its stop()",
                ResourceWarning,
                stacklevel=1,
                source=self,
            )


def current_lifespan() -> Lifespan | None:
    """Return the lifespan that the caller's context belongs to, if any.

    One that has ended is none any more: where a client calls the app in its own task, the context
    outlasts the connection.
    """
    reference = BELONGS_TO.get(None)
    lifespan: Lifespan | None = None if reference is None else reference()
    if lifespan is None or (lifespan.phase in _AT_REST and not lifespan.in_flight):
        return None
    return lifespan


def _changed(before: Context, after: Context) -> tuple[tuple[ContextVar[Any], Any], ...]:
    absent = object()
    return tuple(
        (variable, value)
        for variable, value in after.items()
        if variable is not BELONGS_TO and before.get(variable, absent) is not value
    )


class _Collecting:
    """Appends what its block raises to *errors*, with a note, and goes on.

    A generator would leave its frame in the traceback and, where CPython links the frame of one
    that has ended to its caller's (3.12 and early 3.13), the exception in a cycle.
    """

    __slots__ = ("_errors", "_note")

    def __init__(self, errors: list[BaseException], note: str) -> None:
        self._errors = errors
        self._note = note

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None:
            error.add_note(self._note)
            self._errors.append(error)
        return True


@contextmanager
def _noting(note: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(note)
        raise
