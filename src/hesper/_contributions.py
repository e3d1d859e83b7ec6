"""Which layer says what of an option, and what comes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hesper._merge import Change
from hesper._place import Place, place_of
from hesper._resolution import resolved_options
from hesper._signature import described
from hesper._types import Empty
from hesper.layer import (
    RULES,
    Amendment,
    Layer,
    amendments_of,
    changes_of,
    declared_at,
)


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class Contribution:
    """What one layer says of an option. Never changes."""

    layer: str
    """How messages name the layer; of an application also the hooks and plugins that changed it."""
    file: str | None
    line: int | None
    """Where the layer, or the hook, is declared."""
    value: Any
    """What it says, in the option's normal form."""
    wrapper: str
    """`"Extend"`, `"Replace"`, or nothing."""
    in_force: bool
    """Whether nothing that came after has dropped it."""


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class ExplainedOption:
    """The value of one option, and which layers it comes from. Never changes."""

    name: str
    rule: str
    """`"replace"`, `"extend"`, `"prepend"` or `"overlay"`."""
    value: Any
    """The resolved value, in the option's normal form."""
    contributions: tuple[Contribution, ...]
    """Of each layer that says something, outermost first; none if the value is the default."""


def explained_option(
    chain: Sequence[Layer], name: str, dependencies: Mapping[Any, Any] | None
) -> ExplainedOption:
    """Return the value of an option and where it comes from.

    Args:
        chain: The layers, outermost first.
        name: The option.
        dependencies: The route's dependencies, where an override may have replaced some.
    """
    if name == "middleware" and len(chain) > 1:
        # The application's is around routing, so no layer inside can drop it.
        outside, inside = _folded(chain[:1], name), _folded(chain[1:], name)
        return dataclasses.replace(
            inside,
            value=(*outside.value, *inside.value),
            contributions=(*outside.contributions, *inside.contributions),
        )
    option = _folded(chain, name)
    if name != "dependencies" or dependencies is None:
        return option
    known = option.value
    replaced = {key: dependencies[key] for key in known if dependencies[key] is not known[key]}
    if not replaced:
        return option
    by = _contribution("app.override", None, replaced, in_force=True)
    return dataclasses.replace(
        option, value={**known, **replaced}, contributions=(*option.contributions, by)
    )


def _folded(chain: Sequence[Layer], name: str) -> ExplainedOption:
    changes = [changes_of(layer).get(name) for layer in chain]
    fresh = [index for index, change in enumerate(changes) if change is not None and change.fresh]
    first = fresh[-1] if fresh else 0
    return ExplainedOption(
        name=name,
        rule=RULES[name].name,
        value=resolved_options(chain)[name],
        contributions=tuple(
            contribution
            for index, (layer, change) in enumerate(zip(chain, changes, strict=True))
            for contribution in _contributions(layer, name, change, in_force=index >= first)
        ),
    )


def _contributions(
    layer: Layer, name: str, change: Change | None, *, in_force: bool
) -> Iterator[Contribution]:
    """Yield what a layer says, and what the hooks of an application have made of it."""
    amendments = [amendment for amendment in amendments_of(layer) if amendment.option == name]
    if not amendments:
        if change is not None:
            place, wrapper = declared_at(layer), _wrapper(name, change)
            yield _contribution(layer.label, place, change.value, wrapper, in_force=in_force)
        return
    said = [_contribution(layer.label, declared_at(layer), amendments[0].before)]
    for amendment in amendments:
        by, added = f"{layer.label}, by {described(amendment.hook)}", _added(amendment)
        value, wrapper = (amendment.after, "Replace") if added is None else (added, "Extend")
        if not isinstance(value, (list, dict)):
            wrapper = ""
        said.append(_contribution(by, place_of(amendment.hook), value, wrapper))
    replacing = [index for index, given in enumerate(said) if given.wrapper != "Extend"]
    for index, given in enumerate(said):
        if given.value is not Empty and (index or given.value not in ([], {})):
            yield dataclasses.replace(given, in_force=in_force and index >= replacing[-1])


def _added(amendment: Amendment) -> Any:
    """Return what a hook has added to a list or a mapping; `None` if it did anything else."""
    before, after = amendment.before, amendment.after
    if type(before) is not type(after):  # headers may be a list, and then a mapping
        return None
    if isinstance(after, dict):
        kept = all(key in after and after[key] is value for key, value in before.items())
        return {key: after[key] for key in after if key not in before} if kept else None
    if not isinstance(after, list):
        return None
    rest = iter(after)
    if not all(any(item is other for other in rest) for item in before):
        return None
    return [item for item in after if not any(item is known for known in before)]


def _contribution(
    layer: str, place: Place | None, value: Any, wrapper: str = "", *, in_force: bool = False
) -> Contribution:
    file, line = place or (None, None)
    return Contribution(
        layer=layer, file=file, line=line, value=value, wrapper=wrapper, in_force=in_force
    )


def _wrapper(name: str, change: Change) -> str:
    """Return what the value was written in, where that makes a difference."""
    if change.fresh == (RULES[name].name == "replace"):
        return ""
    return "Replace" if change.fresh else "Extend"
