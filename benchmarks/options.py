"""What the command line asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cases import Case


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and for how long.

    Attributes:
        apps: The frameworks to compare, besides the raw app.
        cases: What to ask where the cases themselves are compared.
        rounds: Measurements of each cell.
        seconds: About how long one measurement in the process takes.
        requests: How many requests are sent to see whether memory grows.
        quick: Leave out what takes long, and measure the rest less often.
    """

    apps: Sequence[str]
    cases: Sequence[Case]
    rounds: int
    seconds: float
    requests: int
    quick: bool
