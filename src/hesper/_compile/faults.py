"""Name everything in a request that does not fit.

A request without faults never comes here. Once something did not fit, every value is looked at
again on its own, and all faults are reported together, each with its source and key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import hesper._late as late
from hesper._compile.decoders import Decoders
from hesper._plan.arguments import Argument, Source
from hesper._signature import MISSING
from hesper._types import Scope
from hesper.datastructures.query import parse_query_string
from hesper.exceptions import ValidationException
from hesper.serialization import DECODE_ERRORS

_SOURCES: Final[Mapping[Source, str]] = {
    Source.PATH_PARAMETER: "path",
    Source.QUERY_PARAMETER: "query",
    Source.HEADER_PARAMETER: "header",
    Source.COOKIE_PARAMETER: "cookie",
    Source.DATA: "body",
}


def headers_by_name(scope: Scope) -> dict[str, list[str]]:
    """Return the values of each header, by lower-case name."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return headers


def cookies_by_name(scope: Scope) -> dict[str, str]:
    """Return the cookies by name."""
    cookies: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":  # HTTP/2 splits the header: RFC 9113, section 8.2.3
            for key, text in late.parse_cookie_header(value.decode("latin-1")).items():
                cookies.setdefault(key, text)
    return cookies


class RequestValues:
    """Values that are decoded together, to be looked at one by one; lives with its endpoint.

    Args:
        arguments: What is decoded.
        decoders: What decodes them.
    """

    __slots__ = ("__weakref__", "_arguments", "_decoders")

    def __init__(self, arguments: tuple[Argument, ...], decoders: Decoders) -> None:
        self._arguments = arguments
        self._decoders = decoders

    def refusal(self, error: Exception, scope: Scope, body: bytes | None) -> Exception:
        """Return the exception to raise for a request of which a value did not fit.

        Args:
            error: What the first value that did not fit raised.
            scope: The request's scope.
            body: The request's body, if it was read.

        Returns:
            A `ValidationException` with all faults; *error* itself if no value is at fault, as
            when a decoder of the user's has a bug.
        """
        read: dict[Source, Mapping[str, Any]] = {
            Source.PATH_PARAMETER: scope["path_params"],
            Source.QUERY_PARAMETER: parse_query_string(scope["query_string"]),
            Source.HEADER_PARAMETER: headers_by_name(scope),
            Source.COOKIE_PARAMETER: cookies_by_name(scope),
            Source.DATA: {"data": body},
        }
        faults: list[dict[str, str]] = []
        for argument in self._arguments:
            faults.extend(_faults(argument, self._decoders, read[argument.source]))
        if not faults:
            return error
        place = f"{scope['method']} {scope['path']}" if "method" in scope else scope["path"]
        shown = place[:200].encode("utf-8", "replace").decode()
        return ValidationException(f"Validation failed for {shown}", extra=faults)


def _faults(
    argument: Argument, decoders: Decoders, values: Mapping[str, Any]
) -> list[dict[str, str]]:
    source = _SOURCES[argument.source]
    if argument.key not in values:
        if argument.default is not MISSING:
            return []
        message = f"Missing required {source} parameter {argument.key!r}"
        return [{"message": message, "key": argument.key, "source": source}]
    decoder = decoders.of(argument)
    if decoder is None:
        return []
    value = values[argument.key]
    if argument.source is Source.DATA and not value and argument.default is not MISSING:
        return []
    if isinstance(value, list) and not argument.takes_several:
        value = value[0] if argument.source is Source.HEADER_PARAMETER else value[-1]
    try:
        decoder(value)
    except DECODE_ERRORS as error:
        in_body = argument.source is Source.DATA
        return [
            {
                "message": fault.message,
                "key": (in_body and fault.path) or argument.key,
                "source": source,
            }
            for fault in decoders.faults(argument, value, error)
        ]
    return []
