"""The generated text of telling routes, compared letter by letter with `tests/golden/*.txt`.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the files anew; read the difference before keeping it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hesper import Hesper
from hesper._compile.endpoint import EndpointWriter
from hesper._compile.websocket import write_asgi, write_websocket
from hesper._plan.plan import Plan
from tests.golden.routes import ROUTES

HERE = Path(__file__).parent


def text_of(plan: Plan) -> str:
    if plan.scope_type == "http":
        return EndpointWriter(plan).write().text
    write = {"websocket": write_websocket, "asgi": write_asgi}[plan.scope_type]
    return write(plan).text


@pytest.mark.parametrize("name", ROUTES)
def test_the_text_of_an_endpoint_is_the_golden_one(name: str) -> None:
    app = Hesper([ROUTES[name]])
    plan = app._wiring.plans[0]
    text = text_of(plan)
    golden = HERE / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_golden_file_belongs_to_a_route() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
def test_the_text_of_an_endpoint_is_the_same_each_time(name: str) -> None:
    texts = {text_of(Hesper([ROUTES[name]])._wiring.plans[0]) for _ in range(2)}
    assert len(texts) == 1


def test_a_chain_of_five_dependencies_takes_five_awaits() -> None:
    plan = Hesper([ROUTES["deep_dependencies"]])._wiring.plans[0]
    assert text_of(plan).count("await provide_") == 5
    assert text_of(plan).count("await ") == 5 + len(["handler", "failure", "start", "body"])
