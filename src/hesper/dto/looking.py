"""Look into annotations: for models, and for what stands around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Any, get_args, get_origin

from hesper._signature import is_union, unaliased
from hesper.dto.kinds import KINDS, ModelKind, is_mapped
from hesper.dto.shape import (
    COLLECTIONS,
    MAPPINGS,
    ChoiceShape,
    ItemsShape,
    MappingShape,
    PlainShape,
    RowShape,
    Shape,
    is_plain,
)
from hesper.exceptions import ImproperlyConfiguredException


def kind_of(annotation: Any, kinds: Iterable[ModelKind] = KINDS) -> ModelKind | None:
    """Return the kind of model that an annotation is; `None` if it is none.

    Args:
        annotation: A class, or a generic one with its arguments.
        kinds: The kinds to choose from.

    Raises:
        ImproperlyConfiguredException: It is a model of SQLAlchemy, and they are not among them.
    """
    type_ = get_origin(annotation) or annotation
    for kind in kinds:
        if kind.accepts(type_):
            return kind
    if isinstance(type_, type) and is_mapped(type_):
        raise ImproperlyConfiguredException(
            f"{type_.__qualname__} is a model of SQLAlchemy; take the DTO from "
            "hesper.plugins.sqlalchemy: SQLAlchemyDTO"
        )
    return None


def mentions_model(annotation: Any, kinds: Iterable[ModelKind] = KINDS) -> bool:
    """Whether an annotation is a model, or has one inside."""
    annotation = unaliased(annotation)
    if kind_of(annotation, kinds) is not None:
        return True
    return any(mentions_model(inner, kinds) for inner in get_args(annotation))


def shape_around(
    annotation: Any, inside: Callable[[Any, str], Shape], path: str = "", *, loose: bool = False
) -> Shape | None:
    """Return the shape of a union, a collection, a tuple or a mapping; `None` of anything else.

    Args:
        annotation: The annotation.
        inside: Returns the shape of what is inside, by its annotation and its path.
        path: The path of the whole.
        loose: Whether it is pydantic's to look into.
    """
    annotation = unaliased(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        shape = inside(arguments[0], path)
        if is_plain(shape):
            return PlainShape(annotation=annotation, loose=loose)
        return replace(shape, extras=(*shape.extras, *arguments[1:]))
    if is_union(annotation):
        members = tuple(inside(member, path) for member in arguments)
        shape = ChoiceShape(annotation=annotation, members=members)
    elif origin is tuple and arguments[1:] != (Ellipsis,):
        inners = tuple(inside(inner, f"{path}.{at}") for at, inner in enumerate(arguments))
        members = inners
        shape = RowShape(annotation=annotation, inners=inners)
    elif origin in COLLECTIONS or origin is tuple:
        members = (inside(arguments[0], f"{path}.0"),)
        make = COLLECTIONS.get(origin, tuple)
        shape = ItemsShape(annotation=annotation, inner=members[0], make=make)
    elif origin in MAPPINGS:
        members = (inside(arguments[1], f"{path}.1"),)
        shape = MappingShape(annotation=annotation, key=arguments[0], inner=members[0])
    else:
        return None
    if all(map(is_plain, members)):
        return PlainShape(annotation=annotation, loose=loose)
    return shape
