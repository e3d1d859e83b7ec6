from __future__ import annotations

import gc
import subprocess
import sys
import threading
from typing import Any

import pytest

from hesper.testing import TestClient
from tests.testing.apps import Lifespan

KEPT = """
import sys
from hesper import Hesper
from hesper.testing import TestClient

def say() -> None:
    print("stopped", flush=True)

client = TestClient(Hesper(on_shutdown=say))
client.__enter__()
print("entered", flush=True)
"""


def test_a_client_that_is_kept_and_never_left_lets_the_program_end() -> None:
    arguments = [sys.executable, "-W", "always", "-c", KEPT]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["entered", "stopped"])
    assert "ResourceWarning: a TestClient was dropped while its app ran" in done.stderr


def test_a_client_that_is_dropped_in_its_block_ends_its_thread_with_a_warning() -> None:
    before = set(threading.enumerate())
    client: TestClient[Any] | None = TestClient(Lifespan())
    assert client is not None
    client.__enter__()
    assert set(threading.enumerate()) != before
    with pytest.warns(ResourceWarning, match="leave it with `with client:`"):
        client = None
    assert set(threading.enumerate()) == before


def test_a_client_may_be_collected_on_the_loop_of_its_own_app() -> None:
    before = set(threading.enumerate())
    client: Any = TestClient(Lifespan())
    client.__enter__()
    client.itself = client
    with client.portal() as portal:
        pass
    del client
    with pytest.warns(ResourceWarning, match="dropped while its app ran"):
        assert portal.start_task_soon(gc.collect).result()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) == before


def test_a_client_that_was_left_is_dropped_without_a_warning() -> None:
    with TestClient(Lifespan()) as client:
        assert client.get("/x").status_code == 200
    del client
    gc.collect()
