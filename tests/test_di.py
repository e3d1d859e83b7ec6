"""The declaration of a provider."""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

import pytest

from hesper import Lifetime, Provide
from hesper.di import NamedDependency
from hesper.params import NamedDependency as InParams


def make() -> int:
    return 1


def test_provide_keeps_what_it_was_given() -> None:
    provide = Provide(make, sync_to_thread=False)
    assert provide.dependency is make
    assert provide.sync_to_thread is False


def test_a_sync_provider_runs_in_a_thread_unless_told_otherwise() -> None:
    assert Provide(make).sync_to_thread is True


@pytest.mark.parametrize("ready", [5, "text", None, [make]])
def test_a_ready_value_is_refused_with_what_to_write(ready: Any) -> None:
    with pytest.raises(TypeError, match=r"write Provide\(lambda: value, sync_to_thread=False\)"):
        Provide(ready)


def test_provide_can_be_weakly_referenced_and_is_shown_by_its_function() -> None:
    provide = Provide(make)
    assert weakref.ref(provide)() is provide
    assert repr(provide) == "Provide(make)"
    assert "partial" in repr(Provide(partial(make)))


def test_without_more_a_value_lives_for_one_call_and_is_not_kept() -> None:
    provide = Provide(make)
    assert provide.lifetime is Lifetime.CALL
    assert provide.use_cache is False


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"lifetime": Lifetime.CALL}, "Provide(make)"),
        ({"lifetime": Lifetime.LOOP}, "Provide(make, lifetime=Lifetime.LOOP)"),
        ({"use_cache": True}, "Provide(make, use_cache=True)"),
    ],
)
def test_provide_shows_what_differs(options: dict[str, Any], shown: str) -> None:
    assert repr(Provide(make, **options)) == shown


def test_lifetimes_are_ordered_by_their_length() -> None:
    assert sorted(Lifetime) == [
        Lifetime.CALL,
        Lifetime.CONNECTION,
        Lifetime.LIFESPAN,
        Lifetime.LOOP,
    ]


def test_the_marker_is_importable_from_both_places() -> None:
    assert NamedDependency is InParams
