"""The OpenAPI document of an app, written from its plans.

It is made on first use, attached to its app, and holds nothing but plain values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import quote

from hesper._openapi import DocumentConfig
from hesper._types import Empty, EmptyType
from hesper.handlers.http import HTTPRouteHandler
from hesper.openapi.components import Component
from hesper.openapi.config import DEFAULT, OpenAPIConfig
from hesper.openapi.naming import OperationNames, wanted_name
from hesper.openapi.parameters import body_of, parameters_of
from hesper.openapi.responses import responses_of
from hesper.openapi.spec import Components, Info, OpenAPI, Operation, PathItem
from hesper.openapi.texts import texts_of
from hesper.openapi.writing import Writing
from hesper.openapi.yaml import yaml_of
from hesper.registry import attached
from hesper.routes import Route
from hesper.serialization import decode_json, encode_json

_METHODS: Final = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})
"""The methods that a document can describe."""
_PARAMETER: Final = re.compile(r"\{([^{}:]*):([^{}]*)\}")
_NAME: Final = re.compile(r"\{([^{}]*)\}")


class DocumentedApp(Protocol):
    """What a document is made of."""

    @property
    def openapi_config(self) -> DocumentConfig | EmptyType | None:
        """What the app says of its document."""
        ...

    @property
    def problem_details(self) -> bool:
        """Whether errors are answered as RFC 9457 says."""
        ...

    def iter_routes(self) -> Iterator[Route]:
        """Yield the routes."""
        ...


class Document:
    """An OpenAPI document; lives as long as its app, and never changes.

    Args:
        schema: The document as plain values, which is not to be changed.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self._below: tuple[str, Document] | None = None

    @cached_property
    def json(self) -> bytes:
        """The document as JSON."""
        return encode_json(self.schema)

    @cached_property
    def yaml(self) -> bytes:
        """The document as YAML."""
        return yaml_of(self.schema).encode()

    @cached_property
    def tag(self) -> str:
        """What tells it apart from other documents."""
        return sha256(self.json).hexdigest()[:32]

    def below(self, root_path: str) -> Document:
        """Return the document for clients that reach the app below a path, as in a mount.

        It is the same where servers are given, as they say all.

        Args:
            root_path: What the server, or the app around this one, says of it.
        """
        root = root_path.strip("/")
        if not root or "servers" in self.schema:
            return self
        known = self._below
        if known is None or known[0] != root:
            head = {name: self.schema[name] for name in ("openapi", "info")}
            servers = [{"url": f"/{quote(root)}"}]
            known = self._below = (root, Document({**head, "servers": servers, **self.schema}))
        return known[1]


def document_of(app: DocumentedApp) -> Document:
    """Return the document of an app; it is made when it is asked for first.

    Args:
        app: The app.

    Raises:
        ConfigurationError: Two handlers have one `operation_id`, or an example cannot be encoded.
    """
    return attached(app, _KEY, lambda: Document(_written(app)))


_KEY: Final = "hesper.openapi"


def openapi_schema(app: DocumentedApp) -> dict[str, Any]:
    """Return the OpenAPI document of an app as plain values, a copy of one's own.

    Args:
        app: The app.

    Raises:
        ConfigurationError: Two handlers have one `operation_id`, or an example cannot be encoded.
    """
    schema: dict[str, Any] = decode_json(document_of(app).json)
    return schema


def write_schema(app: DocumentedApp, path: str | Path) -> None:
    """Write the OpenAPI document of an app to a file: YAML if its name says so, else JSON.

    Args:
        app: The app.
        path: The file, which is replaced.

    Raises:
        ConfigurationError: Two handlers have one `operation_id`, or an example cannot be encoded.
        OSError: The file cannot be written.
    """
    is_yaml = Path(path).suffix in {".yaml", ".yml"}
    document = document_of(app)
    Path(path).write_bytes(document.yaml if is_yaml else document.json + b"\n")


def config_of(app: DocumentedApp) -> OpenAPIConfig:
    """Return what an app says of its document, or what holds for one that says nothing.

    Args:
        app: The app.
    """
    config = app.openapi_config
    return DEFAULT if config is None or config is Empty else cast("OpenAPIConfig", config)


def _written(app: DocumentedApp) -> dict[str, Any]:
    config = config_of(app)
    writing = Writing(config, problem_details=app.problem_details)
    routes = [r for r in app.iter_routes() if r.kind == "http" and r.options["include_in_schema"]]
    paths = _paths(writing, routes)
    given = _merged(config.all_components)
    schemas = writing.components.schemas(given.get("schemas", {}))
    document = OpenAPI(
        openapi="3.1.0",
        info=Info(
            title=config.title,
            version=config.version,
            summary=config.summary,
            description=config.description,
            terms_of_service=config.terms_of_service,
            contact=config.contact,
            license=config.license,
        ),
        servers=tuple(config.servers) or None,
        paths=paths,
        webhooks=config.webhooks,
        components=Components(schemas={**given.pop("schemas", {}), **schemas}),
        security=config.security,
        tags=config.tags,
        external_docs=config.external_docs,
    )
    plain: dict[str, Any] = decode_json(encode_json(document, {Component: lambda c: c.path}))
    plain["components"].update(given)
    writing.components.clear()
    return plain


def _merged(components: Iterable[Components]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in components:
        for kind, named in part.to_schema().items():
            merged.setdefault(kind, {}).update(named)
    return merged


def _paths(writing: Writing, routes: Sequence[Route]) -> dict[str, PathItem]:
    found: dict[str, dict[str, Operation]] = {}
    shapes: dict[str, str] = {}
    names = OperationNames(routes)
    for route in routes:
        methods = [method for method in route.methods if method in _METHODS]
        if not methods:
            continue
        path, parameters = _template(route, methods, found, shapes)
        for method in methods:
            operation = _operation(writing, route, method, path, parameters, names)
            found.setdefault(path, {})[method.lower()] = operation
    return {path: PathItem(**cast("Any", item)) for path, item in found.items()}


def _template(
    route: Route,
    methods: Iterable[str],
    found: Mapping[str, Mapping[str, Operation]],
    shapes: dict[str, str],
) -> tuple[str, dict[str, str]]:
    """Return the path as a document writes it, and what it calls the parameters.

    Paths that differ in the names of their parameters alone are one path to a document (OpenAPI
    3.1, section 4.8.8): the first one's names are taken. Two routes may differ in the types of
    their parameters alone, which no document can say: the later one's parameters get their types
    into their names.
    """
    own = _PARAMETER.sub(r"{\1}", route.path)
    path = shapes.setdefault(_NAME.sub("{}", own), own)
    for other in (own, _PARAMETER.sub(r"{\1_\2}", route.path)):
        if any(method.lower() in found.get(path, {}) for method in methods):
            path = other
    called = _NAME.findall(path)
    return path, dict(zip(route.path_parameters, called, strict=True))


def _operation(
    writing: Writing,
    route: Route,
    method: str,
    path: str,
    parameters: Mapping[str, str],
    names: OperationNames,
) -> Operation:
    handler = cast("HTTPRouteHandler", route.handler)
    summary, description = handler.summary, handler.description
    if writing.config.use_handler_docstrings:
        first, rest = texts_of(route.function)
        summary = first if summary is None else summary
        description = rest if description is None else description
    security = tuple(route.options["security"])
    wanted = wanted_name(writing.config.operation_id_creator, route, method, path)
    return Operation(
        tags=tuple(dict.fromkeys(route.options["tags"])) or None,
        summary=_title(route) if summary is None else summary,
        description=description,
        operation_id=names.name(route, wanted),
        parameters=parameters_of(writing, route, parameters) or None,
        request_body=body_of(writing, route),
        responses=responses_of(writing, route, is_head=method == "HEAD"),
        deprecated=handler.deprecated,
        security=security or None,
    )


def _title(route: Route) -> str | None:
    name = getattr(route.function, "__name__", None)
    return None if name is None else name.strip("_").replace("_", " ").capitalize()
