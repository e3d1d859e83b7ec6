"""Where apps usually are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ("FACTORY", "NAMES", "usual_modules")

NAMES: Final = ("app", "application")
"""What apps are usually called."""

FACTORY: Final = "create_app"
"""What a function that makes an app is usually called."""

_MODULES: Final = ("app", "main", "asgi", "application")


def usual_modules(directory: Path) -> dict[str, Path | None]:
    """Return the usual modules in the order of the search, with their files in *directory*."""
    return {
        name: next(
            filter(Path.is_file, (directory / f"{name}.py", directory / name / "__init__.py")), None
        )
        for name in _MODULES
    }
