"""What a route calls, in which manner, and which dependencies each call needs.

The providers of a route form a graph; it is walked from the handler, the guards and the hooks, and
ordered so that each provider stands behind those it depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

import hesper._late as late
from hesper._plan.annotations import UnclearArgument
from hesper._plan.arguments import Argument, Reading, Source, read_arguments
from hesper._plan.decoding import Decoding
from hesper._plan.manner import EXITS, Manner, manner_of, manner_of_handler, manner_of_hook
from hesper._plan.mistyped import mismatch
from hesper._plan.suiting import suits
from hesper._signature import MISSING, UnreadableSignature, described, read_signature
from hesper.di import Provide
from hesper.exceptions import ConfigurationError
from hesper.lifetime import Lifetime

_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})


class Step(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """One call: a provider, a guard, a hook or the handler."""

    name: str
    """A speaking name, for the generated source."""
    call: Callable[..., Any]
    arguments: tuple[Argument, ...]
    manner: Manner
    lifetime: Lifetime = Lifetime.CALL
    """How long the value of a provider lives."""
    identity: Hashable = None
    """Equal for providers that share one value: those of one key that make it in the same way."""
    inner: Mapping[Any, Step] = _NONE
    """The providers of its dependencies, by key."""
    is_lazy: bool = False
    """Whether the value of a provider is made when it is first asked for."""
    returns: Any = MISSING
    """What the callable says that it returns; `MISSING` if it does not."""

    needs: tuple[Any, ...] = ()
    """The keys of the dependencies that it takes."""

    @property
    def has_exit(self) -> bool:
        """Whether something is left open that must be exited when the call ends."""
        return self.manner in EXITS and self.lifetime is Lifetime.CALL


class Lasting:
    """The providers of an app, and what has been read of them; lives as long as the app.

    Routes that resolve one alike share it, and with it a value that outlives a connection.
    """

    __slots__ = ("__weakref__", "_steps", "decoding", "is_overridden", "made", "read", "suiting")

    def __init__(
        self,
        steps: Mapping[Hashable, Step] = _NONE,
        decoding: Decoding | None = None,
        *,
        is_overridden: bool = False,
    ) -> None:
        self._steps = dict(steps)
        self.decoding = decoding or Decoding()
        self.is_overridden = is_overridden
        """Whether what stands in for a class need not be one."""
        # Guards, hooks and handlers of exceptions go by identity, as equal ones are not the same:
        # what is kept here holds them, so that no other can come to have the same one.
        self.suiting: dict[Hashable, tuple[Callable[..., Any], bool]] = {}
        """By exception handler and type of connection: whether the one is for the other."""
        self.read: dict[Hashable, Step] = {}
        """By callable and likeness of the route: its arguments, before they are resolved."""
        self.made: dict[Hashable, Step] = {}
        """By what was read, key and the providers that it needs: the provider, resolved."""

    def copy(self) -> Lasting:
        """Return the same providers for an app that overrides some."""
        return Lasting(self._steps, self.decoding.copy(), is_overridden=True)

    def shared(self, step: Step) -> Step:
        """Return the first step like *step*."""
        return self._steps.setdefault((step.lifetime, step.is_lazy, step.identity), step)


class Graph:
    """The calls of one route; lives while the app is built.

    Args:
        reading: What the arguments are read with.
        problems: Where problems are added, each naming the callable and the fix.
        lasting: The app's providers of values that outlive a connection.
        known: The providers of the same route in an app that is overridden.
        replaced: The keys whose providers are others than there.
    """

    __slots__ = (
        "_failed",
        "_known",
        "_lasting",
        "_likeness",
        "_problems",
        "_providers",
        "_reading",
        "_replaced",
    )

    def __init__(
        self,
        reading: Reading,
        problems: list[str],
        lasting: Lasting,
        known: Mapping[Any, Step] = _NONE,
        replaced: frozenset[Any] = frozenset(),
    ) -> None:
        self._known = known
        self._replaced = replaced
        self._reading = reading
        self._problems = problems
        self._lasting = lasting
        self._providers: dict[Any, Step] = {}
        self._failed: set[Any] = set()
        self._likeness: Hashable = None

    @property
    def providers(self) -> Mapping[Any, Step]:
        """The providers that are needed, each behind those it depends on."""
        return self._providers or _NONE

    def step(
        self,
        name: str,
        call: Callable[..., Any],
        manner: Manner,
        given: int = 0,
        at_least: Lifetime = Lifetime.CALL,
        *,
        is_late: bool = False,
    ) -> Step:
        """Return the step that calls *call*, its providers added to the graph.

        Args:
            name: A speaking name.
            call: The function.
            manner: How it is called.
            given: How many leading arguments its caller passes by position.
            at_least: How long the values it takes must live.
            is_late: Whether it is called when the handler's call has ended.
        """
        step = self._step(name, call, manner, given, is_late=is_late)
        self._need(step, at_least)
        return step

    def hook(self, call: Callable[..., Any], given: int) -> Step:
        """Return the step that calls a guard or hook, its providers added to the graph.

        Args:
            call: The function.
            given: How many leading arguments its caller passes by position.
        """
        name, manner = named(call), manner_of_hook(call)
        step = self._once((id(call), given), lambda: self._step(name, call, manner, given))
        self._need(step, Lifetime.CALL)
        return step

    def late_hook(self, call: Callable[..., Any], given: int) -> Step:
        """Return the step of a hook that takes what its caller gives it, and what is still there.

        Args:
            call: A function that is called when the handler's call has ended.
            given: How many leading arguments its caller passes by position.
        """
        step = self._once((id(call), given, "late"), lambda: self._late(call, given))
        self._need(step, Lifetime.CONNECTION)
        return step

    def _late(self, call: Callable[..., Any], given: int) -> Step:
        name, manner = named(call), manner_of_hook(call)
        try:
            read_signature(call)
        except UnreadableSignature:  # it takes anything, and gets what its caller gives it
            documented = (Argument(f"given_{i}", Source.GIVEN, Any, i) for i in range(given))
            return Step(name, call, tuple(documented), manner)
        return self._step(name, call, manner, given, is_late=True)

    def suits(self, handler: Callable[..., Any]) -> bool:
        """Whether an exception handler is for the connections of the route."""
        scope_type, known = self._reading.scope_type, self._lasting.suiting
        place = (id(handler), scope_type)
        if place not in known:
            known[place] = handler, suits(handler, scope_type)
        return known[place][1]

    def _once(self, what: Hashable, read: Callable[[], Step]) -> Step:
        """Return what *read* reads; it is read once for all routes that are alike.

        Args:
            what: What is read, by `id` too, if the step that is read holds it.
            read: Reads it.
        """
        if self._likeness is None:
            self._likeness = self._reading.likeness
        place = (what, self._likeness)
        step = self._lasting.read.get(place)
        if step is None:
            before = len(self._problems)
            step = read()
            if len(self._problems) == before:
                self._lasting.read[place] = step
        return step

    def _need(self, step: Step, at_least: Lifetime) -> None:
        """Add what *step* needs to the graph, and the problems with it."""
        if step.needs:
            self.again(step, at_least)
            self._problems.extend(self._mistyped(step, self._providers))

    def again(self, step: Step, at_least: Lifetime = Lifetime.CALL) -> None:
        """Add what *step* needs to the graph.

        Args:
            step: A step of the same route.
            at_least: How long the values it takes must live.
        """
        for key in step.needs:
            self._provide(key, ())
            inner = self._providers.get(key)
            if inner is not None and inner.lifetime < at_least:
                self._problems.append(
                    f"{described(step.call)} takes {self._place(key)}, which lives for one call, "
                    "and the call has ended by then; give the provider "
                    "lifetime=Lifetime.CONNECTION or a longer one"
                )

    def provider(self, key: Any) -> Step | None:
        """Return the provider of *key*, added to the graph; `None` if it cannot be used."""
        self._provide(key, ())
        return self._providers.get(key)

    def _step(
        self,
        name: str,
        call: Callable[..., Any],
        manner: Manner,
        given: int = 0,
        lifetime: Lifetime = Lifetime.CALL,
        *,
        is_late: bool = False,
        provides: Any = None,
    ) -> Step:
        arguments: tuple[Argument, ...] = ()
        returns = MISSING
        try:
            signature = read_signature(call)
            returns = signature.returns
            arguments = read_arguments(
                signature, call, self._reading, given, lifetime, is_late=is_late
            )
        except (UnclearArgument, UnreadableSignature) as error:
            who = "" if isinstance(error, UnclearArgument) else f"{described(call)}: "
            what = "" if provides is None else f" (it provides {self._place(provides)})"
            self._problems.append(f"{who}{error}{what}")
        dependency = Source.DEPENDENCY
        taken = [one.key for one in arguments if one.source is dependency]
        needs = tuple([key for key in taken if key is not None]) if taken else ()
        return Step(name, call, arguments, manner, returns=returns, needs=needs)

    def _provide(self, key: Any, above: tuple[Any, ...]) -> None:
        if key in self._providers or key in self._failed:
            return
        if key in above:
            circle = above[above.index(key) :]
            names, places = map(_name, (*circle, key)), map(self._place, circle)
            self._problems.append(
                f"dependencies depend on each other in a circle: {' → '.join(names)}; "
                f"have one of them take something else: {', '.join(places)}"
            )
            self._failed.add(key)
            return
        provide: Provide = self._reading.dependencies[key]
        lifetime = Lifetime.LIFESPAN if provide.use_cache else provide.lifetime
        known = None if key in self._replaced else self._known.get(key)
        step = self._read(key, provide, lifetime) if known is None else known
        for needed in step.needs:
            self._provide(needed, (*above, key))
        if key in self._failed:
            return
        inner = {one: self._providers[one] for one in step.needs if one in self._providers}
        if known is None or inner != known.inner:
            step = self._made(key, provide, lifetime, step, inner)
        self._providers[key] = step

    def _read(self, key: Any, provide: Provide, lifetime: Lifetime) -> Step:
        """Return *provide* as a step."""

        def read() -> Step:
            call = provide.dependency
            manner = manner_of(call, to_thread=provide.sync_to_thread)
            return self._step(_name(key), call, manner, lifetime=lifetime, provides=key)

        return self._once((key, provide), read)

    def _made(
        self,
        key: Any,
        provide: Provide,
        lifetime: Lifetime,
        step: Step,
        inner: Mapping[Any, Step],
    ) -> Step:
        """Return *step* as the provider of *key*, all that it needs known."""
        place = (step, *inner.values())
        known = self._lasting.made.get(place)
        if known is not None:
            return known
        before = len(self._problems)
        self._problems.extend(self._misfits(key, provide, lifetime, step, inner))
        self._problems.extend(self._mistyped(step, inner))
        if not isinstance(key, str) and not self._lasting.is_overridden:
            what = f"the dependency {self._place(key)}"
            self._problems.extend(mismatch(step.call, step.manner, step.returns, key, what))
        made = Step(
            step.name,
            step.call,
            step.arguments,
            step.manner,
            lifetime,
            _identity(key, step.call, inner),
            inner,
            provide.use_cache,
            step.returns,
            step.needs,
        )
        if lifetime >= Lifetime.LIFESPAN:
            made = self._lasting.shared(made)
        if len(self._problems) == before:
            self._lasting.made[place] = made
        return made

    def _misfits(
        self,
        key: Any,
        provide: Provide,
        lifetime: Lifetime,
        step: Step,
        inner: Mapping[Any, Step],
    ) -> Iterator[str]:
        """Yield what a provider cannot take, or cannot be."""
        name = _name(key)
        own = "use_cache=True" if provide.use_cache else f"Lifetime.{lifetime.name}"
        for needed, provider in inner.items():
            if provider.lifetime < lifetime:
                short = provider.lifetime.name
                shorter = f"give {name!r} lifetime=Lifetime.{short}"
                yield (
                    f"the dependency {self._place(key, own)} takes "
                    f"{self._place(needed, f'Lifetime.{short}')}, which lives shorter; "
                    f"{'leave use_cache out' if provide.use_cache else shorter}, or give "
                    f"{_name(needed)!r} lifetime=Lifetime.{lifetime.name}"
                )
        if provide.use_cache and step.manner in EXITS:
            yield (
                f"the dependency {self._place(key)} has an end, but use_cache=True keeps its value "
                "beyond that; write lifetime=Lifetime.LIFESPAN instead"
            )

    def _mistyped(self, step: Step, providers: Mapping[Any, Step]) -> Iterator[str]:
        """Yield which arguments are annotated with what their providers cannot make."""
        if self._lasting.is_overridden:  # what is for tests may stand in for a class
            return
        for argument in step.arguments:
            key = argument.key
            provider = providers.get(key) if argument.source is Source.DEPENDENCY else None
            if provider is not None and isinstance(key, str):
                what = f"{argument.name!r} of {described(step.call)}"
                call, manner, returns = provider.call, provider.manner, provider.returns
                for problem in mismatch(call, manner, returns, argument.annotation, what):
                    layer = self._reading.declared_by(key)
                    yield f"{problem} ({key!r} is provided by {layer})" if layer else problem

    def _place(self, key: Any, more: str = "") -> str:
        """Return a dependency's name with the layer that provides it, for messages."""
        inside = ", ".join(filter(None, (self._reading.declared_by(key), more)))
        return f"{_name(key)!r} ({inside})" if inside else repr(_name(key))


class Providers:
    """Finds the providers that a key stands for on one layer; lives as long as its plans.

    Args:
        reading: What their arguments are read with.
        lasting: The app's providers of values that outlive a connection.
    """

    __slots__ = ("__weakref__", "_lasting", "_reading")

    def __init__(self, reading: Reading, lasting: Lasting) -> None:
        self._reading = reading
        self._lasting = lasting

    def of(self, key: Any) -> tuple[Step, Mapping[Any, Step]]:
        """Return the provider of *key*, and all that it needs.

        Raises:
            LookupError: There is none.
            ConfigurationError: It cannot be used.
        """
        known = self._reading.dependencies
        if key not in known:
            near = (
                late.did_you_mean(key, [k for k in known if isinstance(k, str)])
                if isinstance(key, str)
                else ""
            )
            raise LookupError(f"no layer provides the dependency {_name(key)!r}{near}")
        problems: list[str] = []
        graph = Graph(self._reading, problems, self._lasting)
        step = graph.provider(key)
        if problems or step is None:
            raise ConfigurationError(*problems)
        return step, graph.providers

    def work(self, function: Callable[..., Any]) -> tuple[Step, Mapping[Any, Step]]:
        """Return the step that does background work, and the providers it needs.

        Args:
            function: What is called; it is passed by name what it takes besides.

        Raises:
            ConfigurationError: It takes what it cannot be given.
        """
        problems: list[str] = []
        graph = Graph(self._reading, problems, self._lasting)
        manner = manner_of_handler(function, to_thread=True)
        step = graph.step(_name(function), function, manner, is_late=True)
        if problems:
            raise ConfigurationError(*problems)
        return step, graph.providers


def named(call: Callable[..., Any]) -> str:
    """Return a speaking name for what is called."""
    return getattr(call, "__name__", type(call).__name__)


def _identity(key: Any, call: Callable[..., Any], inner: Mapping[Any, Step]) -> Hashable:
    try:
        hash(call)
        made_by: Hashable = call
    except TypeError:
        made_by = _Itself(call)
    return (key, made_by, *(step.identity for step in inner.values()))


class _Itself:
    """A callable that has no hash, compared by identity; lives as long as its step."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other._call is self._call

    def __hash__(self) -> int:
        return id(self._call)


def _name(key: Any) -> str:
    return key if isinstance(key, str) else str(getattr(key, "__name__", key))
