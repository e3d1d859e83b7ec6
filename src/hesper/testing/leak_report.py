"""How the report about what a test has left behind is written."""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hesper.testing.openings import Frame, Opening

__all__ = ("report",)

_SHOWN: Final = 3
"""How many frames are shown of each opening, the innermost ones."""


def report(openings: Sequence[Opening], test: str, root: Path) -> str:
    """Return what is left, and where it was opened, in words; nothing if nothing is.

    Args:
        openings: What is left.
        test: The test that has left it.
        root: The folder that files are named relative to.
    """
    if not openings:
        return ""
    entries = Counter(_entry(opening, root) for opening in openings)
    texts = [text if times == 1 else _repeated(text, times) for text, times in entries.items()]
    return "\n\n".join([f"{test} left {_count(len(openings))} open:", *texts])


def _repeated(text: str, times: int) -> str:
    """Return *text* with the number of openings that it stands for, in its first line."""
    first, _, rest = text.partition("\n")
    return f"{first} ({times} times)\n{rest}"


def _count(number: int) -> str:
    return "one thing" if number == 1 else f"{number} things"


def _entry(opening: Opening, root: Path) -> str:
    lines = [f"  a {opening.kind} {opening.name}"]
    frames = opening.frames[-_SHOWN:]
    if not frames:
        lines.append(f"    opened in the thread {opening.thread_name!r}, not by a line of the test")
    for frame in frames:
        lines += _place(frame, root)
    return "\n".join(lines)


def _place(frame: Frame, root: Path) -> list[str]:
    file, number, function = frame
    path = Path(file)
    name = path.relative_to(root) if path.is_relative_to(root) else path
    line = linecache.getline(file, number).strip()
    return [f"    {name}:{number}: in {function}", f"      {line}"]
