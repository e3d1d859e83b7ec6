"""The response to an exception that no handler answers; without `debug` it leaks nothing.

Its body has one of two forms, which the app's `problem_details` chooses:

* `application/json`: `{"status_code", "detail", "extra"}`, the last if there is any;
* `application/problem+json` (RFC 9457): `{"type", "title", "status", "detail"}`. The entries of an
  `extra` that is a mapping are further members, or give `type`, `title` or `instance`; one that
  is a list is the member `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import hesper._late as late
from hesper._types import Scope
from hesper.connection.request import ClientDisconnect
from hesper.exceptions import (
    HTTPException,
    ImproperlyConfiguredException,
    NoRouteMatchFoundException,
    phrase,
)
from hesper.layer import Layer
from hesper.response.response import WITHOUT_BODY, Response

_FOR_DEVELOPERS: Final = (ImproperlyConfiguredException, NoRouteMatchFoundException)
"""HTTP exceptions whose text tells of the application's inside."""


def is_failure(error: Exception) -> bool:
    """Whether *error* is the server's, to be logged; a client may refuse to go on, or go."""
    if isinstance(error, HTTPException):
        return error.status_code >= 500
    return not isinstance(error, ClientDisconnect)


def last_response(
    error: Exception, scope: Scope, label: str, chain: tuple[Layer, ...]
) -> Response[Any]:
    """Return the default response, or the debug page in place of a 500 of an app in debug mode.

    Args:
        error: The exception.
        scope: The request's scope.
        label: How messages name the route.
        chain: The layers of the route, outermost first.
    """
    response = default_response(error, scope)
    if response.status_code != 500 or not scope["hesper_app"].debug:
        return response
    return late.debug_response(error, scope, response, label, chain)


def default_response(error: Exception, scope: Scope) -> Response[Any]:
    """Return the response to an exception that no handler answers; it leaks nothing.

    Args:
        error: The exception.
        scope: The scope of the connection, whose app says which form the body has.
    """
    if isinstance(error, ClientDisconnect):
        error = HTTPException(error.detail, status_code=400)
    elif not isinstance(error, HTTPException) or isinstance(error, _FOR_DEVELOPERS):
        error = HTTPException(status_code=500)
    if error.status_code in WITHOUT_BODY:
        return Response(None, status_code=error.status_code, headers=error.headers)
    as_problem = scope["hesper_app"].problem_details
    return Response(
        _problem(error) if as_problem else _plain(error),
        status_code=error.status_code,
        media_type="application/problem+json" if as_problem else "application/json",
        headers=error.headers,
    )


def _plain(error: HTTPException) -> dict[str, Any]:
    content = {"status_code": error.status_code, "detail": error.detail}
    return content if error.extra is None else {**content, "extra": error.extra}


def _problem(error: HTTPException) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "about:blank", "title": phrase(error.status_code)}
    if isinstance(error.extra, Mapping):
        content.update(error.extra)
    elif error.extra is not None:
        content["errors"] = error.extra
    # RFC 9457 3.1.2: the status is that of the response, whatever `extra` says.
    return {**content, "status": error.status_code, "detail": error.detail}
