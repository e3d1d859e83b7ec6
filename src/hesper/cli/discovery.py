"""Finding the app that a command is about.

An error of the user's own module is the user's to see: only a module that is not there at all is
reported as not found.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import rich_click as click

from hesper.app import Hesper
from hesper.cli.places import FACTORY, NAMES, usual_modules

__all__ = ("AppNotFoundError", "FoundApp", "find_app")


class AppNotFoundError(click.ClickException):
    """There is no app where one was looked for; the text says where that was."""

    exit_code = 2


@dataclass(frozen=True, slots=True, weakref_slot=True)
class FoundApp:
    """An app and where it was found. It lives as long as the command."""

    app: Hesper
    """The app itself."""
    module: str
    """The module that the app, or its factory, is in."""
    name: str
    """What the app, or its factory, is called there."""
    factory: bool
    """Whether the name is that of a function which makes the app."""
    directory: Path = Path()
    """Where its module was looked for first."""

    @property
    def import_string(self) -> str:
        """The place, as `--app` takes it."""
        return f"{self.module}:{self.name}"


def find_app(place: str | None, directory: Path) -> FoundApp:
    """Return the app at *place*, or the one in *directory* if no place is given.

    Args:
        place: `module:name`, where the name is that of an app or of a function that makes one; or
            `module` alone.
        directory: Where modules are looked for first.

    Raises:
        AppNotFoundError: There is no app.
        Exception: Whatever the user's module raises when it is imported.
    """
    # Python itself puts "" there for `python -m`, which means the same until somebody changes it.
    if str(directory) not in sys.path[:1]:
        sys.path.insert(0, str(directory))
    found = _search(directory) if place is None else _at(place)
    return replace(found, directory=directory)


def _at(place: str) -> FoundApp:
    """Return the app at *place*."""
    module_name, colon, name = place.partition(":")
    if name.endswith("()"):
        raise AppNotFoundError(f"{place!r} is a call; name the function: '{place[:-2]}'.")
    parts = module_name.removesuffix(".py").replace(os.sep, ".").split(".")
    if not all(map(str.isidentifier, parts)) or (colon and not name):
        raise AppNotFoundError(
            f"{place!r} is no place of an app; write MODULE:NAME, such as 'main:app'."
        )
    if module_name != ".".join(parts):
        raise AppNotFoundError(
            f"{place!r} names a file; name the module: '{'.'.join(parts)}{colon}{name}'."
        )
    module = _imported(module_name, place)
    if name:
        return _named(module, name)
    found = _found_in(module)
    if found is None:
        raise AppNotFoundError(_nothing_in(module_name))
    return found


def _search(directory: Path) -> FoundApp:
    """Look through the modules that apps are usually in."""
    tried: list[str] = []
    for module_name, path in usual_modules(directory).items():
        if path is None:
            tried.append(f"{module_name}.py or {module_name}{os.sep}__init__.py: not there")
            continue
        found = _found_in(importlib.import_module(module_name))
        if found is not None:
            return found
        tried.append(_nothing_in(str(path.relative_to(directory))))
    raise AppNotFoundError(
        f"No app was found in {directory}:\n"
        + "".join(f"  {line}\n" for line in tried)
        + "Say where it is with --app MODULE:NAME, or in the environment variable HESPER_APP,"
        " or in pyproject.toml: [tool.hesper] app = 'MODULE:NAME'."
    )


def _nothing_in(place: str) -> str:
    return f"{place}: neither an instance of Hesper nor a function {FACTORY}() is in it"


def _imported(module_name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name != missing and not module_name.startswith(missing + "."):
            raise
        named = "" if place == missing else f", which {place!r} names"
        raise AppNotFoundError(
            f"There is no module {missing!r}{named}. Modules are looked for in {sys.path[0]} and"
            " where Python finds its own."
        ) from None


def _found_in(module: ModuleType) -> FoundApp | None:
    """Return the app of *module*, if it has exactly one that is to be taken."""
    apps = {name: value for name, value in vars(module).items() if isinstance(value, Hesper)}
    for name in NAMES:
        if name in apps:
            return FoundApp(apps[name], module.__name__, name, factory=False)
    # The same app may have several names.
    if len({id(app) for app in apps.values()}) > 1:
        raise AppNotFoundError(
            f"There are several apps in {module.__name__}: {', '.join(apps)}. Say which one with"
            f" --app {module.__name__}:{next(iter(apps))}."
        )
    for name, app in apps.items():
        return FoundApp(app, module.__name__, name, factory=False)
    if callable(getattr(module, FACTORY, None)):
        return _named(module, FACTORY)
    return None


def _named(module: ModuleType, name: str) -> FoundApp:
    """Return the app which *name*, dotted or not, stands for in *module*."""
    value: object = module
    for part in name.split("."):
        if not hasattr(value, part):
            raise AppNotFoundError(f"There is no {name!r} in {module.__name__}.{_others(module)}")
        value = getattr(value, part)
    if isinstance(value, Hesper):
        return FoundApp(value, module.__name__, name, factory=False)
    place = f"{module.__name__}:{name}"
    if not callable(value):
        raise AppNotFoundError(
            f"{place} is {value!r:.100}; it has to be an instance of Hesper, or a function that"
            " returns one."
        )
    required = _required(inspect.signature(value))
    if required:
        raise AppNotFoundError(
            f"{place} takes the arguments {', '.join(required)}; a function that makes an app"
            " takes none."
        )
    app = value()
    if inspect.iscoroutine(app):
        app.close()
        raise AppNotFoundError(
            f"{place} is asynchronous, but there is no loop when an app is made; make it a plain"
            " function, and do what is to be awaited in a start-up hook."
        )
    if not isinstance(app, Hesper):
        raise AppNotFoundError(f"{place}() returned {app!r:.100}, not an instance of Hesper.")
    return FoundApp(app, module.__name__, name, factory=True)


def _required(signature: inspect.Signature) -> list[str]:
    """Return the names of the arguments without which a call is not possible."""
    return [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]


def _others(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Hesper)]
    return f" The apps in it are called {', '.join(names)}." if names else ""
