"""`sticky_acm` and `sticky_singleton_acm`: for `async with`, entered once, left open."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from hesper import loop_local
from tests.loop_local.loops import Journal, Run


class Client:
    """Open from enter to exit."""

    def __init__(self, url: str = "/", *, timeout: int = 5) -> None:
        self.url = url
        self.timeout = timeout
        self.is_open = False

    async def __aenter__(self) -> Client:
        await anyio.lowlevel.checkpoint()
        self.is_open = True
        return self

    async def __aexit__(self, *raised: object) -> None:
        await anyio.lowlevel.checkpoint()
        self.is_open = False


def test_leaving_a_sticky_manager_does_nothing(run: Run) -> None:
    async def main() -> Client:
        sticky = loop_local.sticky_acm(Client())
        async with sticky as client:
            assert client.is_open
        assert client.is_open
        async with sticky as again:
            assert again is client
        return client

    assert not run(main).is_open


def test_an_exception_in_the_block_does_not_reach_the_manager(run: Run, journal: Journal) -> None:
    async def main() -> None:
        with pytest.raises(LookupError):
            async with loop_local.sticky_acm(journal.resource("a")):
                raise LookupError
        assert journal == ["enter a"]

    run(main)
    assert journal == ["enter a", "exit a"]


def test_two_sticky_managers_around_one_enter_it_once(run: Run, journal: Journal) -> None:
    async def main() -> None:
        resource = journal.resource("a")
        async with loop_local.sticky_acm(resource), loop_local.sticky_acm(resource) as value:
            assert value == "a"

    run(main)
    assert journal == ["enter a", "exit a"]


def test_one_client_for_each_combination_of_arguments(run: Run) -> None:
    client_for = loop_local.sticky_singleton_acm(Client)

    async def main() -> list[Client]:
        async with client_for("/a") as first, client_for(timeout=5, url="/a") as same:
            assert same is first
        async with client_for("/b") as second, client_for("/a", timeout=6) as third:
            assert len({id(first), id(second), id(third)}) == 3
        clients = [first, second, third]
        assert all(client.is_open for client in clients)
        return clients

    assert not any(client.is_open for client in run(main))


def test_a_generator_function_is_entered_once_for_each_combination(
    run: Run, journal: Journal
) -> None:
    @loop_local.sticky_singleton_acm
    @asynccontextmanager
    async def connection(name: str) -> AsyncIterator[str]:
        async with journal.resource(name):
            yield name

    async def main() -> None:
        async def use(name: str) -> None:
            async with connection(name) as found:
                assert found == name

        async with anyio.create_task_group() as group:
            for name in "abab":
                group.start_soon(use, name)

    run(main)
    assert sorted(journal) == ["enter a", "enter b", "exit a", "exit b"]


def test_another_loop_gives_another_client(run: Run) -> None:
    client_for = loop_local.sticky_singleton_acm(Client)

    async def main() -> Client:
        async with client_for("/a") as client:
            return client

    assert run(main) is not run(main)


def test_after_closing_the_next_use_makes_a_new_client(run: Run) -> None:
    client_for = loop_local.sticky_singleton_acm(Client)

    async def main() -> None:
        async with client_for("/a") as first:
            pass
        await loop_local.aclose()
        assert not first.is_open
        async with client_for("/a") as second:
            assert second is not first
            assert second.is_open

    run(main)


def test_the_factory_keeps_its_signature() -> None:
    client_for = loop_local.sticky_singleton_acm(Client)
    assert client_for.__name__ == "Client"
    assert (
        str(inspect.signature(client_for)) == "(url: 'str' = '/', *, timeout: 'int' = 5) -> 'None'"
    )


def test_an_unhashable_argument_is_a_type_error_that_names_it(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="must be hashable, unlike"):
            loop_local.sticky_singleton_acm(Client)([])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    run(main)


def test_a_sticky_manager_can_be_weakly_referenced_and_is_a_manager() -> None:
    sticky = loop_local.sticky_acm(Client())
    assert weakref.ref(sticky)() is sticky
    assert isinstance(sticky, AbstractAsyncContextManager)
