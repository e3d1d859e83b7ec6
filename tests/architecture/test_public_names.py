"""The public surface: every public module names what it exports, sorted, and all of it is there."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import hesper

PACKAGES = [
    "hesper",
    "hesper.background_tasks",
    "hesper.connection",
    "hesper.datastructures",
    "hesper.di",
    "hesper.dto",
    "hesper.enums",
    "hesper.exceptions",
    "hesper.handlers",
    "hesper.lifespan",
    "hesper.loop_local",
    "hesper.middleware",
    "hesper.openapi",
    "hesper.openapi.plugins",
    "hesper.openapi.spec",
    "hesper.pagination",
    "hesper.params",
    "hesper.plugins.pydantic",
    "hesper.plugins.sqlalchemy",
    "hesper.registry",
    "hesper.response",
    "hesper.serialization",
    "hesper.testing",
    "hesper.types",
]


def order(name: str) -> tuple[int, str]:
    """Return where a name stands: constants, then classes, then functions, each sorted."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("name", PACKAGES)
def test_exports_are_sorted_and_all_there(name: str) -> None:
    module = importlib.import_module(name)
    exported = list(module.__all__)
    assert exported == sorted(exported, key=order)
    assert len(exported) == len(set(exported))
    for export in exported:
        assert hasattr(module, export)


LAZY = [
    "hesper",
    "hesper._late",
    "hesper.connection",
    "hesper.datastructures",
    "hesper.handlers",
    "hesper.lifespan",
    "hesper.openapi",
    "hesper.response",
    "hesper.testing",
]


@pytest.mark.parametrize("name", LAZY)
def test_a_stub_names_what_is_loaded_when_it_is_asked_for(name: str) -> None:
    module = importlib.import_module(name)
    stub = ast.parse(Path(str(module.__file__)).with_suffix(".pyi").read_text())
    imported = {
        (alias.asname, node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(vars(module)["_HOME"].items())


@pytest.mark.parametrize("name", LAZY)
def test_what_is_loaded_when_it_is_asked_for_is_listed_and_there(name: str) -> None:
    module = importlib.import_module(name)
    homes: dict[str, str] = vars(module)["_HOME"]
    assert set(homes) <= set(dir(module))
    for export, home in homes.items():
        assert getattr(module, export) is getattr(importlib.import_module(home), export)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Unknown'"):
        module.Unknown  # noqa: B018


def test_every_module_has_a_docstring() -> None:
    for found in pkgutil.walk_packages(hesper.__path__, "hesper."):
        if found.name.endswith("__main__"):
            continue
        assert importlib.import_module(found.name).__doc__, found.name


def test_importing_hesper_pulls_in_nothing_heavy() -> None:
    heavy = (
        "anyio click rich uvicorn httpx2 httpx pydantic attr email http.client logging.config "
        "multipart urllib.request tempfile trio xml unittest"
    )
    loaded = f"[name for name in {heavy.split()!r} if name in sys.modules]"
    script = f"import sys; from hesper import Hesper; print({loaded})"
    # Measuring coverage imports modules of its own.
    unmeasured = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=unmeasured
    )
    assert done.stdout.strip() == "[]"
