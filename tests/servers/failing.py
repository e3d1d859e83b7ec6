"""Apps whose lifespans fail, and one that has nothing to start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hesper import Hesper, get
from tests.servers.saying import say


@asynccontextmanager
async def manager() -> AsyncIterator[None]:
    say("the manager is entered")
    yield
    say("the manager is exited")


async def connect_to_the_database() -> None:
    raise ConnectionError("there is no database")


async def warm_the_cache() -> None:
    say("the hook after the failure runs")


async def leave_the_cluster() -> None:
    raise TimeoutError("the cluster does not answer")


def log_the_end() -> None:
    say("the hook after the failure runs")


def start() -> None:
    say("the start-up hook runs")


@get("/")
async def index() -> str:
    return "served"


startup_fails = Hesper(
    [index], lifespan=[manager], on_startup=[connect_to_the_database, warm_the_cache]
)
shutdown_fails = Hesper(
    [index], lifespan=[manager], on_startup=[start], on_shutdown=[leave_the_cluster, log_the_end]
)
nothing_to_start = Hesper([index])
