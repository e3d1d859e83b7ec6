"""What happens to a connection, in order: the record, outcome by outcome."""

from __future__ import annotations

import asyncio

import pytest

from hesper import Hesper, Request, get
from tests.compile.driver import request
from tests.events_record import CASES, OddError, happening


@pytest.mark.parametrize("name", CASES)
def test_what_happens_is_what_the_record_says(name: str) -> None:
    case = CASES[name]
    events, answer = happening(case)
    assert tuple(events) == case.events
    assert answer == case.answer


@pytest.mark.parametrize("name", CASES)
def test_what_is_entered_is_left_in_reverse_order(name: str) -> None:
    case = CASES[name]
    events, _ = happening(case)
    entered: list[str] = []
    for event in events:
        what, _, how = event.rpartition(" ")
        if how in {"in", "entered", "begins"} and event not in case.fails:
            entered.append(what)
        elif how in {"out", "exited", "ends"}:
            assert entered.pop() == what
    assert not entered


def test_the_last_exception_handler_fails_and_the_answer_is_a_plain_500() -> None:
    events: list[str] = []

    async def fail(request: Request, error: Exception) -> None:
        events.append("exception handler")
        raise OddError("again")

    @get("/", exception_handlers={Exception: fail})
    async def handler() -> str:
        raise OddError("first")

    async def after_response(request: Request) -> None:
        events.append("after_response")

    sent = asyncio.run(request(Hesper([handler], after_response=after_response), "GET", "/"))
    assert sent.status == 500
    assert sent.json() == {"status_code": 500, "detail": "Internal Server Error"}
    assert events == ["exception handler", "after_response"]
