"""DTOs for classes that SQLAlchemy maps to tables.

What a class has is asked of its mapper, whoever declared the class.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from inspect import get_annotations, signature
from types import GenericAlias, SimpleNamespace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from sqlalchemy import Column, inspect
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import ColumnProperty, Mapped, Mapper, RelationshipProperty
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from hesper._types import Empty
from hesper.dto import AbstractDTO, DTOFieldDefinition
from hesper.dto.field import marked
from hesper.dto.kinds import KINDS, ModelKind, is_mapped, unresolved

__all__ = ("SQLAlchemyDTO", "SQLAlchemyKind")

T = TypeVar("T")


class SQLAlchemyKind(ModelKind):
    """Classes that are mapped to tables."""

    name = "mapped class"
    native = False

    def accepts(self, type_: Any) -> bool:
        """Whether *type_* is mapped to a table."""
        return isinstance(type_, type) and is_mapped(type_)

    def is_lenient(self, type_: Any) -> bool:
        """Whether the constructor takes any part of what there is; a dataclass's does not."""
        return not hasattr(type_, "__dataclass_fields__")

    def fields(self, type_: Any) -> Iterator[DTOFieldDefinition]:
        """Yield the columns, relationships and hybrid properties of a mapped class."""
        mapper: Mapper[Any] = inspect(type_)
        hints = _hints(mapper)
        order = list(hints)
        places = {prop.key: order.index(prop.key) for prop in mapper.attrs if prop.key in hints}
        for prop in sorted(mapper.attrs, key=lambda prop: places.get(prop.key, len(order))):
            field: DTOFieldDefinition | None = None
            if isinstance(prop, ColumnProperty):
                field = _column(prop, hints)
            elif isinstance(prop, RelationshipProperty):
                field = _relationship(prop, hints)
            if field is not None:
                yield field if self.is_lenient(type_) else _of_dataclass(field, type_)
        for name, descriptor in mapper.all_orm_descriptors.items():
            if isinstance(descriptor, hybrid_property):
                try:
                    hints = get_type_hints(descriptor.fget)
                except NameError as error:
                    raise unresolved(type_, error) from None
                yield DTOFieldDefinition(
                    name=name,
                    annotation=hints.get("return", Any),
                    required=False,
                    settable=False,
                )


class SQLAlchemyDTO(AbstractDTO[T]):
    """A DTO for a class that is mapped to a table; models of other kinds may be nested in it."""

    kinds = (SQLAlchemyKind(), *KINDS)
    accepted = (SQLAlchemyKind,)


def _hints(mapper: Mapper[Any]) -> dict[str, Any]:
    """Return the annotations of a mapped class, without those that cannot be resolved.

    Related classes may be named by text, which their registry knows.
    """
    mapped = {other.class_.__name__: other.class_ for other in mapper.registry.mappers}
    hints: dict[str, Any] = {}
    for base in reversed(mapper.class_.__mro__):
        names = {**vars(sys.modules[base.__module__]), **mapped}
        for name, annotation in get_annotations(base).items():
            one = SimpleNamespace(__annotations__={name: annotation})
            try:
                found = get_type_hints(one, names, include_extras=True)[name]
            except (NameError, TypeError):  # imported for checkers alone, or ClassVar
                hints.pop(name, None)
                continue
            origin = get_origin(found)
            is_mapped_type = isinstance(origin, type) and issubclass(origin, Mapped)
            hints[name] = get_args(found)[0] if is_mapped_type else found
    return hints


def _column(prop: ColumnProperty[Any], hints: Mapping[str, Any]) -> DTOFieldDefinition:
    column = prop.columns[0]
    computed = not isinstance(column, Column)  # by an expression, in the query
    default: Any = Empty
    filled = computed
    if isinstance(column, Column):
        default = (
            column.default.arg if isinstance(column.default, ScalarElementColumnDefault) else Empty
        )
        filled = (
            bool(column.nullable)
            or column.default is not None
            or column.server_default is not None
            or column is column.table.autoincrement_column
        )
        computed = column.computed is not None
    annotation = hints[prop.key] if prop.key in hints else _python_type(column)
    return DTOFieldDefinition(
        name=prop.key,
        annotation=annotation,
        required=not filled,
        default=default,
        dto_field=marked(annotation, {**getattr(column, "info", {}), **prop.info}),
        settable=not computed,
    )


def _python_type(column: Any) -> Any:
    """Return the type of a column's values, where no annotation says it."""
    try:
        found = column.type.python_type
    except NotImplementedError:
        return Any
    return found | None if getattr(column, "nullable", False) else found


def _relationship(prop: RelationshipProperty[Any], hints: Mapping[str, Any]) -> DTOFieldDefinition:
    annotation = hints.get(prop.key)
    if annotation is None:
        related = prop.mapper.class_
        annotation = GenericAlias(list, (related,)) if prop.uselist else related | None
    return DTOFieldDefinition(
        name=prop.key,
        annotation=annotation,
        required=False,
        dto_field=marked(annotation, prop.info),
        settable=not prop.viewonly,
    )


def _of_dataclass(field: DTOFieldDefinition, type_: Any) -> DTOFieldDefinition:
    """Return a field as the constructor of a mapped dataclass takes it."""
    parameter = signature(type_).parameters.get(field.name)
    return replace(
        field,
        required=parameter is not None and parameter.default is parameter.empty,
        settable=field.settable and parameter is not None,
    )
