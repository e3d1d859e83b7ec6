"""What can be asked at a path and what is answered (OpenAPI 3.1, sections 4.8.9 to 4.8.21)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import field

from hesper.openapi.spec.parts import ExternalDocumentation, Server
from hesper.openapi.spec.schema import Reference, SchemaLike, SpecObject
from hesper.openapi.spec.security import SecurityRequirement


class Example(SpecObject, frozen=True):
    """An example of a value."""

    id: str | None = field(default=None, name="x-id")
    """The key that it stands under."""
    summary: str | None = None
    """What it shows, in a few words."""
    description: str | None = None
    """What it shows, in CommonMark."""
    value: Any | None = None
    """The value."""
    external_value: str | None = None
    """The URL of a value that stands elsewhere."""


class Encoding(SpecObject, frozen=True):
    """How one property of a form is encoded."""

    content_type: str | None = None
    headers: Mapping[str, OpenAPIHeader | Reference] | None = None
    style: str | None = None
    explode: bool | None = None
    allow_reserved: bool = False


class OpenAPIMediaType(SpecObject, frozen=True):
    """A body of one media type."""

    schema: SchemaLike | None = None
    """What it is like."""
    example: Any | None = None
    """An example."""
    examples: Mapping[str, Example | Reference] | None = None
    """Several of them."""
    encoding: Mapping[str, Encoding] | None = None
    """How the properties of a form are encoded."""


class OpenAPIHeader(SpecObject, frozen=True):
    """A header of a response."""

    schema: SchemaLike | None = None
    """What its values are like."""
    description: str | None = None
    """What it is for, in CommonMark."""
    required: bool = False
    """Whether it is always there."""
    deprecated: bool = False
    """Whether nobody is to rely on it any more."""
    style: str | None = None
    explode: bool | None = None
    example: Any | None = None
    examples: Mapping[str, Example | Reference] | None = None
    content: Mapping[str, OpenAPIMediaType] | None = None


class Link(SpecObject, frozen=True):
    """What can be asked next with what was answered."""

    operation_ref: str | None = None
    operation_id: str | None = None
    parameters: Mapping[str, Any] | None = None
    request_body: Any | None = None
    description: str | None = None
    server: Server | None = None


class OpenAPIResponse(SpecObject, frozen=True):
    """A response."""

    description: str
    """What it says, in CommonMark."""
    headers: Mapping[str, OpenAPIHeader | Reference] | None = None
    """Its headers by name."""
    content: Mapping[str, OpenAPIMediaType] | None = None
    """Its bodies by media type; without any, nothing is said of its body."""
    links: Mapping[str, Link | Reference] | None = None
    """What can be asked next."""


class Parameter(SpecObject, frozen=True):
    """A parameter of a request."""

    name: str
    """Its name in the request."""
    param_in: Literal["path", "query", "header", "cookie"] = field(name="in")
    """Where it stands."""
    schema: SchemaLike | None = None
    """What its values are like."""
    description: str | None = None
    """What it is for, in CommonMark."""
    required: bool = False
    """Whether it must be given."""
    deprecated: bool = False
    """Whether nobody is to use it any more."""
    allow_empty_value: bool = False
    style: str | None = None
    explode: bool | None = None
    allow_reserved: bool = False
    example: Any | None = None
    examples: Mapping[str, Example | Reference] | None = None
    content: Mapping[str, OpenAPIMediaType] | None = None


class RequestBody(SpecObject, frozen=True):
    """The body of a request."""

    content: Mapping[str, OpenAPIMediaType]
    """What it is like, by media type."""
    description: str | None = None
    """What it is for, in CommonMark."""
    required: bool = False
    """Whether there must be one."""


class Operation(SpecObject, frozen=True, kw_only=True):
    """What one method does at a path."""

    tags: Sequence[str] | None = None
    summary: str | None = None
    description: str | None = None
    external_docs: ExternalDocumentation | None = None
    operation_id: str | None = None
    parameters: Sequence[Parameter | Reference] | None = None
    request_body: RequestBody | Reference | None = None
    responses: Mapping[str, OpenAPIResponse | Reference] | None = None
    callbacks: Mapping[str, Mapping[str, PathItem] | Reference] | None = None
    deprecated: bool = False
    security: Sequence[SecurityRequirement] | None = None
    servers: Sequence[Server] | None = None


class PathItem(SpecObject, frozen=True, kw_only=True):
    """What can be done at a path, by method."""

    ref: str | None = field(default=None, name="$ref")
    summary: str | None = None
    description: str | None = None
    get: Operation | None = None
    put: Operation | None = None
    post: Operation | None = None
    delete: Operation | None = None
    options: Operation | None = None
    head: Operation | None = None
    patch: Operation | None = None
    trace: Operation | None = None
    servers: Sequence[Server] | None = None
    parameters: Sequence[Parameter | Reference] | None = None
