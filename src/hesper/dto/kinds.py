"""The kinds of models that DTOs know: how their fields are found, and how instances are made.

No library is imported to recognise its models: whoever defines one has imported it. SQLAlchemy's
are in `hesper.plugins.sqlalchemy`, as its mappers have to be asked.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NotRequired,
    Required,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from hesper._finite import finite_model_check
from hesper._types import Empty
from hesper.dto.field import DTOFieldDefinition, marked
from hesper.exceptions import ImproperlyConfiguredException
from hesper.serialization import encode_json


class ModelKind:
    """How models of one kind are read and made; lives as long as the process."""

    name: ClassVar[str]
    """How messages name a model of the kind."""
    native: ClassVar[bool] = True
    """Whether the codecs can read and write instances themselves."""
    made: ClassVar[Literal["called", "written", "validated"]] = "called"
    """Whether an instance is made by calling the class with keywords, is a dict that is written
    down, or is made from a dict by the model's own validation."""

    def accepts(self, type_: Any) -> bool:
        """Whether *type_* is a model of this kind."""
        raise NotImplementedError

    def fields(self, type_: Any) -> Iterator[DTOFieldDefinition]:
        """Yield the fields of a model.

        Raises:
            ImproperlyConfiguredException: An annotation cannot be resolved.
        """
        raise NotImplementedError

    def forbids_unknown(self, type_: Any) -> bool:
        """Whether the model itself refuses requests with fields that it does not have."""
        return False

    def keeps_unknown(self, type_: Any) -> bool:
        """Whether instances take, and show, fields that the model does not have."""
        return False

    def is_lenient(self, type_: Any) -> bool:
        """Whether an instance can be made without all that it needs, and be completed later."""
        return False

    def validator(self, type_: Any) -> Callable[[dict[str, Any]], Any]:
        """Return what makes an instance of values by the names of the fields."""
        raise NotImplementedError


class StructKind(ModelKind):
    """msgspec's structs."""

    name = "msgspec.Struct"

    def accepts(self, type_: Any) -> bool:
        """Whether *type_* is a struct."""
        return isinstance(type_, type) and issubclass(type_, msgspec.Struct)

    def fields(self, type_: Any) -> Iterator[DTOFieldDefinition]:
        """Yield the fields of a struct."""
        try:
            found = msgspec.structs.fields(type_)
        except NameError as error:
            raise unresolved(type_, error) from None
        for field in found:
            yield DTOFieldDefinition(
                name=field.name,
                annotation=field.type,
                required=field.required,
                default=Empty if field.default is msgspec.NODEFAULT else field.default,
                dto_field=marked(field.type),
                own_wire_names=(field.encode_name, field.encode_name),
            )

    def forbids_unknown(self, type_: Any) -> bool:
        """Whether the struct says so."""
        return bool(type_.__struct_config__.forbid_unknown_fields)


class DataclassKind(ModelKind):
    """Dataclasses, those of pydantic among them."""

    name = "dataclass"

    def accepts(self, type_: Any) -> bool:
        """Whether *type_* is a dataclass that is not mapped to a table."""
        is_dataclass = isinstance(type_, type) and hasattr(type_, "__dataclass_fields__")
        return is_dataclass and not is_mapped(type_)

    def fields(self, type_: Any) -> Iterator[DTOFieldDefinition]:
        """Yield the fields of a dataclass."""
        hints = hints_of(type_)
        declared: Mapping[str, Any] = type_.__dataclass_fields__
        for name, field in declared.items():
            annotation = hints.get(name, Any)
            # dataclasses tells what is a field by a marker of its own.
            kind = field._field_type.name
            if kind == "_FIELD_CLASSVAR":
                continue
            if isinstance(annotation, dataclasses.InitVar):
                annotation = annotation.type
            yield DTOFieldDefinition(
                name=name,
                annotation=annotation,
                required=field.default is field.default_factory is dataclasses.MISSING,
                default=Empty if field.default is dataclasses.MISSING else field.default,
                dto_field=marked(annotation, field.metadata),
                readable=kind != "_FIELD_INITVAR",
                settable=field.init,
            )


class AttrsKind(ModelKind):
    """Classes made by attrs."""

    name = "attrs class"

    def accepts(self, type_: Any) -> bool:
        """Whether *type_* is made by attrs."""
        return isinstance(type_, type) and hasattr(type_, "__attrs_attrs__")

    def fields(self, type_: Any) -> Iterator[DTOFieldDefinition]:
        """Yield the fields of a class made by attrs."""
        hints = hints_of(type_)
        taken = inspect.signature(type_.__init__).parameters
        for attribute in type_.__attrs_attrs__:
            annotation = hints.get(attribute.name, Any)
            parameter = taken.get(attribute.alias)
            simple = parameter is not None and attribute.default is parameter.default
            yield DTOFieldDefinition(
                name=attribute.name,
                annotation=annotation,
                required=parameter is not None and parameter.default is parameter.empty,
                default=attribute.default if simple else Empty,
                dto_field=marked(annotation, attribute.metadata),
                parameter=attribute.alias,
                settable=attribute.init,
            )


class TypedDictKind(ModelKind):
    """Typed dictionaries."""

    name = "TypedDict"
    made = "written"

    def accepts(self, type_: Any) -> bool:
        """Whether *type_* is a typed dictionary."""
        is_dict = isinstance(type_, type) and issubclass(type_, dict)
        return is_dict and hasattr(type_, "__required_keys__")

    def fields(self, type_: Any) -> Iterator[DTOFieldDefinition]:
        """Yield the keys of a typed dictionary."""
        for name, annotation in hints_of(type_).items():
            required = name in type_.__required_keys__
            # Where annotations are text, what is required is said in the text alone.
            while get_origin(annotation) in _QUALIFIERS:
                required = _QUALIFIERS.get(get_origin(annotation), required)
                annotation = get_args(annotation)[0]
            yield DTOFieldDefinition(
                name=name, annotation=annotation, required=required, dto_field=marked(annotation)
            )


_QUALIFIERS: Final[Mapping[Any, bool]] = {Required: True, NotRequired: False}


class PydanticKind(ModelKind):
    """Pydantic's models."""

    name = "pydantic model"
    made = "validated"

    def accepts(self, type_: Any) -> bool:
        """Whether *type_* is a model of pydantic that does not write itself in its own way."""
        is_model = isinstance(type_, type) and hasattr(type_, "__pydantic_fields__")
        return (
            is_model
            and not hasattr(type_, "__dataclass_fields__")
            and not type_.__pydantic_decorators__.model_serializers
            and not type_.__pydantic_root_model__
        )

    def fields(self, type_: Any) -> Iterator[DTOFieldDefinition]:
        """Yield the fields of a model, and what it computes."""
        if not type_.__pydantic_complete__:
            type_.model_rebuild()
        by_alias = type_.model_config.get("serialize_by_alias")
        for name, field in type_.__pydantic_fields__.items():
            taken = field.validation_alias if isinstance(field.validation_alias, str) else name
            sent = field.serialization_alias if by_alias else None
            default = field.default
            yield DTOFieldDefinition(
                name=name,
                annotation=_annotated(field),
                required=field.is_required(),
                default=Empty if field.is_required() or field.default_factory else default,
                dto_field=marked(None, _marks(field)),
                own_wire_names=(taken, sent or name),
                readable=not field.exclude,
                settable=field.init is not False,
            )
        for name, computed in type_.__pydantic_decorators__.computed_fields.items():
            alias = computed.info.alias if by_alias else None
            yield DTOFieldDefinition(
                name=name,
                annotation=computed.info.return_type,
                required=False,
                own_wire_names=(name, alias or name),
                settable=False,
            )

    def forbids_unknown(self, type_: Any) -> bool:
        """Whether the model's configuration says so."""
        return bool(type_.model_config.get("extra") == "forbid")

    def keeps_unknown(self, type_: Any) -> bool:
        """Whether the model's configuration says so."""
        return bool(type_.model_config.get("extra") == "allow")

    def validator(self, type_: Any) -> Callable[[dict[str, Any]], Any]:
        """Return what makes an instance of values by the names of the fields."""
        strict = type_.model_config.get("strict")

        def validate(values: dict[str, Any]) -> Any:
            if strict:  # then text is no date, but JSON has nothing better, as pydantic knows
                raw = encode_json(values)
                return type_.model_validate_json(raw, by_alias=False, by_name=True)
            return type_.model_validate(values, by_alias=False, by_name=True)

        finite = finite_model_check(type_.__pydantic_core_schema__)
        if finite is None:
            return validate
        return lambda values: finite(validate(values))


def _annotated(field: Any) -> Any:
    """Return a field's type with its constraints, as the annotation said."""
    constraints = tuple(extra for extra in field.metadata if not isinstance(extra, Mapping))
    return Annotated[(field.annotation, *constraints)] if constraints else field.annotation


def _marks(field: Any) -> Mapping[Any, Any]:
    return {
        key: value
        for extra in field.metadata
        if isinstance(extra, Mapping)
        for key, value in extra.items()
    }


KINDS: Final[tuple[ModelKind, ...]] = (
    PydanticKind(),
    StructKind(),
    DataclassKind(),
    AttrsKind(),
    TypedDictKind(),
)
"""The kinds that need no library to be asked, the more special ones first."""


def writes_itself(type_: Any) -> bool:
    """Whether *type_* is a model of pydantic that no kind accepts, as it has a way of its own."""
    return (
        isinstance(type_, type)
        and hasattr(type_, "__pydantic_fields__")
        and not hasattr(type_, "__dataclass_fields__")
        and not PydanticKind().accepts(type_)
    )


def is_mapped(type_: Any) -> bool:
    """Whether *type_* is a class that SQLAlchemy maps to a table."""
    return hasattr(type_, "__mapper__")


def hints_of(type_: Any) -> dict[str, Any]:
    """Return the annotations of a class, resolved.

    Raises:
        ImproperlyConfiguredException: A name in them cannot be resolved.
    """
    try:
        hints = get_type_hints(type_, localns={type_.__name__: type_}, include_extras=True)
    except NameError as error:
        raise unresolved(type_, error) from None
    arguments = arguments_of_bases(type_, {})
    # A typed dictionary repeats the keys of its bases, which are not among its ancestors.
    is_dictionary = hasattr(type_, "__required_keys__")
    owners = {
        name: owner
        for owner in (arguments if is_dictionary else reversed(type_.__mro__))
        for name in inspect.get_annotations(owner)
    }
    return {
        name: with_arguments(hint, arguments.get(owners.get(name), {}))
        for name, hint in hints.items()
    }


def arguments_of_bases(type_: Any, own: Mapping[Any, Any]) -> dict[Any, Mapping[Any, Any]]:
    """Return what the type variables of a class and of its generic bases stand for, by class."""
    found: dict[Any, Mapping[Any, Any]] = {type_: own}
    for base in vars(type_).get("__orig_bases__", type_.__bases__):
        origin = get_origin(base) or base
        if isinstance(origin, type) and origin is not Generic:
            inner = [with_arguments(argument, own) for argument in get_args(base)]
            parameters = getattr(origin, "__parameters__", ())
            found |= arguments_of_bases(origin, dict(zip(parameters, inner, strict=False)))
    return found


def unresolved(type_: Any, error: NameError) -> ImproperlyConfiguredException:
    """Return what is said of a class whose annotations cannot be resolved."""
    return ImproperlyConfiguredException(
        f"an annotation of {type_.__qualname__} cannot be resolved ({error}); import what it names "
        "at run time (not under TYPE_CHECKING), or define it at module level"
    )


def with_arguments(annotation: Any, arguments: Mapping[Any, Any]) -> Any:
    """Return *annotation* with type variables replaced.

    Args:
        annotation: An annotation in a generic class.
        arguments: What each type variable of the class stands for.
    """
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    wanted = () if isinstance(annotation, type) else getattr(annotation, "__parameters__", ())
    if not wanted or not arguments:
        return annotation
    generic: Any = annotation
    return generic[tuple(arguments.get(variable, variable) for variable in wanted)]
