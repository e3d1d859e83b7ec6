"""The constants of status codes and close codes."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from hesper import status_codes

CODES = {
    name: value for name, value in vars(status_codes).items() if name.startswith(("HTTP_", "WS_"))
}


@pytest.mark.parametrize("name", CODES)
def test_a_name_says_its_number(name: str) -> None:
    assert name.split("_")[1] == str(CODES[name])


def test_no_number_has_two_names() -> None:
    assert len(set(CODES.values())) == len(CODES)


def test_every_status_of_the_standard_library_is_there() -> None:
    assert {int(status) for status in HTTPStatus} <= set(CODES.values())


def test_the_close_codes_are_those_of_the_registry() -> None:
    found = sorted(value for name, value in CODES.items() if name.startswith("WS_"))
    assert found == [*range(1000, 1004), *range(1005, 1016)]
