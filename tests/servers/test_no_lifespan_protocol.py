"""daphne, a server that does not speak the lifespan protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.servers.processes import serving
from tests.servers.saying import events_in


@dataclass(frozen=True)
class Run:
    """What one request to an app with start-up hooks came to."""

    status: int
    body: str
    output: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("daphne")
    with serving("daphne", "tests.servers.failing:shutdown_fails", folder) as server:
        server.wait_until_served()
        response = server.get("/")
        server.stop()
        yield Run(response.status_code, response.text, server.output)


def test_a_request_is_answered_with_an_error(run: Run) -> None:
    assert run.status == 500
    assert "served" not in run.body


def test_the_log_names_what_was_not_started(run: Run) -> None:
    assert "LifespanNotStarted" in run.output
    assert "lifespan manager tests.servers.failing.manager" in run.output
    assert "start-up hook tests.servers.failing.start" in run.output


def test_the_log_says_that_the_server_lacks_the_protocol(run: Run) -> None:
    assert "a server that speaks the ASGI lifespan protocol (daphne does not)" in run.output


def test_the_client_is_not_told_what_the_app_is_made_of(run: Run) -> None:
    assert "tests.servers.failing" not in run.body


def test_no_hook_runs(run: Run) -> None:
    assert events_in(run.output) == []


def test_an_app_with_nothing_to_start_is_served(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("daphne")
    with serving("daphne", "tests.servers.failing:nothing_to_start", folder) as server:
        server.wait_until_served()
        response = server.get("/")
        assert (response.status_code, response.text) == (200, "served")
