"""Which apps take part, and how to build one.

A module of this package builds the apps of one framework: `build` the one with all the work, `of`
one of the `handlers` for a number of routes, `with_middlewares` one behind a number of middlewares.
Where the framework has such things, `with_layers` builds one with routers in routers, and
`with_dependencies` one with a chain of dependencies.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.cases import Case, Kind
from benchmarks.driver import ASGIApp

LIMIT = "raw"
"""The app that the others are measured by."""

APPS = ("hesper", "litestar", "starlette", "fastapi", "blacksheep", "falcon", "quart")

ABSENT = {
    ("blacksheep", "405"): "it answers 404 where the method is wrong",
}
"""Cases that an app does not know, and the reason."""

ROUTES = 1000
MIDDLEWARES = 3


def takes_part(name: str, case: Case) -> bool:
    """Tell whether the app called *name* gives the answer of *case*."""
    return (name, case.name) not in ABSENT


def installed() -> list[str]:
    """Return the names of the apps whose framework is there."""
    return [name for name in APPS if find_spec(name) is not None]


def module_of(name: str) -> Any:
    """Return the module that builds the apps called *name*; it imports their framework."""
    return import_module(f"benchmarks.apps.{name}_app")


def build(name: str, kind: Kind = Kind.WORK) -> ASGIApp:
    """Build the app called *name* that answers cases of *kind*."""
    module = module_of(name)
    app: ASGIApp
    match kind:
        case Kind.WORK:
            app = module.build()
        case Kind.ROUTES:
            app = module.of(module.handlers(ROUTES))
        case Kind.MIDDLEWARES:
            app = module.with_middlewares(MIDDLEWARES)
    return app
