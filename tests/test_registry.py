"""A registry lists what is alive, and keeps nothing alive."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from hesper import Hesper, get, live
from hesper.registry import Live, Record, Registry, attached


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


@get("/")
async def index() -> str:
    return "served"


def test_live_lists_the_apps_that_are_alive_as_plain_records() -> None:
    before = live.apps
    app = Hesper([index])
    [record] = [record for record in live.apps if record not in before]
    assert isinstance(record, Record)
    assert record.kind == "app"
    assert record.name == f"Hesper at {id(app):#x}"
    assert record.details == {"routes": 1}
    assert record.since <= time.time()
    del app
    assert record not in live.apps


def test_live_lists_the_lifespans_that_are_running() -> None:
    app = Hesper([index])

    def of_app() -> list[Record]:
        return [record for record in live.lifespans if f"{id(app):#x}" in record.name]

    async def main() -> None:
        async with app.lifespan(), app.lifespan():
            running = of_app()
            assert [record.kind for record in running] == ["lifespan", "lifespan"]
            assert running[0].details == {"phase": "ready", "connections": 0}
        assert of_app() == []

    assert of_app() == []
    asyncio.run(main())


def test_records_keep_nothing_alive() -> None:
    app = Hesper([index])
    records = live.apps
    gone = weakref.ref(app)
    del app
    assert gone() is None
    assert records


class Plain:
    """Can be listed in `live`."""

    def describe(self) -> tuple[str, dict[str, str]]:
        return "plain", {"is": "plain"}


def test_what_is_listed_in_live_can_be_taken_out_again() -> None:
    here, plain = Live(), Plain()
    here.add("server", plain)
    assert here.members("server") == (plain,)
    assert [record.name for record in here.servers] == ["plain"]
    here.discard("server", plain)
    assert here.servers == ()
    assert here.apps == here.lifespans == ()


def test_live_can_be_read_while_members_come_and_go() -> None:
    here = Live()
    failures: list[BaseException] = []
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            plain = Plain()
            here.add("server", plain)
            here.discard("server", plain)
            here.add("server", plain)

    def read() -> None:
        try:
            for _ in range(2_000):
                assert all(record.kind == "server" for record in here.servers)
        except BaseException as failure:
            failures.append(failure)
        finally:
            done.set()

    threads = [threading.Thread(target=work) for work in (come_and_go, come_and_go, read)]
    for worker in threads:
        worker.start()
    for worker in threads:
        worker.join()
    assert failures == []
    assert here.servers == ()
