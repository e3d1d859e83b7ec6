"""What becomes of everything that goes on when a real server is told to stop."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.servers.processes import PATIENCE, ServerProcess, serving
from tests.servers.saying import events_in

DRAINING = [
    "hesper run",
    "hesper run, granian",
    "hesper run, hypercorn",
    "uvicorn with h11",
    "uvicorn with httptools",
    "uvicorn on uvloop",
    "uvicorn with a reloader",
    "granian",
    "hypercorn in one process",
]
"""The servers under which everything ends as it should."""

STATUS = {
    signal.SIGINT: dict.fromkeys(DRAINING, 0),
    signal.SIGTERM: {
        name: -signal.SIGTERM if name.startswith("uvicorn") and "reload" not in name else 0
        for name in DRAINING
    },
}
"""How the processes end; uvicorn lets SIGTERM have its way in the end."""

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@dataclass
class Seen:
    """What the clients of one run saw, and the server said."""

    stream: str
    close_code: int | None
    slow: httpx2.Response
    events: list[str]
    output: str
    status: int
    seconds: float


@contextmanager
def client_of(server: ServerProcess) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=f"http://{server.address}", timeout=PATIENCE, trust_env=False
    ) as client:
        yield client


def stopped(server: ServerProcess, number: signal.Signals) -> tuple[int, float]:
    """Stop the server; return the status it ends with, and the seconds that it took."""
    began = time.monotonic()
    status = server.stop(number)
    return status, time.monotonic() - began


def drained(name: str, number: signal.Signals, folder: Path) -> Seen:
    with (
        serving(name, "tests.servers.draining:app", folder) as server,
        ThreadPoolExecutor() as pool,
        client_of(server) as client,
    ):
        server.wait_until_served()
        slow: Future[httpx2.Response] = pool.submit(client.get, "/slow")
        server.wait_for("the slow handler begins")
        with (
            client.stream("GET", "/events") as response,
            connect(f"ws://{server.address}/socket", proxy=None) as websocket,
        ):
            chunks = response.iter_text()
            stream = next(chunks)
            assert websocket.recv(timeout=PATIENCE) == "hello"
            ended: Future[tuple[int, float]] = pool.submit(stopped, server, number)
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(timeout=PATIENCE)
            # An end that is not complete is an error here.
            stream += "".join(chunks)
        status, seconds = ended.result()
        code = None if closed.value.rcvd is None else closed.value.rcvd.code
        output = server.output
        return Seen(stream, code, slow.result(), events_in(output), output, status, seconds)


@pytest.fixture(
    scope="module",
    params=[(name, number) for name in DRAINING for number in SIGNALS],
    ids=lambda value: f"{value[0]}, {value[1].name}",
)
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, signal.Signals, Seen]:
    name, number = request.param
    return name, number, drained(name, number, tmp_path_factory.mktemp("server"))


Run = tuple[str, signal.Signals, Seen]


def test_an_event_stream_is_complete(run: Run) -> None:
    assert run[2].stream == "data: hello\r\n\r\n"


def test_a_websocket_is_closed_with_1012_on_both_sides(run: Run) -> None:
    assert run[2].close_code == 1012
    assert "the websocket is closed with 1012" in run[2].events


def test_a_slow_handler_finishes_and_its_client_gets_the_whole_response(run: Run) -> None:
    assert (run[2].slow.status_code, run[2].slow.text) == (200, "finished")


def test_everything_ends_once_and_before_the_exits(run: Run) -> None:
    events = run[2].events
    assert sorted(events[1:3]) == ["the stream is closed", "the websocket is closed with 1012"]
    assert events[0] == "the slow handler begins"
    assert events[3:] == [
        "the slow handler ends",
        "the task ends",
        "the manager is exited",
        "the shutdown hook runs",
    ]


def test_the_process_does_not_wait_for_the_drain_time(run: Run) -> None:
    assert run[2].seconds < 10


def test_the_process_ends_with_the_status_that_it_ends_with_otherwise(run: Run) -> None:
    name, number, seen = run
    assert seen.status == STATUS[number][name]


def test_nothing_is_logged_as_an_error(run: Run) -> None:
    assert "Traceback" not in run[2].output
    assert "ERROR" not in run[2].output


@pytest.mark.parametrize(
    "name", ["uvicorn with workers", "granian with workers", "hesper run with workers"]
)
def test_each_of_several_worker_processes_drains(name: str, tmp_path: Path) -> None:
    with serving(name, "tests.servers.draining:streams", tmp_path) as server:
        server.wait_until_served()
        if name.startswith("granian"):
            # A worker that does not listen to signals yet never hears of the end.
            server.wait_for_line("Started worker-1")
            server.wait_for_line("Started worker-2")
        with client_of(server) as client, client.stream("GET", "/events") as response:
            chunks = response.iter_text()
            assert next(chunks) == "data: hello\r\n\r\n"
            _, seconds = stopped(server, signal.SIGTERM)
            assert list(chunks) == []
        assert seconds < 10
        assert sorted(events_in(server.output)) == [
            "the manager is exited",
            "the manager is exited",
            "the shutdown hook runs",
            "the shutdown hook runs",
            "the stream is closed",
        ]


def test_hypercorn_with_a_worker_process_runs_the_hooks_once_connections_have_ended(
    tmp_path: Path,
) -> None:
    with serving("hypercorn", "tests.servers.draining:streams", tmp_path) as server:
        server.wait_until_served()
        with client_of(server) as client, client.stream("GET", "/events") as response:
            assert next(response.iter_text()) == "data: hello\r\n\r\n"
            server.send(signal.SIGTERM)
        server.wait()
        assert events_in(server.output) == [
            "the stream is closed",
            "the manager is exited",
            "the shutdown hook runs",
        ]


def test_a_worker_process_of_hypercorn_hears_ctrl_c_of_a_terminal(tmp_path: Path) -> None:
    with serving("hypercorn", "tests.servers.draining:streams", tmp_path) as server:
        server.wait_until_served()
        with client_of(server) as client, client.stream("GET", "/events") as response:
            chunks = response.iter_text()
            assert next(chunks) == "data: hello\r\n\r\n"
            server.send_to_all(signal.SIGINT)
            assert list(chunks) == []
        server.wait()
        assert events_in(server.output) == [
            "the stream is closed",
            "the manager is exited",
            "the shutdown hook runs",
        ]


@pytest.mark.parametrize("name", DRAINING)
def test_a_stuck_handler_stream_and_task_are_cancelled_at_the_deadline(
    name: str, tmp_path: Path
) -> None:
    with (
        serving(name, "tests.servers.draining:sticky", tmp_path) as server,
        ThreadPoolExecutor() as pool,
        client_of(server) as client,
    ):
        server.wait_until_served()
        _ = pool.submit(client.get, "/stuck")
        server.wait_for("the stuck handler begins")
        with client.stream("GET", "/stuck-stream") as response:
            assert next(response.iter_text()) == "hello"
            _, seconds = stopped(server, signal.SIGTERM)
        events = events_in(server.output)
    assert 0.3 <= seconds < 1.3
    assert events[1] == "the stuck stream goes on"
    assert sorted(events[2:5]) == [
        "the stuck handler is cancelled",
        "the stuck stream is cancelled",
        "the stuck task is cancelled",
    ]
    assert events[5:] == ["the manager is exited", "the shutdown hook runs"]


@pytest.mark.parametrize(
    "name",
    ["hesper run", "hesper run with workers", "hesper run, granian", "hesper run, hypercorn"],
)
def test_nothing_that_ignores_its_cancellation_keeps_the_process_alive(
    name: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(serving(name, "tests.servers.draining:deaf", tmp_path))
        server.wait_until_served()
        for path in (b"/deaf", b"/blocked"):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(b"GET %b HTTP/1.1\r\nhost: here\r\n\r\n" % path)
        server.wait_for("the deaf handler begins")
        server.wait_for("the blocking handler begins")
        _, seconds = stopped(server, signal.SIGTERM)
        # uvicorn's supervisor looks twice a second whether its workers have ended.
        assert seconds < 1.7
        assert events_in(server.output)[-2:] == ["the manager is exited", "the shutdown hook runs"]


@pytest.mark.parametrize("name", ["hesper run", "granian", "hypercorn in one process"])
def test_a_start_that_never_ends_is_given_up_after_the_drain_time(
    name: str, tmp_path: Path
) -> None:
    with serving(name, "tests.servers.draining:never_ready", tmp_path) as server:
        server.wait_for("the start begins")
        _, seconds = stopped(server, signal.SIGTERM)
        assert seconds < 1.2
        assert events_in(server.output) == [
            "the start begins",
            "the manager is exited",
            "the shutdown hook runs",
        ]


@pytest.mark.parametrize("name", ["hesper run", "hesper run, granian", "hesper run, hypercorn"])
def test_a_client_that_does_not_read_keeps_nothing_alive(name: str, tmp_path: Path) -> None:
    with serving(name, "tests.servers.draining:sticky", tmp_path) as server:
        server.wait_until_served()
        with socket.create_connection(("127.0.0.1", server.port)) as deaf:
            deaf.sendall(b"GET /flood HTTP/1.1\r\nhost: here\r\n\r\n")
            deaf.recv(1)
            _, seconds = stopped(server, signal.SIGTERM)
            assert seconds < 1.3
            assert "the flood is closed" in events_in(server.output)
            assert events_in(server.output)[-1] == "the shutdown hook runs"


@pytest.mark.parametrize("name", ["hesper run", "hesper run, granian", "hesper run, hypercorn"])
def test_a_client_that_reads_slowly_gets_the_whole_of_its_response(
    name: str, tmp_path: Path
) -> None:
    with (
        serving(name, "tests.servers.draining:streams", tmp_path) as server,
        client_of(server) as client,
    ):
        server.wait_until_served()
        with client.stream("GET", "/large") as response:
            server.send(signal.SIGTERM)
            received = 0
            for chunk in response.iter_bytes():
                received += len(chunk)
                if received < 65536 * 100:
                    time.sleep(0.005)  # nothing is waited for: this is what makes it slow
        assert received == 65536 * 500
        server.wait()


@pytest.mark.parametrize("name", ["uvicorn with h11", "granian", "hypercorn in one process"])
def test_the_hooks_run_even_while_a_server_waits_for_a_client_that_does_not_read(
    name: str, tmp_path: Path
) -> None:
    with serving(name, "tests.servers.draining:sticky", tmp_path) as server:
        server.wait_until_served()
        with socket.create_connection(("127.0.0.1", server.port)) as deaf:
            deaf.sendall(b"GET /flood HTTP/1.1\r\nhost: here\r\n\r\n")
            deaf.recv(1)
            server.send(signal.SIGTERM)
            server.wait_for("the shutdown hook runs")
        server.wait()
        assert events_in(server.output).count("the shutdown hook runs") == 1


@pytest.mark.parametrize("name", ["hesper run", "hesper run, hypercorn", "uvicorn with h11"])
def test_a_second_ctrl_c_ends_the_server_without_waiting(name: str, tmp_path: Path) -> None:
    with (
        serving(name, "tests.servers.draining:patient", tmp_path) as server,
        client_of(server) as client,
    ):
        server.wait_until_served()

        def ask() -> None:
            with pytest.raises(httpx2.HTTPError):
                client.get("/stuck").raise_for_status()

        asking = threading.Thread(target=ask)
        asking.start()
        server.wait_for("the stuck handler begins")
        server.send(signal.SIGINT)
        if name == "hesper run, hypercorn":
            server.wait_until_refused()
        else:
            server.wait_for_line("Waiting for connections to close")
        server.send(signal.SIGINT)
        server.wait()
        asking.join()
        events = events_in(server.output)
        # All that goes on is cancelled at once, managers too.
        assert sorted(events[1:3]) == ["the manager is exited", "the stuck handler is cancelled"]
        assert events[3:] == ["the shutdown hook runs"]


@pytest.mark.parametrize("name", ["hesper run", "hesper run, granian", "hesper run, hypercorn"])
def test_the_drain_time_of_the_command_goes_before_that_of_the_app(
    name: str, tmp_path: Path
) -> None:
    with (
        serving(f"{name}, 0.3 s", "tests.servers.draining:patient", tmp_path) as server,
        ThreadPoolExecutor() as pool,
        client_of(server) as client,
    ):
        server.wait_until_served()
        _ = pool.submit(client.get, "/stuck")
        server.wait_for("the stuck handler begins")
        _, seconds = stopped(server, signal.SIGTERM)
        assert 0.3 <= seconds < 1.3
        assert events_in(server.output)[-1] == "the shutdown hook runs"
