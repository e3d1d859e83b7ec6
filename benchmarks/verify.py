"""What must be true before anything is measured: every app does the same work."""

from __future__ import annotations

import msgspec

from benchmarks.apps import takes_part
from benchmarks.cases import CASES, JSON, REFUSED, Case
from benchmarks.driver import Answer, Client
from benchmarks.work import LEDGER


class DifferentWorkError(Exception):
    """An app answers something else than the others, so measuring it would mean nothing."""


async def verify(name: str, client: Client) -> None:
    """Check every answer of the app called *name*, but those that it does not give by design.

    Raises:
        DifferentWorkError: With everything that differs.
    """
    faults = [
        fault
        for case in CASES
        if takes_part(name, case)
        for fault in differences(case, await client.ask(case))
    ]
    for case in REFUSED:
        status = (await client.ask(case)).status
        if not 400 <= status < 500:
            faults.append(f"{case.name}: status {status} instead of 4xx")
    opened, closed = LEDGER.opened, LEDGER.closed
    await client.ask(next(case for case in CASES if case.name == "dependencies"))
    if (LEDGER.opened, LEDGER.closed) != (opened + 1, closed + 1):
        faults.append("dependencies: the connection was not opened and closed once")
    if faults:
        raise DifferentWorkError("\n".join([f"{name} does different work:", *faults]))


def differences(case: Case, answer: Answer) -> list[str]:
    """Return what *answer* has that *case* does not ask for, as sentences."""
    expected: dict[str, object] = {"status": case.status}
    found: dict[str, object] = {"status": answer.status}
    if case.media_type is not None:
        expected |= {"media type": case.media_type, "answer": case.answer}
        found |= {"media type": answer.media_type, "answer": meaning(answer)}
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
