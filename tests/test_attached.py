"""`attached`: a value that is stored on its owner, and goes with it."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from hesper.registry import attached


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Thing:
    """Something that can be listed."""


def test_what_is_attached_is_made_once_and_found_again() -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    owner = Thing()
    assert attached(owner, "key", make) is attached(owner, "key", make)
    assert attached(owner, "other", make) is made[1]
    assert attached(Thing(), "key", make) is made[2]
    assert len(made) == 3


def test_what_is_attached_goes_with_its_owner() -> None:
    owner = Thing()
    gone = weakref.ref(attached(owner, "key", Thing))
    assert gone() is not None
    del owner
    assert gone() is None


def test_an_attached_value_may_refer_to_its_owner() -> None:
    def make() -> weakref.ref[Thing]:
        owner = Thing()
        attached(owner, "key", lambda: [owner])
        return weakref.ref(owner)

    gone = make()
    assert gone() is not None
    gc.collect()
    assert gone() is None


def test_none_can_be_attached() -> None:
    calls: list[int] = []
    owner = Thing()
    for _ in range(2):
        assert attached(owner, "key", lambda: calls.append(1)) is None
    assert calls == [1]


def test_a_factory_that_fails_attaches_nothing() -> None:
    owner = Thing()
    with pytest.raises(ZeroDivisionError):
        attached(owner, "key", lambda: 1 / 0)
    assert attached(owner, "key", lambda: 1) == 1


def test_a_copy_of_the_owner_has_nothing_attached() -> None:
    owner = Thing()
    mine = attached(owner, "key", Thing)
    copies: list[Callable[[Thing], Thing]] = [
        copy.copy,
        copy.deepcopy,
        lambda thing: pickle.loads(pickle.dumps(thing)),
    ]
    for make in copies:
        twin = make(owner)
        theirs = attached(twin, "key", Thing)
        assert theirs is not mine
        assert attached(twin, "key", Thing) is theirs
    assert attached(owner, "key", Thing) is mine


class Slotted:
    """Has no namespace."""

    __slots__ = ()


@pytest.mark.parametrize("owner", [5, Slotted(), Thing])
def test_what_cannot_hold_values_is_refused(owner: object) -> None:
    with pytest.raises(TypeError, match=r"nothing can be attached to .* no __dict__ to write to"):
        attached(owner, "key", object)


def test_threads_that_attach_at_once_get_the_same_value() -> None:
    for _ in range(100):
        owner, barrier = Thing(), threading.Barrier(4)
        found: list[Thing] = []

        def attach(
            owner: Thing = owner,
            barrier: threading.Barrier = barrier,
            found: list[Thing] = found,
        ) -> None:
            barrier.wait()
            found.append(attached(owner, "key", Thing))

        threads = [threading.Thread(target=attach) for _ in range(4)]
        for worker in threads:
            worker.start()
        for worker in threads:
            worker.join()
        assert len(set(map(id, found))) == 1
