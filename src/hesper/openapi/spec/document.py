"""A document as a whole (OpenAPI 3.1, sections 4.8.1 to 4.8.7 and 4.8.22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hesper.openapi.spec.operation import (
    Example,
    Link,
    OpenAPIHeader,
    OpenAPIResponse,
    Parameter,
    PathItem,
    RequestBody,
)
from hesper.openapi.spec.parts import ExternalDocumentation, Server, ServerVariable
from hesper.openapi.spec.schema import Reference, SchemaLike, SpecObject
from hesper.openapi.spec.security import SecurityRequirement, SecurityScheme

__all__ = (
    "Components",
    "Contact",
    "ExternalDocumentation",
    "Info",
    "License",
    "OpenAPI",
    "Server",
    "ServerVariable",
    "Tag",
)


class Contact(SpecObject, frozen=True):
    """Whom to ask about the API."""

    name: str | None = None
    """The name."""
    url: str | None = None
    """Where to find them."""
    email: str | None = None
    """Where to write to."""


class License(SpecObject, frozen=True):
    """The licence of the API."""

    name: str
    """Its name."""
    identifier: str | None = None
    """Its SPDX expression; not together with `url`."""
    url: str | None = None
    """Where its text is."""


class Info(SpecObject, frozen=True):
    """What the API is."""

    title: str
    """Its name."""
    version: str
    """Its version."""
    summary: str | None = None
    """What it is, in a few words."""
    description: str | None = None
    """What it is, in CommonMark."""
    terms_of_service: str | None = None
    """Where the terms of service are."""
    contact: Contact | None = None
    """Whom to ask."""
    license: License | None = None
    """Its licence."""


class Tag(SpecObject, frozen=True):
    """What is to be known of a tag."""

    name: str
    """The tag."""
    description: str | None = None
    """What it stands for, in CommonMark."""
    external_docs: ExternalDocumentation | None = None
    """More about it."""


class Components(SpecObject, frozen=True, kw_only=True):
    """What other parts of a document refer to, by name."""

    schemas: Mapping[str, SchemaLike] | None = None
    responses: Mapping[str, OpenAPIResponse | Reference] | None = None
    parameters: Mapping[str, Parameter | Reference] | None = None
    examples: Mapping[str, Example | Reference] | None = None
    request_bodies: Mapping[str, RequestBody | Reference] | None = None
    headers: Mapping[str, OpenAPIHeader | Reference] | None = None
    security_schemes: Mapping[str, SecurityScheme | Reference] | None = None
    links: Mapping[str, Link | Reference] | None = None
    callbacks: Mapping[str, Mapping[str, PathItem] | Reference] | None = None
    path_items: Mapping[str, PathItem | Reference] | None = None


class OpenAPI(SpecObject, frozen=True, kw_only=True):
    """A document."""

    openapi: str
    """The version of the specification."""
    info: Info
    """What the API is."""
    json_schema_dialect: str | None = None
    """The dialect of the schemas; JSON Schema 2020-12 with OpenAPI's additions by default."""
    servers: Sequence[Server] | None = None
    """Where it is served; by default where the document is."""
    paths: Mapping[str, PathItem] | None = None
    """What can be done at each path."""
    webhooks: Mapping[str, PathItem | Reference] | None = None
    """What the API asks of its clients, by name."""
    components: Components | None = None
    """What other parts refer to."""
    security: Sequence[SecurityRequirement] | None = None
    """What a client must be able to show, where an operation does not say otherwise."""
    tags: Sequence[Tag] | None = None
    """The tags, in the order in which they are to be shown."""
    external_docs: ExternalDocumentation | None = None
    """More about the API."""
