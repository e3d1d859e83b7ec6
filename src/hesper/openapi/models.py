"""The schemas of pydantic's models, which pydantic writes itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from hesper._type_survey import leaves
from hesper.openapi.components import Component, Components, Direction
from hesper.serialization import encode_json

_DEFINITIONS: Final = "#/$defs/"
_MODES: Final[dict[Direction, Any]] = {"in": "validation", "out": "serialization"}


def pydantic_schema(
    annotation: Any, direction: Direction, components: Components
) -> dict[str, Any]:
    """Return the schema of an annotation that mentions a model of pydantic.

    Args:
        annotation: The annotation.
        direction: Whether values are read from requests or sent in responses.
        components: Where named schemas go.
    """
    # Optional, and there where a model of it is.
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

    def generator(**settings: Any) -> GenerateJsonSchema:
        made = GenerateJsonSchema(**settings)
        # A default that cannot be written down is left out, as everywhere.
        made.ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}
        return made

    try:
        schema: dict[str, Any] = TypeAdapter(annotation).json_schema(
            by_alias=direction == "in" or any(map(_sends_aliases, leaves(annotation))),
            mode=_MODES[direction],
            schema_generator=cast("type[GenerateJsonSchema]", generator),
        )
    except PydanticUserError:  # as of a field that holds a function
        return {}
    definitions = schema.pop("$defs", {})
    made = {name: components.add(name, name, direction) for name in definitions}
    by_reference = {_DEFINITIONS + name: component for name, component in made.items()}
    for part in (schema, *definitions.values()):
        _refer(part, by_reference)
    for name, component in made.items():
        component.schema = definitions[name]
    if not isinstance(annotation, type) or schema.get("type") != "object":
        return schema
    owner = f"{annotation.__module__}.{annotation.__qualname__}"
    component = components.add(annotation.__name__, owner, direction)
    component.schema = schema
    return component.reference


def _sends_aliases(model: Any) -> bool:
    return bool((getattr(model, "model_config", None) or {}).get("serialize_by_alias"))


def _refer(part: Any, components: Mapping[str, Component]) -> None:
    """Put components where a schema refers to definitions, and sets into an order."""
    if isinstance(part, dict):
        for key, value in part.items():
            if isinstance(value, str):
                part[key] = components.get(value, value)
            else:
                _refer(value, components)
        if part.get("uniqueItems") is True and isinstance(part.get("default"), list):
            # Pydantic writes the members as they come, which differs between processes.
            part["default"] = sorted(part["default"], key=encode_json)
    elif isinstance(part, list):
        for item in part:
            _refer(item, components)
