"""What `hesper info` prints: versions, where the settings come from, and the app in numbers."""

from __future__ import annotations

import inspect
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import rich_click as click

from hesper.cli.discovery import FoundApp
from hesper.cli.loading import load_app
from hesper.cli.origin import origin_of, origin_of_target
from hesper.cli.target import target_of

__all__ = ("print_facts",)

_PACKAGES: Final = ("hesper", "msgspec", "anyio", "click", "uvicorn", "granian", "hypercorn")

_KINDS: Final = {"http": "HTTP", "websocket": "websocket", "asgi": "ASGI", "mount": "mounted"}


def print_facts(context: click.Context) -> None:
    """Print what there is to know; versions and settings even if the app cannot be loaded.

    Args:
        context: The context of the command.

    Raises:
        Exception: Whatever loading the app raises, after the rest is printed.
    """
    _print("Versions", _versions())
    _print("Settings", _settings(context))
    _print("App", _facts(load_app(target_of(context))))


def _print(title: str, rows: Iterator[tuple[str, str]]) -> None:
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    click.echo(title)
    for name, value in listed:
        click.echo(f"  {name:{width}}  {value}")


def _versions() -> Iterator[tuple[str, str]]:
    python = f"{platform.python_version()} ({sys.implementation.name}, {sys.platform})"
    yield "Python", python
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "not installed"


def _settings(context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each setting and where it comes from; of the commands' only those somebody made."""
    target = target_of(context)
    yield "app", _shown(target.place or "searched for", origin_of_target(context, "place"))
    yield "app-dir", _shown(target.directory.resolve(), origin_of_target(context, "directory"))
    root = context.find_root()
    for name, command in getattr(root.command, "commands", {}).items():
        with command.make_context(name, [], parent=root, resilient_parsing=True) as inner:
            for parameter in command.params:
                origin = origin_of(inner, parameter)
                if origin is not None:
                    value = inner.params[parameter.name]
                    yield f"{name} {parameter.opts[0]}", _shown(value, origin)


def _shown(value: object, origin: str | None) -> str:
    return f"{value}" if origin is None else f"{value}, from {origin}"


def _facts(found: FoundApp) -> Iterator[tuple[str, str]]:
    app = found.app
    yield "place", f"{found.import_string}{'()' if found.factory else ''}"
    yield "file", inspect.getsourcefile(sys.modules[found.module]) or "unknown"
    yield "class", f"{type(app).__module__}.{type(app).__qualname__}"
    kinds = Counter(_KINDS[route.kind] for route in app.iter_routes())
    yield "routes", ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    yield "plugins", ", ".join(type(plugin).__qualname__ for plugin in app.plugins) or "none"
    starts = app._wiring.course.to_start or ("nothing",)
    yield "to start", starts[0]
    for other in starts[1:]:
        yield "", other
