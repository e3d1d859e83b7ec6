"""What hooks and managers of a lifespan take: nothing, the app, the state, or the lifespan.

Their signatures are read when the app is built, so that a hook that asks for more fails there.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from hesper._signature import (
    MISSING,
    SignatureParameter,
    UnreadableSignature,
    described,
    read_signature,
    without_extras,
)
from hesper.datastructures import ImmutableState, State
from hesper.layer import Layer

LifespanHook: TypeAlias = Callable[..., object]
"""A start-up or shutdown hook, sync or asynchronous; what it may take, the module says."""

LifespanManager: TypeAlias = (
    Callable[..., AbstractAsyncContextManager[Any, bool | None]]
    | AbstractAsyncContextManager[Any, bool | None]
)
"""Makes, or is, an asynchronous context manager that is open for as long as the lifespan."""


class Whole(enum.Enum):
    """An argument that is the thing itself."""

    APP = enum.auto()
    LIFESPAN = enum.auto()


Wanted: TypeAlias = type[ImmutableState] | Whole
"""What one argument is: the state, as an instance of a class; the app; or the lifespan."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LifespanCall:
    """A hook or manager, and what it takes; lives as long as its app."""

    function: Any
    """The hook, or the manager's factory; the manager itself if it is an object."""
    positional: tuple[Wanted, ...] = ()
    keywords: tuple[tuple[str, Wanted], ...] = ()

    is_manager: bool = False
    """Whether it is itself what is entered."""

    @property
    def name(self) -> str:
        """How messages call it."""
        if not self.is_manager:
            return described(self.function)
        # What `asynccontextmanager` made knows the generator function that it was made of.
        made_by = getattr(getattr(self.function, "gen", None), "__qualname__", None)
        return repr(self.function) if made_by is None else f"{made_by}()"


def read_hooks(given: Any, kind: str, problems: list[str]) -> tuple[LifespanCall, ...]:
    """Read hooks, one or several.

    Args:
        given: What the app was given.
        kind: How messages call them.
        problems: Where problems are added.
    """
    calls: list[LifespanCall] = []
    for function in _several(given):
        is_manager = isinstance(function, AbstractAsyncContextManager)
        if is_manager or _is_generator(function):
            name = LifespanCall(function, is_manager=is_manager).name
            problems.append(
                f"the {kind} {name} has an end of its own, which a hook has not; put an "
                "asynchronous context manager into lifespan=[...]"
            )
        else:
            calls += _read(function, kind, problems)
    return tuple(calls)


def read_managers(given: Any, problems: list[str]) -> tuple[LifespanCall, ...]:
    """Read lifespan managers, one or several.

    Args:
        given: What the app was given.
        problems: Where problems are added.
    """
    calls: list[LifespanCall] = []
    for function in _several(given):
        if isinstance(function, AbstractAsyncContextManager):
            calls.append(LifespanCall(function, is_manager=True))
        elif _is_generator(function) or inspect.iscoroutinefunction(function):
            problems.append(
                f"the lifespan manager {described(function)} makes no asynchronous context "
                "manager; decorate an asynchronous generator function with "
                "contextlib.asynccontextmanager"
            )
        else:
            calls += _read(function, "lifespan manager", problems)
    return tuple(calls)


def not_a_manager(made: object) -> TypeError:
    """Return the error that says what a manager's factory made instead of a context manager."""
    if inspect.iscoroutine(made):
        made.close()
    return TypeError(
        f"it returned {type(made).__name__}, which is no asynchronous context manager; decorate "
        "an asynchronous generator function with contextlib.asynccontextmanager"
    )


def _several(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _is_generator(function: object) -> bool:
    return inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)


def _read(function: Any, kind: str, problems: list[str]) -> tuple[LifespanCall, ...]:
    if not callable(function):
        problems.append(f"the {kind} {function!r} is not callable")
        return ()
    try:
        parameters = read_signature(function, by_name=True).parameters
    except UnreadableSignature as error:
        problems.append(f"the {kind} {described(function)}: {error}")
        return ()
    needed = [parameter for parameter in parameters if parameter.default is MISSING]
    for place, parameter in enumerate(needed):
        if not _can_be_given(parameter, first=place == 0):
            problems.append(
                f"the {kind} {described(function)} takes {parameter.name!r}, which it cannot be "
                "given; it may take nothing, the app, state, and lifespan"
            )
            return ()
    call = LifespanCall(
        function,
        tuple(_wanted(parameter) for parameter in needed if not parameter.keyword_only),
        tuple(
            (parameter.name, _wanted(parameter)) for parameter in needed if parameter.keyword_only
        ),
    )
    return (call,)


def _can_be_given(parameter: SignatureParameter, *, first: bool) -> bool:
    """Whether a parameter is something known; the app may have any name, as the first."""
    if parameter.name in {"app", "state", "lifespan"} or _wanted(parameter) is not Whole.APP:
        return True
    if not first or parameter.keyword_only:
        return False
    annotation = without_extras(parameter.annotation)
    if annotation is MISSING or not isinstance(annotation, type):
        return True
    is_protocol = getattr(annotation, "_is_protocol", False)
    return annotation is object or is_protocol or issubclass(annotation, Layer)


def _wanted(parameter: SignatureParameter) -> Wanted:
    annotation = without_extras(parameter.annotation)
    if isinstance(annotation, type) and issubclass(annotation, ImmutableState):
        return annotation
    if parameter.name == "state":
        return State
    return Whole.LIFESPAN if parameter.name == "lifespan" else Whole.APP
