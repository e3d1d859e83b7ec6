"""What a route reads from a request: parameters and the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hesper._signature import without_extras
from hesper._types import Empty
from hesper.enums import ParamType
from hesper.openapi.spec import OpenAPIMediaType, Parameter, RequestBody
from hesper.openapi.values import with_default
from hesper.openapi.writing import Writing
from hesper.params import Body, ParameterDeclaration
from hesper.routes import Route, RouteArgument

_IGNORED: Final = frozenset({"accept", "authorization", "content-type"})
"""Headers that a document describes elsewhere (OpenAPI 3.1, section 4.8.12)."""


def parameters_of(writing: Writing, route: Route, names: Mapping[str, str]) -> list[Parameter]:
    """Return the parameters of a route: first those in the path, in its order.

    Args:
        writing: The document.
        route: The route.
        names: What the document calls the parameters in the path.
    """
    in_path: dict[str, Parameter | None] = dict.fromkeys(route.path_parameters)
    others: dict[tuple[str, str], Parameter] = {}
    for argument in route.read_from_request:
        if argument.param_type is None or _is_hidden(argument):
            continue
        if argument.param_type is ParamType.PATH:
            in_path[argument.key] = in_path[argument.key] or _parameter(writing, route, argument)
        else:
            key = (argument.param_type, argument.key)
            found = _parameter(writing, route, argument)
            others[key] = found if key not in others else _both(others[key], found)
    for name, kind in route.path_parameters.items():
        if in_path[name] is None:
            schema = writing.schema(route, kind, "in")
            in_path[name] = Parameter(name, "path", schema=schema, required=True)
    return [
        *(_renamed(found, names[name]) for name, found in in_path.items() if found is not None),
        *others.values(),
    ]


def _is_hidden(argument: RouteArgument) -> bool:
    if argument.param_type is ParamType.HEADER and argument.key in _IGNORED:
        return True
    declaration = argument.declaration
    hidden = (
        isinstance(declaration, ParameterDeclaration) and declaration.include_in_schema is False
    )
    return hidden and argument.param_type is not ParamType.PATH


def _parameter(writing: Writing, route: Route, argument: RouteArgument) -> Parameter:
    schema = _without_null(writing.schema(route, argument.annotation, "in"))
    declaration = argument.declaration
    deprecated, description, examples = False, None, None
    if isinstance(declaration, ParameterDeclaration):
        deprecated = bool(declaration.deprecated)
        description = declaration.description
        examples = declaration.examples
        schema = _said(schema, declaration)
    if argument.default is not Empty and argument.default is not None:
        schema = with_default(schema, argument.default)
    if description is None and "$ref" not in schema:
        description = schema.get("description")
    return Parameter(
        argument.key,
        _place(argument.param_type),
        schema=schema,
        description=description,
        required=argument.default is Empty,
        deprecated=deprecated,
        examples=writing.examples(route, examples, schema),
    )


def _place(param_type: ParamType | None) -> Any:
    return str(param_type)


def _said(schema: dict[str, Any], declaration: ParameterDeclaration | Body) -> dict[str, Any]:
    if declaration.title is not None:
        schema = {**schema, "title": declaration.title}
    return {**schema, **(declaration.schema_extra or {})}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return *schema* without `null`, which no parameter can be."""
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**rest, "anyOf": options} if len(options) > 1 else {**rest, **options[0]}
    if None in schema.get("enum", ()):
        values = [value for value in schema["enum"] if value is not None]
        kind = {"type": "string"} if all(isinstance(v, str) for v in values) else {}
        return {**schema, **kind, "enum": values}
    return schema


def _both(one: Parameter, other: Parameter) -> Parameter:
    """Return a parameter that two calls of a route take, each in its way."""
    schema = one.schema
    first, second = (
        {key: value for key, value in _plain(p).items() if key != "default"} for p in (one, other)
    )
    if first != second:
        schema = {"allOf": [first, second]}
    return Parameter(
        one.name,
        one.param_in,
        schema=schema,
        description=one.description or other.description,
        required=one.required or other.required,
        deprecated=one.deprecated and other.deprecated,
        examples=one.examples or other.examples,
    )


def _plain(parameter: Parameter) -> dict[str, Any]:
    schema: Any = parameter.schema
    return dict(schema)


def _renamed(parameter: Parameter, name: str) -> Parameter:
    return Parameter(
        name,
        "path",
        schema=parameter.schema,
        description=parameter.description,
        required=True,
        deprecated=parameter.deprecated,
        examples=parameter.examples,
    )


def body_of(writing: Writing, route: Route) -> RequestBody | None:
    """Return the body that a route reads; `None` if it reads none.

    Args:
        writing: The document.
        route: The route.
    """
    bodies = [a for a in route.read_from_request if a.source in {"data", "body"}]
    # Who takes the decoded body says more than who takes its bytes.
    bodies.sort(key=lambda argument: not isinstance(argument.declaration, Body))
    if not bodies:
        return None
    argument, declaration = bodies[0], bodies[0].declaration
    if not isinstance(declaration, Body):
        content = {"*/*": OpenAPIMediaType()}
        return RequestBody(
            content, required=argument.default is Empty and argument.source == "data"
        )
    schema: dict[str, Any] = {}
    if without_extras(argument.annotation) is not bytes:
        schema = writing.schema(route, argument.described, "in")
    schema = _said(schema, declaration)
    examples = writing.examples(route, declaration.examples, schema)
    content = {str(declaration.media_type): OpenAPIMediaType(schema=schema, examples=examples)}
    required = argument.default is Empty
    return RequestBody(content, description=declaration.description, required=required)
