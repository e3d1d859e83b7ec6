"""MultiDict and ImmutableMultiDict."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.datastructures import ImmutableMultiDict, MultiDict

PAIRS = [("a", 1), ("b", 2), ("a", 3)]
BOTH = pytest.mark.parametrize("kind", [ImmutableMultiDict, MultiDict])


@BOTH
def test_the_mapping_gives_the_first_value(kind: type[ImmutableMultiDict[int]]) -> None:
    values = kind(PAIRS)
    assert (values["a"], values.get("b"), values.get("c")) == (1, 2, None)


@BOTH
def test_getall_gives_every_value(kind: type[ImmutableMultiDict[int]]) -> None:
    assert kind(PAIRS).getall("a") == [1, 3]


@BOTH
def test_getall_gives_a_list_of_its_own(kind: type[ImmutableMultiDict[int]]) -> None:
    values = kind(PAIRS)
    values.getall("a").clear()
    assert values.getall("a") == [1, 3]


@BOTH
def test_getall_gives_the_default_without_a_value(kind: type[ImmutableMultiDict[int]]) -> None:
    assert kind().getall("a", None) is None


@BOTH
def test_a_missing_key_is_a_key_error(kind: type[ImmutableMultiDict[int]]) -> None:
    with pytest.raises(KeyError, match="'c'"):
        kind(PAIRS)["c"]
    with pytest.raises(KeyError, match="'c'"):
        kind(PAIRS).getall("c")


@BOTH
def test_keys_come_once(kind: type[ImmutableMultiDict[int]]) -> None:
    values = kind(PAIRS)
    assert (list(values), len(values), "a" in values, "c" in values) == (
        ["a", "b"],
        2,
        True,
        False,
    )


@BOTH
def test_multi_items_keeps_the_values_of_a_key_together(
    kind: type[ImmutableMultiDict[int]],
) -> None:
    assert list(kind(PAIRS).multi_items()) == [("a", 1), ("a", 3), ("b", 2)]


@BOTH
def test_dict_gives_lists_of_its_own(kind: type[ImmutableMultiDict[int]]) -> None:
    values = kind(PAIRS)
    lists = values.dict()
    lists["a"].clear()
    assert (lists, values.dict()) == ({"a": [], "b": [2]}, {"a": [1, 3], "b": [2]})


@BOTH
@pytest.mark.parametrize("source", [PAIRS, MultiDict(PAIRS), ImmutableMultiDict(PAIRS)])
def test_a_multi_dict_takes_every_value(
    kind: type[ImmutableMultiDict[int]], source: ImmutableMultiDict[int]
) -> None:
    assert kind(source).dict() == {"a": [1, 3], "b": [2]}


@BOTH
def test_a_mapping_gives_one_value_a_key(kind: type[ImmutableMultiDict[int]]) -> None:
    assert kind({"a": 1}).dict() == {"a": [1]}


@BOTH
def test_a_multi_dict_over_lists_shares_them(kind: type[ImmutableMultiDict[int]]) -> None:
    lists = {"a": [1]}
    values = kind.over(lists)
    lists["a"].append(2)
    assert values.getall("a") == [1, 2]


def test_setting_replaces_every_value() -> None:
    values = MultiDict(PAIRS)
    values["a"] = 9
    assert values.dict() == {"a": [9], "b": [2]}


def test_adding_keeps_the_others() -> None:
    values = MultiDict(PAIRS)
    values.add("a", 9)
    values.add("c", 8)
    assert values.dict() == {"a": [1, 3, 9], "b": [2], "c": [8]}


def test_extending_adds_every_value() -> None:
    values = MultiDict(PAIRS)
    values.extend(values)
    assert values.dict() == {"a": [1, 3, 1, 3], "b": [2, 2]}


def test_deleting_removes_the_key() -> None:
    values = MultiDict(PAIRS)
    del values["a"]
    assert values.dict() == {"b": [2]}


def test_popall_removes_and_gives_every_value() -> None:
    values = MultiDict(PAIRS)
    assert (values.popall("a"), values.popall("a", None), list(values)) == ([1, 3], None, ["b"])
    with pytest.raises(KeyError, match="'a'"):
        values.popall("a")


def test_pop_removes_the_key_and_gives_the_first_value() -> None:
    values = MultiDict(PAIRS)
    assert (values.pop("a"), list(values)) == (1, ["b"])


def test_setdefault_keeps_what_is_there() -> None:
    values = MultiDict(PAIRS)
    assert (values.setdefault("a", 9), values.setdefault("c", 9)) == (1, 9)
    assert values.getall("a") == [1, 3]


def test_a_multi_dict_that_can_only_be_read_has_no_methods_that_write() -> None:
    assert not {"add", "pop", "__setitem__", "__delitem__"} & set(dir(ImmutableMultiDict))


@pytest.mark.parametrize(
    ("convert", "kind"),
    [
        (MultiDict.copy, MultiDict),
        (MultiDict.mutable_copy, MultiDict),
        (MultiDict.immutable, ImmutableMultiDict),
    ],
)
def test_a_copy_has_lists_of_its_own(
    convert: Callable[[MultiDict[int]], ImmutableMultiDict[int]],
    kind: type[ImmutableMultiDict[int]],
) -> None:
    values = MultiDict(PAIRS)
    copied = convert(values)
    values.add("a", 9)
    assert type(copied) is kind
    assert copied.getall("a") == [1, 3]


def test_multi_dicts_are_equal_by_every_value() -> None:
    assert MultiDict(PAIRS) == ImmutableMultiDict(PAIRS)
    assert MultiDict(PAIRS) != MultiDict(PAIRS[:2])
    assert MultiDict({"a": 1}) == {"a": 1}
    assert MultiDict[int]() != 1


@BOTH
def test_a_multi_dict_has_no_hash(kind: type[ImmutableMultiDict[int]]) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(kind())


@BOTH
def test_a_multi_dict_can_be_weakly_referenced(kind: type[ImmutableMultiDict[int]]) -> None:
    values = kind()
    assert weakref.ref(values)() is values


@BOTH
@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda values: pickle.loads(pickle.dumps(values))]
)
def test_a_multi_dict_survives_copying_and_pickling(
    kind: type[ImmutableMultiDict[int]],
    again: Callable[[ImmutableMultiDict[int]], ImmutableMultiDict[int]],
) -> None:
    values = kind(PAIRS)
    assert again(values) == values
    assert again(values) is not values


def test_the_representation_can_be_read() -> None:
    assert repr(MultiDict(PAIRS)) == "MultiDict([('a', 1), ('a', 3), ('b', 2)])"


@given(st.lists(st.tuples(st.text(max_size=2), st.integers())))
def test_reading_agrees_with_a_plain_list(pairs: list[tuple[str, int]]) -> None:
    values = MultiDict(pairs)
    for key in {key for key, _ in pairs}:
        assert values.getall(key) == [value for found, value in pairs if found == key]
    assert sorted(values.multi_items()) == sorted(pairs)
