"""What fails while a lifespan starts or stops, with a note that says where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType


class Collecting:
    """Appends what its block raises to *errors*, with a note, and goes on.

    A generator would leave its frame in the traceback and, where CPython links the frame of one
    that has ended to its caller's (3.12 and early 3.13), the exception in a cycle.
    """

    __slots__ = ("_errors", "_note")

    def __init__(self, errors: list[BaseException], note: str) -> None:
        self._errors = errors
        self._note = note

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None:
            error.add_note(self._note)
            self._errors.append(error)
        return True


@contextmanager
def noting(note: str) -> Iterator[None]:
    """Add *note* to what its block raises."""
    try:
        yield
    except BaseException as error:
        error.add_note(note)
        raise
