"""Loops of every kind."""

from __future__ import annotations

import pytest

from tests.loop_local.loops import ON_ASYNCIO, ON_TRIO, Journal, Run


@pytest.fixture(params=[*ON_ASYNCIO, *ON_TRIO])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function on a new loop, in each of the ways there are."""
    return {**ON_ASYNCIO, **ON_TRIO}[request.param]


@pytest.fixture(params=ON_ASYNCIO)
def run_on_asyncio(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function on a new loop of asyncio's kind."""
    return ON_ASYNCIO[request.param]


@pytest.fixture
def journal() -> Journal:
    return Journal()
