from __future__ import annotations

import asyncio

import pytest

from hesper._types import Message, Receive, Scope, Send
from hesper.testing.call import HIGH_WATER, PATIENCE, AppCall, Bell, Buffer
from hesper.testing.errors import ASGIProtocolError, ClientGoneError

pytestmark = pytest.mark.anyio


async def never() -> Message:
    raise AssertionError("nobody receives here")


async def nowhere(message: Message) -> None:
    raise AssertionError("nobody sends here")


def begin(call: AppCall, handler: asyncio.Event) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await handler.wait()

    call.start(app, {}, never, nowhere)


async def test_a_bell_wakes_those_whose_condition_holds() -> None:
    bell, heard = Bell(), list[int]()
    waiter = asyncio.create_task(bell.until(lambda: len(heard) > 1))
    for number in range(2):
        await asyncio.sleep(0)
        assert not waiter.done()
        heard.append(number)
        bell.ring()
    await waiter


async def test_a_bell_does_not_wait_for_what_holds_already() -> None:
    await Bell().until(lambda: True)


async def test_a_waiter_that_gave_up_does_not_disturb_the_bell() -> None:
    bell = Bell()
    waiter = asyncio.create_task(bell.until(lambda: False))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([waiter])
    bell.ring()


def test_a_buffer_gives_back_in_order_what_it_was_given() -> None:
    buffer: Buffer[str] = Buffer()
    buffer.put("a", 1)
    buffer.put("b", 1)
    assert [buffer.take(), buffer.take()] == ["a", "b"]
    assert not buffer


def test_a_buffer_is_full_beyond_the_high_water_mark() -> None:
    buffer: Buffer[str] = Buffer()
    buffer.put("a", HIGH_WATER)
    assert not buffer.full
    buffer.put("b", 1)
    assert buffer.full
    buffer.take()
    assert not buffer.full


async def test_a_call_that_runs_is_in_the_calls_and_leaves_them_at_its_end() -> None:
    calls, go = set[AppCall](), asyncio.Event()
    call = AppCall(calls, "2.3")
    begin(call, go)
    assert calls == {call}
    go.set()
    await call.wait()
    assert not calls


async def test_a_failed_call_stays_in_the_calls_until_its_failure_is_taken() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("lost")

    calls = set[AppCall]()
    call = AppCall(calls, "2.3")
    call.start(app, {}, never, nowhere)
    await call.wait()
    assert calls == {call}
    assert isinstance(call.take_failure(), KeyError)
    assert not calls
    assert call.take_failure() is None


async def test_an_app_that_cancels_itself_has_failed() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    call = AppCall(set(), "2.3")
    call.start(app, {}, never, nowhere)
    await call.wait()
    with pytest.raises(ASGIProtocolError, match="cancelled from inside"):
        call.raise_failure()


async def test_a_call_that_is_closed_before_its_first_step_ends() -> None:
    call = AppCall(set(), "2.3")
    begin(call, asyncio.Event())
    call.cancel()
    await call.wait()
    assert call.take_failure() is None


async def test_an_app_that_does_not_notice_runs_on_after_leaving_and_ends_with_closing() -> None:
    call = AppCall(set(), "2.3")
    begin(call, asyncio.Event())
    await call.leave()
    assert not call.finished
    await call.close()
    assert call.finished
    assert call.take_failure() is None


async def test_an_app_that_has_been_told_is_waited_for() -> None:
    cleaned_up = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal cleaned_up
        await receive()
        for _ in range(1000):
            await asyncio.sleep(0)
        cleaned_up = True

    async def receive() -> Message:
        call.tell()
        return {}

    call = AppCall(set(), "2.3")
    call.start(app, {}, receive, nowhere)
    await call.leave()
    assert cleaned_up


async def test_an_app_that_goes_on_regardless_is_cancelled_after_some_messages() -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        while True:
            await send({})
            sent += 1

    async def send(message: Message) -> None:
        await call.after_the_end(sending=True)

    call = AppCall(set(), "2.3")
    call.start(app, {}, never, send)
    await call.leave()
    assert call.finished
    assert sent == PATIENCE


async def test_the_error_of_a_client_that_has_gone_is_not_a_failure_of_the_app() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ExceptionGroup("tasks", [ClientGoneError(), KeyError("of the app's own")])

    call = AppCall(set(), "2.4")
    call.start(app, {}, never, nowhere)
    await call.leave()
    failure = call.take_failure()
    assert isinstance(failure, ExceptionGroup)
    assert [type(each) for each in failure.exceptions] == [KeyError]
