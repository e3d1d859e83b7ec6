"""Which apps take part, and how to build one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from benchmarks.cases import Case
from benchmarks.driver import ASGIApp

LIMIT = "raw"
"""The app that the others are measured by."""

APPS = ("hesper", "litestar", "starlette", "fastapi", "blacksheep", "falcon")

ABSENT = {("blacksheep", "405")}
"""Cases that an app does not know: BlackSheep answers 404 where the method is wrong."""


def takes_part(name: str, case: Case) -> bool:
    """Tell whether the app called *name* gives the answer of *case*."""
    return (name, case.name) not in ABSENT


def installed() -> list[str]:
    """Return the names of the apps whose framework is there."""
    return [name for name in APPS if find_spec(name) is not None]


def build(name: str) -> ASGIApp:
    """Build the app called *name*; only then is its framework imported."""
    module = LIMIT if name == LIMIT else f"{name}_app"
    app: ASGIApp = import_module(f"benchmarks.{module}").build()
    return app
