"""The decoders of an app's values: made while it is built, for a request finds out too late."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

from hesper._plan.annotations import UnclearArgument
from hesper._types import TypeDecodersSequence
from hesper.enums import RequestEncodingType
from hesper.exceptions import ImproperlyConfiguredException
from hesper.params import Body
from hesper.serialization import converter, json_decoder

Decoder: TypeAlias = Callable[[Any], Any]
MakeDecoder: TypeAlias = Callable[[Any, TypeDecodersSequence], Decoder]
"""Makes the decoder of an annotation, with a route's own decoders: `converter`, and its like."""


class Decoding:
    """Makes each decoder once, for all routes of an app; lives as long as the app."""

    __slots__ = ("__weakref__", "_made")

    def __init__(self) -> None:
        self._made: dict[Hashable, Decoder] = {}

    def of(
        self, make: MakeDecoder, annotation: Any, type_decoders: TypeDecodersSequence
    ) -> Decoder:
        """Return the decoder that *make* makes.

        Args:
            make: What makes it, if it is not known.
            annotation: What is decoded.
            type_decoders: The route's own decoders.

        Raises:
            ImproperlyConfiguredException: Values of that type cannot be decoded.
        """
        # Unions of another order are equal, but need not be decoded alike.
        shown = "" if isinstance(annotation, type) else repr(annotation)
        place = (make, annotation, shown, type_decoders)
        try:
            known = self._made.get(place)
        except TypeError:  # metadata, or a decoder, that has no hash
            return make(annotation, type_decoders)
        if known is None:
            known = self._made[place] = make(annotation, type_decoders)
        return known

    def check_value(self, annotation: Any, type_decoders: TypeDecodersSequence, where: str) -> None:
        """Check that a value can be made of text.

        Args:
            annotation: What it is to become.
            type_decoders: The route's own decoders.
            where: How messages name the argument.

        Raises:
            UnclearArgument: It cannot.
        """
        self._check(converter, annotation, type_decoders, where)

    def check_body(
        self, annotation: Any, body: Body, type_decoders: TypeDecodersSequence, where: str
    ) -> None:
        """Check that a body can be decoded.

        Args:
            annotation: What it is to become.
            body: How it is encoded.
            type_decoders: The route's own decoders.
            where: How messages name the argument.

        Raises:
            UnclearArgument: It cannot.
        """
        media_type = body.media_type
        if media_type == RequestEncodingType.MULTI_PART:
            raise UnclearArgument(
                f"{where} is a multipart form, which this version of Hesper does not read"
            )
        is_text = media_type == RequestEncodingType.URL_ENCODED or media_type[:5] == "text/"
        self._check(converter if is_text else json_decoder, annotation, type_decoders, where)

    def _check(
        self, make: MakeDecoder, annotation: Any, type_decoders: TypeDecodersSequence, where: str
    ) -> None:
        try:
            self.of(make, annotation, type_decoders)
        except ImproperlyConfiguredException as error:
            raise UnclearArgument(f"{where}: {error.detail}") from None
