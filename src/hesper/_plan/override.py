"""Plans with other providers, made from those of the original app: `Overriding`.

What the replacement does not touch is taken over as it is, so that an override costs little.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import msgspec

import hesper._late as late
from hesper._plan.annotations import shown
from hesper._plan.arguments import Reading
from hesper._plan.graph import Graph, Lasting, Step
from hesper._plan.plan import Plan, late_steps, reading_of
from hesper._resolution import options_of, with_option
from hesper.di import Provide
from hesper.handlers.handler import BaseRouteHandler
from hesper.layer import Layer
from hesper.lifetime import Lifetime


class Value:
    """Stands in for a provider and returns what it was given; lives as long as the override.

    Args:
        value: What it returns.
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: object) -> None:
        self._value = value

    def __call__(self) -> Any:
        """Return the value."""
        return self._value


class Overriding:
    """One override; lives while the new app is made.

    Args:
        replacements: Providers, or values, by the keys that they replace.
        lasting: The new app's providers of values that outlive a connection.
        problems: Where problems are added.
    """

    def __init__(
        self, replacements: Mapping[Any, Any], lasting: Lasting, problems: list[str]
    ) -> None:
        self._replacements = replacements
        self._lasting = lasting
        self._problems = problems
        self._values: dict[tuple[Any, Lifetime], Provide] = {}
        self._met: set[Any] = set()
        self._providers: dict[Hashable, Mapping[Any, Step]] = {}
        """What routes need now, by all that it depends on: most routes of an app are alike."""

    def layer(self, outermost: Layer) -> Layer:
        """Return the application's own layer with its providers replaced."""
        own = vars(outermost)["_changes"].get("dependencies")
        if own is None or own.value.keys().isdisjoint(self._replacements):
            return outermost
        return with_option(outermost, "dependencies", self._replaced(own.value))

    def plan(self, plan: Plan) -> Plan:
        """Return *plan* with its providers replaced; *plan* itself if it has none of them."""
        known: Mapping[Any, Provide] = plan.option("dependencies")
        if known.keys().isdisjoint(self._replacements):
            return plan
        handler = object.__new__(type(plan.handler))
        vars(handler).update(vars(plan.handler), dependencies=self._replaced(known))
        return self._planned(plan, handler)

    def _planned(self, plan: Plan, handler: BaseRouteHandler) -> Plan:
        options = options_of(handler)
        reading = reading_of(
            handler, options, plan.path, plan.scope_type, plan.chain, self._lasting
        )
        late_calls = late_steps(plan)
        calls = (*plan.guards, *plan.before_request, plan.call, *plan.after_request)
        place = (
            reading.likeness,
            tuple(map(id, reading.dependencies.values())),
            tuple(plan.providers.items()),
            tuple(step.needs for step in late_calls),
            tuple(step.needs for step in calls),
        )
        providers = self._providers.get(place)
        if providers is None:
            before = len(self._problems)
            providers = self._provided(plan, reading, late_calls, calls)
            if len(self._problems) == before:
                self._providers[place] = providers
        return msgspec.structs.replace(
            plan, handler=handler, lasting=self._lasting, providers=providers
        )

    def _provided(
        self, plan: Plan, reading: Reading, late_calls: Iterable[Step], calls: Iterable[Step]
    ) -> Mapping[Any, Step]:
        """Return the providers that a route needs now."""
        if len(self._untouched(plan.providers)) == len(plan.providers):
            return plan.providers
        found: list[str] = []
        graph = Graph(reading, found, self._lasting, plan.providers, frozenset(self._replacements))
        for step in late_calls:
            graph.again(step, Lifetime.CONNECTION)
        for step in calls:
            graph.again(step)
        self._problems.extend(f"{plan.label}: {problem}" for problem in found)
        return graph.providers

    def _untouched(self, providers: Mapping[Any, Step]) -> set[Any]:
        """Return the keys of the providers that neither are replaced nor depend on such."""
        untouched: set[Any] = set()
        for key, step in providers.items():
            if key not in self._replacements and untouched.issuperset(step.needs):
                untouched.add(key)
        return untouched

    def _replaced(self, known: Mapping[Any, Provide]) -> dict[Any, Provide]:
        changed = {
            key: self._provide(key, known[key]) for key in known if key in self._replacements
        }
        self._met.update(changed)
        return {**known, **changed}

    def _provide(self, key: Any, original: Provide) -> Provide:
        """Return the replacement; a plain value lives as long as what it replaces."""
        replacement = self._replacements[key]
        if isinstance(replacement, Provide):
            return replacement
        lifetime = Lifetime.LIFESPAN if original.use_cache else original.lifetime
        place = (key, lifetime)
        if place not in self._values:
            self._values[place] = Provide(
                Value(replacement), lifetime=lifetime, sync_to_thread=False
            )
        return self._values[place]

    def unknown(self, known: Iterable[Any]) -> list[str]:
        """Return the problems of keys that nothing has; call it last."""
        unmet = [key for key in self._replacements if key not in self._met]
        if not unmet:
            return []
        names = {_shown(key) for key in known}
        return [
            f"override: no layer provides the dependency {_shown(key)!r}"
            f"{late.did_you_mean(_shown(key), names)}"
            for key in unmet
        ]


def _shown(key: Any) -> str:
    return key if isinstance(key, str) else shown(key)
