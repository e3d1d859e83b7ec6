"""Write Python source line by line and turn it into a function that one can read and debug.

Nothing is printed into the text but literals: an object gets a speaking name and is bound under
it. Tracebacks, debuggers and `inspect` see the text as the file `<hesper ... #n>`, from
`linecache`, and it is released together with the function.
"""

from __future__ import annotations

import keyword
import linecache
import re
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from types import CodeType, FrameType
from typing import Any, Final, cast

_serial = count(1)

_BUILTINS: Final = ("BaseException", "Exception", "dict", "isinstance", "len")
"""What the texts call by its own name, so that nothing else may be called so in them."""

_RESERVED: Final = frozenset({*keyword.kwlist, *_BUILTINS})


class Source:
    """A function under construction: its text, and the objects that the text names.

    Lives until the function is built.

    Args:
        head: The first line, such as `async def endpoint(scope, receive, send):`.
        taken: The names that the head introduces.
    """

    def __init__(self, head: str, taken: tuple[str, ...] = ()) -> None:
        self.head = head
        """The first line."""
        self._lines: list[str] = []
        self._depth = 1
        self._taken: set[str] = {*taken, *_RESERVED}
        self._bound: dict[str, object] = {}
        self._names: dict[int, str] = {}

    def add(self, line: str) -> None:
        """Append one line at the present depth."""
        self._lines.append("    " * self._depth + line)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Append *head*; what is added inside stands one level deeper."""
        self.add(head)
        self._depth += 1
        yield
        self._depth -= 1

    def local(self, name: str) -> str:
        """Reserve a name for a local variable: *name*, or the next free one after it."""
        unique = wanted = _identifier(name)
        number = 1
        while unique in self._taken:
            number += 1
            unique = f"{wanted}_{number}"
        self._taken.add(unique)
        return unique

    def bind(self, name: str, value: object) -> str:
        """Make *value* known to the text and return its name: *name*, or the next free one."""
        known = self._names.get(id(value))
        if known is not None:
            return known
        unique = self._names[id(value)] = self.local(name)
        self._bound[unique] = value  # which keeps it alive, and its id its own
        return unique

    @property
    def text(self) -> str:
        """The source so far."""
        return "\n".join((self.head, *self._lines)) + "\n"

    def build(self, function: str, label: str) -> Callable[..., Any]:
        """Compile the text and return its function.

        Args:
            function: The name that the head defines.
            label: What the file name says, such as `GET /books/{isbn:str}`.
        """
        filename = f"<hesper {label} #{next(_serial)}>"
        text = self.text
        code, lines = _compiled(text)
        names = dict(self._bound)
        exec(_in_file(code, filename), names)  # noqa: S102 - the text is ours, without input
        # Popped, for the function must not be reachable from its own globals: a cycle.
        built: Any = names.pop(function)
        linecache.cache[filename] = (len(text), None, lines, filename)
        weakref.finalize(built, _release, filename).atexit = False
        return cast("Callable[..., Any]", built)


_released: Final[list[str]] = []
"""The files that are still in the cache although their functions are gone."""


def _release(filename: str) -> None:
    """Take a file out of the cache; later, if it is just being gone through in this thread.

    The collector may call this at any moment, and `linecache.checkcache` takes for granted that no
    file goes while it looks at them.
    """
    _released.append(filename)
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is linecache.checkcache.__code__:
            return
        frame = frame.f_back
    while _released:
        linecache.cache.pop(_released.pop(), None)


@lru_cache(maxsize=256)
def _compiled(text: str) -> tuple[CodeType, list[str]]:
    """Return the code of a text, and its lines; they know nothing of what the text names.

    PERF: compiling takes most of the time of a route's first request, and many texts are the same:
    those of alike handlers, and all those of a second app from the same handlers.
    """
    return compile(text, "<hesper>", "exec"), text.splitlines(keepends=True)


def _in_file(code: CodeType, filename: str) -> CodeType:
    """Return *code*, and all code inside it, as the code of a file of its own."""
    constants = [_in_file(c, filename) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.replace(co_filename=filename, co_consts=tuple(constants))


_NOT_IN_A_NAME: Final = re.compile("[^0-9A-Za-z]")


def _identifier(name: str) -> str:
    # In ASCII: of other letters the compiler knows some forms only, and looks up others changed.
    cleaned = _NOT_IN_A_NAME.sub("_", name).strip("_") or "value"
    return cleaned if cleaned.isidentifier() else f"value_{cleaned}"
