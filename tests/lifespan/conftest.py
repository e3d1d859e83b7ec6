"""The tests of lifespans run on both loops of asyncio."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run asynchronous tests on asyncio's own loop and on uvloop."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}
