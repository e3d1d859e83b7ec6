"""State and ImmutableState."""

from __future__ import annotations

import copy
import pickle
import threading
import weakref
from collections import UserDict
from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.datastructures import ImmutableState, State

BOTH = pytest.mark.parametrize("kind", [State, ImmutableState])


class Counters(State):
    """A subclass as users write them."""

    count: int = 0
    label: str

    def doubled(self) -> int:
        return self.count * 2

    @property
    def half(self) -> int:
        return self.count // 2

    @half.setter
    def half(self, value: int) -> None:
        self.count = value * 2

    @half.deleter
    def half(self) -> None:
        del self.count

    @property
    def fixed(self) -> int:
        return 3


class Frozen(ImmutableState):
    count: int = 0


@BOTH
@pytest.mark.parametrize(
    "given_values",
    [
        {"a": 1, "b": 2},
        [("a", 1), ("b", 2)],
        State({"a": 1, "b": 2}),
        ImmutableState(a for a in [("a", 1), ("b", 2)]),
    ],
)
def test_a_state_is_made_of_what_names_values(
    kind: type[ImmutableState], given_values: Any
) -> None:
    assert kind(given_values).dict() == {"a": 1, "b": 2}


@BOTH
def test_a_state_is_empty_by_default(kind: type[ImmutableState]) -> None:
    assert (len(kind()), list(kind()), kind().dict()) == (0, [], {})


@BOTH
def test_a_value_is_read_by_attribute_and_by_item(kind: type[ImmutableState]) -> None:
    state = kind({"pool": 5})
    assert (state.pool, state["pool"], state.get("pool")) == (5, 5, 5)


@BOTH
def test_the_first_values_are_copied_shallowly(kind: type[ImmutableState]) -> None:
    shared = [1]
    first = {"list": shared}
    state = kind(first)
    first["list"] = []
    assert state.list is shared


@BOTH
def test_a_deep_copy_owns_its_values(kind: type[ImmutableState]) -> None:
    shared = [1]
    state = kind({"list": shared}, deep_copy=True)
    shared.append(2)
    assert state.list == [1]


@BOTH
def test_a_missing_attribute_says_what_is_there(kind: type[ImmutableState]) -> None:
    with pytest.raises(AttributeError, match=rf"{kind.__name__} has no 'pol'; it has 'pool', 'b'$"):
        _ = kind({"pool": 1, "b": 2}).pol


@BOTH
def test_an_empty_state_says_that_it_has_nothing(kind: type[ImmutableState]) -> None:
    with pytest.raises(AttributeError, match="it has nothing"):
        _ = kind().pool


def test_a_long_list_of_names_is_cut() -> None:
    with pytest.raises(AttributeError, match=r"'n19' and 5 more$"):
        _ = State({f"n{number}": 0 for number in range(25)}).missing


@BOTH
def test_a_missing_item_is_a_key_error(kind: type[ImmutableState]) -> None:
    with pytest.raises(KeyError, match="pool"):
        kind()["pool"]


def test_an_attribute_that_is_set_is_there() -> None:
    state = State()
    state.pool = 5
    assert state["pool"] == 5


def test_an_item_that_is_set_is_there() -> None:
    state = State()
    state["pool"] = 5
    assert state.pool == 5


def test_a_deleted_attribute_is_gone() -> None:
    state = State({"pool": 5})
    del state.pool
    assert "pool" not in state


def test_a_deleted_item_is_gone() -> None:
    state = State({"pool": 5})
    del state["pool"]
    assert not hasattr(state, "pool")


def test_deleting_a_missing_attribute_says_what_is_there() -> None:
    state = State({"pool": 5})
    with pytest.raises(AttributeError, match="no 'pol' to delete; it has 'pool'"):
        del state.pol


@pytest.mark.parametrize("name", ["items", "dict", "_data", "_deep_copy", "__orig_class__"])
def test_a_name_that_could_not_be_read_back_is_refused_as_an_attribute(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"write state\['{name}'\]"):
        setattr(State(), name, 1)


@pytest.mark.parametrize("name", [name for name in dir(State) if name[0] != "_"])
def test_no_value_hides_what_the_class_has(name: str) -> None:
    assert getattr(State({name: "hidden"}), name) != "hidden"
    assert State({name: "hidden"})[name] == "hidden"


def test_no_value_hides_a_method_of_a_subclass() -> None:
    class Shelf(State):
        size: int = 2

        def is_full(self) -> bool:
            return len(self) > self.size

        @property
        def first(self) -> str:
            return "Emma"

    shelf = Shelf({"is_full": "hidden", "first": "hidden"})
    assert not shelf.is_full()
    assert shelf.first == "Emma"
    shelf["size"] = 1
    assert shelf.is_full()


@pytest.mark.parametrize("name", ["items", "_data"])
def test_what_a_class_has_cannot_be_deleted(name: str) -> None:
    with pytest.raises(AttributeError, match="is a name of the class"):
        delattr(State(), name)


def test_the_name_of_a_method_can_be_an_item() -> None:
    state = State()
    state["items"] = 1
    assert state["items"] == 1
    assert list(state.items()) == [("items", 1)]


def test_the_names_of_the_metaclass_are_free() -> None:
    state = State()
    state.register = 1
    assert state.register == 1


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda state: setattr(state, "a", 2), AttributeError),
        (lambda state: delattr(state, "a"), AttributeError),
        (lambda state: state.__setitem__("a", 2), TypeError),
        (lambda state: state.__delitem__("a"), TypeError),
    ],
)
def test_an_immutable_state_refuses_a_write_and_says_what_to_do(
    write: Callable[[ImmutableState], None], error: type[Exception]
) -> None:
    state = ImmutableState({"a": 1})
    with pytest.raises(error, match=r"refuses writes; take a State .* mutable_copy\(\)"):
        write(state)
    assert state.dict() == {"a": 1}


def test_an_immutable_state_has_no_methods_that_write() -> None:
    assert not {"pop", "update", "clear", "setdefault"} & set(dir(ImmutableState))


def test_a_default_of_the_class_is_read_until_a_value_is_set() -> None:
    state = Counters()
    assert state.count == 0
    state.count = 5
    assert (state.count, state["count"], Counters.count) == (5, 5, 0)


def test_a_default_is_read_again_when_the_value_is_deleted() -> None:
    state = Counters({"count": 5})
    del state.count
    assert state.count == 0


def test_a_default_is_no_item() -> None:
    assert "count" not in Counters()


def test_a_default_is_inherited() -> None:
    class More(Counters):
        extra: int = 1

    state = More({"extra": 2})
    assert (state.count, state.extra, state.doubled()) == (0, 2, 0)


def test_a_default_hides_nothing_of_an_immutable_state() -> None:
    assert Frozen({"count": 3}).count == 3


def test_an_annotation_without_a_default_is_no_value() -> None:
    with pytest.raises(AttributeError, match="Counters has no 'label'"):
        _ = Counters().label


def test_a_method_of_a_subclass_reads_the_state() -> None:
    assert Counters({"count": 4}).doubled() == 8


def test_a_property_is_read_and_its_setter_is_honoured() -> None:
    state = Counters()
    state.half = 4
    assert (state.count, state.half, list(state)) == (8, 4, ["count"])


def test_the_deleter_of_a_property_is_honoured() -> None:
    state = Counters({"count": 4})
    del state.half
    assert state.dict() == {}


def test_a_property_without_a_setter_stays_read_only() -> None:
    with pytest.raises(AttributeError, match="no setter"):
        setattr(Counters(), "fixed", 4)  # noqa: B010 (checkers refuse the statement)


def test_a_constructor_may_use_the_state_before_it_calls_ours() -> None:
    class Early(State):
        def __init__(self) -> None:
            self.count = 1
            super().__init__({"more": 2})

    assert Early().dict() == {"count": 1, "more": 2}


@pytest.mark.parametrize("kind", [State, ImmutableState, Counters])
def test_a_state_over_data_shares_them(kind: type[ImmutableState]) -> None:
    data: dict[str, Any] = {}
    state = kind.over(data)
    data["later"] = 1
    assert type(state) is kind
    assert state.later == 1


def test_a_write_reaches_the_data_that_a_state_is_over() -> None:
    data: dict[str, Any] = {}
    State.over(data).pool = 1
    assert data == {"pool": 1}


def test_a_state_over_data_is_made_without_the_constructor() -> None:
    class Demanding(State):
        def __init__(self, needed: int) -> None:
            super().__init__({"needed": needed})

    assert Demanding.over({"needed": 1}).needed == 1


@BOTH
def test_the_frameworks_names_are_invisible(kind: type[ImmutableState]) -> None:
    state = kind.over({"hesper.tasks": 1, "mine": 2})
    assert (list(state), len(state), state.dict()) == (["mine"], 1, {"mine": 2})
    assert state == {"mine": 2}
    assert "hesper.tasks" not in state
    assert state.get("hesper.tasks") is None
    assert "hesper.tasks" not in repr(state)
    with pytest.raises(KeyError):
        state["hesper.tasks"]


@BOTH
def test_the_frameworks_names_are_no_part_of_a_copy(kind: type[ImmutableState]) -> None:
    state = kind.over({"hesper.tasks": 1, "mine": 2})
    assert state.copy()._data == {"mine": 2}
    assert pickle.loads(pickle.dumps(state))._data == {"mine": 2}


@pytest.mark.parametrize(
    "write",
    [
        lambda state: state.__setitem__("hesper.x", 1),
        lambda state: state.__delitem__("hesper.tasks"),
        lambda state: state.update({"hesper.tasks": 3}),
        lambda state: state.setdefault("hesper.tasks", 2),
        lambda state: state.pop("hesper.tasks"),
        lambda state: setattr(state, "hesper.x", 1),
    ],
)
def test_the_frameworks_names_cannot_be_written(write: Callable[[State], None]) -> None:
    data: dict[str, Any] = {"hesper.tasks": 1}
    with pytest.raises(KeyError, match=r"hesper\."):
        write(State.over(data))
    assert data == {"hesper.tasks": 1}


@BOTH
def test_the_frameworks_names_cannot_be_among_the_first_values(kind: type[ImmutableState]) -> None:
    with pytest.raises(KeyError, match="belong to the framework"):
        kind({"hesper.tasks": 1})


def test_clearing_a_state_leaves_the_frameworks_names() -> None:
    data: dict[str, Any] = {"hesper.tasks": 1, "mine": 2}
    State.over(data).clear()
    assert data == {"hesper.tasks": 1}


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="a state's names are texts, and 1 is int"):
        State(cast("Any", [(1, 2)]))


def test_what_is_no_text_is_not_in_a_state() -> None:
    assert cast("Any", 1) not in State({"a": 1})


def test_pop_gives_the_value_and_the_default_without_one() -> None:
    state = State({"a": 1})
    assert (state.pop("a"), state.pop("a", 2), state.pop("hesper.a", 3)) == (1, 2, 3)
    with pytest.raises(KeyError):
        state.pop("a")


def test_popitem_gives_the_youngest() -> None:
    state = State.over({"a": 1, "b": 2, "hesper.x": 3})
    assert (state.popitem(), state.popitem()) == (("b", 2), ("a", 1))
    with pytest.raises(KeyError, match="empty"):
        state.popitem()


def test_popitem_passes_over_what_another_thread_has_just_removed() -> None:
    class Stale(dict[str, Any]):
        def copy(self) -> dict[str, Any]:
            return {**self, "removed": 0}

    assert State.over(Stale(a=1)).popitem() == ("a", 1)


def test_setdefault_keeps_what_is_there() -> None:
    state = State({"a": 1})
    assert (state.setdefault("a", 2), state.setdefault("b", 3)) == (1, 3)
    assert state.dict() == {"a": 1, "b": 3}


@pytest.mark.parametrize("kind", [State, ImmutableState, Counters])
def test_a_copy_has_data_of_its_own(kind: type[ImmutableState]) -> None:
    data: dict[str, Any] = {"list": []}
    copied = kind.over(data).copy()
    data["later"] = 1
    assert type(copied) is kind
    assert (list(copied), copied.list is data["list"]) == (["list"], True)


@BOTH
def test_a_state_that_copies_deeply_goes_on_doing_so(kind: type[ImmutableState]) -> None:
    first = kind({"list": [1]}, deep_copy=True)
    second = first.copy()
    third = second.mutable_copy()
    assert first.list == second.list == third.list
    assert first.list is not second.list
    assert second.list is not third.list


@BOTH
def test_a_mutable_copy_takes_writes(kind: type[ImmutableState]) -> None:
    state = kind({"a": 1})
    copied = state.mutable_copy()
    copied.a = 2
    assert (type(copied), copied.a, state.a) == (State, 2, 1)


@BOTH
def test_an_immutable_copy_refuses_writes(kind: type[ImmutableState]) -> None:
    copied = kind({"a": 1}).immutable_copy()
    assert type(copied) is ImmutableState
    with pytest.raises(AttributeError):
        setattr(copied, "a", 2)  # noqa: B010 (checkers refuse the statement)


def test_states_are_equal_by_their_data() -> None:
    assert State({"a": 1}) == ImmutableState({"a": 1}) == {"a": 1}
    assert State({"a": 1}) != State({"a": 2})
    assert State() != 1


def test_a_state_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(State())


@pytest.mark.parametrize("kind", [State, ImmutableState, Counters])
def test_a_state_can_be_weakly_referenced(kind: type[ImmutableState]) -> None:
    state = kind.over({})
    assert weakref.ref(state)() is state


@pytest.mark.parametrize("kind", [State, ImmutableState, Counters])
@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state))]
)
def test_a_state_survives_copying_and_pickling(
    kind: type[ImmutableState], again: Callable[[ImmutableState], ImmutableState]
) -> None:
    state = kind({"a": [1]}, deep_copy=True)
    other = again(state)
    assert other is not state
    assert (type(other), other) == (kind, state)
    assert other.copy().a is not other.a


def test_copy_copy_shares_values_and_deepcopy_does_not() -> None:
    state = State({"list": [1]})
    assert copy.copy(state).list is state.list
    assert copy.deepcopy(state).list is not state.list


def test_a_state_that_holds_itself_can_be_copied_deeply() -> None:
    state = State()
    state.me = state
    copied = copy.deepcopy(state)
    assert copied.me is copied


def test_the_representation_shows_names_and_no_values() -> None:
    assert repr(Counters({"password": "geheim"})) == "<Counters of 'password'>"


def test_the_names_of_a_state_are_offered_for_completion() -> None:
    assert {"pool", "copy"} <= set(dir(State({"pool": 1})))


def test_a_state_can_be_iterated_while_another_thread_writes() -> None:
    state = State({str(number): number for number in range(1000)})
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            state[f"new{number % 500}"] = number
            state.pop(f"new{(number + 250) % 500}", None)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            assert len(list(state)) >= 1000
            assert len(state.dict()) >= 1000
    finally:
        done.set()
        writer.join()


@given(st.dictionaries(st.text(), st.integers()))
def test_a_state_is_the_mapping_it_was_made_of(values: dict[str, int]) -> None:
    visible = {name: value for name, value in values.items() if not name.startswith("hesper.")}
    state = State.over(dict(values))
    assert dict(state) == visible
    assert len(state) == len(visible)
    assert all(state[name] == value for name, value in visible.items())


def test_what_a_subclass_caches_is_no_part_of_the_data() -> None:
    class Doubled(State):
        @cached_property
        def twice(self) -> int:
            value: int = self.number * 2
            return value

    data = {"number": 1}
    assert Doubled.over(data).twice == 2
    data["number"] = 5
    assert (Doubled.over(data).twice, data) == (10, {"number": 5})


def test_a_value_hides_no_method_of_a_mixin() -> None:
    class Audited:
        def allows(self) -> bool:
            return False

    class Guarded(Audited, State):
        pass

    assert Guarded.over({"allows": lambda: True}).allows() is False


def test_an_immutable_state_has_no_dictionary_to_write_to() -> None:
    with pytest.raises(TypeError):
        vars(ImmutableState({"a": 1}))


def test_a_state_may_be_over_any_mapping() -> None:
    data: Any = UserDict({"a": 1})
    state = State.over(data)
    state.b = 2
    assert (state.a, state.b, data["b"]) == (1, 2, 2)
