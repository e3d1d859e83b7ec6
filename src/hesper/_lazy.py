"""Names of a module that are loaded when they are first asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy(
    module: dict[str, object], homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a module.

    Type checkers read a stub beside it.

    Args:
        module: The module's `globals()`, into which what is found is written: `sys.modules` may
            know another module by its name, or none.
        homes: Where each name is defined, by name.
    """

    def __getattr__(name: str) -> object:  # noqa: N807
        try:
            home = homes[name]
        except KeyError:
            problem = f"module {module['__name__']!r} has no attribute {name!r}"
            raise AttributeError(problem) from None
        value: object = getattr(import_module(home), name)
        module[name] = value  # found without this function from now on
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*module, *homes})

    return __getattr__, __dir__
