"""Content to bytes, as a media type asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hesper.datastructures.headers import encode_header
from hesper.enums import MediaType
from hesper.exceptions import ImproperlyConfiguredException, SerializationException
from hesper.serialization import ENCODE_ERRORS

_MSGPACK: Final = frozenset(
    {"application/vnd.msgpack", "application/msgpack", "application/x-msgpack"}
)

# PERF: not the members of `MediaType`, which take three times as long to compare and to look up.
_TEXT: Final = str(MediaType.TEXT)
_JSON: Final = str(MediaType.JSON)


def media_type_of(content: object) -> str | None:
    """Return the media type of content about which nothing is said; None if there is none.

    Args:
        content: The content of a response.
    """
    if content is None:
        return None
    if isinstance(content, (str, bytes, bytearray, memoryview)):
        return _TEXT
    return _JSON


def rendered(
    content: Any,
    media_type: str | None,
    encoding: str,
    encoders: tuple[Callable[[Any], bytes], Callable[[Any], bytes]],
) -> bytes:
    """Return the body for some content.

    Args:
        content: Bytes, which are taken as they are; text; or any value for an encoder.
        media_type: The media type; None for no content.
        encoding: How text becomes bytes.
        encoders: Of JSON, and of MessagePack.

    Raises:
        ImproperlyConfiguredException: Only text or bytes can be sent as that media type.
        SerializationException: The content cannot be encoded.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    if media_type is None:
        return b""
    try:
        # PERF: the usual ones, before a media type is taken apart.
        if media_type == _JSON:
            return encoders[0](content)
        if media_type == _TEXT and isinstance(content, str):
            return content.encode(encoding)
        essence = _essence(media_type)
        if essence == "application/json" or essence.endswith("+json"):
            return encoders[0](content)
        if essence in _MSGPACK:
            return encoders[1](content)
        if isinstance(content, str):
            return content.encode(encoding)
    except ENCODE_ERRORS as error:
        raise not_encodable(content, media_type, error) from error
    if content is None:
        return b""
    raise ImproperlyConfiguredException(
        f"content of type {type(content).__qualname__} cannot be sent as {media_type}: only text "
        "or bytes can; encode it before, or say media_type=MediaType.JSON"
    )


def not_encodable(content: object, media_type: str, error: Exception) -> SerializationException:
    """Return what to raise from the error of an encoder.

    Args:
        content: What cannot be encoded.
        media_type: The media type that it was to be sent as.
        error: What the encoder raised.
    """
    return SerializationException(
        f"content of type {type(content).__qualname__} cannot be sent as {_essence(media_type)}: "
        f"{error}"
    )


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def content_type_line(media_type: str, encoding: str) -> tuple[bytes, bytes]:
    """Return the `Content-Type` header line, with the encoding of text.

    Args:
        media_type: The media type; parameters that it has are kept.
        encoding: How text became bytes.

    Raises:
        ValueError: The media type cannot stand in a header.
    """
    known = _IN_UTF_8.get(media_type) if encoding == "utf-8" else None
    return _encoded(media_type, encoding) if known is None else known


def _encoded(media_type: str, encoding: str) -> tuple[bytes, bytes]:
    if media_type.lower().startswith("text/") and "charset" not in media_type.lower():
        media_type = f"{media_type}; charset={encoding}"
    return encode_header("content-type", media_type)


# PERF: a response of a usual type looks its line up instead of putting it together.
_IN_UTF_8: Final = {str(known): _encoded(known, "utf-8") for known in MediaType}
