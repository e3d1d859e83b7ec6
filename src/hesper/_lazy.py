"""Names of a module that are loaded when they are first asked for (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping


def lazy(
    module: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of *module*.

    Type checkers read a stub beside it.

    Args:
        module: The module's name.
        homes: Where each name is defined, by name.
    """

    def __getattr__(name: str) -> object:  # noqa: N807
        try:
            home = homes[name]
        except KeyError:
            raise AttributeError(f"module {module!r} has no attribute {name!r}") from None
        __import__(home)
        value: object = getattr(sys.modules[home], name)
        setattr(sys.modules[module], name, value)  # found without this function from now on
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[module]), *homes})

    return __getattr__, __dir__
