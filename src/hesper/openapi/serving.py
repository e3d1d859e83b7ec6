"""The routes that an app serves its document with; all else is loaded with the first request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

import hesper._late as late
from hesper._types import EmptyType
from hesper.connection.request import Request
from hesper.handlers.http import get
from hesper.response.response import Response
from hesper.router import Router

_PATH: Final = "/schema"


@get(["/", "/{page:path}"], include_in_schema=False, dto=None, return_dto=None)
async def serve_document(request: Request) -> Response[Any]:
    """Answer with the OpenAPI document, or with a page that shows it."""
    return late.document_page(request)


def document_router(config: late.DocumentConfig | EmptyType) -> Router:
    """Return the router of the document.

    Args:
        config: What the app says of its document; `Empty` if nothing.
    """
    path: str = getattr(config, "path", _PATH)
    router = cast("Router | None", getattr(config, "openapi_router", None))
    if router is None:
        return Router(path, [serve_document])
    return replace(router, route_handlers=[*router.route_handlers, serve_document])
