"""Whatever depends on whatever, and whatever fails: values are made and ended as the model says."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from tests.lifetimes.model import Builder, Graph, Model, graphs

REQUESTS = ("first", "second")


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("hesper")
    logger.disabled = True
    yield
    logger.disabled = False


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_requests_one_after_another(graph: Graph) -> None:
    assert Builder(graph).run(REQUESTS) == Model(graph).run(REQUESTS)


@settings(max_examples=200, deadline=None)
@given(graphs(kept_may_fail=False))
def test_requests_at_once(graph: Graph) -> None:
    found, expected = Builder(graph).run(REQUESTS, at_once=True), Model(graph).run(REQUESTS)
    # Which request asks first for a value that is kept is chance.
    found.whole.sort()
    expected.whole.sort()
    assert found == expected
