"""What was found is kept in the page, in its part's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.options import Options
from benchmarks.report import Curves, Dots, Report, Table

pytest.importorskip("matplotlib", reason="drawing is for those who run the benchmarks")

from benchmarks import page

OPTIONS = Options(apps=["hesper"], cases=[], rounds=1, seconds=0.1, requests=1, quick=True)
REPORT = Report(
    [Table("Shares", ["", "hesper"], [["text", "0.80"]], ["raw = 1.00"])],
    [
        Dots("dots", "Shares", "share", {"text": {"hesper": 0.8}}, {"text": 0.8}),
        Curves("curves", "Routes", "routes", "µs", {"hesper": [(1, 2.0), (10, 2.0)]}),
    ],
)
MARKED = """Before.

<!-- written by `python -m benchmarks shares --keep`, from here -->
of old
<!-- to here -->

After.
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a page in which the report was kept."""
    index = tmp_path / "index.md"
    index.write_text(MARKED)
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    monkeypatch.setattr(page, "PAGE", index)
    page.keep("shares", REPORT, OPTIONS)
    return index


def test_a_part_replaces_what_is_between_its_marks(kept: Path) -> None:
    text = kept.read_text()
    assert text.startswith("Before.\n\n<!-- written")
    assert text.endswith("<!-- to here -->\n\nAfter.\n")
    assert "of old" not in text
    assert "| text | 0.80 |\n\nraw = 1.00\n\n*A quick run of " in text


def test_pictures_stand_beside_the_page(kept: Path) -> None:
    for name in ("dots", "curves"):
        assert f"({name}.svg)" in kept.read_text()
        assert kept.with_name(f"{name}.svg").read_text().rstrip().endswith("</svg>")


def test_keeping_again_changes_nothing(kept: Path) -> None:
    before = {path.name: path.read_text() for path in kept.parent.iterdir()}
    page.keep("shares", REPORT, OPTIONS)
    assert {path.name: path.read_text() for path in kept.parent.iterdir()} == before


def test_a_part_without_a_place_is_refused(kept: Path) -> None:
    with pytest.raises(LookupError, match="benchmarks server --keep"):
        page.keep("server", REPORT, OPTIONS)
