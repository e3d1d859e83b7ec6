"""The shape of a value as a DTO sees it: which parts are models, which fields they let through.

A shape is a tree beside the annotation. A part in which nothing is to be transformed is plain,
however much is in it.
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
    Set,
)
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from types import GenericAlias
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from hesper.dto.field import DTOFieldDefinition
from hesper.dto.kinds import ModelKind

Direction: TypeAlias = Literal["in", "out"]
"""Whether values are read from requests or sent in responses."""


class OnWire(msgspec.Struct, weakref=True):
    """What stands for a model on the wire; lives as long as it is encoded, or after decoding."""


@dataclass(slots=True, weakref_slot=True, eq=False, kw_only=True)
class Shape:
    """A part of a value; lives as long as the transfers of its DTO."""

    annotation: Any
    """What the handler, or the model, says it is."""
    extras: tuple[Any, ...] = ()
    """The metadata of `Annotated` around it."""
    transfers: dict[str, Any] = field(default_factory=dict)
    """The functions that are written for it, by what they do."""


@dataclass(slots=True, eq=False, kw_only=True)
class PlainShape(Shape):
    """A part that is taken as it is."""

    loose: bool = False
    """Whether it is not looked into while decoding, as pydantic will do that."""


@dataclass(slots=True, eq=False, kw_only=True)
class ItemsShape(Shape):
    """A list, or another collection whose items are alike; a list on the wire."""

    inner: Shape
    make: type
    """What it is made of a list: `list`, `set`, `frozenset` or `tuple`."""


@dataclass(slots=True, eq=False, kw_only=True)
class RowShape(Shape):
    """A tuple whose items each have a type of their own."""

    inners: tuple[Shape, ...]


@dataclass(slots=True, eq=False, kw_only=True)
class MappingShape(Shape):
    """A mapping to values that are alike; its keys are taken as they are."""

    key: Any
    inner: Shape


@dataclass(slots=True, eq=False, kw_only=True)
class ChoiceShape(Shape):
    """A union."""

    members: tuple[Shape, ...]

    @property
    def has_several_models(self) -> bool:
        """Whether more than one member is a model."""
        return sum(isinstance(member, ModelShape) for member in self.members) > 1


@dataclass(slots=True, eq=False, kw_only=True)
class FieldShape:
    """A field that is let through; lives with its model's shape."""

    definition: DTOFieldDefinition
    attribute: str
    """Its name in the class that stands for the model on the wire."""
    wire_name: str
    shape: Shape
    optional: bool
    """Whether it may be missing on the wire."""

    @property
    def name(self) -> str:
        """Its name in the model."""
        return self.definition.name

    @property
    def parameter(self) -> str:
        """The keyword of the model's constructor for it."""
        return self.definition.parameter or self.definition.name


@dataclass(slots=True, eq=False, kw_only=True)
class ModelShape(Shape):
    """A model of which something is transformed."""

    kind: ModelKind
    type: Any
    fields: tuple[FieldShape, ...]
    lacking: tuple[str, ...]
    """Fields without which no instance can be made, and which are not let through."""
    forbids_unknown: bool = False
    """Whether a request with other fields is refused."""
    path: str
    """Where it stands below the DTO's model; empty for that itself."""
    owner: str
    """The name of the DTO."""
    name: str
    """The name of what stands for it on the wire."""
    wire: Any = None
    """The class of a struct that stands for it on the wire."""
    described: Any = None
    """That class with the types and defaults that documentation shows, once it is asked for."""

    @property
    def validate(self) -> Callable[[dict[str, Any]], Any]:
        """Makes an instance of values, of a kind of model that validates itself."""
        if "validate" not in self.transfers:
            self.transfers["validate"] = self.kind.validator(self.type)
        found: Callable[[dict[str, Any]], Any] = self.transfers["validate"]
        return found


@dataclass(slots=True, eq=False, kw_only=True)
class WrapperShape(Shape):
    """A generic class around a DTO's model, such as a page of it; an object on the wire."""

    kind: ModelKind
    type: Any
    fields: tuple[FieldShape, ...]
    arguments: tuple[Shape, ...]
    """The shapes of its type arguments."""
    tag: tuple[str, str | int] | None = None
    """The field by which its kind is told apart on the wire, and its value."""


COLLECTIONS: Final[Mapping[Any, type]] = {
    **dict.fromkeys((list, Sequence, MutableSequence, Collection, Iterable), list),
    **dict.fromkeys((set, Set, MutableSet), set),
    frozenset: frozenset,
}
"""Collections by what an annotation calls them, and what is made for it."""

MAPPINGS: Final = (dict, Mapping, MutableMapping)


def is_plain(shape: Shape) -> bool:
    """Whether a part needs no transfer."""
    return isinstance(shape, PlainShape)


def parts_of(shape: Shape) -> tuple[Shape, ...]:
    """Return the shapes directly inside of a shape."""
    match shape:
        case ItemsShape() | MappingShape():
            return (shape.inner,)
        case RowShape():
            return shape.inners
        case ChoiceShape():
            return shape.members
        case ModelShape() | WrapperShape():
            return tuple(field.shape for field in shape.fields)
        case _:
            return ()


def all_parts(shape: Shape) -> Iterable[Shape]:
    """Yield a shape and all inside it, outer ones first."""
    yield shape
    for part in parts_of(shape):
        yield from all_parts(part)


def wire_type(shape: Shape, *, described: bool = False) -> Any:
    """Return the type of a part as it appears on the wire.

    Args:
        shape: The part.
        described: Whether it is for documentation, which shows constraints and defaults that
            decoding leaves to the model.
    """
    bare = _bare_wire_type(shape, described)
    return Annotated[(bare, *shape.extras)] if shape.extras else bare


def _bare_wire_type(shape: Shape, described: bool) -> Any:
    match shape:
        case PlainShape():
            return Any if shape.loose and not described else shape.annotation
        case ItemsShape():
            return GenericAlias(list, (wire_type(shape.inner, described=described),))
        case RowShape():
            inners = (wire_type(inner, described=described) for inner in shape.inners)
            return GenericAlias(tuple, tuple(inners))
        case MappingShape():
            return GenericAlias(dict, (shape.key, wire_type(shape.inner, described=described)))
        case ChoiceShape():
            # Never `Any` for a loose one, which would take what is meant for the models.
            return union(
                member.annotation if is_plain(member) else wire_type(member, described=described)
                for member in shape.members
            )
        case ModelShape():
            return _description(shape) if described else shape.wire
        case WrapperShape():
            return _wrapper_type(shape)
        case _:
            raise AssertionError(shape)


def _wrapper_type(shape: WrapperShape) -> Any:
    if shape.arguments:
        return shape.type[tuple(wire_type(a, described=True) for a in shape.arguments)]
    # A generic model of pydantic, which takes none of our classes as an argument.
    fields = [(f.attribute, wire_type(f.shape, described=True)) for f in shape.fields]
    names = {field.attribute: field.wire_name for field in shape.fields}
    return msgspec.defstruct(shape.type.__name__, fields, kw_only=True, rename=names)


def union(members: Iterable[Any]) -> Any:
    """Return the union of annotations."""
    # Not through `typing`, whose cache would keep our classes.
    return reduce(or_, (type(None) if member is None else member for member in members))


def make_wire_class(shape: ModelShape, *, described: bool = False) -> Any:
    """Return the class of a struct that stands for a model on the wire.

    Raises:
        TypeError: There can be no such class.
        ValueError: There can be no such class.
    """
    config = getattr(shape.type, "__struct_config__", None)
    fields: list[Any] = []
    for part in shape.fields:
        type_ = wire_type(part.shape, described=described)
        if not part.optional:
            fields.append((part.attribute, type_))
        elif described and _is_shown(part.definition.default):
            fields.append((part.attribute, type_, part.definition.default))
        else:
            either = type_ if type_ is Any else union((type_, msgspec.UnsetType))
            fields.append((part.attribute, either, msgspec.UNSET))
    return msgspec.defstruct(
        shape.name,
        fields,
        bases=(OnWire,),
        module=shape.type.__module__,
        kw_only=True,
        rename={part.attribute: part.wire_name for part in shape.fields},
        forbid_unknown_fields=shape.forbids_unknown,
        tag_field=config.tag_field if config is not None else None,
        tag=config.tag if config is not None else None,
    )


def _description(shape: ModelShape) -> Any:
    if shape.described is None:
        shape.described = make_wire_class(shape, described=True)
    return shape.described


def _is_shown(default: object) -> bool:
    return default is None or isinstance(default, (str, int, float, bool))
