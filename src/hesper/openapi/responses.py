"""What a route answers: what its handler returns, what it declares, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

import msgspec

from hesper._signature import without_extras
from hesper._types import Empty
from hesper.exceptions import HTTPException, ValidationException
from hesper.handlers.http import HTTPRouteHandler
from hesper.openapi.content import Contents, contents_of
from hesper.openapi.errors import Content, error_content
from hesper.openapi.spec import OpenAPIHeader, OpenAPIMediaType, OpenAPIResponse, Reference
from hesper.openapi.texts import texts_of
from hesper.openapi.writing import Writing
from hesper.response.response import WITHOUT_BODY
from hesper.routes import Route, RouteCall

Responses = dict[str, OpenAPIResponse | Reference]

_TEXT: Final = {"type": "string"}
_BYTES: Final = (bytes, bytearray, memoryview)
"""What is text in base64 only inside of JSON."""


def responses_of(writing: Writing, route: Route, *, is_head: bool = False) -> Responses:
    """Return the responses of a route by status; `default` stands for errors not named.

    Args:
        writing: The document.
        route: The route.
        is_head: Whether it is about `HEAD`, which is answered without a body.
    """
    handler = route.handler
    found: Responses = {}
    if isinstance(handler, HTTPRouteHandler):
        found.update(_successes(writing, route, handler))
        found.update(_errors(writing, route, handler))
        for status, spec in (handler.responses or {}).items():
            found[str(status)] = _declared(writing, route, spec, status)
    if is_head:
        return {
            status: msgspec.structs.replace(response, content=None)
            for status, response in found.items()
            if isinstance(response, OpenAPIResponse)
        }
    return found


def phrase_of(status: int) -> str:
    """Return what a status says in words.

    Args:
        status: The status.
    """
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _successes(
    writing: Writing, route: Route, handler: HTTPRouteHandler
) -> Iterator[tuple[str, OpenAPIResponse]]:
    status = handler.default_status
    contents = contents_of(route.returns, route.sends, route.media_type, handler.media_type)
    headers = dict(_headers(route))
    if contents.redirects:
        redirect = str(status) if 300 <= status <= 399 else "3XX"
        location = OpenAPIHeader(schema=_TEXT, description="Where to.", required=True)
        description = handler.response_description or "Redirect"
        yield redirect, OpenAPIResponse(description, headers={"Location": location, **headers})
        if contents.only_redirects:
            return
    content = None if status in WITHOUT_BODY else _content(writing, route, contents)
    description = handler.response_description or phrase_of(status)
    yield str(status), OpenAPIResponse(description, headers=headers or None, content=content)


def _content(writing: Writing, route: Route, contents: Contents) -> Content | None:
    found: dict[str, OpenAPIMediaType] = {}
    for media_type, annotation in contents.by_media_type().items():
        schema = {} if annotation is Empty else writing.schema(route, annotation, "out")
        if media_type.startswith("text/") and schema:
            schema = _TEXT
        examples = writing.examples(route, None, schema)
        found[media_type] = OpenAPIMediaType(schema=schema, examples=examples)
    return found or None


def _headers(route: Route) -> Iterator[tuple[str, OpenAPIHeader]]:
    """Yield the headers that the layers add to a response."""
    options = route.options
    for name in ("cache_control", "etag"):
        if options[name] is not None:
            yield options[name].HEADER_NAME, OpenAPIHeader(schema=_TEXT)
    for header in options["response_headers"].values():
        yield (
            header.name,
            OpenAPIHeader(
                schema=_TEXT,
                description=header.description,
                required=header.required,
                deprecated=header.deprecated,
            ),
        )
    cookies = options["response_cookies"].values()
    if cookies:
        texts = [f"`{c.key}`" + (f": {c.description}" if c.description else "") for c in cookies]
        yield "Set-Cookie", OpenAPIHeader(schema=_TEXT, description="\n\n".join(texts))


def _declared(writing: Writing, route: Route, spec: Any, status: int) -> OpenAPIResponse:
    """Return a response that the handler declares with `responses`."""
    if spec.data_container is None or status in WITHOUT_BODY:
        return OpenAPIResponse(spec.description)
    schema: dict[str, Any] = {}
    if "json" in spec.media_type or without_extras(spec.data_container) not in _BYTES:
        schema = writing.schema(route, spec.data_container, "out")
    examples = writing.examples(route, spec.examples, schema, made=spec.generate_examples)
    media = OpenAPIMediaType(schema=schema, examples=examples)
    return OpenAPIResponse(spec.description, content={str(spec.media_type): media})


def _errors(
    writing: Writing, route: Route, handler: HTTPRouteHandler
) -> Iterator[tuple[str, OpenAPIResponse]]:
    raised: dict[int, list[type[Exception]]] = {}
    if _reads(route):
        raised[400] = [ValidationException]
    for error in handler.raises:
        status = _status_of(route, error)
        if status is not None:
            raised.setdefault(status, []).append(error)
    for status, errors in sorted(raised.items()):
        parts = [_error_content(writing, route, error) for error in errors]
        content = None if status in WITHOUT_BODY else _either(parts)
        yield str(status), OpenAPIResponse(_told(status, errors), content=content)
    handlers = [call for call in route.calls if call.role == "exception_handler"]
    parts = [error_content(writing), *(_handled(writing, route, call) for call in handlers)]
    yield "default", OpenAPIResponse("Any other error", content=_either(parts))


def _reads(route: Route) -> bool:
    """Whether a request can be refused for what it holds."""
    return any(
        argument.source != "body" and (argument.validated or argument.default is Empty)
        for argument in route.read_from_request
    )


def _status_of(route: Route, error: type[Exception]) -> int | None:
    """Return the status of an error; `None` if it is up to an exception handler."""
    status: object = getattr(error, "status_code", None)
    if isinstance(status, int) and 100 <= status <= 599:
        return status
    return 500 if _handler_for(route, error) is None else None


def _told(status: int, errors: list[type[Exception]]) -> str:
    """Return what an error says: the docstrings of exceptions of the user's, or the status."""
    own = [error for error in errors if not error.__module__.startswith("hesper.")]
    texts = dict.fromkeys(text for error in own if (text := texts_of(error)[0]))
    return "; ".join(texts) or phrase_of(status)


def _error_content(writing: Writing, route: Route, error: type[Exception]) -> Content | None:
    """Return the body of an error: that of the handler which answers it, or the usual one."""
    handler = _handler_for(route, error)
    if handler is not None:
        return _handled(writing, route, handler)
    return error_content(writing, is_validation=issubclass(error, ValidationException))


def _handler_for(route: Route, error: type[Exception]) -> RouteCall | None:
    """Return the exception handler that answers an error, the nearest layer's that fits best."""
    handlers = [call for call in route.calls if call.role == "exception_handler"]
    status = getattr(error, "status_code", None) if issubclass(error, HTTPException) else None
    own, *bases = error.__mro__
    for key in (own, status, *bases, 500 if status is None else None):
        for call in handlers:
            if key is not None and call.key == key:
                return call
    return None


def _handled(writing: Writing, route: Route, call: RouteCall) -> Content | None:
    """Return the body that an exception handler sends; `None` if it does not tell."""
    return _content(writing, route, contents_of(call.returns, call.returns, None, None))


def _either(parts: list[Content | None]) -> Content | None:
    """Return what is one of several bodies; `None` if one of them is not known."""
    schemas: dict[str, list[Any]] = {}
    for part in parts:
        if part is None:
            return None
        for media_type, body in part.items():
            known = schemas.setdefault(media_type, [])
            if body.schema not in known:
                known.append(body.schema)
    return {
        media_type: OpenAPIMediaType(schema=known[0] if len(known) == 1 else {"anyOf": known})
        for media_type, known in schemas.items()
    }
