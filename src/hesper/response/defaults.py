"""What a route says about its responses: `Defaults`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

import hesper._late as late
from hesper._types import RawHeaders, TypeEncodersMap
from hesper.serialization import json_encoder, msgpack_encoder

Plain: TypeAlias = tuple[RawHeaders, Callable[[Any], bytes], str]
"""The head of a response but for its length, what makes its body of the content, the media type."""


class Defaults(msgspec.Struct, frozen=True, weakref=True):
    """What a route says about its responses, wherever they say nothing themselves.

    It lives as long as its route.
    """

    status_code: int = 200
    """The status."""
    media_type: str | None = None
    """The media type; None lets the content decide."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Header lines; a response's own line of that name replaces them."""
    success_headers: tuple[tuple[bytes, bytes], ...] = ()
    """The same for responses of a status from 200 to 299; they replace those in `headers`."""
    cookies: tuple[late.Cookie, ...] = ()
    """Cookies; a response's own of the same key, path and domain replaces them."""
    encode_json: Callable[[Any], bytes] = json_encoder()
    """Encodes content as JSON."""
    encode_msgpack: Callable[[Any], bytes] = msgpack_encoder()
    """Encodes content as MessagePack."""
    type_encoders: TypeEncodersMap = msgspec.field(default_factory=dict)
    """What a response's own `type_encoders` are laid over."""
    plain: dict[object, Plain] = msgspec.field(default_factory=dict)
    """What is sent of content about which nothing is said, by media type or by class.

    It is filled by the first response of a kind, unless its head is not constant. A copy of these
    defaults has one of its own.
    """
    heads: dict[type, RawHeaders] = msgspec.field(default_factory=dict)
    """The head of responses that say nothing, by class, where there is no body yet; as above."""

    @property
    def is_constant(self) -> bool:
        """Whether the header lines that the route adds are always the same."""
        return all(cookie.expires is None for cookie in self.cookies)

    def changed(self, **fields: Any) -> Defaults:
        """Return a copy with other values of *fields*."""
        return msgspec.structs.replace(self, plain={}, heads={}, **fields)


DEFAULTS: Final = Defaults()
"""What holds for a response used alone."""
