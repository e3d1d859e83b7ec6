"""From an annotation around a DTO's model to its shape: collections, unions, pages of it.

Of what stands there, only the DTO's own model is transformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from hesper.dto.field import DTOFieldDefinition
from hesper.dto.kinds import ModelKind, with_arguments
from hesper.dto.looking import bare_type, kind_of, shape_around
from hesper.dto.shape import Direction, FieldShape, PlainShape, Shape, WrapperShape, is_plain
from hesper.dto.shaping import attributes_of
from hesper.exceptions import ImproperlyConfiguredException


class Around:
    """Shapes what stands around the model of a DTO: collections, unions, pages of it.

    Lives while that is done.

    Args:
        model: The DTO's model.
        shape: The shape of that.
        kinds: The kinds of models that are known.
        direction: Whether values are read or sent.
    """

    def __init__(
        self, model: Any, shape: Shape, kinds: tuple[ModelKind, ...], direction: Direction
    ) -> None:
        self._model = model
        self._shape = shape
        self._kinds = kinds
        self._direction: Direction = direction
        self.found = False
        """Whether the model has been met."""

    def of(self, annotation: Any, _path: str = "") -> Shape:
        """Return the shape of an annotation.

        Raises:
            ImproperlyConfiguredException: The model stands where it cannot be read from a request.
        """
        annotation = bare_type(annotation)
        if annotation is self._model:
            self.found = True
            return self._shape
        shape = shape_around(annotation, self.of)
        if shape is not None:
            return shape
        if self._is_wrapper(annotation):
            return self._wrapper(annotation)
        if kind_of(annotation, self._kinds) is None and self._mentions(annotation):
            raise ImproperlyConfiguredException(
                f"nothing is known of {annotation} around {self._model.__name__}; make it a list, "
                "a tuple, a mapping or a generic model"
            )
        return PlainShape(annotation=annotation)

    def _is_wrapper(self, annotation: Any) -> bool:
        arguments = get_args(annotation) or _pydantic_arguments(annotation)
        if not any(self._mentions(argument) for argument in arguments):
            return False
        return kind_of(annotation, self._kinds) is not None

    def _mentions(self, annotation: Any) -> bool:
        annotation = bare_type(annotation)
        if annotation is self._model:
            return True
        arguments = get_args(annotation) or _pydantic_arguments(annotation)
        return any(self._mentions(argument) for argument in arguments)

    def _wrapper(self, annotation: Any) -> Shape:
        self.found = True
        if self._direction == "in":
            raise ImproperlyConfiguredException(
                f"{self._model.__name__} is read from a request as it is, or in a list, tuple, "
                f"mapping or union, but not inside of {annotation}; make that the DTO's model"
            )
        kind = kind_of(annotation, self._kinds)
        assert kind is not None
        type_ = get_origin(annotation) or annotation
        parameters = getattr(type_, "__parameters__", ())
        given = get_args(annotation)
        arguments = dict(zip(parameters, given, strict=False))
        definitions = [found for found in kind.fields(type_) if found.readable]
        attributes = attributes_of(definition.name for definition in definitions)
        fields = tuple(
            self._wrapped(definition, attributes[definition.name], arguments)
            for definition in definitions
        )
        if all(is_plain(field.shape) for field in fields):
            return PlainShape(annotation=annotation)
        return WrapperShape(
            annotation=annotation,
            kind=kind,
            type=type_,
            fields=fields,
            arguments=tuple(self.of(argument) for argument in given),
            tag=_tag(type_),
        )

    def _wrapped(
        self, definition: DTOFieldDefinition, attribute: str, arguments: Mapping[Any, Any]
    ) -> FieldShape:
        own = definition.own_wire_names or (definition.name, definition.name)
        return FieldShape(
            definition=definition,
            attribute=attribute,
            wire_name=own[1],
            shape=self.of(with_arguments(definition.annotation, arguments)),
            optional=False,
        )


def _pydantic_arguments(annotation: Any) -> tuple[Any, ...]:
    """Return the arguments of a generic model of pydantic, which makes a class of each use."""
    metadata = getattr(annotation, "__pydantic_generic_metadata__", None) or {}
    return tuple(metadata.get("args", ()))


def _tag(type_: Any) -> tuple[str, str | int] | None:
    config = getattr(type_, "__struct_config__", None)
    if config is None or config.tag_field is None:
        return None
    return (config.tag_field, config.tag)
