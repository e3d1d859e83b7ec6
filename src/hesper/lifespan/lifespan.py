"""One run of an app on one loop, from `lifespan.startup` to `lifespan.shutdown`: `Lifespan`.

Start: values of the loop that are needed, managers in the order given, values of the lifespan in
the order of their graph, start-up hooks, mounted apps. Stop: connections and supervised tasks
(`hesper.lifespan.drain`), mounted apps in reverse, values in reverse, managers in reverse, shutdown
hooks in the order given. Whatever fails, everything that was opened is closed, once, in the task
that opened it; errors come out together.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
import weakref
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import Context, ContextVar, copy_context
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack, overload

import hesper._late as late
from hesper._plan.graph import Step
from hesper._types import LIFESPAN_KEY, Application
from hesper.datastructures.state import ImmutableState, State
from hesper.lifespan.collecting import Collecting, noting
from hesper.lifespan.course import Course
from hesper.lifespan.drain import Drain
from hesper.lifespan.hooks import LifespanCall, Wanted, Whole, not_a_manager
from hesper.lifespan.host import Host, joined, raise_together, without_cancellation
from hesper.lifespan.phase import Phase
from hesper.lifespan.signals import forget_signals, hear_signals
from hesper.lifespan.tasks import Tasks
from hesper.lifespan.turning import Turning
from hesper.lifespan.values import Values
from hesper.lifetime import BELONGS_TO, Lifetime
from hesper.registry import Details, Registry, live

logger: Final = logging.getLogger("hesper")

StateT = TypeVar("StateT", bound=ImmutableState)
T = TypeVar("T")

_AT_REST: Final = frozenset({Phase.NEW, Phase.CLOSED, Phase.FAILED})
"""The phases in which a lifespan has nothing but its connections."""

_ENTERED: Final[Registry[object]] = Registry()
"""The manager objects that lifespans have entered; some can be entered once only."""


class Lifespan(Turning):
    """One run of an app on one loop; lives from its start-up to its shutdown.

    Made by the server's lifespan protocol, and by `async with app.lifespan() as lifespan:`. It can
    run once.

    Args:
        app: The app that runs.
        state: The state that this lifespan starts with, its own.
        course: What it goes through.
        siblings: The running lifespans of the same app.
        drain_timeout: Seconds from its turn to closing to the end of what goes on.
    """

    __slots__ = (
        "_context",
        "_course",
        "_ending",
        "_errors",
        "_hooks_reached",
        "_hosts",
        "_names",
        "_opening",
        "_own_variables",
        "_siblings",
        "app",
        "background_failures",
        "serves",
        "state",
        "values",
        "variables",
    )

    app: Application
    """The app that runs."""
    state: State
    """What this run of the app knows; gone after shutdown."""
    serves: Application | None
    """The app while connections are served in this lifespan; else `None`."""
    variables: tuple[tuple[ContextVar[Any], Any], ...]
    """The context variables that are set for each connection."""
    background_failures: int
    """How much background work has failed."""
    values: Values
    """What providers have made, of the lifetimes LIFESPAN and LOOP."""

    def __init__(
        self,
        app: Application,
        state: State,
        course: Course,
        siblings: Registry[Lifespan],
        drain_timeout: float,
    ) -> None:
        super().__init__(drain_timeout)
        self.app = app
        self.state = state
        self.serves = None
        self.variables = ()
        self.background_failures = 0
        self.values = Values(weakref.ref(self))
        self._course = course
        self._siblings = siblings
        self._hosts: list[Host] = []
        self._errors: list[BaseException] = []
        self._opening: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._names: Mapping[str, Any] | None = None
        self._own_variables: tuple[tuple[ContextVar[Any], Any], ...] = ()
        self._hooks_reached = False

    def __repr__(self) -> str:
        return f"<Lifespan {self.phase} of {self.app!r}>"

    @property
    def namespace(self) -> dict[str, Any]:
        """What each connection is given a copy of as its `scope["state"]`.

        The names are those set while starting: a server has copied them by then, so one that is
        bound later is seen through the lifespan's state alone, whatever the server offers.
        """
        names = self.state.dict() if self._names is None else self._names
        return {**names, LIFESPAN_KEY: self}

    def client(self, **options: Unpack[late.ClientOptions]) -> late.AsyncTestClient[Application]:
        """Return a new client whose requests are served in this lifespan, with cookies of its own.

        Args:
            options: What an `AsyncTestClient` takes.

        Raises:
            RuntimeError: The lifespan does not run.
        """
        return late.AsyncTestClient.on(self, **options)

    def state_as(self, kind: type[StateT]) -> StateT:
        """Return the state as an instance of *kind*, over the same data."""
        return kind.over(self.state._data)

    @overload
    async def resolve(self, key: type[T]) -> T: ...
    @overload
    async def resolve(self, key: str) -> Any: ...
    async def resolve(self, key: type[T] | str) -> Any:
        """Return the value of one of the app's own dependencies, made if it is not there yet.

        Args:
            key: Its name or type.

        Raises:
            LookupError: The app has no such dependency, or it does not live that long.
            RuntimeError: The lifespan has not been started, or is over.
        """
        if self.phase in _AT_REST:
            raise RuntimeError(
                f"{key!r} is a value of a running lifespan, and this one is {self.phase}"
            )
        step, _ = self._course.providers.of(key)
        if step.lifetime < Lifetime.LIFESPAN:
            raise LookupError(
                f"{step.name!r} lives for one {step.lifetime.name.lower()}, and not as long as the "
                "lifespan; give its provider lifetime=Lifetime.LIFESPAN"
            )
        return await self.values.provide(step)

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
        self.values.open(self._context, weakref.WeakMethod(self._died))
        self._tasks = Tasks(weakref.WeakMethod(self._end_after), self._context)
        self._drain = Drain(self.turn, self._tasks, self.in_flight, self.drain_timeout)
        hear_signals(self)
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
        if self.turn.is_set():
            self.begin_closing()

    async def _open_or_die(self) -> None:
        try:
            await self._open()
        except BaseException as error:
            if not self._errors:
                raise
            # Something that was open has died and cancelled this task: no error by itself.
            raise_together(without_cancellation(error), "failed to end")

    async def _open(self) -> None:
        await self._provide(self._course.loop_values)
        for manager in self._course.managers:
            with noting(f"raised when the lifespan manager {manager.name} was entered"):
                await self._enter(manager)
        await self._provide(self._course.values)
        self._hooks_reached = True
        for hook in self._course.on_startup:
            with noting(f"raised by the start-up hook {hook.name}"):
                await self._run(hook)
        for path, mounted in self._course.mounts:
            run = late.MountedRun(path, mounted.app, required=mounted.lifespan == "required")
            await run.start()
            self._mounted.append((mounted, run))

    async def _provide(self, steps: Sequence[Step]) -> None:
        for step in steps:
            with noting(f"raised when the dependency {step.name!r} was made"):
                await self.values.provide(step)

    async def _enter(self, call: LifespanCall) -> None:
        manager = call.function if call.is_manager else await self._called(call)
        if not isinstance(manager, AbstractAsyncContextManager):
            raise not_a_manager(manager)
        again = call.is_manager and manager in _ENTERED
        if call.is_manager:
            with suppress(TypeError):  # not every object can be referred to weakly
                _ENTERED.add(manager)
        host = Host(call.name, manager, self._context, weakref.WeakMethod(self._manager_died))
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
        result = await self._called(hook)
        if inspect.isawaitable(result):
            await result
        elif isinstance(result, (AbstractAsyncContextManager, AsyncGenerator, Generator)):
            raise TypeError(
                f"{hook.name} returned {type(result).__name__}, which a hook does not enter; put "
                "a function that makes an asynchronous context manager into lifespan=[...]"
            )

    async def _called(self, call: LifespanCall) -> Any:
        positional = [await self._given(wanted) for wanted in call.positional]
        keywords = {name: await self._given(wanted) for name, wanted in call.keywords}
        return call.function(*positional, **keywords)

    async def _given(self, wanted: Wanted) -> object:
        if isinstance(wanted, Step):
            return await self.values.provide(wanted)
        if isinstance(wanted, Whole):
            return self.app if wanted is Whole.APP else self
        return self.state_as(wanted)

    def _manager_died(self, host: Host, error: BaseException | None) -> None:
        self._hosts.remove(host)
        self._died(f"the lifespan manager {host.name}", error)

    def _died(self, name: str, error: BaseException | None) -> None:
        # A cancel scope that it holds open may have cancelled its task, and nobody else.
        died = error
        if died is None or isinstance(died, asyncio.CancelledError):
            died = RuntimeError(f"{name} ended by itself")
        died.add_note(f"raised by {name} while the lifespan ran")
        logger.error("%s died", name, exc_info=died)
        self._end_after(died)

    def _end_after(self, error: BaseException) -> None:
        """End the lifespan early; what it died of comes out when it is stopped."""
        self._errors.append(error)
        if self._opening is not None:
            self._opening.cancel()
        elif self.phase is Phase.READY:
            _ = self._end()

    def _give_up_starting(self) -> None:
        if self._opening is not None and not self._opening.done():
            self._end_after(
                TimeoutError(
                    "the server was told to stop while the lifespan started, and the start has not "
                    "ended within the drain time"
                )
            )

    def _end(self) -> asyncio.Task[None]:
        if self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.create_task(self._close(), context=self._context)
        return self._ending

    async def stop(self) -> None:
        """End connections and tasks, stop mounted apps, exit what was entered, run the hooks.

        All of it is done, whatever fails. One that has been stopped stays so. Connections have the
        drain time to end, tasks what is left of it since `begin_closing`.

        Raises:
            BaseException: The one error that there was, or a group of all.
            RuntimeError: It has not been started, or a task or connection of its own waits for it.
        """
        if self.phase in {Phase.NEW, Phase.STARTING}:
            raise RuntimeError(
                f"this lifespan is {self.phase}, and what has not been started cannot be stopped; "
                "to give up a start, cancel the task that waits for it"
            )
        self._demand_outsider()
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
        announced = self.phase is Phase.CLOSING
        self.begin_closing()
        with Collecting(self._errors, "raised while the connections ended"):
            await self._drain.rest(tasks_too=announced)
        forget_signals(self)
        self.serves = None
        self._siblings.discard(self)
        live.discard("lifespan", self)
        self._tell_siblings()
        with Collecting(self._errors, "raised when the tasks were cancelled"):
            await self._tasks.cancel(self._drain.left)
        while self._mounted:
            _, run = self._mounted.pop()
            with Collecting(self._errors, f"raised when the app mounted at {run.path} was stopped"):
                await run.stop()
        await self.values.close(self._errors)
        while self._hosts:
            host = self._hosts.pop()
            with Collecting(
                self._errors, f"raised when the lifespan manager {host.name} was exited"
            ):
                await host.exit()
        for hook in self._course.on_shutdown if self._hooks_reached else ():
            with Collecting(self._errors, f"raised by the shutdown hook {hook.name}"):
                await self._run(hook)
        self.values.clear()
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
        if self.phase in {Phase.STARTING, Phase.READY} or self.serves is not None:
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
