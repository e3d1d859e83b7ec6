"""What a task waits in: the coroutines and generators it awaits, from the outermost inwards.

Those that go on by themselves know what they await. Between an `async for` and its generator, and
around `anext` with a default or an `__await__`, stand objects of CPython that do not say whom they
stand for; the collector of cycles is asked what they refer to. What awaits in another task, such as
one that `gather` makes, belongs to that task. An awaitable of an extension may end the chain.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, Final

_AWAITS: Final = ("cr_await", "gi_yieldfrom", "ag_await")
_FRAMES: Final = ("cr_frame", "gi_frame", "ag_frame")
_CODES: Final = ("cr_code", "gi_code", "ag_code")


def awaited_by(task: asyncio.Task[Any]) -> Iterator[object]:
    """Yield what a task awaits, outermost first; to be called while it does not run.

    Args:
        task: The task.
    """
    awaited: object = task.get_coro()
    while awaited is not None:
        yield awaited
        inner = _first(awaited, _AWAITS)
        awaited = _wrapped(awaited) if inner is None else inner


def frame_of(awaited: object) -> FrameType | None:
    """Return the frame of a coroutine or generator; None of anything else."""
    frame: FrameType | None = _first(awaited, _FRAMES)
    return frame


def code_of(awaited: object) -> CodeType | None:
    """Return the code of a coroutine or generator; None of anything else."""
    code: CodeType | None = _first(awaited, _CODES)
    return code


def _first(thing: object, names: tuple[str, ...]) -> Any:
    for name in names:
        value = getattr(thing, name, None)
        if value is not None:
            return value
    return None


def _wrapped(awaited: object) -> object:
    """Return whom an object stands for, or drives by hand, if somebody waits there."""
    referents = gc.get_referents(awaited)
    waiting = next((inner for inner in referents if _first(inner, _AWAITS) is not None), None)
    if waiting is None:
        # One of those objects may stand for another. A future has no `throw`, and is not followed.
        between = (one for one in referents if hasattr(one, "throw") and code_of(one) is None)
        waiting = next(filter(None, map(_wrapped, between)), None)
    return waiting
