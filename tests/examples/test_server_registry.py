"""The registry of servers: twelve while their apps exist, none afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hesper.testing import TestClient
from server_registry import COMPONENTS, Server, create_app, deploy, registry

EXAMPLE = Path(__file__).parents[2] / "examples" / "server_registry.py"


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_there_are_twelve_servers_while_the_apps_exist_and_none_after() -> None:
    def make() -> None:
        apps = [create_app() for _ in range(4)]
        assert registry.server_count == 12
        assert len(registry.servers) == 12
        assert {server.role for server in registry.servers} == set(COMPONENTS)
        assert {server.provider for server in registry.servers} == {"aws"}
        assert len(apps) == 4

    make()
    assert registry.servers == set()
    assert registry.server_count == 0


def test_deploying_counts_them_in_its_midst() -> None:
    assert deploy() == 12
    assert registry.server_count == 0


def test_servers_go_with_their_app_even_after_it_has_served() -> None:
    app = create_app()
    with TestClient(app) as client:
        assert client.get("/").json() == ["web at aws", "worker at aws", "database at aws"]
    assert registry.server_count == 3
    del app, client
    assert registry.server_count == 0


def test_the_set_is_a_copy_that_holds_what_is_in_it() -> None:
    server = Server.create("web", provider="hetzner")
    copy = registry.servers
    assert copy is not registry.servers
    del server
    assert [server.provider for server in copy] == ["hetzner"]
    assert registry.server_count == 1
    copy.clear()
    assert registry.server_count == 0


def test_as_a_script_it_says_both() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "12 servers while there were apps\n0 servers now\n"
