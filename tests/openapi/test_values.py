"""Defaults and examples: plain, the same in every run, and left out or refused where lost."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Annotated, Any

import pytest

from hesper import Hesper, get
from hesper.exceptions import ConfigurationError
from hesper.openapi import openapi_schema
from hesper.openapi.values import plain_value, with_default
from hesper.params import Parameter


class Degrees:
    def __init__(self, value: float) -> None:
        self.value = value


def test_sets_are_in_the_same_order_in_every_process() -> None:
    script = (
        "import json, msgspec\n"
        "from typing import Annotated\n"
        "import pydantic\n"
        "from hesper import Hesper, post\n"
        "from hesper.openapi import openapi_schema\n"
        "from hesper.params import Parameter\n"
        "class Model(pydantic.BaseModel):\n"
        "    words: set[str] = {'k', 'l', 'm', 'n'}\n"
        "class Struct(msgspec.Struct):\n"
        "    words: frozenset[str] = frozenset({'f', 'g', 'h', 'i'})\n"
        "    shown: Annotated[set[str], msgspec.Meta(examples=[{'s', 't', 'u', 'v'}])] = set()\n"
        "Examples = Parameter(examples=[{'v': {'p', 'q', 'r'}}])\n"
        "@post('/')\n"
        "async def handler(\n"
        "    data: Model,\n"
        "    given: Annotated[list[str], Examples],\n"
        "    words: frozenset[str] = frozenset({'a', 'b', 'c', 'd'}),\n"
        ") -> list[Struct]: ...\n"
        "@post('/struct')\n"
        "async def second(data: Struct) -> None: ...\n"
        "print(json.dumps(openapi_schema(Hesper([handler, second]))))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3", "4")
    }
    (document,) = found
    for words in ('["a", "b", "c", "d"]', '["f", "g", "h", "i"]', '["k", "l", "m", "n"]'):
        assert f'"default": {words}' in document
    assert '{"v": ["p", "q", "r"]}' in document
    assert '"examples": [["s", "t", "u", "v"]]' in document


def test_sets_inside_of_others_are_in_order_too() -> None:
    assert plain_value({"a": [{"c", "b"}, frozenset({3, 1, 2})]}) == {"a": [["b", "c"], [1, 2, 3]]}


def test_an_infinite_default_is_left_out() -> None:
    assert with_default({"type": "number"}, math.inf) == {"type": "number"}
    assert with_default({"type": "number"}, None) == {"type": "number", "default": None}


def parameters(example: Any, **options: Any) -> Any:
    @get("/")
    async def handler(heat: Annotated[float, Parameter(examples=[example])]) -> None: ...

    app = Hesper([handler], **options)
    return openapi_schema(app)["paths"]["/"]["get"]["parameters"]


def test_examples_are_encoded_as_the_route_does() -> None:
    (heat,) = parameters(Degrees(1.5), type_encoders={Degrees: lambda found: found.value})
    assert heat["examples"] == {"example-1": {"value": 1.5}}


def test_an_example_that_cannot_be_encoded_says_whose_it_is() -> None:
    with pytest.raises(ConfigurationError, match=r"GET /: an example cannot be written down: .*"):
        parameters(Degrees(1.5))
