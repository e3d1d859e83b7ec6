"""What the hooks, the middleware and the handlers of one app see, served by each real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from tests.servers.processes import COMMANDS, PATIENCE, ServerProcess, serving
from tests.servers.saying import events_in

SERVERS = [name for name in COMMANDS if name != "daphne" and not name.startswith("hesper run")]
"""Those that speak the lifespan protocol and serve any ASGI app."""

STARTING = [
    "the manager is entered",
    "the first start-up hook runs",
    "the second start-up hook runs",
    "the mounted app starts",
]
STOPPING = [
    "the mounted app stops",
    "the manager is exited",
    "the first shutdown hook runs, the numbers are [1, 2, 0, 0]",
    "the second shutdown hook runs",
]
AT_FIRST = {"yielded": "by the manager", "numbers": [1, 2]}
"""The state when the first request arrives."""


@dataclass(frozen=True)
class Run:
    """One run of the app under one server, from start to stop, and what was seen in it."""

    answers: dict[str, list[Any]]
    at_first_answer: list[str]
    events: list[str]
    output: str


@pytest.fixture(scope="module", params=SERVERS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("server")
    with serving(request.param, "tests.servers.served:watched", folder) as server:
        server.wait_until_served()
        at_first_answer = events_in(server.output)
        answers = ask(server)
        server.stop()
        yield Run(answers, at_first_answer, events_in(server.output), server.output)


def ask(server: ServerProcess) -> dict[str, list[Any]]:
    """Ask everything twice over one connection, and return the answers by path."""
    paths = ["/outside", "/inside", "/mounted/", "/app", "/thread", "/variable", "/bind"]
    with httpx2.Client(
        base_url=f"http://{server.address}", timeout=PATIENCE, trust_env=False
    ) as client:
        answers = {path: [answer(client.get(path)) for _ in range(2)] for path in paths}
    with connect(f"ws://{server.address}/socket", open_timeout=PATIENCE, proxy=None) as socket:
        answers["/socket"] = [json.loads(socket.recv(timeout=PATIENCE))]
    return answers


def answer(response: httpx2.Response) -> Any:
    is_json = response.text.startswith(("{", "["))
    return response.json() if is_json else response.text


def test_everything_is_started_in_order_before_the_first_answer(run: Run) -> None:
    assert run.at_first_answer == STARTING


def test_everything_is_stopped_in_order_and_once(run: Run) -> None:
    assert run.events == [*STARTING, *STOPPING]


def test_nothing_is_logged_as_an_error(run: Run) -> None:
    assert "Traceback" not in run.output
    assert "ERROR" not in run.output


def test_a_middleware_outside_the_app_finds_the_names_in_the_scope_s_state(run: Run) -> None:
    assert run.answers["/outside"][0] == {"type": "dict", "seen": AT_FIRST}


def test_a_middleware_inside_the_app_finds_the_names_in_the_scope_s_state(run: Run) -> None:
    assert run.answers["/inside"][0] == {"type": "dict", "seen": AT_FIRST}


def test_a_name_that_a_middleware_binds_is_not_there_for_the_next_connection(run: Run) -> None:
    for path in ("/outside", "/inside"):
        first, second = run.answers[path]
        assert first == second


def test_a_mounted_app_finds_its_own_names_besides_those_of_the_app(run: Run) -> None:
    assert run.answers["/mounted/"][0] == {**AT_FIRST, "mounted": "by Starlette"}


def test_a_name_that_a_handler_binds_is_not_there_for_the_next_connection(run: Run) -> None:
    assert [seen["was bound"] for seen in run.answers["/bind"]] == [False, False]


def test_a_shared_object_that_a_handler_changes_is_changed_for_all(run: Run) -> None:
    assert [seen["numbers"] for seen in run.answers["/bind"]] == [3, 4]


def test_the_state_of_the_app_is_the_lifespan_s_in_a_handler(run: Run) -> None:
    assert run.answers["/app"][0] == [1, 2]


def test_the_state_of_the_app_is_the_lifespan_s_in_a_worker_thread(run: Run) -> None:
    assert run.answers["/thread"][0]["yielded"] == "by the manager"


def test_a_websocket_has_the_state_and_the_context_variables_of_the_lifespan(run: Run) -> None:
    assert run.answers["/socket"] == [{"variable": "of the lifespan", "yielded": "by the manager"}]


def test_a_context_variable_set_while_starting_is_seen_by_every_request(run: Run) -> None:
    assert run.answers["/variable"][0] == "of the lifespan"


def test_a_context_variable_set_while_starting_is_seen_in_a_worker_thread(run: Run) -> None:
    assert run.answers["/thread"][0]["variable"] == "of the lifespan"


def test_a_context_variable_that_a_request_sets_is_not_seen_by_the_next(run: Run) -> None:
    assert run.answers["/variable"][1] == "of the lifespan"
