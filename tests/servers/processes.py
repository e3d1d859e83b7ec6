"""Servers in processes of their own: `serving`. Nothing outlives its block."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from tests.servers.saying import MARK

ROOT = Path(__file__).parents[2]

COMMANDS = {
    "uvicorn with h11": "uvicorn --http h11 --loop asyncio --port {port} {app}",
    "uvicorn with httptools": "uvicorn --http httptools --loop asyncio --port {port} {app}",
    "uvicorn on uvloop": "uvicorn --http httptools --loop uvloop --port {port} {app}",
    "hypercorn": "hypercorn --bind 127.0.0.1:{port} {app}",
    "hypercorn in one process": "hypercorn --workers 0 --bind 127.0.0.1:{port} {app}",
    "granian": "granian --interface asgi --port {port} {app}",
    "daphne": "daphne --port {port} {app}",
    "hesper run": "hesper --app {app} run --port {port}",
    "hesper run, granian": "hesper --app {app} run --server granian --port {port}",
    "hesper run, hypercorn": "hesper --app {app} run --server hypercorn --port {port}",
}
"""How each server is started."""

VARIANTS = {
    # A folder that other tests leave alone, as the reloader looks at each change in its folders.
    "uvicorn with a reloader": "uvicorn --reload --reload-dir tests/servers --port {port} {app}",
    "uvicorn with workers": "uvicorn --workers 2 --port {port} {app}",
    "hesper run with workers": "hesper --app {app} run --workers 2 --port {port}",
    "granian with workers": "granian --interface asgi --workers 2 --port {port} {app}",
    **{f"{n}, 0.3 s": f"{command} --drain-timeout 0.3" for n, command in COMMANDS.items()},
}
"""Ways to start them that some tests need."""

PATIENCE = 30.0
"""Seconds after which a server counts as stuck."""


class ServerProcess:
    """A server in another process; lives until it is stopped, or killed at the end of its block."""

    def __init__(self, name: str, app: str, log: Path) -> None:
        self.port = free_port()
        self._log = log
        arguments = {**COMMANDS, **VARIANTS}[name].format(port=self.port, app=app).split()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
                # A group of its own, so that the processes which a server starts end with it.
                start_new_session=True,
            )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """What the server and the app have printed and logged so far."""
        return self._log.read_text()

    def wait_until_served(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the server ended:\n{self.output}"
            with suppress(httpx2.TransportError):
                self.get("/")
                return
            time.sleep(0.02)
        raise AssertionError(f"the server was not ready in time:\n{self.output}")

    def wait_for(self, event: str) -> None:
        """Wait until the app has said that something happened."""
        self.wait_for_line(f"{MARK}{event}\n")

    def wait_for_line(self, text: str) -> None:
        """Wait until the output holds *text*."""
        self._wait_until(lambda: text in self.output, f"{text!r} was not said in time")

    def wait_until_refused(self) -> None:
        """Wait until the server takes no connections any more."""

        def refused() -> bool:
            with socket.socket() as attempt:
                return attempt.connect_ex(("127.0.0.1", self.port)) != 0

        self._wait_until(refused, "connections are still taken")

    def _wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{otherwise}:\n{self.output}"
            time.sleep(0.01)

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"http://{self.address}{path}", timeout=PATIENCE, trust_env=False)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the server to stop, and return the status it ends with."""
        self.send(number)
        return self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        self._process.send_signal(number)

    def send_to_all(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the server, as a terminal does."""
        os.killpg(self._process.pid, number)

    def wait(self) -> int:
        """Wait until the server ends by itself, and return the status it ends with."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._abort()
            raise AssertionError(f"the server did not end in time:\n{self.output}") from None

    def _abort(self) -> None:
        """Have each process of the server print what its threads are doing, and end."""
        self.send_to_all(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def serving(name: str, app: str, folder: Path) -> Iterator[ServerProcess]:
    """Start the server called *name* with the app at *app*; its output goes to *folder*."""
    process = ServerProcess(name, app, folder / "output.txt")
    try:
        yield process
    finally:
        process.kill()
