"""An HTTP request, and its body.

* The body is read once. Its bytes are kept in `scope["hesper_body"]`, for everybody who reads
  the body of this request; while and after it is streamed, a `Streamed` stands there instead.
* What arrives is counted, whatever Content-Length says: as soon as the limit is passed, reading
  ends with a 413 (RFC 9110 15.5.14).
"""

from __future__ import annotations

import enum
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import hesper._late as late
from hesper._types import Empty, Message, Receive, Scope
from hesper.connection.connection import ASGIConnection, AuthT, StateT, UserT
from hesper.datastructures.multi_dict import ImmutableMultiDict
from hesper.datastructures.query import parse_query_string
from hesper.enums import RequestEncodingType
from hesper.exceptions import (
    ClientException,
    HesperException,
    RequestEntityTooLarge,
    UnsupportedMediaTypeException,
    ValidationException,
)
from hesper.serialization import DECODE_ERRORS, fault_of, json_decoder, msgpack_decoder

DEFAULT_MAX_BODY_SIZE: Final = 10_000_000
"""The bytes that a body may have where nothing else is said."""

MAX_FORM_FIELDS: Final = 1000
"""The fields that a form may have."""

# RFC 9110 5.6.6: parameters; the quantifiers are possessive, so that matching is linear.
_PARAMETER: Final = re.compile(
    r';[ \t]*+([^=;"\s]++)=("[^"\\]*+(?:\\.[^"\\]*+)*+"[ \t]*+(?=;|\Z)|[^;]*+)', re.DOTALL
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)

_decode_json: Final = json_decoder(Any)
_decode_msgpack: Final = msgpack_decoder(Any)


class ClientDisconnect(HesperException):
    """The client has gone before all of its request arrived."""


class Streamed(enum.Enum):
    """What stands in the scope instead of a body that is not kept."""

    RUNNING = "is being read elsewhere"
    """It is being read; what arrives belongs to whoever reads it."""
    DONE = "has been streamed"
    """All of it has arrived, and was handed out in chunks."""
    FAILED = "could not be read to its end"
    """It was too large, the client has gone, or the reading was cancelled."""
    DISCARDED = "was dropped, unread, when the response began to stream"
    """Nobody had begun to read it when watching for the client's end began."""


# PERF: a member of an enumeration is found by a call, for each body.
RUNNING: Final = Streamed.RUNNING
"""What stands in the scope while the body is read."""
FAILED: Final = Streamed.FAILED
"""What stands there when it could not be read to its end."""


async def read_body(scope: Scope, receive: Receive, limit: int | None) -> bytes:
    """Return the whole body of a request, reading it unless that has been done.

    Args:
        scope: The request's scope, which keeps the body.
        receive: Waits for the client's next message.
        limit: The bytes that the body may have; None for any number.

    Raises:
        RequestEntityTooLarge: The body has more bytes, or will have by its Content-Length.
        ClientDisconnect: The client has gone.
        RuntimeError: The body has been, or is being, streamed.
    """
    if "hesper_body" in scope:
        return kept_body(scope, limit)
    scope["hesper_body"] = RUNNING
    try:
        message = await receive()
    except BaseException:
        scope["hesper_body"] = FAILED
        raise
    # PERF: most bodies come in one message; only the others have their length looked up.
    body: bytes | None = message.get("body")
    if body is None or message.get("more_body") or (limit is not None and len(body) > limit):
        body = await body_in_parts(scope, receive, limit, message)
    scope["hesper_body"] = body
    return body


async def body_in_parts(
    scope: Scope, receive: Receive, limit: int | None, message: Message
) -> bytes:
    """Return the whole body, of which more is to come, or which is not what it should be.

    Args:
        scope: The request's scope, which is told of failure.
        receive: Waits for the client's next message.
        limit: The bytes that the body may have; None for any number.
        message: The client's first message.

    Raises:
        RequestEntityTooLarge: The body has more bytes, or will have by its Content-Length.
        ClientDisconnect: The client has gone.
    """
    try:
        return b"".join([chunk async for chunk in _chunks(scope, receive, limit, message)])
    except BaseException:
        scope["hesper_body"] = FAILED
        raise


def stream_body(scope: Scope, receive: Receive, limit: int | None) -> AsyncIterator[bytes]:
    """Return an iterator over the body of a request, in chunks as they arrive, none empty.

    The chunks are not kept: from now on the body is the iterator's. A body that has been read is
    one chunk.

    Args:
        scope: The request's scope.
        receive: Waits for the client's next message.
        limit: The bytes that the body may have; None for any number.

    Raises:
        RequestEntityTooLarge: The body has more bytes, or will have by its Content-Length.
        ClientDisconnect: The client has gone.
        RuntimeError: The body has been, or is being, streamed.
    """
    if "hesper_body" in scope:
        return _once(kept_body(scope, limit))
    scope["hesper_body"] = Streamed.RUNNING
    return _streamed(scope, receive, limit)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


async def _streamed(scope: Scope, receive: Receive, limit: int | None) -> AsyncIterator[bytes]:
    try:
        async for chunk in _chunks(scope, receive, limit, await receive()):
            yield chunk
        scope["hesper_body"] = Streamed.DONE
    finally:
        if scope["hesper_body"] is Streamed.RUNNING:
            scope["hesper_body"] = FAILED
        if (read := scope.get("hesper_body_read")) is not None:
            read.set()


async def _chunks(
    scope: Scope, receive: Receive, limit: int | None, message: Any
) -> AsyncIterator[bytes]:
    """Yield what arrives, beginning with *message*, and count it."""
    if limit is not None and _content_length(scope) > limit:
        raise _too_large(limit)
    arrived = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect("the client has gone before all of its request arrived")
        chunk = message.get("body", b"")
        arrived += len(chunk)
        if limit is not None and arrived > limit:
            raise _too_large(limit)
        if chunk:
            yield chunk
        if not message.get("more_body"):
            return
        message = await receive()


def kept_body(scope: Scope, limit: int | None) -> bytes:
    """Return the body that has been read.

    Args:
        scope: The request's scope, which keeps the body.
        limit: The bytes that the body may have; None for any number.

    Raises:
        RequestEntityTooLarge: The body has more bytes.
        RuntimeError: The body has been, or is being, streamed.
    """
    body = scope["hesper_body"]
    if isinstance(body, Streamed):
        raise RuntimeError(  # noqa: TRY004  (not the wrong type, but the wrong time)
            f"the body of this request {body.value}: it can be read once only; where "
            "more than one needs it, call `await request.body()` first, which keeps it; where a "
            "streamed response needs it, call `request.stream()` before returning the response"
        )
    if limit is not None and len(body) > limit:  # who read it may have allowed more
        raise _too_large(limit)
    return bytes(body)


def _content_length(scope: Scope) -> int:
    """Return what the client says is the length of the body; 0 if it says nothing sensible."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            # Nothing has that many digits; `int` refuses 4,300 of them.
            return int(value[:20])
    return 0


def _too_large(limit: int) -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"The request's body is larger than {limit} bytes")


class Request(ASGIConnection[UserT, AuthT, StateT]):
    """An HTTP request.

    It lives as long as whoever serves the connection holds it.
    """

    __slots__ = ("_accept", "_content_type", "_form", "_json", "_msgpack")

    @property
    def method(self) -> str:
        """The method, in upper case."""
        method: str = self.scope["method"]
        return method

    @property
    def content_type(self) -> tuple[str, dict[str, str]]:
        """The media type of the body, in lower case, and its parameters (RFC 9110 8.3.1)."""
        found: tuple[str, dict[str, str]] | None = getattr(self, "_content_type", None)
        if found is None:
            # Of several lines the last one counts (Fetch, "extract a MIME type").
            line = self.headers.getall("content-type", [""])[-1]
            found = self._content_type = parse_content_type(line)
        return found

    @property
    def accept(self) -> late.Accept:
        """The media types that the client prefers (RFC 9110 12.5.1)."""
        accept: late.Accept | None = getattr(self, "_accept", None)
        if accept is None:
            lines = self.headers.getall("accept", ["*/*"])
            accept = self._accept = late.Accept(", ".join(lines))
        return accept

    async def body(self) -> bytes:
        """Return the whole body.

        Raises:
            RequestEntityTooLarge: It has more bytes than the route allows.
            ClientDisconnect: The client has gone.
            RuntimeError: The body has been, or is being, streamed.
        """
        return await read_body(self.scope, self.receive, self._limit())

    def stream(self) -> AsyncIterator[bytes]:
        """Return an iterator over the body's chunks as they arrive; afterwards it is gone.

        Raises:
            RequestEntityTooLarge: It has more bytes than the route allows.
            ClientDisconnect: The client has gone.
            RuntimeError: The body has been, or is being, streamed.
        """
        return stream_body(self.scope, self.receive, self._limit())

    async def json(self) -> Any:
        """Return the body, decoded as JSON; None if it is empty.

        Raises:
            ValidationException: The body is not JSON.
        """
        value = getattr(self, "_json", Empty)
        if value is Empty:
            value = self._json = _decoded(_decode_json, await self.body())
        return value

    async def msgpack(self) -> Any:
        """Return the body, decoded as MessagePack; None if it is empty.

        Raises:
            ValidationException: The body is not MessagePack.
        """
        value = getattr(self, "_msgpack", Empty)
        if value is Empty:
            value = self._msgpack = _decoded(_decode_msgpack, await self.body())
        return value

    async def form(self) -> ImmutableMultiDict[str]:
        """Return the fields of the form in the body; none if the body is empty.

        Raises:
            UnsupportedMediaTypeException: The body is not a URL-encoded form.
            ClientException: It has more than `MAX_FORM_FIELDS` fields.
        """
        fields: ImmutableMultiDict[str] | None = getattr(self, "_form", None)
        if fields is None:
            fields = self._form = _decoded_form(await self.body(), self.content_type[0])
        return fields

    def _limit(self) -> int | None:
        limit: int | None = self.scope.get("hesper_max_body_size", DEFAULT_MAX_BODY_SIZE)
        return limit


def _decoded(decode: Any, body: bytes) -> Any:
    try:
        return decode(body) if body else None
    except DECODE_ERRORS as error:
        faults = [
            {"message": fault.message, "key": fault.path, "source": "body"}
            for fault in fault_of(error)
        ]
        raise ValidationException("The request's body cannot be decoded", extra=faults) from None


def _decoded_form(body: bytes, media_type: str) -> ImmutableMultiDict[str]:
    if body and media_type != RequestEncodingType.URL_ENCODED:
        found = media_type[:100] or "a body without a content-type"
        raise UnsupportedMediaTypeException(
            f"A form is read from {RequestEncodingType.URL_ENCODED.value}, not from {found}"
        )
    if body.count(b"&") >= MAX_FORM_FIELDS:
        raise ClientException(f"A form has {MAX_FORM_FIELDS} fields at most")
    return ImmutableMultiDict.over(parse_query_string(body))


def parse_content_type(value: str) -> tuple[str, dict[str, str]]:
    """Take the value of a `Content-Type` header apart (RFC 9110 8.3.1); no input is an error.

    Args:
        value: The header's value.

    Returns:
        The media type and the names of the parameters in lower case; of parameters with the
        same name the first.
    """
    media_type, _, rest = value.partition(";")
    parameters: dict[str, str] = {}
    for found in _PARAMETER.finditer(";" + rest):
        text = found[2].strip(" \t")
        if text.startswith('"') and text.endswith('"') and len(text) > 1:
            text = _ESCAPED.sub(r"\1", text[1:-1])
        parameters.setdefault(found[1].lower(), text)
    return media_type.strip(" \t").lower(), parameters
