"""Every option on every layer: what is in force is seen through requests."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest

from hesper import Extend, Replace
from hesper.layer import RULES
from tests.option_rows import LAYERS, ROWS, Log, Row, Seen, Stack

NAMES: Final = list(LAYERS)
PAIRS: Final = list(itertools.combinations(NAMES, 2))

Said = Mapping[str, str]
"""By layer: `plain`, `Extend`, `Replace`, `None`, or `nothing` for `Replace` of nothing."""

each_option = pytest.mark.parametrize("option", ROWS)


def test_every_option_has_a_row_with_its_rule() -> None:
    assert ROWS.keys() == RULES.keys()
    assert {name: row.rule for name, row in ROWS.items()} == {
        name: RULES[name].name for name in ROWS
    }


def written(row: Row, how: str, mark: str, log: Log) -> Any:
    if how == "None":
        return None
    if how == "nothing":
        return Replace(row.empty)
    value = row.write(mark, log)
    wrappers: dict[str, Callable[[Any], Any]] = {"Extend": Extend, "Replace": Replace}
    return wrappers[how](value) if how in wrappers else value


def seen(option: str, said: Said) -> Seen:
    """Return what is in force where the layers say *said*."""
    row, log = ROWS[option], Log()
    stack = Stack(
        option, {layer: written(row, how, LAYERS[layer], log) for layer, how in said.items()}
    )
    return row.see(stack, log)


def expected(option: str, said: Said) -> object:
    """Return what the option's rule says of *said*."""
    row = ROWS[option]
    keyed = row.rule in {"overlay", "prepend"}
    nothing: Seen = {} if keyed else []
    in_force = functools.reduce(
        lambda outer, layer: _joined(option, row, outer, said[layer], LAYERS[layer]),
        sorted(said, key=NAMES.index),
        nothing,
    )
    return row.shows(in_force)


def _joined(option: str, row: Row, outer: Seen, how: str, mark: str) -> Seen:
    if how == "None" and row.none is not None:
        return row.none
    if how == "nothing" and row.none is not None:
        return row.none
    own = [] if how in {"None", "nothing"} else [mark]
    drops = how in {"None", "nothing", "Replace"} or (how == "plain" and row.rule == "replace")
    if isinstance(outer, dict):
        return {} if not own and drops else {**({} if drops else outer), "shared": mark, mark: mark}
    # The application's middleware is around routing, where no layer inside can drop it.
    if option == "middleware" and drops:
        return [*(known for known in outer if known == "a"), *own]
    if drops:
        return own
    return [*own, *outer] if row.joins == "inner first" else [*outer, *own]


@each_option
def test_an_option_takes_effect_on_each_layer(option: str) -> None:
    for layer in NAMES:
        said = {layer: "plain"}
        assert seen(option, said) == expected(option, said), layer


@each_option
def test_layers_combine_by_the_option_s_rule(option: str) -> None:
    for layers in [*PAIRS, *itertools.combinations(NAMES, 3), NAMES]:
        said = dict.fromkeys(layers, "plain")
        assert seen(option, said) == expected(option, said), layers


def pairs(how: str) -> Iterator[dict[str, str]]:
    """Yield what two layers say, the inner one in the manner *how*."""
    for outer, inner in PAIRS:
        yield {outer: "plain", inner: how}


@each_option
def test_replace_drops_what_the_outer_layers_say(option: str) -> None:
    for said in pairs("Replace"):
        assert seen(option, said) == expected(option, said), said


@each_option
def test_replace_with_nothing_leaves_nothing(option: str) -> None:
    for said in pairs("nothing"):
        assert seen(option, said) == expected(option, said), said


@each_option
def test_what_a_layer_inside_adds_to_a_replacement_counts(option: str) -> None:
    for outer, middle, inner in itertools.combinations(NAMES, 3):
        said = {outer: "plain", middle: "Replace", inner: "plain"}
        assert seen(option, said) == expected(option, said), said


JOINED: Final = [name for name, row in ROWS.items() if row.joins or row.rule != "replace"]


@pytest.mark.parametrize("option", JOINED)
def test_extend_adds_to_what_the_outer_layers_say(option: str) -> None:
    for said in (*pairs("Extend"), dict.fromkeys(NAMES, "Extend")):
        assert seen(option, said) == expected(option, said), said


@pytest.mark.parametrize("option", [name for name in ROWS if name not in JOINED])
def test_extend_is_an_error_where_only_one_value_can_be_in_force(option: str) -> None:
    for said in pairs("Extend"):
        with pytest.raises(TypeError, match=rf"{option}=Extend\(...\) has no meaning"):
            seen(option, said)


REPLACED: Final = [name for name, row in ROWS.items() if row.rule == "replace"]


@pytest.mark.parametrize("option", REPLACED)
def test_none_means_none_here(option: str) -> None:
    for said in pairs("None"):
        assert seen(option, said) == expected(option, said), said


@pytest.mark.parametrize("option", [name for name in ROWS if name not in REPLACED])
def test_none_is_an_error_where_it_would_drop_what_was_collected(option: str) -> None:
    for layer in NAMES:
        with pytest.raises(TypeError, match=rf"{option}=None .* write {option}=Replace\("):
            seen(option, {layer: "None"})
