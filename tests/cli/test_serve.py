from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx2
import pytest
from click.testing import CliRunner

from hesper.cli.commands import hesper

Write = Callable[[str, str], None]

APP = """
from hesper import Hesper, get

@get("/")
async def index() -> str:
    return "one"

async def say_goodbye() -> None:
    print("goodbye", flush=True)

app = Hesper([index], on_shutdown=[say_goodbye])
"""

FAILING = """
from hesper import Hesper

async def connect() -> None:
    raise RuntimeError("no database")

app = Hesper(on_startup=[connect])
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hesper", *arguments]


class Served:
    """A server in another process, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        self.lines: queue.Queue[str] = queue.Queue()
        self.listener = threading.Thread(target=self._listen)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def hear(self, pattern: str, *, seconds: float = 30) -> str:
        """Wait for a line with *pattern*, and return its first group."""
        while line := self.lines.get(timeout=seconds):
            self.said.append(line)
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError(f"The server ended without saying {pattern!r}: {self.said}")

    def stop(self) -> None:
        """Interrupt the server and wait for its end."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)


@contextmanager
def serving(*arguments: str) -> Iterator[Served]:
    with subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A group of its own, so that the processes which a reloader starts end with it.
        start_new_session=True,
    ) as process:
        served = Served(process)
        try:
            yield served
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            served.listener.join(timeout=30)


def test_the_app_is_served_until_the_server_is_interrupted(write: Write) -> None:
    write("main.py", APP)
    with serving("run", "--port", "0") as served:
        assert served.hear(r"Serving (.+) with") == "main:app on http://127.0.0.1 (a free port)"
        address = served.hear(r"running on (http://\S+)")
        assert httpx2.get(address, trust_env=False).text == "one"
        served.stop()
        served.hear("(goodbye)")
        assert served.process.returncode == 0


@pytest.mark.parametrize("server", ["granian", "hypercorn"])
def test_the_app_is_served_with_another_server(server: str, write: Write) -> None:
    write("main.py", APP)
    with serving("run", "--port", "0", "--server", server) as served:
        address = served.hear(r"(?:Running on|Listening at:) (http://\S+)").rstrip(".")
        if server == "granian":
            served.hear("(Started worker-1)")
        assert httpx2.get(address, trust_env=False).text == "one"
        served.stop()
        served.hear("(goodbye)")
        assert served.process.returncode == 0


@pytest.mark.parametrize("server", ["uvicorn", "granian", "hypercorn"])
def test_a_server_that_is_not_installed_is_reported(
    server: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("main.py", APP)
    monkeypatch.setitem(sys.modules, server, None)
    for module in [name for name in sys.modules if name.startswith(f"{server}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, f"hesper.cli.{server}_server", raising=False)
    result = CliRunner().invoke(hesper, ["run", "--server", server])
    assert result.exit_code == 1
    assert f"{server} is not installed; write: pip install" in result.stderr


def test_a_function_that_makes_the_app_is_served(write: Write) -> None:
    write("shop.py", APP + "\ndef make() -> Hesper:\n    return Hesper([index], path='/shop')\n")
    with serving("--app", "shop:make", "run", "--port", "0", "--host", "localhost") as served:
        assert served.hear(r"Serving (.+) with") == "shop:make on http://localhost (a free port)"
        address = served.hear(r"running on (http://\S+)")
        assert httpx2.get(f"{address}/shop", trust_env=False).text == "one"


def test_a_startup_that_fails_ends_the_server_with_a_status(write: Write) -> None:
    write("main.py", FAILING)
    result = subprocess.run(
        command("run", "--port", "0"), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 3
    assert "no database" in result.stderr


def change(served: Served, write_again: Callable[[], None]) -> None:
    """Change a file until the reloader notices: it learns the files' times after the start."""
    for _ in range(20):
        write_again()
        try:
            served.hear("(detected changes)", seconds=3)
        except queue.Empty:
            continue
        served.hear("(startup complete)")
        return
    raise AssertionError(f"The server did not notice the change: {served.said}")


def test_a_change_is_served_after_a_reload(write: Write) -> None:
    write("main.py", APP)
    with serving("run", "--port", "0", "--reload") as served:
        address = served.hear(r"running on (http://\S+)")
        served.hear("(startup complete)")
        assert httpx2.get(address, trust_env=False).text == "one"
        change(served, lambda: write("main.py", APP.replace('"one"', '"another one"')))
        assert httpx2.get(address, trust_env=False).text == "another one"
        served.stop()
