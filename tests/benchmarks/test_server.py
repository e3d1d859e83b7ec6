"""A served app answers over a connection what it answers in the process."""

from __future__ import annotations

import asyncio
import sys

import pytest

from benchmarks.cases import CASES
from benchmarks.server.load import Load, ask
from benchmarks.server.part import ASKED, serving
from benchmarks.verify import differences


@pytest.mark.skipif(sys.platform != "linux", reason="processes are pinned to cores as Linux does")
@pytest.mark.parametrize("name", ["raw", "hesper"])
def test_a_served_app_gives_the_answers_that_are_counted(name: str) -> None:
    async def ask_each() -> list[str]:
        faults: list[str] = []
        for case in CASES:
            if case.name in ASKED:
                answer, length = await ask(address, case)
                faults += differences(case, answer)
                counted = await Load(name, case, length).measure(address, process, 0.001)
                assert counted.answers > 0
        return faults

    with serving(name) as (address, process):
        assert asyncio.run(ask_each()) == []
