"""What the parts of a document share while it is written: schemas, examples and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hesper._types import Empty
from hesper.exceptions import ConfigurationError, SerializationException
from hesper.openapi.components import Component, Components, Direction
from hesper.openapi.config import OpenAPIConfig
from hesper.openapi.examples import example_of
from hesper.openapi.schemas import SchemaWriter
from hesper.openapi.spec import Example, Reference
from hesper.openapi.values import plain_value
from hesper.routes import Route


class Writing:
    """A document while it is written; lives no longer than that.

    Args:
        config: What the app says of its document.
        problem_details: Whether errors are answered as RFC 9457 says.
    """

    __slots__ = ("__weakref__", "_own", "_writers", "components", "config", "problem_details")

    def __init__(self, config: OpenAPIConfig, *, problem_details: bool) -> None:
        self.config = config
        self.problem_details = problem_details
        self.components = Components()
        self._own: dict[str, Component] = {}
        self._writers: dict[tuple[Any, ...], SchemaWriter] = {}

    def schema(self, route: Route, annotation: Any, direction: Direction) -> dict[str, Any]:
        """Return the schema of an annotation, as values of it look on a route.

        Args:
            route: The route, whose encoders and decoders count.
            annotation: The annotation.
            direction: Whether values are read from requests or sent in responses.
        """
        encoders, decoders = route.options["type_encoders"], route.options["type_decoders"]
        changed = frozenset(encoders) if direction == "out" else tuple(map(id, decoders))
        key = (direction, changed)
        if key not in self._writers:
            self._writers[key] = SchemaWriter(self.components, direction, encoders, decoders)
        return self._writers[key].write(annotation)

    def named(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a reference to a schema of Hesper's own, which is added when it is met first.

        Args:
            name: Its name, and what it is told from others by.
            schema: The schema.
        """
        if name not in self._own:
            component = self._own[name] = self.components.add(name, f"hesper.{name}", "out")
            component.schema = schema
        return self._own[name].reference

    def examples(
        self,
        route: Route,
        given: Sequence[Any] | None,
        schema: dict[str, Any] | None,
        *,
        made: bool = True,
    ) -> dict[str, Example | Reference] | None:
        """Return examples by name.

        Args:
            route: The route that they belong to, whose encoders count.
            given: Values, or `Example`s.
            schema: What one is made for where none are given and the configuration wants some.
            made: Whether one may be made.

        Raises:
            ConfigurationError: One cannot be encoded.
        """
        if given:
            return dict(_named(route, number, example) for number, example in enumerate(given, 1))
        if self.config.create_examples and made and schema:
            value = example_of(schema)
            return None if value in (Empty, None) else {"example": Example(value=value)}
        return None


def _named(route: Route, number: int, given: Any) -> tuple[str, Example | Reference]:
    example = given if isinstance(given, Example) else Example(value=given)
    try:
        value = plain_value(example.value, route.options["type_encoders"])
    except SerializationException as error:
        raise ConfigurationError(
            f"{route.label}: an example cannot be written down: {error}; give a plain value, or "
            "say with `type_encoders` how it is sent"
        ) from error
    name = example.id or f"example-{number}"
    return name, msgspec.structs.replace(example, id=None, value=value)
