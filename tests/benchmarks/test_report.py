"""What was found is shown so that it can be read."""

from __future__ import annotations

import pytest

from benchmarks.report import Table, number, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.5, "1,234"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.012")],
)
def test_a_number_has_about_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_table_stands_in_columns_below_its_title() -> None:
    table = Table("Shares", ["", "raw", "hesper"], [["text", "2 µs", "0.80"]], ["raw = 1.00"])
    assert text(table).splitlines() == [
        "Shares",
        "",
        "       raw  hesper",
        "text  2 µs    0.80",
        "",
        "raw = 1.00",
    ]
