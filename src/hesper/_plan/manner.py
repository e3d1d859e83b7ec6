"""In which manner a callable is called: on the loop, in a thread, awaited, entered."""

from __future__ import annotations

import contextlib
import enum
import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, get_origin

from hesper._signature import UnreadableSignature, read_signature, without_extras


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

    __hash__ = object.__hash__  # PERF: as for `Source`


EXITS: Final = frozenset(set(Manner) - {Manner.DIRECT, Manner.THREAD, Manner.AWAITED})
"""The manners in which something is left open that must be exited."""

IN_THREADS: Final = frozenset({Manner.THREAD, Manner.GENERATOR, Manner.CONTEXT})
"""The manners that take a worker thread."""


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


_GENERATORS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def manner_of_hook(call: Callable[..., Any]) -> Manner:
    """Return the manner in which a guard or hook is called: never in a thread."""
    return Manner.AWAITED if _is_awaited(call) else Manner.DIRECT


def _is_awaited(call: Callable[..., Any]) -> bool:
    function = _function(call)
    # PERF: the flag of the code tells at a glance; what bears a mark instead is found by inspect.
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return bool(flags & inspect.CO_COROUTINE) or inspect.iscoroutinefunction(function)


def yields(call: Callable[..., Any]) -> bool:
    """Whether *call* is a generator function: calling it runs nothing of what it says."""
    flags = getattr(getattr(_function(call), "__code__", None), "co_flags", 0)
    # What types.coroutine marks is written as a generator, and awaited.
    return bool(flags & _GENERATORS) and not flags & inspect.CO_ITERABLE_COROUTINE


def manner_of_handler(call: Callable[..., Any], *, to_thread: bool) -> Manner:
    """Return the manner in which a handler is called."""
    if _is_awaited(call):
        return Manner.AWAITED
    return Manner.THREAD if to_thread else Manner.DIRECT


def _function(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that a callable calls in the end."""
    if type(call) is types.FunctionType:
        return call
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
