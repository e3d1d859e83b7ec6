"""What an app says of its OpenAPI document: `OpenAPIConfig`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hesper._openapi import DocumentConfig
from hesper.handlers.http import HTTPRouteHandler
from hesper.openapi.plugins import OpenAPIRenderPlugin, ScalarRenderPlugin
from hesper.openapi.spec import (
    Components,
    Contact,
    ExternalDocumentation,
    License,
    PathItem,
    Reference,
    SecurityRequirement,
    Server,
    Tag,
)
from hesper.router import Router

OperationIDCreator: TypeAlias = Callable[[HTTPRouteHandler, str, list[str]], str]
"""Makes the name of an operation, of the handler, the method and the segments of the path."""


def default_operation_id_creator(
    route_handler: HTTPRouteHandler,  # noqa: ARG001 - every creator takes it
    http_method: str,
    path_components: list[str],
) -> str:
    """Return the method and the segments of the path, joined: `get_books_isbn`.

    Args:
        route_handler: The handler.
        http_method: The method.
        path_components: The segments of the path, parameters by their names.
    """
    words = "_".join([http_method.lower(), *path_components])
    return "".join(letter if letter.isalnum() else "_" for letter in words)


@dataclass(frozen=True, slots=True, eq=False)
class OpenAPIConfig(DocumentConfig):
    """What the OpenAPI document says, and where it is served.

    Never changes; `dataclasses.replace` makes another.

    Raises:
        TypeError: The path has parameters, or a plugin is none.
    """

    title: str
    """The name of the API."""
    version: str
    """The version of the API, such as `1.0.0`."""
    create_examples: bool = False
    """Whether examples are made where none are given; always the same for the same schema."""
    contact: Contact | None = None
    """Whom to ask about the API."""
    description: str | None = None
    """What the API is, in CommonMark."""
    external_docs: ExternalDocumentation | None = None
    """More about the API."""
    license: License | None = None
    """The licence of the API."""
    security: Sequence[SecurityRequirement] | None = None
    """What a client must be able to show, where routes say nothing else with `security`."""
    components: Components | Sequence[Components] = ()
    """Parts to refer to, such as security schemes; of several, the later ones win."""
    servers: Sequence[Server] = ()
    """Where the API is served; by default where the app is, with the `root_path` of a proxy or a
    mount."""
    summary: str | None = None
    """What the API is, in a few words."""
    tags: Sequence[Tag] | None = None
    """What is to be known of tags."""
    terms_of_service: str | None = None
    """Where the terms of service are."""
    use_handler_docstrings: bool = True
    """Whether summaries and descriptions come from docstrings where handlers give none."""
    webhooks: Mapping[str, PathItem | Reference] | None = None
    """What the API asks of its clients, by name."""
    operation_id_creator: OperationIDCreator = default_operation_id_creator
    """Makes the names of operations that have none."""
    path: str = "/schema"
    """Below which path the document and its pages are served."""
    render_plugins: Sequence[OpenAPIRenderPlugin] = field(
        default_factory=lambda: (ScalarRenderPlugin(),)
    )
    """What makes the pages; the first is also at `path` itself, unless another has the path `/`."""
    openapi_router: Router | None = None
    """The router that the document is served through, with its options and its path, which then
    stands in the place of `path`."""

    def __post_init__(self) -> None:
        """Check what shows up only when somebody asks for the document."""
        if "{" in self.path:
            raise TypeError(f"the path of the document has parameters: {self.path!r}")
        for plugin in self.render_plugins:
            if not isinstance(plugin, OpenAPIRenderPlugin):
                raise TypeError(f"render_plugins takes objects, not {plugin!r}")

    @property
    def all_components(self) -> tuple[Components, ...]:
        """The components that are given, one after another."""
        given = self.components
        return (given,) if isinstance(given, Components) else tuple(given)


DEFAULT: Final = OpenAPIConfig(title="Hesper API", version="1.0.0")
"""What holds for an app that says nothing."""
