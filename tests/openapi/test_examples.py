"""Examples that are made follow the schemas that they are made for."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hesper._types import Empty
from hesper.openapi.components import Component
from hesper.openapi.examples import example_of

LENGTHS = st.integers(0, 12)
BOUNDS = st.integers(-20, 20) | st.floats(-20, 20).map(lambda value: round(value, 2))


def some(keywords: dict[str, st.SearchStrategy[Any]], **always: Any) -> Any:
    return st.fixed_dictionaries({}, optional=keywords).map(lambda found: {**always, **found})


NUMBERS = some(
    {
        "minimum": BOUNDS,
        "maximum": BOUNDS,
        "exclusiveMinimum": BOUNDS,
        "exclusiveMaximum": BOUNDS,
        "multipleOf": st.integers(1, 5),
    }
)
PLAIN = (
    some({"minLength": LENGTHS, "maxLength": LENGTHS}, type="string")
    | NUMBERS.map(lambda found: {"type": "integer", **found})
    | NUMBERS.map(lambda found: {"type": "number", **found})
    | st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": 1}, {"enum": ["a", 1]}])
)
SCHEMAS = st.recursive(
    PLAIN,
    lambda inner: (
        st.builds(
            lambda items, rest: {"type": "array", "items": items, **rest},
            inner,
            some({"minItems": st.integers(0, 3), "uniqueItems": st.booleans()}),
        )
        | st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options})
        | st.lists(inner, min_size=1, max_size=3).map(
            lambda items: {"type": "array", "prefixItems": items, "minItems": len(items)}
        )
        | st.dictionaries(st.sampled_from("abc"), inner).flatmap(
            lambda properties: st.lists(st.sampled_from("abc"), unique=True).map(
                lambda required: {
                    "type": "object",
                    "properties": properties,
                    "required": [name for name in required if name in properties],
                }
            )
        )
    ),
)


@given(SCHEMAS)
def test_an_example_follows_its_schema(schema: dict[str, Any]) -> None:
    example = example_of(schema)
    assume(example is not Empty)
    Draft202012Validator(schema).validate(example)


def test_examples_of_the_usual_schemas() -> None:
    assert example_of({"type": "string", "format": "date"}) == "2024-02-29"
    assert example_of({"type": "integer", "minimum": 3}) == 3
    assert example_of({"type": "number", "exclusiveMinimum": 0.2, "exclusiveMaximum": 0.8}) == 0.5
    assert example_of({"type": "integer", "default": 7}) == 7
    assert example_of({"type": "integer", "examples": [8]}) == 8
    assert example_of({"type": "array", "items": {"type": "integer"}}) == [1]
    assert example_of({"type": "array"}) == []


def test_where_nothing_can_be_told_there_is_none() -> None:
    assert example_of({}) is Empty
    assert example_of({"type": "string", "pattern": "^a+$"}) is Empty
    assert example_of({"type": "integer", "minimum": 3, "maximum": 2}) is Empty
    assert example_of({"type": "array", "items": {}, "minItems": 1}) is Empty


def test_what_holds_itself_ends() -> None:
    tree = Component("Tree", "Tree", "out")
    branches = {"type": "array", "items": tree.reference}
    tree.schema = {"type": "object", "properties": {"branches": branches}, "required": ["branches"]}
    assert example_of(tree.reference) == {"branches": []}
    chain = Component("Chain", "Chain", "out")
    following = {"anyOf": [chain.reference, {"type": "null"}]}
    chain.schema = {"type": "object", "properties": {"next": following}}
    assert example_of(chain.reference) == {"next": None}
    endless = Component("Endless", "Endless", "out")
    endless.schema = {"type": "object", "properties": {"a": endless.reference}, "required": ["a"]}
    assert example_of(endless.reference) is Empty
