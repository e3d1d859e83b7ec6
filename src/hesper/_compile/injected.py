"""Calls besides the endpoint's: makers of connection values, late hooks, background work.

Each is a function of its own, written like an endpoint and compiled when it is first called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from hesper._compile.calls import CallWriter, settle
from hesper._compile.decoders import Decoders
from hesper._compile.values import ValueWriter
from hesper._plan.arguments import Source as From
from hesper._plan.graph import Step
from hesper._plan.manner import EXITS, Manner
from hesper._plan.plan import Plan
from hesper._signature import described
from hesper._source import Source
from hesper._types import CONNECTION_VALUES, Receive, Scope, Send
from hesper.concurrency import in_thread
from hesper.lifetime import Lifetime

_TAKEN = ("scope", "receive", "send", "error", "Exception", "len")


class Maker:
    """Makes one value of each connection that asks for it; lives as long as its endpoint.

    Args:
        plan: What start-up knows about the route.
        step: The provider.
    """

    __slots__ = ("__weakref__", "_make", "_plan", "_step")

    def __init__(self, plan: Plan, step: Step) -> None:
        self._plan = plan
        self._step = step
        self._make: Callable[..., Awaitable[Any]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Return the connection's value, made once however many ask at the same time."""
        make, values = self._make, scope[CONNECTION_VALUES]
        if make is None:
            source = write_maker(self._plan, self._step)
            make = self._make = source.build("make", f"{self._plan.label} {self._step.name}")
        called = make

        async def made() -> Any:
            return await called(scope, receive, send, values)

        return await values.once(self._step.identity, made)


def write_maker(plan: Plan, step: Step) -> Source:
    """Write the function that makes a value of a connection; nothing is compiled yet."""
    source = Source("async def make(scope, receive, send, values):", (*_TAKEN, "make", "values"))
    calls = _calls(source, plan)
    with ExitStack() as blocks:
        calls.prepare([step], blocks)
        if step.manner in EXITS:
            source.add(f"return await values.enter({calls.exit(step)})")
        else:
            source.add(f"return {calls.call(step, f'provide_{step.name}')}")
    return source


class Caller:
    """Calls one hook, its further arguments injected; lives as long as its endpoint.

    Args:
        plan: What start-up knows about the route.
        step: The hook, an exception handler or a hook after the response.
    """

    __slots__ = ("__weakref__", "_call", "_given", "_plan", "function")

    def __init__(self, plan: Plan, step: Step) -> None:
        self.function = step.call
        self._given = sum(argument.source is From.GIVEN for argument in step.arguments)
        self._plan: tuple[Plan, Step] | None = None
        self._call: Callable[..., Awaitable[Any]] | None = None
        if self._given < len(step.arguments):
            self._plan = (plan, step)

    def __repr__(self) -> str:
        return described(self.function)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *given: object) -> Any:
        """Call the hook with *given*, and with what it takes besides."""
        if self._plan is None:
            return await settle(self.function(*given))
        if self._call is None:
            plan, step = self._plan
            source = write_call(plan, step)
            self._call = source.build("call", f"{plan.label} {step.name}")
        return await self._call(scope, receive, send, *given)


def write_call(plan: Plan, step: Step) -> Source:
    """Write the function that calls a hook; nothing is compiled yet."""
    documented = [argument.name for argument in step.arguments if argument.source is From.GIVEN]
    source = Source("", (*_TAKEN, "call"))
    given = tuple(source.local(name) for name in documented)
    source.head = f"async def call({', '.join(('scope', 'receive', 'send', *given))}):"
    calls = _calls(source, plan)
    with ExitStack() as blocks:
        calls.prepare([step], blocks)
        source.add(f"return {calls.hook(step, step.name, given)}")
    return source


class Resolver:
    """Finds the value of a key for one connection; lives as long as its app.

    Args:
        plan: What is known about the connection: a route, or what the app says without one.
        key: The name or type of a dependency.

    Raises:
        LookupError: There is no such dependency, or it lives for one call.
        ConfigurationError: Its provider cannot be used.
    """

    __slots__ = ("__weakref__", "_resolve")

    def __init__(self, plan: Plan, key: Any) -> None:
        step, providers = plan.at_hand.of(key)
        if step.lifetime is Lifetime.CALL:
            raise LookupError(
                f"{step.name!r} lives for one call of a handler, and belongs to no connection; "
                "give its provider lifetime=Lifetime.CONNECTION or a longer one"
            )
        source = Source("async def resolve(scope, receive, send):", (*_TAKEN, "resolve"))
        value = _calls(source, plan.with_providers(providers)).shared(step)
        source.add(f"return {value}")
        self._resolve = source.build("resolve", f"{plan.label} {step.name}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Return the value, made if it is not there yet."""
        return await self._resolve(scope, receive, send)


def write_work(plan: Plan, step: Step) -> Source:
    """Write the function that does background work; nothing is compiled yet.

    It is passed what is called, and what that is called with besides its dependencies: so the text
    does not hold on to a function that may have been made for one request.
    """
    taken = ("function", "positional", "keywords")
    source = Source(
        f"async def work(scope, receive, send, {', '.join(taken)}):", (*_TAKEN, "work", *taken)
    )
    calls = _calls(source, plan)
    with ExitStack() as blocks:
        calls.prepare([step], blocks)
        injected = calls.arguments(step)
        arguments = f"*positional, {injected}{', ' if injected else ''}**keywords"
        if step.manner is Manner.THREAD:
            thread = source.bind("in_thread", in_thread)
            source.add(f"await {thread}(function, {arguments})")
        else:
            source.add(f"await function({arguments})")
    return source


def _calls(source: Source, plan: Plan) -> CallWriter:
    values = ValueWriter(source, plan, Decoders(plan))
    return CallWriter(source, plan, values, Maker)
