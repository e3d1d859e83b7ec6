"""What layers come to: those of a chain together, by the rules of their options, or one changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hesper._merge import UNSET, Change
from hesper._sparse import shape_of
from hesper.layer import RULES, Layer, LayerT, changes_of


class Branch:
    """The layers above a handler, folded once for all handlers below them.

    Lives while an app is built.

    Args:
        layers: The layers, the outermost first.
    """

    __slots__ = ("__weakref__", "_folded", "_options", "layers")

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.layers = layers
        folded: dict[str, Change] = {}
        for layer in layers:
            for name, change in changes_of(layer).items():
                outer = folded.get(name)
                folded[name] = change if outer is None else RULES[name].combine(outer, change)
        self._folded: Mapping[str, Change] = folded
        self._options: Mapping[str, Any] = {
            name: folded[name].value if name in folded else rule.empty
            for name, rule in RULES.items()
        }

    def says(self, option: str) -> bool:
        """Whether a layer says something of *option*."""
        return option in self._folded

    def resolve(self, innermost: LayerT) -> LayerT:
        """Return a copy of a layer below, of which every option is resolved.

        It holds what it says itself, and shares the rest with the others of the branch: but for
        `opt`, into which whoever has the handler may write.
        """
        resolved = object.__new__(type(innermost))
        own = vars(resolved)
        said = {name: value for name, value in vars(innermost).items() if value is not UNSET}
        own.update(said, _inherited=self._options)
        own.pop("_parsed", None)  # the path is parsed with the declaration, for the next app
        # Rules are associative: what is outside of the innermost layer may be folded before.
        for name, change in changes_of(innermost).items():
            outer = self._folded.get(name)
            own[name] = (change if outer is None else RULES[name].combine(outer, change)).value
        if held := shape_of(type(innermost)).held:
            for name in RULES.keys() & held:
                own.setdefault(name, self._options[name])
        own["opt"] = dict(option_of(resolved, "opt"))
        return resolved


def resolve(chain: Sequence[LayerT]) -> LayerT:
    """Return a copy of the innermost layer of *chain* with every option set and resolved."""
    return Branch(tuple(chain[:-1])).resolve(chain[-1])


def option_of(layer: Layer, name: str) -> Any:
    """Return an option of a resolved layer, in its normal form."""
    own = vars(layer)
    return own[name] if name in own else own["_inherited"][name]


def options_of(layer: Layer) -> Mapping[str, Any]:
    """Return all options of a resolved layer, in their normal form, to be read at once.

    Not to be written into: where the layer says nothing, they are those of its branch, `opt` too.
    """
    own = vars(layer)
    inherited: Mapping[str, Any] = own["_inherited"]
    said = inherited.keys() & own.keys()
    if said == _COPIED and said.isdisjoint(own["_changes"]):
        return inherited  # PERF: most handlers say nothing
    return {**inherited, **{name: own[name] for name in said}}


_COPIED: Final = frozenset({"opt"})
"""What a handler has of its own though it says nothing of it."""


def resolved_options(chain: Sequence[Layer]) -> dict[str, Any]:
    """Fold *chain*, outermost layer first: every option by name, each in its normal form."""
    return dict(Branch(tuple(chain))._options)


def contributions(chain: Sequence[Layer], option: str) -> Iterator[tuple[Layer, Change]]:
    """Yield the layers of *chain* that take part in the value of *option*, outermost first."""
    found = [(layer, changes_of(layer)[option]) for layer in chain if option in changes_of(layer)]
    fresh = [index for index, (_, change) in enumerate(found) if change.fresh]
    yield from found[fresh[-1] if fresh else 0 :]


class DetachedLayer(Layer):
    """What an application says as a layer, without the application; lives with its plans."""

    @property
    def label(self) -> str:
        """How messages name the application."""
        return "application"


def detached(layer: Layer) -> Layer:
    """Return the options of *layer* as a layer that does not refer to it."""
    options = DetachedLayer()
    for name in ("_changes", "_declared_at", "_amendments"):
        if name in vars(layer):
            vars(options)[name] = vars(layer)[name]
    return options


def with_option(layer: Layer, option: str, value: object) -> Layer:
    """Return *layer*, an application detached, with another value of *option*.

    Args:
        layer: What `detached` returned.
        option: The name of an option that the layer sets.
        value: The value in its normal form.
    """
    changed = object.__new__(type(layer))
    changes = changes_of(layer)
    change = Change(value, fresh=changes[option].fresh)
    vars(changed).update(vars(layer), _changes={**changes, option: change})
    return changed
