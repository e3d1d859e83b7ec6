"""What hooks and managers of a lifespan take: the app, the state, the lifespan, lasting values.

Their signatures are read when the app is built, so that a hook that asks for more fails there.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import msgspec

from hesper._plan.arguments import dependency_key
from hesper._plan.graph import Graph, Step
from hesper._signature import (
    MISSING,
    SignatureParameter,
    UnreadableSignature,
    described,
    read_signature,
    without_extras,
)
from hesper.datastructures.state import ImmutableState, State
from hesper.di import Provide
from hesper.layer import Layer
from hesper.lifetime import Lifetime

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


Wanted: TypeAlias = type[ImmutableState] | Whole | Step
"""What one argument is: the state, as an instance of a class; the app; the lifespan; or what a
provider makes."""


class LifespanCall(msgspec.Struct, frozen=True, eq=False, weakref=True):
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


class Available(msgspec.Struct, frozen=True, eq=False):
    """What can be given to hooks and managers; lives while the app is built."""

    dependencies: Mapping[Any, Provide]
    """The app's own, by key."""
    graph: Graph
    problems: list[str]
    at_least: Lifetime = Lifetime.LOOP
    """How long the values that are given must live."""


def read_hooks(given: Any, kind: str, available: Available) -> tuple[LifespanCall, ...]:
    """Read hooks, one or several.

    Args:
        given: What the app was given.
        kind: How messages call them.
        available: What they can be given, and where problems are added.
    """
    calls: list[LifespanCall] = []
    for function in one_or_several(given):
        is_manager = isinstance(function, AbstractAsyncContextManager)
        if is_manager or _is_generator(function):
            name = LifespanCall(function, is_manager=is_manager).name
            available.problems.append(
                f"the {kind} {name} has an end of its own, which a hook has not; put an "
                "asynchronous context manager into lifespan=[...]"
            )
        else:
            calls += _read(function, kind, available)
    return tuple(calls)


def read_managers(given: Any, available: Available) -> tuple[LifespanCall, ...]:
    """Read lifespan managers, one or several.

    Args:
        given: What the app was given.
        available: What they can be given, and where problems are added.
    """
    calls: list[LifespanCall] = []
    for function in one_or_several(given):
        if isinstance(function, AbstractAsyncContextManager):
            calls.append(LifespanCall(function, is_manager=True))
        elif _is_generator(function) or inspect.iscoroutinefunction(function):
            available.problems.append(
                f"the lifespan manager {described(function)} makes no asynchronous context "
                "manager; decorate an asynchronous generator function with "
                "contextlib.asynccontextmanager"
            )
        else:
            calls += _read(function, "lifespan manager", available)
    return tuple(calls)


def not_a_manager(made: object) -> TypeError:
    """Return the error that says what a manager's factory made instead of a context manager."""
    if inspect.iscoroutine(made):
        made.close()
    return TypeError(
        f"it returned {type(made).__name__}, which is no asynchronous context manager; decorate "
        "an asynchronous generator function with contextlib.asynccontextmanager"
    )


def one_or_several(given: Any) -> tuple[Any, ...]:
    """Return what an option holds that takes one thing or a list of them."""
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _is_generator(function: object) -> bool:
    return inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)


def _read(function: Any, kind: str, available: Available) -> tuple[LifespanCall, ...]:
    problems = available.problems
    if not callable(function):
        problems.append(f"the {kind} {function!r} is not callable")
        return ()
    try:
        parameters = read_signature(function, by_name=True).parameters
    except UnreadableSignature as error:
        problems.append(f"the {kind} {described(function)}: {error}")
        return ()
    positional: list[Wanted] = []
    keywords: list[tuple[str, Wanted]] = []
    owner = f"the {kind} {described(function)}"
    for parameter in parameters:
        key = dependency_key(parameter, available.dependencies, owner)
        wanted: Wanted | None
        if key is not None:
            wanted = _value(key, owner, available)
        elif parameter.default is not MISSING:
            continue
        elif _can_be_given(parameter, first=not positional and not keywords):
            wanted = _wanted(parameter)
        else:
            problems.append(
                f"{owner} takes {parameter.name!r}, which it cannot be given; it may take nothing, "
                "the app, state, lifespan, and dependencies of the app with "
                f"{_lifetimes(available.at_least)}"
            )
            return ()
        if wanted is None:
            return ()
        if parameter.keyword_only or len(positional) < parameters.index(parameter):
            keywords.append((parameter.name, wanted))
        else:
            positional.append(wanted)
    return (LifespanCall(function, tuple(positional), tuple(keywords)),)


def _value(key: Any, owner: str, available: Available) -> Step | None:
    """Return the provider of a dependency that a hook or manager takes, if it can be given."""
    step = available.graph.provider(key)
    if step is not None and step.lifetime < available.at_least:
        available.problems.append(
            f"{owner} takes {step.name!r} (Lifetime.{step.lifetime.name}), which is not there "
            f"then; it may take dependencies with {_lifetimes(available.at_least)}"
        )
        return None
    return step


def _lifetimes(at_least: Lifetime) -> str:
    names = [f"lifetime=Lifetime.{one.name}" for one in Lifetime if one >= at_least]
    return " or ".join(names)


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


def _wanted(parameter: SignatureParameter) -> type[ImmutableState] | Whole:
    annotation = without_extras(parameter.annotation)
    if isinstance(annotation, type) and issubclass(annotation, ImmutableState):
        return annotation
    if parameter.name == "state":
        return State
    return Whole.LIFESPAN if parameter.name == "lifespan" else Whole.APP
