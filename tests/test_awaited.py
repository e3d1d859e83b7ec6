"""What a task awaits, from the outermost inwards, whatever stands between."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from types import coroutine
from typing import Any
from unittest.mock import MagicMock

import anyio
import pytest

from hesper._awaited import _types_between, awaited_by, code_of, frame_of
from hesper.concurrency import ended_by

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


async def bottom() -> None:
    await asyncio.get_running_loop().create_future()


async def generator() -> AsyncGenerator[int, None]:
    try:
        yield 0
    finally:
        await bottom()


async def outer_generator() -> AsyncGenerator[int, None]:
    async for number in generator():
        yield number


async def advanced() -> AsyncGenerator[int, None]:
    made = generator()
    await anext(made)
    return made


class Source:
    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> int:
        await bottom()
        return 0


class Delegating:
    def __await__(self) -> Generator[Any, Any, None]:
        return bottom().__await__()


class Yielding:
    def __await__(self) -> Generator[Any, Any, None]:
        yield from bottom().__await__()


class ByHand:
    """An awaitable that is its own iterator, and drives a coroutine."""

    def __await__(self) -> Any:
        self.driven = bottom().__await__()
        return self

    def __iter__(self) -> ByHand:
        return self

    def __next__(self) -> Any:
        return next(self.driven)

    def throw(self, error: BaseException) -> Any:
        return self.driven.throw(error)


class Called:
    """Something that is called, and is no function."""

    async def __call__(self) -> None:
        await bottom()


async def in_async_for() -> None:
    async for _ in outer_generator():
        pass


async def in_async_for_over_a_source() -> None:
    async for _ in Source():
        pass


async def in_a_comprehension() -> None:
    _ = [number async for number in outer_generator()]


async def in_anext() -> None:
    await anext(await advanced())


async def in_anext_with_a_default() -> None:
    await anext(await advanced(), None)


async def in_anext_of_a_source_with_a_default() -> None:
    await anext(Source(), None)


async def in_asend() -> None:
    await (await advanced()).asend(None)


async def in_athrow() -> None:
    await (await advanced()).athrow(ValueError)


async def in_aclose() -> None:
    await (await advanced()).aclose()


async def in_awaitables_of_a_class() -> None:
    await Delegating()


async def in_awaitables_that_yield() -> None:
    await Yielding()


@coroutine
def in_a_generator() -> Generator[Any, Any, None]:
    yield from bottom().__await__()


async def in_a_timeout() -> None:
    async with asyncio.timeout(3600):
        await bottom()


async def in_a_cancel_scope() -> None:
    with anyio.move_on_after(3600):
        await bottom()


async def in_a_task_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(asyncio.Event().wait)
        await bottom()


async def in_a_manager() -> None:
    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        await bottom()
        yield

    async with manager():
        pass


async def in_a_callable_object() -> None:
    await Called()()


async def in_work_that_is_watched() -> None:
    await ended_by(bottom(), asyncio.Event().wait)


async def in_work_that_is_watched_and_has_waited() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        await bottom()

    await ended_by(work(), asyncio.Event().wait)


@pytest.mark.parametrize(
    "wait",
    [value for name, value in sorted(globals().items()) if name.startswith("in_")],
    ids=lambda wait: wait.__name__,
)
async def test_what_is_awaited_is_found(wait: Callable[[], Awaitable[None]]) -> None:
    async def outermost() -> None:
        await wait()

    task = asyncio.create_task(outermost())
    for _ in range(3):
        await asyncio.sleep(0)
    awaited = [*awaited_by(task)]
    codes = [code_of(one) for one in awaited]
    assert codes[0] is outermost.__code__
    assert codes.count(bottom.__code__) == 1
    [frame] = [frame_of(one) for one in awaited if code_of(one) is bottom.__code__]
    assert frame is not None
    assert frame.f_code is bottom.__code__
    task.cancel()
    await asyncio.wait({task})


async def test_what_is_awaited_in_another_task_is_that_tasks() -> None:
    inner = asyncio.create_task(bottom())

    async def outer() -> None:
        await asyncio.gather(inner)

    task = asyncio.create_task(outer())
    for _ in range(2):
        await asyncio.sleep(0)
    assert bottom.__code__ not in map(code_of, awaited_by(task))
    assert bottom.__code__ in map(code_of, awaited_by(inner))
    task.cancel()
    await asyncio.wait({task, inner})


async def test_a_generator_that_is_held_and_not_awaited_is_not_found() -> None:
    async def holding() -> None:
        made = await advanced()
        await asyncio.Event().wait()
        await made.aclose()

    task = asyncio.create_task(holding())
    await asyncio.sleep(0)
    codes = [*map(code_of, awaited_by(task))]
    assert holding.__code__ in codes
    assert generator.__code__ not in codes
    task.cancel()
    await asyncio.wait({task})


async def test_a_task_that_has_ended_awaits_nothing() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    assert [frame_of(one) for one in awaited_by(task)] in ([], [None])


async def test_an_awaitable_that_somebody_wrote_by_hand_ends_the_chain() -> None:
    async def waiting() -> None:
        await ByHand()

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    assert [*map(code_of, awaited_by(task))] == [waiting.__code__, None]
    task.cancel()
    await asyncio.wait({task})


class Answering:
    """Something that has an answer to everything, or to nothing."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


@pytest.mark.parametrize("argument", [MagicMock(), Answering()], ids=["a mock", "one that raises"])
async def test_a_task_that_has_not_begun_awaits_nothing(argument: object) -> None:
    async def given(_argument: object) -> None:
        pass

    task = asyncio.create_task(given(argument))
    assert [*awaited_by(task)] == []
    await task


async def test_what_a_task_that_has_not_begun_is_given_is_not_found() -> None:
    numbers = outer_generator()

    async def read() -> None:
        async for _ in numbers:
            pass

    reading = asyncio.create_task(read())
    for _ in range(2):
        await asyncio.sleep(0)

    async def given(_numbers: object) -> None:
        pass

    task = asyncio.create_task(given(numbers))
    assert [*awaited_by(task)] == []
    reading.cancel()
    await asyncio.wait({task, reading})


async def test_what_is_sent_to_a_generator_is_not_awaited() -> None:
    sent = bottom()

    async def sending() -> None:
        made: AsyncGenerator[int, Any] = generator()
        await anext(made)
        await made.asend(sent)

    task = asyncio.create_task(sending())
    await asyncio.sleep(0)
    assert sent not in [*awaited_by(task)]
    assert bottom.__code__ in map(code_of, awaited_by(task))
    sent.close()
    task.cancel()
    await asyncio.wait({task})


async def test_the_types_of_what_stands_between_leave_nothing_to_the_loop() -> None:
    finalized: list[object] = []
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=finalized.append)
    try:
        assert {kind.__name__ for kind in _types_between()} == {
            "anext_awaitable",
            "async_generator_asend",
            "async_generator_athrow",
            "coroutine_wrapper",
        }
    finally:
        sys.set_asyncgen_hooks(*hooks)
    assert finalized == []
