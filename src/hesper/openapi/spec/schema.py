"""Schemas (OpenAPI 3.1, section 4.8.24, and JSON Schema 2020-12), and references to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import Struct, field

from hesper.serialization import decode_json, encode_json


class SpecObject(
    Struct, frozen=True, omit_defaults=True, rename="camel", weakref=True, repr_omit_defaults=True
):
    """What every object of a document is; what is left out of one does not appear."""

    def to_schema(self) -> dict[str, Any]:
        """Return the object as plain values, with the names of the specification."""
        plain: dict[str, Any] = decode_json(encode_json(self))
        return plain


class OpenAPIType(StrEnum):
    """The types of JSON."""

    ARRAY = "array"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NULL = "null"
    NUMBER = "number"
    OBJECT = "object"
    STRING = "string"


class OpenAPIFormat(StrEnum):
    """What text, or a number, is more exactly; any other may be given as text."""

    BINARY = "binary"
    BYTE = "byte"
    DATE = "date"
    DATE_TIME = "date-time"
    DECIMAL = "decimal"
    DOUBLE = "double"
    DURATION = "duration"
    EMAIL = "email"
    FLOAT = "float"
    HOST_NAME = "hostname"
    INT32 = "int32"
    INT64 = "int64"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    IRI = "iri"
    JSON_POINTER = "json-pointer"
    PASSWORD = "password"  # noqa: S105 - the name of a format
    REGEX = "regex"
    TIME = "time"
    URI = "uri"
    URI_REFERENCE = "uri-reference"
    URI_TEMPLATE = "uri-template"
    URL = "url"
    UUID = "uuid"


class Reference(SpecObject, frozen=True):
    """A reference to an object that stands elsewhere, mostly in the components."""

    ref: str = field(name="$ref")
    """Where: `#/components/schemas/Book`."""
    summary: str | None = None
    """Replaces the object's own summary."""
    description: str | None = None
    """Replaces the object's own description."""


class Discriminator(SpecObject, frozen=True):
    """The property that tells which of several schemas an object follows."""

    property_name: str
    """Its name."""
    mapping: Mapping[str, str] | None = None
    """References to schemas by its values."""


class XML(SpecObject, frozen=True):
    """How a property appears in XML."""

    name: str | None = None
    """The name of the element, or of the attribute."""
    namespace: str | None = None
    """The URI of the namespace."""
    prefix: str | None = None
    """The prefix of the name."""
    attribute: bool = False
    """Whether it is an attribute."""
    wrapped: bool = False
    """Whether an array has an element around its items."""


class Schema(SpecObject, frozen=True, kw_only=True):
    """A schema; its fields are the keywords of JSON Schema 2020-12 and of OpenAPI."""

    all_of: Sequence[SchemaLike] | None = None
    any_of: Sequence[SchemaLike] | None = None
    one_of: Sequence[SchemaLike] | None = None
    schema_not: SchemaLike | None = field(default=None, name="not")
    schema_if: SchemaLike | None = field(default=None, name="if")
    then: SchemaLike | None = None
    schema_else: SchemaLike | None = field(default=None, name="else")
    dependent_schemas: Mapping[str, SchemaLike] | None = None
    prefix_items: Sequence[SchemaLike] | None = None
    items: SchemaLike | bool | None = None
    contains: SchemaLike | None = None
    properties: Mapping[str, SchemaLike] | None = None
    pattern_properties: Mapping[str, SchemaLike] | None = None
    additional_properties: SchemaLike | bool | None = None
    property_names: SchemaLike | None = None
    unevaluated_items: SchemaLike | None = None
    unevaluated_properties: SchemaLike | None = None
    type: OpenAPIType | str | Sequence[OpenAPIType | str] | None = None
    enum: Sequence[Any] | None = None
    const: Any | None = None
    multiple_of: float | None = None
    maximum: float | None = None
    exclusive_maximum: float | None = None
    minimum: float | None = None
    exclusive_minimum: float | None = None
    max_length: int | None = None
    min_length: int | None = None
    pattern: str | None = None
    max_items: int | None = None
    min_items: int | None = None
    unique_items: bool | None = None
    max_contains: int | None = None
    min_contains: int | None = None
    max_properties: int | None = None
    min_properties: int | None = None
    required: Sequence[str] | None = None
    dependent_required: Mapping[str, Sequence[str]] | None = None
    format: OpenAPIFormat | str | None = None
    content_encoding: str | None = None
    content_media_type: str | None = None
    content_schema: SchemaLike | None = None
    title: str | None = None
    description: str | None = None
    default: Any | None = None
    deprecated: bool | None = None
    read_only: bool | None = None
    write_only: bool | None = None
    examples: Sequence[Any] | None = None
    discriminator: Discriminator | None = None
    xml: XML | None = None
    example: Any | None = None


SchemaLike: TypeAlias = Schema | Reference | Mapping[str, Any]
"""A schema, a reference to one, or the plain JSON of either."""
