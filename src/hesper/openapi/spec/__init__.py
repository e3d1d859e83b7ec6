"""The objects of an OpenAPI 3.1 document, as structs: what a configuration says in parts.

Their fields bear the names of the specification, in snake case; `param_in` stands for `in`, `ref`
for `$ref`, `schema_not` for `not`.
"""

from __future__ import annotations

from hesper.openapi.spec.document import (
    Components,
    Contact,
    ExternalDocumentation,
    Info,
    License,
    OpenAPI,
    Server,
    ServerVariable,
    Tag,
)
from hesper.openapi.spec.operation import (
    Encoding,
    Example,
    Link,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
)
from hesper.openapi.spec.schema import (
    XML,
    Discriminator,
    OpenAPIFormat,
    OpenAPIType,
    Reference,
    Schema,
    SchemaLike,
    SpecObject,
)
from hesper.openapi.spec.security import (
    OAuthFlow,
    OAuthFlows,
    SecurityRequirement,
    SecurityScheme,
)

__all__ = (
    "XML",
    "Components",
    "Contact",
    "Discriminator",
    "Encoding",
    "Example",
    "ExternalDocumentation",
    "Info",
    "License",
    "Link",
    "OAuthFlow",
    "OAuthFlows",
    "OpenAPI",
    "OpenAPIFormat",
    "OpenAPIHeader",
    "OpenAPIMediaType",
    "OpenAPIResponse",
    "OpenAPIType",
    "Operation",
    "Parameter",
    "PathItem",
    "Reference",
    "RequestBody",
    "Schema",
    "SchemaLike",
    "SecurityRequirement",
    "SecurityScheme",
    "Server",
    "ServerVariable",
    "SpecObject",
    "Tag",
)
