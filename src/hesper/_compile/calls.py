"""Write the source that calls providers, guards, hooks and the handler.

A dependency is entered where it is first needed. One that has an exit opens an `async with` block
around everything after it, so that it is exited when the endpoint leaves that block.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

from hesper._compile.values import ValueWriter
from hesper._exits import (
    AsyncContextExit,
    AsyncGeneratorExit,
    ContextExit,
    Exits,
    SyncGeneratorExit,
)
from hesper._plan.graph import Step
from hesper._plan.manner import Manner
from hesper._plan.plan import Plan
from hesper._signature import described
from hesper._source import Source
from hesper.concurrency import in_thread
from hesper.lifetime import Lifetime, belong

# CPython refuses to compile 21 nested blocks, and 3.12.1 crashes on 19.
_DEEPEST: Final = 8

ADAPTERS: Final[dict[Manner, tuple[str, Any]]] = {
    Manner.ASYNC_GENERATOR: ("AsyncGeneratorExit", AsyncGeneratorExit),
    Manner.GENERATOR: ("SyncGeneratorExit", SyncGeneratorExit),
    Manner.DIRECT_GENERATOR: ("DirectGeneratorExit", partial(SyncGeneratorExit, direct=True)),
    Manner.ASYNC_CONTEXT: ("AsyncContextExit", AsyncContextExit),
    Manner.CONTEXT: ("ContextExit", ContextExit),
    Manner.DIRECT_CONTEXT: ("DirectContextExit", partial(ContextExit, direct=True)),
}
"""What enters and exits the value of a provider, and how generated text calls it."""


async def settle(result: Any) -> Any:
    """Return what a plain call gave, awaited if it turns out to be awaitable.

    A `def` around an asynchronous function looks like a plain one; were its coroutine dropped, a
    guard would let everybody pass.
    """
    return await result if inspect.isawaitable(result) else result


def guard_returned(guard: Callable[..., Any], verdict: object) -> TypeError:
    """Return the error of a guard whose result, *verdict*, nobody would heed."""
    if inspect.iscoroutine(verdict):
        verdict.close()
        shown = "a coroutine that nobody awaits"
    else:
        shown = repr(verdict) if isinstance(verdict, bool) else type(verdict).__name__
    return TypeError(
        f"the guard {described(guard)} returned {shown}; a guard raises to refuse, "
        "such as PermissionDeniedException(), and returns None to let pass"
    )


class CallWriter:
    """Writes calls into the source of one endpoint; lives while that is written.

    Args:
        source: The endpoint under construction.
        plan: What start-up knows about the route.
        values: Writes the values of arguments.
        maker: What makes the maker of a connection's value, from a plan and a provider.
    """

    def __init__(
        self,
        source: Source,
        plan: Plan,
        values: ValueWriter,
        maker: Callable[[Plan, Step], object],
    ) -> None:
        self._source = source
        self._plan = plan
        self._values = values
        self._maker = maker
        exits = sum(step.has_exit for step in plan.providers.values())
        self._stacked = exits > _DEEPEST
        self._exits = ""
        self._verdict = ""

    @contextmanager
    def branch(self) -> Iterator[None]:
        """Write one branch of an `if`: what is taken and entered in it is unknown after it."""
        with self._values.branch():
            yield

    def prepare(self, steps: Sequence[Step], blocks: ExitStack) -> None:
        """Write what takes the arguments of *steps* and enters the dependencies they need.

        Args:
            steps: What is called next.
            blocks: Closes the blocks that are opened.
        """
        needed: dict[Any, Step] = {}
        for step in steps:
            self._collect(step, needed)
        own = [step for step in needed.values() if step.lifetime is Lifetime.CALL]
        self._values.read([*own, *steps])
        # What outlives the call first, so that blocks nest which the values hold open.
        for key, step in sorted(needed.items(), key=_is_of_the_call):
            self._values.dependencies[key] = self._enter(step, blocks)

    def _collect(self, step: Step, needed: dict[Any, Step]) -> None:
        for key in step.needs:
            if key not in self._values.dependencies and key not in needed:
                provider = self._plan.providers[key]
                if provider.lifetime is Lifetime.CALL:
                    self._collect(provider, needed)
                needed[key] = provider

    def _enter(self, step: Step, blocks: ExitStack) -> str:
        source = self._source
        if not step.has_exit:
            text = self.shared(step) or self.call(step, f"provide_{step.name}")
            name = source.local(step.name)
            source.add(f"{name} = {text}")
            return name
        text = self.exit(step)
        name = source.local(step.name)
        if not self._stacked:
            blocks.enter_context(source.block(f"async with {text} as {name}:"))
            return name
        if not self._exits:
            self._exits = source.local("exits")
            stack = source.bind("Exits", Exits)
            blocks.enter_context(source.block(f"async with {stack}() as {self._exits}:"))
            blocks.callback(self._leave_exits)
        source.add(f"{name} = await {self._exits}.enter({text})")
        return name

    def shared(self, step: Step) -> str:
        """Return the expression of a value that outlives the call; nothing for others."""
        if step.lifetime is Lifetime.CALL:
            return ""
        if step.lifetime is Lifetime.CONNECTION:
            maker = self._source.bind(f"shared_{step.name}", self._maker(self._plan, step))
            return f"await {maker}(scope, receive, send)"
        lifespan = self._values.lifespan()
        key = self._source.bind(f"key_of_{step.name}", step)
        value = f"{lifespan}.values[{key}]"
        if step.lifetime is Lifetime.LIFESPAN and not step.is_lazy and self._plan.is_started:
            return value
        return f"{value} if {key} in {lifespan}.values else await {lifespan}.values.provide({key})"

    def exit(self, step: Step) -> str:
        """Return the expression of what enters and exits the value of *step*."""
        if step.manner in {Manner.GENERATOR, Manner.CONTEXT}:
            self._belong()
        adapter = self._source.bind(*ADAPTERS[step.manner])
        provider = self._source.bind(f"provide_{step.name}", step.call)
        return f"{adapter}({provider}({self._values.call(step)}), {step.name!r})"

    def arguments(self, step: Step) -> str:
        """Return the argument list of a call of *step*."""
        return self._values.call(step)

    def _belong(self) -> None:
        """Let worker threads know the lifespan, as they have no loop to tell it."""
        self._values.once("belong", f"{self._source.bind('belong', belong)}(scope)")

    def _leave_exits(self) -> None:
        self._exits = ""

    def call(self, step: Step, name: str, given: tuple[str, ...] = ()) -> str:
        """Return the expression that calls *step*.

        Args:
            step: What is called.
            name: The speaking name of its function.
            given: The expressions of the arguments that are passed by position.
        """
        function = self._source.bind(name, step.call)
        arguments = self._values.call(step, given)
        if step.manner is Manner.AWAITED:
            return f"await {function}({arguments})"
        if step.manner is Manner.THREAD:
            self._belong()
            thread = self._source.bind("in_thread", in_thread)
            return f"await {thread}({function}{', ' if arguments else ''}{arguments})"
        return f"{function}({arguments})"

    def guard(self, step: Step, given: tuple[str, ...]) -> None:
        """Write the call of a guard, which must return nothing: it might mean to refuse.

        Args:
            step: The guard.
            given: The expressions of the connection and of the route handler.
        """
        source = self._source
        self._verdict = self._verdict or source.local("verdict")
        text = self.hook(step, step.name, given)
        with source.block(f"if ({self._verdict} := {text}) is not None:"):
            returned = source.bind("guard_returned", guard_returned)
            guard = source.bind(step.name, step.call)
            source.add(f"raise {returned}({guard}, {self._verdict})")

    def hook(self, step: Step, name: str, given: tuple[str, ...]) -> str:
        """Return the expression that calls a hook and waits for it."""
        text = self.call(step, name, given)
        if step.manner is Manner.AWAITED:
            return text
        return f"await {self._source.bind('settle', settle)}({text})"


def _is_of_the_call(needed: tuple[Any, Step]) -> bool:
    return needed[1].lifetime is Lifetime.CALL
