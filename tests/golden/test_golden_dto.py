"""The generated text of DTOs, compared letter by letter with `tests/golden/dto/*.txt`.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the files anew; read the difference before keeping it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hesper.dto.around import Around
from hesper.dto.shape import ModelShape, WrapperShape
from hesper.dto.shaping import shape_of
from hesper.dto.transfer import source_of
from tests.golden.dto_models import DTOS

HERE = Path(__file__).parent / "dto"


def text_of(dto: Any, annotation: Any, task: Any) -> str:
    purpose: Any = {"make": "in", "values": "data", "send": "out"}[task]
    direction: Any = "out" if task == "send" else "in"
    shape = Around(dto.model_type, shape_of(dto, purpose), dto.kinds, direction).of(annotation)
    assert isinstance(shape, (ModelShape, WrapperShape))
    return source_of(shape, task).text


@pytest.mark.parametrize("name", DTOS)
def test_the_text_of_a_transfer_is_the_golden_one(name: str) -> None:
    text = text_of(*DTOS[name])
    golden = HERE / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_golden_file_belongs_to_a_dto() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(DTOS)
