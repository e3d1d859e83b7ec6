"""What must be true before anything is measured: every app does the same work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec

from benchmarks.apps import takes_part
from benchmarks.cases import JSON, REFUSED, Case
from benchmarks.driver import Answer
from benchmarks.work import LEDGER

NOTED = {"dependencies": ("opened", "closed"), "middlewares": ("before", "after")}
"""What happens once in a case besides the answer."""


class DifferentWorkError(Exception):
    """An app answers something else than the others, so measuring it would mean nothing."""


Ask: TypeAlias = Callable[[Case], Awaitable[Answer]]
"""Asks the app that answers a case's kind."""


async def verify(name: str, ask: Ask, cases: Sequence[Case]) -> None:
    """Check every answer of the apps called *name*, but those that they do not give by design.

    Args:
        name: What the apps are called.
        ask: Opens a connection to the app that answers a case.
        cases: What to ask, besides what has to be refused.

    Raises:
        DifferentWorkError: With everything that differs.
    """
    faults: list[str] = []
    for case in cases:
        if takes_part(name, case):
            before = noted()
            faults += differences(case, await ask(case))
            faults += unnoted(case, before)
    for case in REFUSED:
        status = (await ask(case)).status
        if not 400 <= status < 500:
            faults.append(f"{case.name}: status {status} instead of 4xx")
    if faults:
        raise DifferentWorkError("\n".join([f"{name} does different work:", *faults]))


def noted() -> dict[str, int]:
    """Return what the ledger says now."""
    return vars(LEDGER).copy()


def unnoted(case: Case, before: dict[str, int]) -> list[str]:
    """Return what should have happened once besides the answer, and did not, as sentences."""
    expected = NOTED.get(case.name, ())
    return [
        f"{case.name}: {what!r} happened {count - before[what]} times"
        for what, count in noted().items()
        if count - before[what] != (what in expected)
    ]


def differences(case: Case, answer: Answer) -> list[str]:
    """Return what *answer* has that *case* does not ask for, as sentences."""
    expected: dict[str, object] = {"status": case.status}
    found: dict[str, object] = {"status": answer.status}
    if case.media_type is not None:
        expected |= {"media type": case.media_type, "answer": case.answer}
        found |= {"media type": answer.media_type, "answer": meaning(answer)}
    if case.pieces:
        expected["messages"], found["messages"] = case.pieces, answer.pieces
    elif case.media_type is not None:
        expected["content-length"] = str(len(answer.body))
        found["content-length"] = answer.headers.get("content-length")
    if case.allow:
        allowed = {method.strip() for method in answer.headers.get("allow", "").split(",")}
        expected["allow"], found["allow"] = case.allow, frozenset(allowed) & case.allow
    return [
        f"{case.name}: {what} {found[what]!r} instead of {expected[what]!r}"
        for what in expected
        if found[what] != expected[what]
    ]


def meaning(answer: Answer) -> object:
    """Return the text of *answer*, or what its JSON means."""
    if answer.media_type == JSON:
        return msgspec.json.decode(answer.body)
    return answer.body.decode()
