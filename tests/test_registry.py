"""A registry lists what is alive, and keeps nothing alive."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from hesper.registry import Registry, _Member


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Thing:
    """Something that can be listed."""


class Unhashable:  # noqa: PLW1641 - that is the point
    """Something that equals all others of its kind, and cannot be hashed."""

    def __eq__(self, other: object) -> bool:
        return True


def add_all(registry: Registry[Thing], things: list[Thing]) -> None:
    for thing in things:
        registry.add(thing)


def test_what_is_added_is_listed() -> None:
    one, two = Thing(), Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    registry.add(two)
    assert list(registry) == [one, two]
    assert len(registry) == 2
    assert one in registry


def test_an_empty_registry_lists_nothing() -> None:
    registry: Registry[Thing] = Registry()
    assert list(registry) == []
    assert len(registry) == 0
    assert Thing() not in registry


def test_what_is_added_twice_is_listed_once() -> None:
    one = Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    registry.add(one)
    assert list(registry) == [one]


def test_a_member_is_gone_when_nothing_else_holds_it() -> None:
    one, two = Thing(), Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    registry.add(two)
    del one
    assert list(registry) == [two]
    assert len(registry) == 1


def test_a_member_that_was_added_twice_is_gone_all_the_same() -> None:
    one = Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    registry.add(one)
    del one
    assert len(registry) == 0


def test_what_is_discarded_is_listed_no_more() -> None:
    one, two = Thing(), Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    registry.add(two)
    registry.discard(one)
    assert list(registry) == [two]
    assert one not in registry


def test_discarding_what_is_not_listed_does_nothing() -> None:
    one = Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    registry.discard(Thing())
    registry.discard(one)
    registry.discard(one)
    assert list(registry) == []


def test_what_was_discarded_can_be_added_again() -> None:
    one = Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    registry.discard(one)
    registry.add(one)
    assert list(registry) == [one]
    del one
    assert len(registry) == 0


def test_members_are_told_apart_by_identity() -> None:
    one, two = Unhashable(), Unhashable()
    registry: Registry[Unhashable] = Registry()
    registry.add(one)
    assert one in registry
    assert two not in registry
    registry.add(two)
    assert len(registry) == 2


def test_what_cannot_be_referred_to_weakly_is_refused() -> None:
    registry: Registry[object] = Registry()
    with pytest.raises(TypeError, match="weak reference"):
        registry.add(5)
    assert len(registry) == 0


def test_members_may_come_and_go_while_they_are_listed() -> None:
    registry: Registry[Thing] = Registry()
    things = [Thing() for _ in range(3)]
    for thing in things:
        registry.add(thing)
    late = [Thing()]
    seen = 0
    for member in registry:
        seen += 1
        registry.discard(member)
        registry.add(late[0])
    assert seen == 3
    assert list(registry) == late


def test_a_member_that_goes_while_others_are_listed_is_left_out() -> None:
    registry: Registry[Thing] = Registry()
    things = [Thing() for _ in range(3)]
    add_all(registry, things)
    found = iter(registry)
    next(found)
    things.pop()
    assert len(list(found)) == 1


def test_a_registry_that_goes_first_leaves_its_members_in_peace() -> None:
    one = Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    gone = weakref.ref(registry)
    del registry
    assert gone() is None
    del one


def test_a_new_object_at_the_place_of_an_old_one_is_not_taken_for_it() -> None:
    registry: Registry[Thing] = Registry()
    for _ in range(100):
        registry.add(Thing())
        assert Thing() not in registry
        assert len(registry) == 0


def test_a_registry_says_how_many_it_lists() -> None:
    one = Thing()
    registry: Registry[Thing] = Registry()
    registry.add(one)
    assert repr(registry) == "<Registry of 1>"


def test_threads_may_add_list_and_let_go_at_once() -> None:
    registry: Registry[Thing] = Registry()
    kept = [Thing() for _ in range(10)]
    for thing in kept:
        registry.add(thing)
    failures: list[BaseException] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        try:
            barrier.wait()
            for _ in range(500):
                things = [Thing() for _ in range(5)]
                add_all(registry, things)
                registry.discard(things[0])
                assert set(map(id, kept)) <= set(map(id, registry))
                del things
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for worker in threads:
        worker.start()
    for worker in threads:
        worker.join()
    assert failures == []
    assert sorted(map(id, registry)) == sorted(map(id, kept))


def test_a_snapshot_is_taken_when_the_listing_begins() -> None:
    registry: Registry[Thing] = Registry()
    things = [Thing(), Thing()]
    registry.add(things[0])
    found = iter(registry)
    registry.add(things[1])
    registry.discard(things[0])
    assert list(found) == [things[0]]


def test_listing_keeps_no_member_alive() -> None:
    registry: Registry[Thing] = Registry()
    things = [Thing(), Thing()]
    add_all(registry, things)
    found = iter(registry)
    gone = weakref.ref(next(found))
    things.clear()
    assert gone() is None
    assert list(found) == []


class Named:
    """Something with a name."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_arrivals_and_departures_are_told() -> None:
    events: list[str] = []
    registry: Registry[Named] = Registry(
        arrived=lambda member: events.append(f"{member.name} arrives"),
        departed=lambda label: events.append(f"{label} departs"),
        label=lambda member: member.name.upper(),
    )
    one, two = Named("one"), Named("two")
    registry.add(one)
    registry.add(one)
    registry.add(two)
    registry.discard(two)
    registry.discard(two)
    one.name = "renamed"
    del one
    assert events == ["one arrives", "two arrives", "TWO departs", "ONE departs"]


def test_a_departure_is_told_once_if_the_discarded_is_freed_too() -> None:
    departed: list[str] = []
    registry: Registry[Thing] = Registry(departed=departed.append, label=lambda _: "it")
    one = Thing()
    registry.add(one)
    registry.discard(one)
    del one
    assert departed == ["it"]


def fail(about: object) -> None:
    raise ValueError("no")


def test_a_failure_to_tell_of_an_arrival_is_logged_and_does_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry: Registry[Thing] = Registry(arrived=fail)
    one = Thing()
    with caplog.at_level(logging.ERROR):
        registry.add(one)
    assert caplog.text.count("a registry's callback failed") == 1
    assert list(registry) == [one]


def test_a_failure_to_tell_of_a_departure_is_logged_and_does_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry: Registry[Thing] = Registry(departed=fail, label=lambda _: "it")
    one = Thing()
    registry.add(one)
    with caplog.at_level(logging.ERROR):
        del one
    assert caplog.text.count("a registry's callback failed") == 1
    assert len(registry) == 0


def test_callbacks_may_change_the_registry() -> None:
    registry: Registry[Thing] = Registry(
        departed=lambda _: registry.add(spare), label=lambda _: "it"
    )
    spare, one = Thing(), Thing()
    registry.add(one)
    del one
    assert list(registry) == [spare]


def test_without_a_departure_callback_no_label_is_made() -> None:
    def refuse(member: object) -> str:
        raise AssertionError("asked for a label")

    registry: Registry[Thing] = Registry(label=refuse)
    one = Thing()
    registry.add(one)
    assert one in registry


def test_a_registry_whose_members_live_on_is_freed_at_once() -> None:
    departed: list[str] = []
    one = Thing()
    registry: Registry[Thing] = Registry(departed=departed.append, label=lambda _: "it")
    registry.add(one)
    gone = weakref.ref(registry)
    before = len(gc.get_objects())
    del registry
    assert gone() is None
    assert len(gc.get_objects()) < before
    del one
    assert departed == []


def test_it_tells_since_when_a_member_is_listed() -> None:
    registry: Registry[Thing] = Registry()
    one, before = Thing(), time.time()
    assert registry.since(one) is None
    registry.add(one)
    since = registry.since(one)
    assert since is not None
    assert before <= since <= time.time()


def test_of_threads_that_add_one_member_at_once_one_does() -> None:
    for _ in range(200):
        arrived: list[Thing] = []
        registry: Registry[Thing] = Registry(arrived=arrived.append)
        one, barrier = Thing(), threading.Barrier(4)

        def add(
            registry: Registry[Thing] = registry,
            one: Thing = one,
            barrier: threading.Barrier = barrier,
        ) -> None:
            barrier.wait()
            registry.add(one)

        threads = [threading.Thread(target=add) for _ in range(4)]
        for worker in threads:
            worker.start()
        for worker in threads:
            worker.join()
        assert arrived == [one]
        assert list(registry) == [one]


def test_arrivals_and_departures_balance_under_stress() -> None:
    arrived: list[int] = []
    departed: list[str] = []
    registry: Registry[Thing] = Registry(
        arrived=lambda member: arrived.append(id(member)),
        departed=departed.append,
        label=lambda _: "it",
    )

    def work() -> None:
        for number in range(500):
            one = Thing()
            registry.add(one)
            if number % 3 == 0:
                registry.discard(one)
            list(registry)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for worker in threads:
        worker.start()
    for worker in threads:
        worker.join()
    assert len(registry) == 0
    assert len(arrived) == len(departed) == 2_000


def test_a_member_takes_the_place_of_one_that_is_gone_and_not_yet_forgotten() -> None:
    departed: list[str] = []
    registry: Registry[Thing] = Registry(departed=departed.append, label=lambda _: "it")
    one = Thing()
    # Another thread may be about to forget it.
    gone = _Member(Thing())
    gone.key, gone.since, gone.label = id(one), 0.0, "the one before"
    registry._members[id(one)] = gone
    registry.add(one)
    assert list(registry) == [one]
    assert departed == ["the one before"]
    registry._remove(gone)
    assert list(registry) == [one]
