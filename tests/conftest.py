"""What all tests share."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what cannot be encoded in escaped form: pytest-xdist could not pass it on."""
    report = yield
    sections: list[tuple[Any, Any]] = report.sections
    report.sections = [(name, _encodable(text)) for name, text in sections]
    return report


def _encodable(text: Any) -> str:
    return str(text).encode(errors="backslashreplace").decode()


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio; those of other loops say so themselves."""
    return "asyncio"
