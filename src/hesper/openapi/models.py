"""The schemas of pydantic's models, which pydantic writes itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hesper._type_survey import leaves
from hesper.openapi.components import Components, Direction

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

    try:
        schema: dict[str, Any] = TypeAdapter(annotation).json_schema(
            by_alias=direction == "in" or any(map(_sends_aliases, leaves(annotation))),
            mode=_MODES[direction],
        )
    except PydanticUserError:  # as of a field that holds a function
        return {}
    definitions = schema.pop("$defs", {})
    made = {name: components.add(name, name, direction) for name in definitions}
    for part in (schema, *definitions.values()):
        for holder, key in list(_references(part)):
            holder[key] = made[holder[key].removeprefix(_DEFINITIONS)]
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


def _references(part: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield where a schema refers to definitions: the mapping, and the key in it."""
    if isinstance(part, dict):
        for key, value in part.items():
            if isinstance(value, str):
                if value.startswith(_DEFINITIONS):
                    yield part, key
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for item in part:
            yield from _references(item)
