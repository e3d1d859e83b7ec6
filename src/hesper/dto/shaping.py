"""From a DTO's model to its shape: which fields are let through, and what is inside of them.

Every known model that is nested in it is looked into, down to the depth that is allowed.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final, Literal, get_args, get_origin

from hesper._did_you_mean import did_you_mean
from hesper._dto import DTO
from hesper._signature import without_extras
from hesper.dto.config import DTOConfig
from hesper.dto.field import DTOFieldDefinition, Mark, without_marks
from hesper.dto.kinds import KINDS, ModelKind, with_arguments
from hesper.dto.looking import bare_type, kind_of, mentions_model, shape_around
from hesper.dto.shape import (
    ChoiceShape,
    Direction,
    FieldShape,
    ModelShape,
    PlainShape,
    Shape,
    all_parts,
    is_plain,
    make_wire_class,
)
from hesper.exceptions import ImproperlyConfiguredException

_HIDDEN: Final[Mapping[Direction, frozenset[Mark]]] = {
    "in": frozenset({Mark.READ_ONLY, Mark.PRIVATE}),
    "out": frozenset({Mark.WRITE_ONLY, Mark.PRIVATE}),
}


class ShapedDTO(DTO):
    """A DTO by which models are shaped; what is made for it lives as long as its class."""

    config: ClassVar[DTOConfig] = DTOConfig()
    """What is let through, and under which names."""

    kinds: ClassVar[tuple[ModelKind, ...]] = KINDS
    """The kinds of models that are looked into."""

    _shapes: ClassVar[dict[str, Shape]] = {}

    @classmethod
    def generate_field_definitions(cls, model_type: Any) -> Iterable[DTOFieldDefinition]:
        """Yield the fields of a model: the DTO's own, or one that is nested in it.

        Override it to add what is said of fields elsewhere.

        Args:
            model_type: The model.
        """
        kind = kind_of(model_type, cls.kinds)
        assert kind is not None, model_type
        return kind.fields(model_type)

    @classmethod
    def detect_nested_field(cls, field_definition: DTOFieldDefinition) -> bool:
        """Whether a field holds models that are looked into; all others are taken as they are.

        Override it to have models taken as they are.

        Args:
            field_definition: The field.
        """
        return mentions_model(field_definition.annotation, cls.kinds)


def shape_of(dto: type[ShapedDTO], purpose: Literal["in", "data", "out"]) -> Shape:
    """Return the shape of a DTO's model, made on first use.

    Args:
        dto: The DTO.
        purpose: What for: `in` and `out` for instances that are read and sent, `data` for what is
            read and not made an instance yet.

    Raises:
        ImproperlyConfiguredException: The DTO's configuration does not fit the model.
    """
    if purpose not in dto._shapes:
        direction: Direction = "out" if purpose == "out" else "in"
        shaper = Shaper(dto, direction, every=purpose == "data")
        dto._shapes.setdefault(purpose, shaper.model(dto.model_type))
    return dto._shapes[purpose]


class Shaper:
    """Shapes the model of one DTO for one direction; lives while that is done.

    Args:
        dto: The DTO.
        direction: Whether values are read or sent.
        every: Whether models have a shape of their own even if nothing is transformed.
    """

    def __init__(self, dto: type[ShapedDTO], direction: Direction, *, every: bool = False) -> None:
        self._dto = dto
        self._direction: Direction = direction
        self._every = every
        self._paths: set[str] = set()
        self._places: set[str] = set()
        self._unlooked: set[str] = set()
        self._known: dict[tuple[Any, int], Shape] = {}
        self._names: set[str] = set()

    def model(self, type_: Any) -> Shape:
        """Return the shape of the DTO's model.

        Raises:
            ImproperlyConfiguredException: The configuration does not fit the model.
        """
        shape = self._model(type_, "", 0)
        self._check_paths()
        return shape

    def _model(self, annotation: Any, path: str, depth: int) -> Shape:
        kind = kind_of(annotation, self._dto.kinds)
        assert kind is not None, annotation
        type_ = get_origin(annotation) or annotation
        parameters = getattr(type_, "__parameters__", ())
        arguments = dict(zip(parameters, get_args(annotation), strict=False))
        fields: list[FieldShape] = []
        left_out: list[DTOFieldDefinition] = []
        definitions = list(self._dto.generate_field_definitions(type_))
        attributes = attributes_of(definition.name for definition in definitions)
        for definition in definitions:
            inner = f"{path}.{definition.name}" if path else definition.name
            resolved = without_marks(definition.annotation)
            definition = replace(definition, annotation=with_arguments(resolved, arguments))
            field = self._field(kind, definition, attributes[definition.name], inner, depth)
            if field is None:
                left_out.append(definition)
            else:
                fields.append(field)
        if not self._every and self._is_native(kind, type_, fields, left_out):
            return PlainShape(annotation=annotation)
        return self._checked(
            ModelShape(
                annotation=annotation,
                kind=kind,
                type=type_,
                fields=tuple(fields),
                lacking=tuple(d.name for d in left_out if d.required and d.settable),
                path=path,
                owner=self._dto.__name__,
                name=self._name(type_),
                forbids_unknown=self._forbids(kind, type_),
            )
        )

    def _is_native(
        self,
        kind: ModelKind,
        type_: Any,
        fields: Iterable[FieldShape],
        left_out: Iterable[DTOFieldDefinition],
    ) -> bool:
        """Whether the codecs do with a model, by themselves, what the DTO wants."""
        if not kind.native or kind.keeps_unknown(type_):
            return False
        struct = getattr(type_, "__struct_config__", None)
        is_array = struct is not None and struct.array_like
        side = int(self._direction == "out")
        for field in fields:
            own = field.definition.own_wire_names or (field.name, field.name)
            is_named = is_array or field.wire_name == own[side]
            if not (is_plain(field.shape) and is_named and field.definition.readable):
                return False
        if self._direction == "out":
            # What is sent may be an instance of a subclass, which has more fields.
            hidden = any(definition.readable for definition in left_out)
            # Those of a typed dictionary are not known, and its values are plain dictionaries.
            return kind.made != "written" and not hidden and not type.__subclasses__(type_)
        # The codecs set fields of dataclasses that the constructor does not take.
        kept = all(not d.settable and kind.made == "validated" for d in left_out)
        forbids = self._forbids(kind, type_) == kind.forbids_unknown(type_)
        return kept and forbids and not self._dto.config.partial

    def _forbids(self, kind: ModelKind, type_: Any) -> bool:
        return self._dto.config.forbid_unknown_fields or kind.forbids_unknown(type_)

    def _checked(self, shape: ModelShape) -> ModelShape:
        """Give a shape its class on the wire, if there can be one."""
        self._check(shape)
        try:
            shape.wire = make_wire_class(shape)
        except (TypeError, ValueError) as error:
            raise ImproperlyConfiguredException(
                f"{self._place(shape)} cannot be written down: {error}"
            ) from None
        return shape

    def _field(
        self,
        kind: ModelKind,
        definition: DTOFieldDefinition,
        attribute: str,
        path: str,
        depth: int,
    ) -> FieldShape | None:
        """Return the shape of a field; `None` if it is left out."""
        config, name = self._dto.config, definition.name
        self._paths.add(path)
        hidden = definition.dto_field.mark in _HIDDEN[self._direction]
        private = config.underscore_fields_private and name.startswith("_")
        possible = definition.settable if self._direction == "in" else definition.readable
        if not possible or hidden or private or self._is_left_out(path):
            self._unlooked.add(path)
            return None
        annotation = definition.annotation
        loose = kind.made == "validated" and self._direction == "in"
        if self._dto.detect_nested_field(definition):
            if depth >= config.max_nested_depth:
                self._unlooked.add(path)
                return None
            shape = self._inside(annotation, path, depth + 1, loose=loose)
        else:
            shape = PlainShape(annotation=annotation, loose=loose)
        own = definition.own_wire_names or (name, name)
        wire_name = config.wire_name(path, name, own[self._direction == "out"])
        optional = self._direction == "in" and (config.partial or not definition.required)
        return FieldShape(
            definition=definition,
            attribute=attribute,
            wire_name=wire_name,
            shape=shape,
            optional=optional or (kind.made == "written" and not definition.required),
        )

    def _inside(self, annotation: Any, path: str, depth: int, *, loose: bool) -> Shape:
        self._places.add(path)
        shape = shape_around(
            annotation,
            lambda inner, at: self._inside(inner, at, depth, loose=loose),
            path,
            loose=loose,
        )
        if shape is not None:
            return shape
        annotation = bare_type(annotation)
        if kind_of(annotation, self._dto.kinds) is None:
            if mentions_model(annotation, self._dto.kinds):
                raise ImproperlyConfiguredException(
                    f"{self._dto.__name__} cannot look into {annotation} at {path!r}, which holds "
                    "models of which it is not known what may pass; make it a list, a tuple, a "
                    "mapping or a model, or exclude it"
                )
            return PlainShape(annotation=annotation, loose=loose)
        if self._is_configured(path):
            shape = self._model(annotation, path, depth)
        else:  # as wherever else it stands at this depth
            key = (annotation, depth)
            shape = self._known.get(key) or self._model(annotation, path, depth)
            self._known[key] = shape
        return replace(shape, loose=loose) if isinstance(shape, PlainShape) else shape

    def _is_configured(self, path: str) -> bool:
        """Whether the configuration says something of a field of what is at *path*."""
        config = self._dto.config
        said = (*config.exclude, *config.include, *config.rename_fields)
        return any(_is_below(below, path) for below in said)

    def _is_left_out(self, path: str) -> bool:
        config = self._dto.config
        if path in config.exclude:
            return True
        return bool(config.include) and not any(
            path == included or _is_below(path, included) or _is_below(included, path)
            for included in config.include
        )

    def _check(self, shape: ModelShape) -> None:
        names: dict[str, str] = {}
        for field in shape.fields:
            other = names.setdefault(field.wire_name, field.name)
            if other != field.name:
                raise ImproperlyConfiguredException(
                    f"{self._place(shape)} has {other!r} and {field.name!r}, and both would be "
                    f"{field.wire_name!r} on the wire; rename one of them in rename_fields"
                )
        struct = getattr(shape.type, "__struct_config__", None)
        if struct is not None and struct.array_like:
            raise ImproperlyConfiguredException(
                f"{self._place(shape)} is written as an array, which has no fields to leave out "
                "or rename; make it a struct without array_like"
            )
        for field in shape.fields if self._direction == "in" else ():
            for part in all_parts(field.shape):
                if isinstance(part, ChoiceShape) and is_unclear(part, shape.kind):
                    raise ImproperlyConfiguredException(
                        f"{self._place(shape)} has {field.name!r}, of which nobody can tell in a "
                        f"request which member of {part.annotation} is meant; exclude it, or mark "
                        "it read-only"
                    )

    def _name(self, type_: Any) -> str:
        """Return how documentation may call what stands for a model."""
        dto = self._dto.__name__.partition("[")[0]
        name = unique = (
            f"{dto}.{type_.__name__}.{'Output' if self._direction == 'out' else 'Input'}"
        )
        number = 1
        while unique in self._names:
            number += 1
            unique = f"{name}.{number}"
        self._names.add(unique)
        return unique

    def _place(self, shape: ModelShape) -> str:
        at = f" at {shape.path!r}" if shape.path else ""
        return f"{self._dto.__name__}: the {shape.kind.name} {shape.type.__name__}{at}"

    def _check_paths(self) -> None:
        """Refuse a configuration that names what is not there: it would let through too much."""
        config = self._dto.config
        names = {path.rpartition(".")[2] for path in self._paths}
        for option in ("exclude", "include", "rename_fields"):
            for path in getattr(config, option):
                known = path in self._paths or any(_is_below(path, u) for u in self._unlooked)
                known = known or (option == "rename_fields" and path in names)
                if known or (option == "include" and path in self._places):
                    continue
                raise ImproperlyConfiguredException(
                    f"{self._dto.__name__}: {option} names {path!r}, which the model does not have"
                    f"{did_you_mean(path, self._paths)}"
                )


def _is_below(path: str, outer: str) -> bool:
    return path.startswith(f"{outer}.")


def is_unclear(shape: ChoiceShape, kind: ModelKind | None = None) -> bool:
    """Whether what is sent may be meant for several members of a union."""
    plain = (without_extras(member.annotation) for member in shape.members if is_plain(member))
    if any(annotation in {Any, object} for annotation in plain):
        return True
    return shape.has_several_models and kind is not None and kind.made == "validated"


def attributes_of(names: Iterable[str]) -> dict[str, str]:
    """Return the names of fields in a class of ours: the keys of a dictionary may be any text.

    Args:
        names: The names in the model.
    """
    given = list(names)
    attributes: dict[str, str] = {}
    for number, name in enumerate(given):
        attribute = name
        if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
            attribute = f"key_{number}"
        while attribute != name and attribute in given:
            attribute += "_"
        attributes[name] = attribute
    return attributes
