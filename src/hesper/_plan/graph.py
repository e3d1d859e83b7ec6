"""What a route calls, in which manner, and which dependencies each call needs.

The providers of a route form a graph; it is walked from the handler, the guards and the hooks, and
ordered so that each provider stands behind those it depends on.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_origin

from hesper._plan.annotations import UnclearArgument
from hesper._plan.arguments import Argument, Reading, Source, arguments_of
from hesper._signature import UnreadableSignature, described, read_signature, without_extras
from hesper.di import Provide


class Manner(enum.Enum):
    """How a callable is called."""

    DIRECT = "direct"
    """Called on the loop."""
    THREAD = "thread"
    """Called in a worker thread."""
    AWAITED = "awaited"
    """Called and awaited."""
    GENERATOR = "generator"
    """A generator whose one value is the result, in a worker thread."""
    DIRECT_GENERATOR = "direct generator"
    """A generator whose one value is the result, on the loop."""
    ASYNC_GENERATOR = "async generator"
    """An asynchronous generator whose one value is the result."""
    CONTEXT = "context"
    """Makes a context manager that is entered in a worker thread."""
    DIRECT_CONTEXT = "direct context"
    """Makes a context manager that is entered on the loop."""
    ASYNC_CONTEXT = "async context"
    """Makes an asynchronous context manager."""


EXITS: Final = frozenset(set(Manner) - {Manner.DIRECT, Manner.THREAD, Manner.AWAITED})
"""The manners in which something is left open that must be exited."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One call: a provider, a guard, a hook or the handler."""

    name: str
    """A speaking name, for the generated source."""
    call: Callable[..., Any]
    arguments: tuple[Argument, ...]
    manner: Manner

    @property
    def needs(self) -> tuple[Any, ...]:
        """The keys of the dependencies that it takes."""
        return tuple(
            argument.key
            for argument in self.arguments
            if argument.source is Source.DEPENDENCY and argument.key is not None
        )


class Graph:
    """The calls of one route; lives while the app is built.

    Args:
        reading: What the arguments are read with.
        problems: Where problems are added, each naming the callable and the fix.
    """

    def __init__(self, reading: Reading, problems: list[str]) -> None:
        self._reading = reading
        self._problems = problems
        self._providers: dict[Any, Step] = {}
        self._failed: set[Any] = set()

    @property
    def providers(self) -> Mapping[Any, Step]:
        """The providers that are needed, each behind those it depends on."""
        return self._providers

    def step(self, name: str, call: Callable[..., Any], manner: Manner, given: int = 0) -> Step:
        """Return the step that calls *call*, its providers added to the graph."""
        step = self._step(name, call, manner, given)
        for key in step.needs:
            self._provide(key, ())
        return step

    def _step(self, name: str, call: Callable[..., Any], manner: Manner, given: int = 0) -> Step:
        try:
            arguments = arguments_of(call, self._reading, given)
        except UnclearArgument as error:
            self._problems.append(str(error))
            arguments = ()
        except UnreadableSignature as error:
            self._problems.append(f"{described(call)}: {error}")
            arguments = ()
        return Step(name, call, arguments, manner)

    def _provide(self, key: Any, above: tuple[Any, ...]) -> None:
        if key in self._providers or key in self._failed:
            return
        if key in above:
            circle = " → ".join(_name(k) for k in (*above[above.index(key) :], key))
            self._problems.append(f"dependencies depend on each other in a circle: {circle}")
            self._failed.add(key)
            return
        provide: Provide = self._reading.dependencies[key]
        manner = manner_of(provide.dependency, to_thread=provide.sync_to_thread)
        step = self._step(_name(key), provide.dependency, manner)
        for inner in step.needs:
            self._provide(inner, (*above, key))
        if key not in self._failed:
            self._providers[key] = step


def _name(key: Any) -> str:
    return key if isinstance(key, str) else str(getattr(key, "__name__", key))


def manner_of(call: Callable[..., Any], *, to_thread: bool) -> Manner:
    """Return the manner in which a provider is called.

    Args:
        call: The provider.
        to_thread: Whether a sync one runs in a worker thread.
    """
    target = _function(call)
    if isinstance(call, type):
        if hasattr(call, "__aenter__") and hasattr(call, "__aexit__"):
            return Manner.ASYNC_CONTEXT
        has_exit = hasattr(call, "__enter__") and hasattr(call, "__exit__")
        return Manner.DIRECT_CONTEXT if has_exit else Manner.DIRECT
    made = _made_by(target)
    if inspect.isasyncgenfunction(made):
        return Manner.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(made):
        return Manner.GENERATOR if to_thread else Manner.DIRECT_GENERATOR
    if inspect.iscoroutinefunction(made):
        return Manner.AWAITED
    context = _context(target)
    if context is not None:
        return Manner.DIRECT_CONTEXT if context is Manner.CONTEXT and not to_thread else context
    return Manner.THREAD if to_thread else Manner.DIRECT


def manner_of_hook(call: Callable[..., Any]) -> Manner:
    """Return the manner in which a guard or hook is called: never in a thread."""
    return Manner.AWAITED if inspect.iscoroutinefunction(_function(call)) else Manner.DIRECT


def yields(call: Callable[..., Any]) -> bool:
    """Whether *call* is a generator function: calling it runs nothing of what it says."""
    function = _function(call)
    if inspect.isasyncgenfunction(function):
        return True
    # What types.coroutine marks is written as a generator, and awaited.
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return inspect.isgeneratorfunction(function) and not flags & inspect.CO_ITERABLE_COROUTINE


def manner_of_handler(call: Callable[..., Any], *, to_thread: bool) -> Manner:
    """Return the manner in which a handler is called."""
    if inspect.iscoroutinefunction(_function(call)):
        return Manner.AWAITED
    return Manner.THREAD if to_thread else Manner.DIRECT


def _function(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that a callable calls in the end."""
    while isinstance(call, (functools.partial, staticmethod)):
        call = call.func if isinstance(call, functools.partial) else call.__func__
    if inspect.isroutine(call) or isinstance(call, type):
        return call
    return type(call).__call__


# Recognized by their code: any decorator may set `__wrapped__` as these do.
_ANY: Final[Any] = iter
_CONTEXT_MAKERS: Final = (
    contextlib.contextmanager(_ANY).__code__,
    contextlib.asynccontextmanager(_ANY).__code__,
)

_RETURNS_CONTEXT: Final[Mapping[Any, Manner]] = {
    contextlib.AbstractAsyncContextManager: Manner.ASYNC_CONTEXT,
    contextlib.AbstractContextManager: Manner.CONTEXT,
}


def _made_by(target: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function whose result a call hands out, below decorators that pass it on."""
    while not _makes_context(target):
        inner = getattr(target, "__wrapped__", None)
        if inner is None:
            break
        target = inner
    return target


def _makes_context(target: Callable[..., Any]) -> bool:
    return getattr(target, "__code__", None) in _CONTEXT_MAKERS


def _context(target: Callable[..., Any]) -> Manner | None:
    """Return how a factory of context managers is entered; `None` for other callables."""
    made = _made_by(target)
    if _makes_context(made):
        asynchronous = inspect.isasyncgenfunction(inspect.unwrap(made))
        return Manner.ASYNC_CONTEXT if asynchronous else Manner.CONTEXT
    try:
        returns = without_extras(read_signature(target).returns)
    except UnreadableSignature:  # reported with the arguments
        return None
    return _RETURNS_CONTEXT.get(get_origin(returns) or returns)
