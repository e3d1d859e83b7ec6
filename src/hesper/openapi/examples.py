"""Examples, made from schemas alone: always the same for the same schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from hesper._types import Empty
from hesper.openapi.components import Component

_FORMATS: Final[Mapping[str, str]] = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:30:00Z",
    "decimal": "1.50",
    "duration": "P1DT2H",
    "email": "somebody@example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "path": "folder/file.txt",
    "time": "12:30:00Z",
    "uri": "https://example.com/",
    "uuid": "12345678-1234-5678-9234-567812345678",
}
_Above: TypeAlias = tuple[Component, ...]
"""The components that a schema stands inside of."""


def example_of(schema: Mapping[str, Any], above: _Above = ()) -> Any:
    """Return a value that a schema allows, as far as can be told; `Empty` if none can.

    Args:
        schema: The schema.
        above: The components that it stands inside of, into which examples do not go again.
    """
    reference = schema.get("$ref")
    if isinstance(reference, Component):
        return Empty if reference in above else example_of(reference.schema, (*above, reference))
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            options = (example_of(option, above) for option in schema[keyword])
            return next((option for option in options if option is not Empty), Empty)
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case "array":
            return _array(schema, above)
        case "object":
            return _object(schema, above)
        case _:
            return Empty


def _text(schema: Mapping[str, Any]) -> Any:
    if "pattern" in schema:
        return Empty  # nothing is better than what does not match
    known = _FORMATS.get(schema.get("format", ""))
    shortest = schema.get("minLength", 0)
    longest = schema.get("maxLength", max(shortest, len(known or "text")))
    text = known or ("text" * (shortest + 1))[: max(shortest, min(4, longest))]
    return text if shortest <= len(text) <= longest else Empty


def _number(schema: Mapping[str, Any]) -> Any:
    step = schema.get("multipleOf", 1)
    bounds = [
        schema[k]
        for k in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
        if k in schema
    ]
    tried = [
        step,
        *(near for b in bounds for near in (b // step * step + i * step for i in (0, 1, -1))),
    ]
    if schema["type"] == "number" and "multipleOf" not in schema:
        tried += [*bounds, sum(bounds) / max(1, len(bounds))]
    return next((number for number in tried if _is_allowed(number, schema)), Empty)


def _is_allowed(number: float, schema: Mapping[str, Any]) -> bool:
    return not (
        number < schema.get("minimum", number)
        or number > schema.get("maximum", number)
        or ("exclusiveMinimum" in schema and number <= schema["exclusiveMinimum"])
        or ("exclusiveMaximum" in schema and number >= schema["exclusiveMaximum"])
    )


def _array(schema: Mapping[str, Any], above: _Above) -> Any:
    shortest = schema.get("minItems", 0)
    if "prefixItems" in schema:
        items = [example_of(item, above) for item in schema["prefixItems"]]
        return Empty if Empty in items else items
    item = example_of(schema.get("items", {}), above)
    if item is Empty or (shortest > 1 and schema.get("uniqueItems")):
        return Empty if shortest else []
    return [item] * max(1, shortest)


def _object(schema: Mapping[str, Any], above: _Above) -> Any:
    made: dict[str, Any] = {}
    for name, inner in schema.get("properties", {}).items():
        value = example_of(inner, above)
        if value is not Empty:
            made[name] = value
        elif name in schema.get("required", ()):
            return Empty
    return made
