"""Look into annotations: for models, and for what stands around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

from hesper._signature import is_union, unaliased
from hesper.dto.field import marked
from hesper.dto.kinds import KINDS, ModelKind, hints_of, is_mapped, writes_itself
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
    return _mentions_model(annotation, tuple(kinds), set())


def _mentions_model(annotation: Any, kinds: tuple[ModelKind, ...], seen: set[Any]) -> bool:
    annotation = bare_type(annotation)
    if kind_of(annotation, kinds) is not None:
        return True
    inside = get_args(annotation)
    type_ = get_origin(annotation) or annotation
    if isinstance(type_, type) and type_ not in seen:
        seen.add(type_)
        if writes_itself(type_):
            if _is_marked(type_):
                return True
            inside += _root_of(type_)
        elif issubclass(type_, tuple) and hasattr(type_, "_fields"):
            inside += tuple(hints_of(type_).values())
    return any(_mentions_model(inner, kinds, seen) for inner in inside)


def _is_marked(model: Any) -> bool:
    """Whether something is said of a field of pydantic, which the model's own way ignores."""
    metadata = (field.metadata for field in model.__pydantic_fields__.values() if field.metadata)
    return any(marked(Annotated[(None, *extras)]).mark is not None for extras in metadata)


def _root_of(model: Any) -> tuple[Any, ...]:
    fields = model.__pydantic_fields__
    return (fields["root"].annotation,) if model.__pydantic_root_model__ else ()


def bare_type(annotation: Any) -> Any:
    """Return what is meant by an alias, a `NewType`, `Final` or a type variable with a bound."""
    while True:
        annotation = unaliased(annotation)
        if hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif get_origin(annotation) is Final:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, TypeVar) and isinstance(annotation.__bound__, type):
            annotation = annotation.__bound__
        else:
            return annotation


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
    annotation = bare_type(annotation)
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
