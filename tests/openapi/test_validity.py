"""Documents are what the specification asks for, as others see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from hesper import Hesper
from hesper.openapi import openapi_schema
from library.app import app as library
from tests.openapi.everything import make

APPS = {
    "library": library,
    "everything": make(),
    "problems": make(problem_details=True),
    "by default": make(openapi_config=None),
    "empty": Hesper(),
}


@pytest.fixture(params=list(APPS.values()), ids=list(APPS))
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The document of each app."""
    return openapi_schema(request.param)


def schemas_in(part: Any) -> Iterator[Any]:
    """Yield every schema of a document."""
    if isinstance(part, dict):
        if "schema" in part and "properties" not in part:
            yield part["schema"]
        for inner in part.values():
            yield from schemas_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from schemas_in(inner)


def test_openapi_spec_validator_takes_it(document: dict[str, Any]) -> None:
    errors = list(OpenAPIV31SpecValidator(document).iter_errors())
    assert [error.message for error in errors] == []


def test_every_schema_is_one_of_json_schema_2020_12(document: dict[str, Any]) -> None:
    schemas = [*schemas_in(document["paths"]), *document["components"]["schemas"].values()]
    for schema in schemas:
        Draft202012Validator.check_schema(schema)


def test_every_example_follows_its_schema(document: dict[str, Any]) -> None:
    for schema, example in examples_in(document["paths"]):
        whole = {**schema, "components": document["components"]}
        Draft202012Validator(whole).validate(example)


def examples_in(part: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(part, dict):
        if "schema" in part and "examples" in part:
            for example in part["examples"].values():
                yield part["schema"], example["value"]
        for inner in part.values():
            yield from examples_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from examples_in(inner)


def test_there_are_examples_to_check() -> None:
    assert len(list(examples_in(openapi_schema(APPS["everything"])))) > 50


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            for key, inner in part.items():
                if key == "$ref":
                    yield inner
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    found = set(references(document))
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert found <= named
