"""The closed vocabularies."""

from __future__ import annotations

from enum import StrEnum

import pytest

from hesper import enums
from hesper.enums import HttpMethod, MediaType, RequestEncodingType

ENUMS: list[type[StrEnum]] = [getattr(enums, name) for name in enums.__all__]


@pytest.mark.parametrize("kind", ENUMS)
def test_a_member_formats_as_its_value(kind: type[StrEnum]) -> None:
    assert [f"{member}" for member in kind] == [member.value for member in kind]


@pytest.mark.parametrize("kind", ENUMS)
def test_a_member_equals_its_value(kind: type[StrEnum]) -> None:
    assert all(member == member.value for member in kind)


def test_a_method_is_named_as_it_is_written() -> None:
    assert all(method.name == method.value for method in HttpMethod)


def test_requests_and_responses_agree_on_messagepack() -> None:
    assert MediaType.MESSAGEPACK.value == RequestEncodingType.MESSAGEPACK.value
