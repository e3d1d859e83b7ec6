"""Loops in threads of their own, for checks that can be called from anywhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

__all__ = ("in_thread", "in_threads")

T = TypeVar("T")


def in_thread(function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run *function* on a loop in a new thread, and return or raise what it does."""
    return in_threads([function])[0]


def in_threads(functions: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
    """Run each function on a loop in a thread of its own, at once."""
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}

    def run(index: int, function: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            results[index] = asyncio.run(function())
        except BaseException as error:
            errors[index] = error

    threads = [
        threading.Thread(target=run, args=pair, name="hesper: conformance")
        for pair in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        # Those that only waited for another one that failed come second.
        for error in sorted(errors.values(), key=_is_secondary):
            raise error
        return [results[index] for index in range(len(functions))]
    finally:
        errors.clear()


def _is_secondary(error: BaseException) -> bool:
    return isinstance(error.__cause__, threading.BrokenBarrierError)
