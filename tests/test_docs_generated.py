"""Pages that are generated are up to date, and every option is documented with an example."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from docs.generate import OPTIONS, option_texts, pages
from hesper.layer import RULES

LAYERS = OPTIONS.parents[1] / "concepts" / "layers.md"
SECTION = re.compile(r"^### (?P<name>\w+)\n(?P<text>.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_generated_page_is_what_the_generator_writes(page: Path) -> None:
    assert page.read_text() == pages()[page], "run: python -m docs.generate"


def test_the_page_of_an_explanation_is_as_the_documentation_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = LAYERS.read_text()
    first, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    (tmp_path / "library.py").write_text(first)
    monkeypatch.chdir(tmp_path)
    app = runpy.run_path(str(tmp_path / "library.py"), run_name="library")["app"]
    explained = str(app.explain("GET", "/library/loans/1"))
    assert explained.partition("\nOptions that no layer sets:")[0] == shown


def test_every_option_has_a_docstring() -> None:
    texts = option_texts()
    assert texts.keys() == RULES.keys()
    for name, (taken, text) in texts.items():
        assert taken, name
        assert text.endswith("."), name


def test_every_option_has_an_example_that_names_it() -> None:
    sections = {match["name"]: match["text"] for match in SECTION.finditer(OPTIONS.read_text())}
    assert sections.keys() == RULES.keys()
    for name, text in sections.items():
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert any(re.search(rf"\b{name}\b", block) for block in blocks), name
