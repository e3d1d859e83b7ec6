"""The OpenAPI document of an app: what it says, and where it is served."""

from hesper._openapi import ResponseSpec as ResponseSpec
from hesper.openapi.config import OpenAPIConfig as OpenAPIConfig
from hesper.openapi.document import openapi_schema as openapi_schema
from hesper.openapi.document import write_schema as write_schema

__all__: tuple[str, ...]
