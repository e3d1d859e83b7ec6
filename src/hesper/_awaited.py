"""What a task waits in: the coroutines and generators it awaits, from the outermost inwards.

* Those of CPython say what they await. Between an `async for` and its generator, and around `anext`
  with a default or an `__await__`, stand objects of CPython that do not say whom they stand for;
  the collector of cycles is asked what they refer to.
* Nothing else is asked anything, as an object may answer whatever it likes: what awaits in a way of
  its own, such as an iterator that somebody wrote by hand or an extension, is the chain's end.
* What awaits in another task, such as one that `gather` makes, belongs to that task.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import suppress
from inspect import CORO_CREATED, getcoroutinestate
from operator import attrgetter
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

from hesper.concurrency import rest_of

_Asking = Mapping[type, Callable[[Any], Any]]

_AWAITED: Final[_Asking] = {
    CoroutineType: attrgetter("cr_await"),
    GeneratorType: attrgetter("gi_yieldfrom"),
    AsyncGeneratorType: attrgetter("ag_await"),
}
_FRAMES: Final[_Asking] = {
    CoroutineType: attrgetter("cr_frame"),
    GeneratorType: attrgetter("gi_frame"),
    AsyncGeneratorType: attrgetter("ag_frame"),
}
_CODES: Final[_Asking] = {
    CoroutineType: attrgetter("cr_code"),
    GeneratorType: attrgetter("gi_code"),
    AsyncGeneratorType: attrgetter("ag_code"),
}


def awaited_by(task: asyncio.Task[Any]) -> Iterator[object]:
    """Yield what a task awaits, outermost first; to be called while it does not run.

    Args:
        task: The task; one that has not begun awaits nothing.
    """
    awaited: object = task.get_coro()
    if type(awaited) is CoroutineType and getcoroutinestate(awaited) == CORO_CREATED:
        return
    while awaited is not None:
        yield awaited
        if type(awaited) in _BETWEEN:
            awaited = next(iter(gc.get_referents(awaited)), None)
        else:
            inner = _asked(_AWAITED, awaited)
            awaited = _driven(awaited) if inner is None else inner


def frame_of(awaited: object) -> FrameType | None:
    """Return the frame of a coroutine or generator; None of anything else."""
    frame: FrameType | None = _asked(_FRAMES, awaited)
    return frame


def code_of(awaited: object) -> CodeType | None:
    """Return the code of a coroutine or generator; None of anything else."""
    code: CodeType | None = _asked(_CODES, awaited)
    return code


def _asked(asking: _Asking, awaited: object) -> Any:
    ask = asking.get(type(awaited))
    return None if ask is None else ask(awaited)


def _driven(awaited: object) -> object:
    """Return the coroutine that `rest_of` drives by hand until it has waited once."""
    if code_of(awaited) is not rest_of.__code__:
        return None
    return next(filter(_is_coroutine, gc.get_referents(awaited)), None)


def _is_coroutine(candidate: object) -> bool:
    return type(candidate) is CoroutineType


def _types_between() -> frozenset[type]:
    """Return the types of what stands between; no module of CPython names them."""

    async def generate() -> AsyncGenerator[None, None]:
        yield

    generator = generate()
    closing = generator.aclose()
    with suppress(StopIteration):  # closed here, it is none that a running loop has to close
        closing.send(None)
    waiting = asyncio.sleep(0)
    others = (generator.asend(None), anext(generator, None), waiting.__await__())
    for other in others:  # what is never awaited would warn
        other.close()
    return frozenset(map(type, (closing, *others)))


_BETWEEN: Final = _types_between()
