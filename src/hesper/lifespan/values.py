"""Values that outlive connections, those of a lifespan and of its loop: `Values`."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Protocol, TypeAlias
from weakref import WeakMethod

from hesper._backends import AsyncioBackend
from hesper._compile.calls import ADAPTERS
from hesper._container import Container, FinalContainer
from hesper._loop import loop_container
from hesper._plan.arguments import Argument, Source
from hesper._plan.graph import Step
from hesper._plan.manner import EXITS, Manner
from hesper._residents import Resident
from hesper._signature import MISSING, without_extras
from hesper._types import Application
from hesper.concurrency import in_thread
from hesper.datastructures.state import ImmutableState, State
from hesper.exceptions import LifespanNotStarted
from hesper.lifetime import Lifetime

Given: TypeAlias = Callable[[Step, Argument], Awaitable[object]]
"""Returns what an argument of a provider is."""

Died: TypeAlias = Callable[[str, BaseException | None], None]


class Run(Protocol):
    """What the values of a lifespan know of it."""

    app: Application

    def state_as(self, kind: type[ImmutableState]) -> ImmutableState:
        """Return the state as an instance of *kind*."""
        ...


class Values(dict[Step, Any]):
    """What providers have made for one lifespan: its own values, and those it took of the loop.

    Args:
        run: The lifespan, which is not kept.
    """

    __slots__ = ("__weakref__", "_container", "_run")

    def __init__(self, run: weakref.ref[Run]) -> None:
        super().__init__()
        self._run = run
        self._container: Container | None = None

    def open(self, context: Context, died: WeakMethod[Died]) -> None:
        """Begin the lifespan.

        Args:
            context: The context variables that its values see and set.
            died: Called with the name and the error of a value that ends before it is asked to.
        """
        self._container = LifespanContainer(context, died)

    async def provide(self, step: Step) -> Any:
        """Return the value of *step*, made if it is not there yet."""
        if step in self:
            return self[step]
        if step.lifetime is Lifetime.LOOP:
            value = await value_of_loop(step)
        else:
            if self._container is None:
                if not step.is_lazy:
                    raise LifespanNotStarted(
                        f"no lifespan of this app is running, and the dependency {step.name!r} is "
                        "a value of one (Lifetime.LIFESPAN): run the app under a server, with "
                        "`with TestClient(app)` in tests, or `async with app.lifespan():`"
                    )
                # Nothing has been started, and what is made has no end.
                self._container = LifespanContainer(copy_context(), WeakMethod(self._forget))
            container = self._container
            value = await container.once(step, partial(make_value, step, container, self._given))
        self[step] = value
        return value

    def _forget(self, name: str, error: BaseException | None) -> None:
        """Do nothing: without a lifespan nothing ends with a value."""

    async def _given(self, step: Step, argument: Argument) -> object:
        if argument.source is Source.DEPENDENCY:
            return await self.provide(step.inner[argument.key])
        run = self._run()
        if run is None:
            raise RuntimeError(f"the lifespan of {step.name!r} has ended")
        if argument.source is Source.STATE:
            kind = without_extras(argument.annotation)
            return run.state_as(State if kind in {Any, MISSING} else kind)
        return run.app if argument.source is Source.APP else run

    async def close(self, errors: list[BaseException]) -> None:
        """Exit the lifespan's own values, last in, first out; what fails goes into *errors*."""
        if self._container is not None:
            await self._container.close(errors)


class LifespanContainer(FinalContainer):
    """The values of one lifespan; closed before the lifespan's managers are.

    Args:
        context: The context variables of the lifespan.
        died: Called with the name and the error of a value that ends before it is asked to.
    """

    __slots__ = ("_died",)

    def __init__(self, context: Context, died: WeakMethod[Died]) -> None:
        super().__init__(AsyncioBackend(outlasting=False), context, "the lifespan")
        self._died = died

    def died(self, resident: Resident) -> None:
        """Let the lifespan end: what depends on the value cannot go on."""
        self._tenants.remove(resident)
        died = self._died()
        if died is not None:
            died(repr(resident), resident.take_error())


async def value_of_loop(step: Step) -> Any:
    """Return a value of the running loop, made if it is not there yet."""
    container = loop_container()

    async def given(_step: Step, argument: Argument) -> object:
        return await value_of_loop(step.inner[argument.key])

    return await container.once(step.identity, partial(make_value, step, container, given))


async def make_value(step: Step, container: Container, given: Given) -> Any:
    """Make the value of *step*; what has an end is entered in *container*.

    Args:
        step: A provider.
        container: What the value belongs to.
        given: Returns what each argument is.
    """
    positional: list[object] = []
    keywords: dict[str, object] = {}
    for argument in step.arguments:
        keeps_default = argument.key is None
        value = argument.default if keeps_default else await given(step, argument)
        if argument.keyword_only:
            keywords[argument.name] = value
        else:
            positional.append(value)
    call = partial(step.call, *positional, **keywords)
    if step.manner in EXITS:
        _, adapter = ADAPTERS[step.manner]
        return await container.enter(adapter(call(), step.name))
    result = await in_thread(call) if step.manner is Manner.THREAD else call()
    return await result if inspect.isawaitable(result) else result
