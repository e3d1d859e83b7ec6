from __future__ import annotations

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
    monkeypatch.delenv("HESPER_APP", raising=False)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    # A second test may write a module of the same name within the same second and size.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written: set[str] = set()

    def write_file(name: str, text: str) -> None:
        written.add(Path(name).parts[0].removesuffix(".py"))
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    yield write_file
    for module in list(sys.modules):
        if module.partition(".")[0] in written:
            del sys.modules[module]
