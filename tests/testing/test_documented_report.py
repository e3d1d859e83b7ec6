"""The report of leaks in the documentation is what pytest says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.testing.pytest_runs import run_pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-an-app.md"
EXAMPLE = re.compile(
    r"compares what pytest says -->\n\n```py\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL
)


def test_the_report_of_the_page_is_what_pytest_says(tmp_path: Path) -> None:
    found = EXAMPLE.search(PAGE.read_text())
    assert found is not None
    run = run_pytest(tmp_path, found[1], columns=90)
    said = run.output.replace("test_it.py", "test_lending.py")
    _, _, errors = said.partition(" ERRORS ")
    sections = errors.partition("\n")[2].partition("\n===")[0]
    assert sections + "\n" == found[2]


def test_the_fixtures_of_the_page_work(tmp_path: Path) -> None:
    [code] = re.findall(
        r"```py\n(import pytest\n\nfrom library.*?)```", PAGE.read_text(), re.DOTALL
    )
    library = "import sys\nsys.path.insert(0, {!r})\n".format(str(PAGE.parents[2] / "examples"))
    backend = "\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    run = run_pytest(tmp_path, library + code + backend)
    assert "2 passed" in run.output, run.output
