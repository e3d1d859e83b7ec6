from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a file of the user's project, which is the current directory."""
    monkeypatch.chdir(tmp_path)
    # What a .env file sets goes with the test.
    kept = os.environ.copy()
    for name in [name for name in kept if name.startswith("HESPER")]:
        del os.environ[name]
    monkeypatch.setattr(sys, "path", sys.path.copy())
    # A second test may write a module of the same name within the same second and size.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write_file(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    yield write_file
    os.environ.clear()
    os.environ.update(kept)
    for name, module in list(sys.modules.items()):
        # A package without a file has paths alone.
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]
