"""Resources of the loop under real servers: closed, in order, while everything still works."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.servers.processes import COMMANDS, serving
from tests.servers.saying import events_in

SERVERS = [name for name in COMMANDS if name != "daphne"]

OF_ANY_APP = [name for name in SERVERS if not name.startswith("hesper run")]

# granian ends its process without having ended its loop.
THAT_END_THEIR_LOOP = [name for name in OF_ANY_APP if name != "granian"]

CLOSED = [
    "the only is opened",
    "the only is being closed, with a thread",
    "the only is closed",
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", SERVERS)
def test_they_are_closed_after_the_last_lifespan(
    name: str, number: signal.Signals, tmp_path: Path
) -> None:
    with serving(name, "tests.loop_local.served:app", tmp_path) as server:
        server.wait_until_served()
        assert server.get("/").text == "the second"
        server.stop(number)
        assert events_in(server.output) == [
            "the first is opened",
            "the manager is entered",
            "the second is opened",
            "the manager is exited",
            "the second is being closed, with a thread",
            "the second is closed",
            "the first is being closed, with a thread",
            "the first is closed",
        ]
        assert "left open" not in server.output
        assert "Traceback" not in server.output


@pytest.mark.parametrize("name", THAT_END_THEIR_LOOP)
def test_without_a_lifespan_they_are_closed_with_the_loop(name: str, tmp_path: Path) -> None:
    with serving(name, "tests.loop_local.served:raw", tmp_path) as server:
        server.wait_until_served()
        # uvicorn lets SIGTERM end the process before the loop has come to its end.
        server.stop(signal.SIGINT)
        assert events_in(server.output) == CLOSED


@pytest.mark.parametrize("name", OF_ANY_APP)
def test_any_app_may_close_them_when_its_lifespan_ends(name: str, tmp_path: Path) -> None:
    with serving(name, "tests.loop_local.served:closing", tmp_path) as server:
        server.wait_until_served()
        server.stop(signal.SIGTERM)
        assert events_in(server.output) == CLOSED
