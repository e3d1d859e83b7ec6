"""Find out while an app is built whether its values can be decoded, not in a request."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from hesper._plan.annotations import UnclearArgument
from hesper._types import TypeDecodersSequence
from hesper.enums import RequestEncodingType
from hesper.exceptions import ImproperlyConfiguredException
from hesper.params import Body
from hesper.serialization import converter, json_decoder


class Decodable:
    """Asks of each annotation once, for all routes of an app; lives as long as the app."""

    __slots__ = ("__weakref__", "_found")

    def __init__(self) -> None:
        self._found: set[Hashable] = set()

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
        if body.media_type == RequestEncodingType.MULTI_PART:
            raise UnclearArgument(
                f"{where} is a multipart form, which this version of Hesper does not read"
            )
        is_text = (
            body.media_type == RequestEncodingType.URL_ENCODED or body.media_type[:5] == "text/"
        )
        self._check(converter if is_text else json_decoder, annotation, type_decoders, where)

    def _check(
        self,
        make: Callable[[Any, TypeDecodersSequence], object],
        annotation: Any,
        type_decoders: TypeDecodersSequence,
        where: str,
    ) -> None:
        place: Hashable = (make, annotation, type_decoders)
        try:
            if place in self._found:
                return
        except TypeError:  # metadata, or a decoder, that has no hash
            place = None
        try:
            make(annotation, type_decoders)
        except ImproperlyConfiguredException as error:
            raise UnclearArgument(f"{where}: {error.detail}") from None
        if place is not None:
            self._found.add(place)
