"""Write Python source line by line and turn it into a function that one can read and debug.

Nothing is printed into the text but literals: an object gets a speaking name and is bound under
it. Tracebacks, debuggers and `inspect` see the text as the file `<hesper ... #n>`, from
`linecache`, and it is released together with the function.
"""

from __future__ import annotations

import keyword
import linecache
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, cast

_serial = count(1)

_BUILTINS: Final = ("BaseException", "Exception", "dict", "isinstance", "len")
"""What the texts call by its own name, so that nothing else may be called so in them."""


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
        self._taken: set[str] = {*taken, *keyword.kwlist, *_BUILTINS}
        self._bound: dict[str, object] = {}

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
        unique, number = _identifier(name), 1
        while unique in self._taken:
            number += 1
            unique = f"{_identifier(name)}_{number}"
        self._taken.add(unique)
        return unique

    def bind(self, name: str, value: object) -> str:
        """Make *value* known to the text and return its name: *name*, or the next free one."""
        for bound, known in self._bound.items():
            if known is value:
                return bound
        unique = self.local(name)
        self._bound[unique] = value
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
        names = dict(self._bound)
        exec(compile(text, filename, "exec"), names)  # noqa: S102 - the text is ours, without input
        # Popped, for the function must not be reachable from its own globals: a cycle.
        built: Any = names.pop(function)
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        weakref.finalize(built, linecache.cache.pop, filename, None).atexit = False
        return cast("Callable[..., Any]", built)


def _identifier(name: str) -> str:
    # In ASCII: of other letters the compiler knows some forms only, and looks up others changed.
    cleaned = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_") or "value"
    return cleaned if cleaned.isidentifier() else f"value_{cleaned}"
