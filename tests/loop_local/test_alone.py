"""Without the framework: what importing `hesper.loop_local` and `hesper.registry` loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import {module}
print(json.dumps(sorted(name for name in sys.modules if name.partition(".")[0] in
      ("hesper", "msgspec", "anyio", "multipart", "trio", "sniffio", "httpx2", "uvicorn"))))
"""

LOADED = {
    "hesper.loop_local": [
        "hesper",
        "hesper._backends",
        "hesper._container",
        "hesper._lazy",
        "hesper._loop",
        "hesper._residents",
        "hesper.loop_local",
    ],
    "hesper.registry": ["hesper", "hesper._lazy", "hesper.registry"],
}


@pytest.mark.parametrize("module", LOADED)
def test_importing_it_loads_nothing_of_the_framework(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == LOADED[module]
