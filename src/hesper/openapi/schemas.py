"""From annotations to JSON Schema 2020-12, as values look on the wire.

Types are read by `msgspec.inspect`, and described as msgspec's own `schema` does; that one is not
used itself, as it knows one direction, and names classes so that two of one name can become one.
What differs: what is sent has all its fields, so they are required and have no defaults; a
`datetime` and a `time` have their format whether they must have a time zone or not.
"""

from __future__ import annotations

import enum
import inspect
import ipaddress
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import inspect as kinds

from hesper._conversions import decoder_for
from hesper._signature import is_union, without_extras
from hesper._type_survey import is_pydantic
from hesper._types import TypeDecodersSequence, TypeEncodersMap
from hesper.datastructures.multi_dict import ImmutableMultiDict
from hesper.datastructures.secret_values import SecretBytes, SecretString
from hesper.datastructures.upload_file import UploadFile
from hesper.openapi.components import Component, Components, Direction
from hesper.openapi.models import pydantic_schema
from hesper.openapi.values import plain_value, with_default

Schema = dict[str, Any]

_PLAIN: Final[Mapping[type, tuple[type, Schema]]] = {
    kinds.NoneType: (type(None), {"type": "null"}),
    kinds.BoolType: (bool, {"type": "boolean"}),
    kinds.IntType: (int, {"type": "integer"}),
    kinds.FloatType: (float, {"type": "number"}),
    kinds.StrType: (str, {"type": "string"}),
    kinds.BytesType: (bytes, {"type": "string", "contentEncoding": "base64"}),
    kinds.ByteArrayType: (bytearray, {"type": "string", "contentEncoding": "base64"}),
    kinds.MemoryViewType: (memoryview, {"type": "string", "contentEncoding": "base64"}),
    kinds.DateTimeType: (datetime, {"type": "string", "format": "date-time"}),
    kinds.DateType: (date, {"type": "string", "format": "date"}),
    kinds.TimeType: (time, {"type": "string", "format": "time"}),
    kinds.TimeDeltaType: (timedelta, {"type": "string", "format": "duration"}),
    kinds.UUIDType: (UUID, {"type": "string", "format": "uuid"}),
    kinds.DecimalType: (Decimal, {"type": "string", "format": "decimal"}),
}
"""What stands for a value, and its schema, by msgspec's description of the type."""

_CUSTOM: Final[tuple[tuple[type, Schema], ...]] = (
    (SecretString, {"type": "string", "format": "password"}),
    (SecretBytes, {"type": "string", "format": "password"}),
    (ipaddress.IPv4Address, {"type": "string", "format": "ipv4"}),
    (ipaddress.IPv6Address, {"type": "string", "format": "ipv6"}),
    (ipaddress.IPv4Network, {"type": "string", "format": "ipv4network"}),
    (ipaddress.IPv6Network, {"type": "string", "format": "ipv6network"}),
    (re.Pattern, {"type": "string", "format": "regex"}),
    (UploadFile, {"type": "string", "contentMediaType": "application/octet-stream"}),
    (ImmutableMultiDict, {"type": "object"}),
    (str, {"type": "string"}),
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
)
"""The schemas of classes that msgspec does not know, and Hesper does; the first that fits."""

_CONSTRAINTS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
_LENGTHS: Final = {"string": "Length", "array": "Items", "object": "Properties"}

_EMPTY: Final[Mapping[Any, Any]] = {list: [], dict: {}, set: [], frozenset: []}
"""What factories of empty defaults make."""

_ARRAYS: Final = (list, set, frozenset, tuple)

_COLLECTIONS: Final = (
    kinds.ListType,
    kinds.SetType,
    kinds.FrozenSetType,
    kinds.VarTupleType,
    kinds.CollectionType,
)


class SchemaWriter:
    """Writes the schemas of one direction, under one set of conversions.

    Lives until the document is written.

    Args:
        components: Where named schemas go.
        direction: Whether values are read from requests or sent in responses.
        encoders: The route's `type_encoders`, for values that are sent.
        decoders: The route's `type_decoders`, for values that are read.
    """

    __slots__ = (
        "__weakref__",
        "_components",
        "_decoders",
        "_direction",
        "_encoders",
        "_known",
        "_made",
    )

    def __init__(
        self,
        components: Components,
        direction: Direction,
        encoders: TypeEncodersMap | None = None,
        decoders: TypeDecodersSequence = (),
    ) -> None:
        self._components = components
        self._direction: Direction = direction
        self._encoders = (encoders or {}) if direction == "out" else {}
        self._decoders = decoders if direction == "in" else ()
        self._made: dict[Any, Component] = {}
        self._known: dict[Any, Schema] = {}

    def write(self, annotation: Any) -> Schema:
        """Return the schema of an annotation; not to be changed, as others may have it, too.

        Args:
            annotation: The annotation. What cannot be told of it is left open.
        """
        try:
            known = self._known.get(annotation)
        except TypeError:  # metadata that does not hash
            return self._written(annotation)
        if known is None:
            known = self._known[annotation] = self._written(annotation)
        return known

    def _written(self, annotation: Any) -> Schema:
        if decoder_for(without_extras(annotation), self._decoders) is not None:
            return {}
        if is_pydantic(annotation):
            return pydantic_schema(annotation, self._direction, self._components)
        try:
            info = kinds.type_info(annotation)
        except (TypeError, NameError, ValueError, AttributeError):
            return self._in_parts(annotation)
        return self._schema(info)

    def _in_parts(self, annotation: Any) -> Schema:
        """Return the schema of what msgspec cannot decode, and may well encode."""
        bare = without_extras(annotation)
        origin, arguments = get_origin(bare) or bare, get_args(bare)
        if is_union(bare):
            return {"anyOf": [self.write(member) for member in arguments]}
        if not isinstance(origin, type):
            return {}
        if issubclass(origin, _ARRAYS) and arguments:
            return {"type": "array", "items": self.write(arguments[0])}
        if issubclass(origin, Mapping) and len(arguments) == 2:
            return {"type": "object", "additionalProperties": self.write(arguments[1])}
        return {} if arguments or self._is_free(origin) else self._loose(origin)

    def _loose(self, class_: type) -> Schema:
        """Return the schema of a class of which msgspec does not know all fields."""
        names = getattr(class_, "__struct_fields__", None)
        names = names or getattr(class_, "__dataclass_fields__", None)
        if names is None or class_ in self._made:
            return self._made[class_].reference if names else {}
        wire_names = getattr(class_, "__struct_encode_fields__", tuple(names))
        component = self._made[class_] = self._add(class_)
        component.schema = {**_about(class_), "type": "object"}
        try:
            hints = get_type_hints(class_, include_extras=True)
        except (NameError, TypeError):
            return component.reference
        component.schema["properties"] = {
            wire: self.write(hints[name]) for name, wire in zip(names, wire_names, strict=True)
        }
        return component.reference

    def _add(self, class_: Any) -> Component:
        origin = get_origin(class_) or class_
        name = _name(class_)
        owner = f"{origin.__module__}.{origin.__qualname__.replace('<locals>.', '')}"
        return self._components.add(name, owner + name[len(origin.__name__) :], self._direction)

    def _schema(self, info: Any) -> Schema:
        """Return the schema of what msgspec describes as *info*."""
        if isinstance(info, kinds.Metadata):
            said: Schema = plain_value(info.extra_json_schema or {}, self._encoders)
            return {**self._schema(info.type), **said}
        if (plain := _PLAIN.get(type(info))) is not None:
            class_, schema = plain
            return {} if self._is_free(class_) else _constrained(schema, info)
        if isinstance(info, kinds.UnionType):
            return self._union(info)
        if isinstance(info, kinds.LiteralType):
            return _enumerated(list(info.values))
        if isinstance(info, kinds.CustomType):
            return self._custom(get_origin(info.cls) or info.cls)
        if hasattr(info, "cls"):
            return self._named(info)
        return self._container(info)

    def _is_free(self, class_: type) -> bool:
        """Whether an encoder of the user's makes of such values nobody knows what."""
        return any(base in self._encoders for base in class_.__mro__)

    def _container(self, info: Any) -> Schema:
        if isinstance(info, kinds.TupleType):
            items = [self._schema(item) for item in info.item_types]
            schema: Schema = {"type": "array", "minItems": len(items), "maxItems": len(items)}
            return {**schema, "prefixItems": items, "items": False} if items else schema
        if isinstance(info, _COLLECTIONS):
            schema = {"type": "array"}
            if not isinstance(info.item_type, kinds.AnyType):
                schema["items"] = self._schema(info.item_type)
            if isinstance(info, (kinds.SetType, kinds.FrozenSetType)):
                schema["uniqueItems"] = True
            return _constrained(schema, info)
        if hasattr(info, "key_type"):
            schema = {"type": "object"}
            keys = self._schema(info.key_type)
            if keys.pop("type", None) == "string" and keys:
                schema["propertyNames"] = keys
            if not isinstance(info.value_type, kinds.AnyType):
                schema["additionalProperties"] = self._schema(info.value_type)
            return _constrained(schema, info)
        return {}  # anything

    def _union(self, info: kinds.UnionType) -> Schema:
        structs = [member for member in info.types if _is_tagged(member)]
        others = [member for member in info.types if member not in structs]
        options = [self._schema(member) for member in others if not _is_none(member)]
        nothing = [self._schema(member) for member in others if _is_none(member)]
        if len(structs) < 2:
            options = [*options, *map(self._schema, structs), *nothing]
            return {"anyOf": options} if len(options) > 1 else options[0]
        schemas = [self._schema(struct) for struct in structs]
        bare = [_bare(struct) for struct in structs]
        tagged: Schema = {"anyOf": schemas}
        if all(schemas):  # what an encoder changes has no known tag
            mapping = {str(struct.tag): self._made[struct.cls] for struct in bare}
            tagged["discriminator"] = {"propertyName": bare[0].tag_field, "mapping": mapping}
        return {"anyOf": [*options, tagged, *nothing]} if options or nothing else tagged

    def _custom(self, class_: type) -> Schema:
        if self._is_free(class_) or decoder_for(class_, self._decoders) is not None:
            return {}
        if hasattr(class_, "__pydantic_validator__"):
            return pydantic_schema(class_, self._direction, self._components)
        if hasattr(class_, "__fspath__"):
            return {"type": "string", "format": "path"}
        return next((dict(schema) for known, schema in _CUSTOM if issubclass(class_, known)), {})

    def _named(self, info: Any) -> Schema:
        if self._is_free(get_origin(info.cls) or info.cls):
            return {}
        if info.cls not in self._made:
            component = self._made[info.cls] = self._add(info.cls)
            component.schema = {**_about(info.cls), **self._content(info)}
        return self._made[info.cls].reference

    def _content(self, info: Any) -> Schema:
        if isinstance(info, kinds.EnumType):
            return _enumerated([member.value for member in info.cls])
        if isinstance(info, kinds.NamedTupleType) or getattr(info, "array_like", False):
            return self._array(info)
        properties: dict[str, Schema] = {}
        required: list[str] = []
        if getattr(info, "tag_field", None) is not None:
            properties[info.tag_field] = {"const": info.tag}
            required.append(info.tag_field)
        for field in info.fields:
            is_there = field.required
            if self._direction == "out":
                is_there = is_there or _is_always_sent(field, info)
            properties[field.encode_name] = self._field(field, is_there=is_there)
            if is_there:
                required.append(field.encode_name)
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if getattr(info, "forbid_unknown_fields", False):
            schema["additionalProperties"] = False
        return schema

    def _array(self, info: Any) -> Schema:
        is_sent, is_tuple = self._direction == "out", isinstance(info, kinds.NamedTupleType)
        items = [self._field(field, is_there=is_sent) for field in info.fields]
        needed = sum(field.required for field in info.fields)
        if getattr(info, "tag_field", None) is not None:
            items, needed = [{"const": info.tag}, *items], needed + 1
        schema: Schema = {"type": "array", "prefixItems": items}
        schema["minItems"] = len(items) if is_sent else needed
        if is_tuple or is_sent or info.forbid_unknown_fields:
            schema |= {"maxItems": len(items), "items": False}
        return schema

    def _field(self, field: kinds.Field, *, is_there: bool) -> Schema:
        schema = self._schema(field.type)
        if is_there or field.required:
            return schema
        default = _EMPTY.get(field.default_factory, field.default)
        return schema if default is msgspec.NODEFAULT else with_default(schema, default)


def _constrained(schema: Schema, info: Any) -> Schema:
    """Return a copy of *schema* with what is said of length, size and pattern."""
    schema = dict(schema)
    for name, keyword in _CONSTRAINTS.items():
        if (value := getattr(info, name, None)) is not None:
            schema[keyword] = value
    what = _LENGTHS.get(schema.get("type", ""), "")
    encoded = "contentEncoding" in schema
    for name in ("min", "max"):
        if what and (value := getattr(info, f"{name}_length", None)) is not None:
            schema[f"{name}{what}"] = 4 * ((value + 2) // 3) if encoded else value
    if getattr(info, "tz", None) is False:
        del schema["format"]  # which asks for an offset
    return schema


def _enumerated(values: list[Any]) -> Schema:
    types = {type(value) for value in values}
    if types <= {str}:
        return {"type": "string", "enum": values}
    return {"type": "integer", "enum": values} if types <= {int} else {"enum": values}


def _is_always_sent(field: kinds.Field, info: Any) -> bool:
    """Whether what is sent has a field that may be missing in requests."""
    class_ = get_origin(info.cls) or info.cls
    if field.default is msgspec.NODEFAULT:
        # Neither a value nor a factory: that of a typed dictionary, or one that may be unset.
        is_sent = field.default_factory is not msgspec.NODEFAULT
    else:
        # msgspec encodes what is in the instance, and leaves defaults of dataclasses in the class.
        slots = "__slots__" in vars(class_)
        is_sent = slots or not hasattr(class_, "__dataclass_fields__")
    config = getattr(class_, "__struct_config__", None)
    return is_sent and (config is None or not config.omit_defaults)


def _bare(info: Any) -> Any:
    while isinstance(info, kinds.Metadata):
        info = info.type
    return info


def _is_tagged(info: Any) -> bool:
    info = _bare(info)
    return isinstance(info, kinds.StructType) and not info.array_like and info.tag is not None


def _is_none(info: Any) -> bool:
    return isinstance(_bare(info), kinds.NoneType)


def _name(class_: Any) -> str:
    class_ = without_extras(class_)  # which may be shown by where they are in memory
    origin, arguments = get_origin(class_), get_args(class_)
    if origin is None:
        return str(getattr(class_, "__name__", class_))
    return f"{origin.__name__}_{'_'.join(map(_name, arguments))}"


def _about(class_: Any) -> Schema:
    """Return the title of a class, and the description that its docstring is."""
    origin: Any = get_origin(class_) or class_
    title = origin.__name__
    if arguments := get_args(class_):
        bare = map(without_extras, arguments)
        title += f"[{', '.join(getattr(a, '__name__', str(a)) for a in bare)}]"
    text = vars(origin).get("__doc__")
    # Dataclasses and enumerations without a docstring are given one.
    made = f"{origin.__name__}(", "An enumeration."
    generated = not isinstance(text, str) or text.startswith(made)
    is_enum = isinstance(origin, type) and issubclass(origin, enum.Enum)
    if generated or (is_enum and text == enum.Enum.__doc__):
        return {"title": title}
    return {"title": title, "description": inspect.cleandoc(text)}
