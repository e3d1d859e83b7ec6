"""How a served app says what happens: one line each, found again in the server's output."""

from __future__ import annotations

import sys

MARK = "event: "


def say(event: str) -> None:
    sys.stdout.write(f"{MARK}{event}\n")
    sys.stdout.flush()


def events_in(output: str) -> list[str]:
    """Return the events in a server's output, in order."""
    lines = output.splitlines()
    return [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
