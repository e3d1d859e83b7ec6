"""One run of an app on one loop, and what goes on in it.

The names here are loaded when they are first asked for. Type checkers read `__init__.pyi`.
"""

from __future__ import annotations

from typing import Final

from hesper._lazy import lazy

_HOME: Final = {
    "Closing": "hesper._closing",
    "Lifespan": "hesper.lifespan.lifespan",
    "MountedAppFailed": "hesper.lifespan.mounted",
    "Phase": "hesper.lifespan.phase",
    "Tasks": "hesper.lifespan.tasks",
}

__all__ = tuple(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy(globals(), _HOME)
