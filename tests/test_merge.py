"""The laws of merging, over all options at once and against a fold written from the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import Extend, Replace
from hesper._merge import UNSET, Change, hooks, mapping, several
from hesper._types import Empty
from hesper.layer import RULES
from tests.merge_oracle import KINDS, OPTIONS, WRITTEN, chains, first, naive, second


def changes(option: str, chain: Sequence[Any]) -> list[Change]:
    return [RULES[option].change(option, written) for written in chain if written is not UNSET]


def folded(option: str, done: Sequence[Change]) -> Any:
    """Return the value that remains of *done*, taken one by one from the outside."""
    rule = RULES[option]
    if not done:
        return rule.empty
    change = done[0]
    for inner in done[1:]:
        change = rule.combine(change, inner)
    return change.value


def test_the_table_names_every_option() -> None:
    assert RULES.keys() == KINDS.keys() == WRITTEN.keys()


@given(chains())
def test_a_chain_comes_to_what_the_table_says(case: tuple[str, list[Any]]) -> None:
    option, chain = case
    assert folded(option, changes(option, chain)) == naive(option, chain)


@given(chains(), st.data())
def test_layers_may_be_folded_in_any_grouping(
    case: tuple[str, list[Any]], data: st.DataObject
) -> None:
    option, chain = case
    done = changes(option, chain)
    expected = folded(option, done)
    while len(done) > 1:
        index = data.draw(st.integers(0, len(done) - 2))
        done[index : index + 2] = [RULES[option].combine(done[index], done[index + 1])]
    assert folded(option, done) == expected


@given(chains(), st.data())
def test_a_layer_that_says_nothing_changes_nothing(
    case: tuple[str, list[Any]], data: st.DataObject
) -> None:
    option, chain = case
    index = data.draw(st.integers(0, len(chain)))
    with_silence = [*chain[:index], UNSET, *chain[index:]]
    assert folded(option, changes(option, with_silence)) == folded(option, changes(option, chain))


@given(chains(), st.data())
def test_replace_makes_the_outer_layers_irrelevant(
    case: tuple[str, list[Any]], data: st.DataObject
) -> None:
    option, chain = case
    value = Replace(data.draw(WRITTEN[option][0]))
    assert folded(option, changes(option, [*chain, value])) == folded(
        option, changes(option, [value])
    )


@given(chains())
def test_folding_changes_nothing_that_was_given(case: tuple[str, list[Any]]) -> None:
    option, chain = case
    done = changes(option, chain)
    before = [
        (change.value.copy() if hasattr(change.value, "copy") else change.value, change.fresh)
        for change in done
    ]
    folded(option, done)
    assert [(change.value, change.fresh) for change in done] == before


@given(OPTIONS.filter(lambda option: KINDS[option] in {"extend", "prepend", "overlay"}))
def test_none_on_a_collecting_option_points_to_replace(option: str) -> None:
    empty = "{}" if KINDS[option] == "overlay" else "[]"
    with pytest.raises(TypeError) as raised:
        RULES[option].change(option, None)
    assert f"{option}=Replace({empty})" in str(raised.value)


@given(OPTIONS.filter(lambda option: KINDS[option] == "replace"), st.data())
def test_extend_has_no_meaning_where_only_one_can_be_in_force(
    option: str, data: st.DataObject
) -> None:
    value = data.draw(WRITTEN[option][0])
    with pytest.raises(TypeError, match=rf"{option}=Extend\(\.\.\.\) has no meaning"):
        RULES[option].change(option, Extend(value))


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (first, r"write \[first\]"),
        ("abc", r"write \['abc'\]"),
        (b"abc", "takes a list"),
        ({"a": 1}, "takes a list"),
        (None, r"write \[\]"),
        (5, "takes a list"),
    ],
)
def test_a_list_is_not_guessed_from_a_single_value(written: object, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        several(written)


def test_a_list_may_be_any_collection() -> None:
    assert several((1, 2)) == several([1, 2]) == several(iter([1, 2])) == (1, 2)


def test_hooks_are_one_callable_several_or_none() -> None:
    assert hooks(None) == ()
    assert hooks(first) == (first,)
    assert hooks([first, second]) == (first, second)


@pytest.mark.parametrize("written", ["name", 5, [first, None], [["x"]]])
def test_hooks_are_callable(written: object) -> None:
    with pytest.raises(TypeError, match="takes a callable"):
        hooks(written)


def test_a_mapping_is_not_guessed() -> None:
    with pytest.raises(TypeError, match="takes a mapping"):
        mapping([("a", 1)])


def test_what_was_read_does_not_follow_later_changes_of_the_list() -> None:
    written: list[object] = [first]
    change = RULES["guards"].change("guards", written)
    written.append(second)
    assert change.value == (first,)


def test_what_was_read_does_not_follow_later_changes_of_the_mapping() -> None:
    written: dict[str, object] = {"a": 1}
    change = RULES["opt"].change("opt", written)
    written["b"] = 2
    assert change.value == {"a": 1}


def test_the_unset_value_is_the_one_for_nothing_given() -> None:
    assert UNSET is Empty
    assert not UNSET
