"""What is served of a document: itself, and the pages that show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from hesper.connection.request import Request
from hesper.datastructures.etag import ETag
from hesper.enums import OpenAPIMediaType
from hesper.exceptions import NotFoundException
from hesper.openapi.config import OpenAPIConfig
from hesper.openapi.document import Document, DocumentedApp, config_of, document_of
from hesper.openapi.plugins import OpenAPIRenderPlugin
from hesper.response.file import File
from hesper.response.response import Response

_NO_SNIFFING = {"x-content-type-options": "nosniff"}


def document_page(request: Request) -> Response[Any]:
    """Return what is at the path of a request.

    Args:
        request: The request, whose path parameter `page` is the rest of the path.

    Raises:
        NotFoundException: There is nothing.
    """
    app = cast("DocumentedApp", request.app)
    config = config_of(app)
    root_path = request.scope.get("root_path", "")
    page = str(request.path_params.get("page", "")).strip("/")
    if page in {"openapi.json", "openapi.yaml", "openapi.yml"}:
        return _document(document_of(app).below(root_path), page)
    plugin = _plugin(config, page)
    if plugin is not None:
        content = plugin.render(request, document_of(app).below(root_path).schema)
        return Response(content, media_type=plugin.media_type, headers=_NO_SNIFFING)
    for plugin in config.render_plugins:
        for path in plugin.paths:
            prefix = f"{path.strip('/')}/".lstrip("/")
            found = plugin.file(page.removeprefix(prefix)) if page.startswith(prefix) else None
            if found is not None:
                return _file(found)
    raise NotFoundException


def _document(document: Document, page: str) -> Response[bytes]:
    as_json = page == "openapi.json"
    return Response(
        document.json if as_json else document.yaml,
        media_type=OpenAPIMediaType.OPENAPI_JSON if as_json else OpenAPIMediaType.OPENAPI_YAML,
        headers=_NO_SNIFFING,
        etag=ETag(value=f"{document.tag}-{'json' if as_json else 'yaml'}"),
    )


def _plugin(config: OpenAPIConfig, page: str) -> OpenAPIRenderPlugin | None:
    """Return what makes the page at a path, below that of the document."""
    plugins = list(config.render_plugins)
    found = next((plugin for plugin in plugins if plugin.has_path(page)), None)
    return plugins[0] if found is None and not page and plugins else found


def _file(found: bytes | Path) -> Response[Any]:
    if isinstance(found, Path):
        return File(found, content_disposition_type="inline", headers=_NO_SNIFFING)
    return Response(found, media_type="text/javascript", headers=_NO_SNIFFING)
