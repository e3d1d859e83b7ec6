"""The decoders of an app's values: made while it is built, for a request finds out too late."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Hashable, MutableMapping
from itertools import chain
from types import GenericAlias, UnionType
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
        self._made: MutableMapping[Hashable, tuple[Decoder, object]] = {}
        """Each decoder, with what is kept alive because it is known by its identity."""

    def copy(self) -> Decoding:
        """Return the same decoders for an app that overrides this one, and adds its own."""
        copied = Decoding()
        copied._made = ChainMap({}, self._made)
        return copied

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
        # What is equal need not be the same: decoders, classes and metadata are the users' own.
        parts = tuple(chain.from_iterable(type_decoders))
        place = (make, _likeness(annotation), *map(id, parts))
        known = self._made.get(place)
        if known is None:
            known = self._made[place] = make(annotation, type_decoders), (annotation, parts)
        return known[0]

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


def _likeness(annotation: Any) -> Hashable:
    """Return what is equal for annotations that say the same of the same objects, in one order."""
    if type(annotation) is UnionType:
        return UnionType, *map(_likeness, annotation.__args__)
    if type(annotation) is GenericAlias:
        return id(annotation.__origin__), *map(_likeness, annotation.__args__)
    return id(annotation)
