"""The names of `hesper.testing`: loaded when they are first asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hesper.testing

NAMES: tuple[str, ...] = vars(hesper.testing)["__all__"]


def test_the_stub_names_what_the_package_has() -> None:
    stub = ast.parse(Path(hesper.testing.__file__).with_suffix(".pyi").read_text())
    imported = {
        (alias.asname, node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(vars(hesper.testing)["_HOME"].items())


def test_every_name_is_listed_and_no_other_is_there() -> None:
    assert set(NAMES) <= set(dir(hesper.testing))
    with pytest.raises(AttributeError, match=r"'hesper\.testing' has no attribute 'Testclient'"):
        getattr(hesper.testing, "Testclient")  # noqa: B009 - checkers know that it is not there


def test_no_name_is_that_of_a_module() -> None:
    # Importing the module would put it in the place of the name.
    folder = Path(hesper.testing.__file__).parent
    assert not {path.stem for path in folder.glob("*.py")} & set(NAMES)


def test_an_app_loads_nothing_of_the_kit() -> None:
    code = (
        "import sys, hesper.app; print([n for n in sys.modules if 'testing' in n or 'httpx' in n])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
