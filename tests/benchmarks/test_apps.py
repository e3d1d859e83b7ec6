"""The apps that are compared do the work that they are measured by."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from benchmarks.apps import LIMIT, build, module_of
from benchmarks.cases import CASES, Kind, text
from benchmarks.driver import running
from benchmarks.growth import GROWTHS, Growth, together
from benchmarks.shares import asking
from benchmarks.startup import child
from benchmarks.verify import DifferentWorkError, differences, verify

APPS = (LIMIT, "hesper")


@pytest.mark.parametrize("name", APPS)
def test_an_app_gives_every_answer_that_is_asked_for(name: str) -> None:
    async def ask_everything() -> None:
        async with AsyncExitStack() as lifespans:
            clients = {
                kind: await lifespans.enter_async_context(running(build(name, kind)))
                for kind in Kind
            }
            await verify(name, asking(clients), CASES)

    asyncio.run(ask_everything())


def test_another_answer_is_refused_by_name() -> None:
    async def ask_for_something_else() -> None:
        async with running(build(LIMIT)) as client:
            await verify(LIMIT, client.ask, [text("greeting", "/json", 0)])

    with pytest.raises(DifferentWorkError, match="greeting: media type 'application/json'"):
        asyncio.run(ask_for_something_else())


def test_a_hook_that_is_not_called_is_different_work() -> None:
    async def ask_without_hooks() -> None:
        async with running(build(LIMIT)) as client:
            await verify(LIMIT, client.ask, [text("middlewares", "/text", 0)])

    with pytest.raises(DifferentWorkError, match="'before' happened 0 times"):
        asyncio.run(ask_without_hooks())


@pytest.mark.parametrize("name", APPS)
@pytest.mark.parametrize("growth", GROWTHS, ids=lambda growth: growth.name)
def test_an_app_of_any_size_gives_its_answer(name: str, growth: Growth) -> None:
    async def ask_each() -> None:
        for size in growth.sizes[:2]:
            async with running(growth.app(module_of(name), size)) as client:
                case = growth.case(size)
                assert differences(case, await client.ask(case)) == []

    asyncio.run(ask_each())


@pytest.mark.parametrize("name", APPS)
def test_requests_wait_until_all_are_in_flight(name: str) -> None:
    async def ask_at_once() -> None:
        async with running(build(name)) as client:
            await together(client, 20)

    asyncio.run(ask_at_once())


@pytest.mark.parametrize("name", APPS)
def test_a_second_app_is_built_from_the_same_handlers(name: str) -> None:
    assert asyncio.run(child.second(name, 8))["build"] > 0
