"""A start-up or shutdown that fails under a real server: what is said, and the process's status."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.servers.processes import COMMANDS, serving
from tests.servers.saying import events_in

SERVERS = [name for name in COMMANDS if name != "daphne"]
"""Those that speak the lifespan protocol."""

# With worker processes hypercorn reports the status of the worker that failed only if another one
# is left.
STATUS_TELLS = [name for name in SERVERS if name != "hypercorn"]

STARTUP_FAILS = "tests.servers.failing:startup_fails"
SHUTDOWN_FAILS = "tests.servers.failing:shutdown_fails"
NOTHING_TO_START = "tests.servers.failing:nothing_to_start"


@pytest.mark.parametrize("name", SERVERS)
def test_a_startup_that_fails_ends_the_server_and_names_the_hook(name: str, tmp_path: Path) -> None:
    with serving(name, STARTUP_FAILS, tmp_path) as server:
        status = server.wait()
        assert "there is no database" in server.output
        assert "start-up hook tests.servers.failing.connect_to_the_database" in server.output
        assert events_in(server.output) == ["the manager is entered", "the manager is exited"]
        assert name not in STATUS_TELLS or status > 0


@pytest.mark.parametrize("name", SERVERS)
def test_a_shutdown_that_fails_goes_on_to_its_end_and_names_the_hook(
    name: str, tmp_path: Path
) -> None:
    with serving(name, SHUTDOWN_FAILS, tmp_path) as server:
        server.wait_until_served()
        server.stop()
        assert "the cluster does not answer" in server.output
        assert "shutdown hook tests.servers.failing.leave_the_cluster" in server.output
        assert events_in(server.output) == [
            "the manager is entered",
            "the start-up hook runs",
            "the manager is exited",
            "the hook after the failure runs",
        ]


@pytest.mark.parametrize(
    ("name", "status"),
    [("hesper run", 3), ("hesper run, granian", 1), ("hesper run, hypercorn", 3)],
)
def test_hesper_run_ends_with_a_status_if_the_startup_failed(
    name: str, status: int, tmp_path: Path
) -> None:
    with serving(name, STARTUP_FAILS, tmp_path) as server:
        assert server.wait() == status


@pytest.mark.parametrize("name", ["hesper run", "hesper run, hypercorn"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_hesper_run_ends_with_status_1_if_the_shutdown_failed(
    name: str, number: signal.Signals, tmp_path: Path
) -> None:
    with serving(name, SHUTDOWN_FAILS, tmp_path) as server:
        server.wait_until_served()
        assert server.stop(number) == 1


@pytest.mark.parametrize("name", [name for name in SERVERS if name.startswith("hesper run")])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_hesper_run_ends_with_status_0_if_the_shutdown_went_well(
    name: str, number: signal.Signals, tmp_path: Path
) -> None:
    with serving(name, NOTHING_TO_START, tmp_path) as server:
        server.wait_until_served()
        assert server.stop(number) == 0
        assert "Traceback" not in server.output
