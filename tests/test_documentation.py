"""Every Python example of the README and the documentation runs, from top to bottom of its page."""

from __future__ import annotations

import re
import sys
import textwrap
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^ *```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text()
    # A module of its own, so that annotations of the examples can be resolved.
    module = types.ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in BLOCK.finditer(text):
        code = textwrap.dedent(block["code"])
        line = text[: block.start()].count("\n") + 1
        # As many empty lines above as in the page: a traceback names the page's line.
        compiled = compile("\n" * line + code, str(page), "exec", dont_inherit=True)
        exec(compiled, vars(module))
