"""pytest in a process of its own, on files that are written for it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

PLUGINS = ("anyio", "pytest_asyncio.plugin", "xdist", "hesper.testing.plugin")
"""What is loaded, whatever else is installed."""

INI = """
[pytest]
addopts = -ra --strict-markers --strict-config -p no:cacheprovider
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


@dataclass
class Run:
    """What a run of pytest has come to."""

    status: int
    output: str

    def report(self, test: str) -> str:
        """Return the section of the output about a test, without its title."""
        _, found, rest = self.output.partition(f" {test} __")
        assert found, self.output
        return rest.partition("\n")[2].partition("\n___")[0].partition("\n===")[0]


def run_pytest(folder: Path, code: str, *arguments: str, ini: str = "", columns: int = 100) -> Run:
    """Run pytest on a file with *code*, in *folder*.

    Args:
        folder: An empty folder.
        code: What stands in `test_it.py`.
        arguments: What is on pytest's command line.
        ini: Lines to add to its settings.
        columns: How wide the terminal is.
    """
    (folder / "test_it.py").write_text(textwrap.dedent(code))
    (folder / "pytest.ini").write_text(INI + ini)
    plugins = [f"-p{name}" for name in PLUGINS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *arguments, "test_it.py"],
        cwd=folder,
        env={**os.environ, "COLUMNS": str(columns), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Run(done.returncode, done.stdout + done.stderr)
