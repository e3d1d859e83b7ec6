"""YAML that we write is read by others as what it was."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from hesper.openapi.yaml import yaml_of

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "yes",
        "NO",
        "null",
        "~",
        "1",
        "1e3",
        "2024-01-01",
        "- a",
        "a: b",
        "#",
        "&a",
        "*a",
        "\x85\ufeff",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(VALUES)
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    assert yaml.safe_load(yaml_of(value)) == value


def test_it_looks_as_people_write_it() -> None:
    value: Any = {"a": [1, {"b": "c", "d": []}], "e f": {}, "no": None, "g": [["h"], [[1]]]}
    assert yaml_of(value) == (
        'a:\n  - 1\n  - b: "c"\n    d: []\n"e f": {}\n"no": null\ng:\n  - - "h"\n  - - - 1\n'
    )
