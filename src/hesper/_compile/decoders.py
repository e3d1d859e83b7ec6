"""The decoders of a route's values, and the check of the body's media type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

from hesper._conversions import decoder_for
from hesper._plan.annotations import is_sequence
from hesper._plan.arguments import Argument, Source
from hesper._plan.decoding import Decoder
from hesper._plan.plan import Plan
from hesper._signature import members, without_extras
from hesper._type_survey import leaves
from hesper._types import Scope, TypeDecodersSequence
from hesper.connection.request import MAX_FORM_FIELDS
from hesper.datastructures.query import parse_query_string
from hesper.enums import RequestEncodingType
from hesper.exceptions import UnsupportedMediaTypeException
from hesper.params import Body
from hesper.serialization import (
    DECODE_ERRORS,
    Fault,
    converter,
    fault_finder,
    fault_of,
    json_decoder,
    msgpack_decoder,
)

FaultFinder: TypeAlias = Callable[[Any, Exception], list[Fault]]
MediaTypeCheck: TypeAlias = Callable[[Scope], None]


class Decoders:
    """The decoders of a route's values, shared by arguments alike; lives as long as its endpoint.

    Args:
        plan: The route.
    """

    __slots__ = ("__weakref__", "_decoding", "_finders", "_made", "_type_decoders")

    def __init__(self, plan: Plan) -> None:
        self._decoding = plan.lasting.decoding
        self._type_decoders = plan.option("type_decoders")
        self._made: dict[tuple[Any, ...], Decoder | None] = {}
        self._finders: dict[tuple[Any, ...], FaultFinder] = {}

    def of(self, argument: Argument) -> Decoder | None:
        """Return the decoder of an argument's values; `None` if they are taken as they come."""
        alike = _alike(argument)
        if alike not in self._made:
            self._made[alike] = self._make(argument)
        return self._made[alike]

    def faults(self, argument: Argument, value: Any, error: Exception) -> list[Fault]:
        """Return everything that is wrong with a value that an argument's decoder refused.

        Args:
            argument: The argument.
            value: What the decoder was given.
            error: What it raised.
        """
        if argument.source is not Source.DATA or argument.body is None:
            return fault_of(error)
        alike = _alike(argument)
        if alike not in self._finders:
            self._finders[alike] = self._finder(argument, argument.body)
        return self._finders[alike](value, error)

    def _finder(self, argument: Argument, body: Body) -> FaultFinder:
        find = self._finder_while_decoding(argument, body)
        inbound = argument.inbound
        decode = None if inbound is None else self._body(argument, body)
        if decode is None or inbound is None or inbound.finish is None:
            return find

        def find_in_models(value: Any, error: Exception) -> list[Fault]:
            try:
                decoded = decode(value)
            except DECODE_ERRORS as found:
                return find(value, found)
            return inbound.faults(decoded, error)

        return find_in_models

    def _finder_while_decoding(self, argument: Argument, body: Body) -> FaultFinder:
        annotation = argument.annotation
        if is_json(body.media_type):
            return fault_finder(annotation, self._type_decoders, form="json")
        if body.media_type == RequestEncodingType.MESSAGEPACK:
            return fault_finder(annotation, self._type_decoders, form="msgpack")
        if body.media_type == RequestEncodingType.URL_ENCODED:
            return _form_fault_finder(argument, self._type_decoders)
        return lambda _text, error: fault_of(error)

    def _make(self, argument: Argument) -> Decoder | None:
        if argument.source is Source.DATA:
            decode = self._body(argument, argument.body)
            finish = None if argument.inbound is None else argument.inbound.finish
            if decode is None or finish is None:
                return decode
            return lambda body: finish(decode(body))
        annotation = unmarked(argument.annotation)
        if argument.skip_validation or annotation is Any:
            return None
        if argument.source is Source.PATH_PARAMETER and without_extras(annotation) is str:
            return _text_of_path(annotation, self._type_decoders)
        if annotation is str or (argument.takes_several and self._is_plain_list(annotation)):
            return None
        return self._decoding.of(converter, annotation, self._type_decoders)

    def _is_plain_list(self, annotation: Any) -> bool:
        """Whether values are wanted in the form in which a request has several: a list of text."""
        return annotation == list[str] and decoder_for(annotation, self._type_decoders) is None

    def _body(self, argument: Argument, body: Body | None) -> Decoder | None:
        annotation = argument.annotation
        if body is None or argument.skip_validation or without_extras(annotation) is bytes:
            return None
        if is_json(body.media_type):
            return self._decoding.of(json_decoder, annotation, self._type_decoders)
        if body.media_type == RequestEncodingType.MESSAGEPACK:
            return self._decoding.of(msgpack_decoder, annotation, self._type_decoders)
        if body.media_type == RequestEncodingType.URL_ENCODED:
            return _form_decoder(argument, self._type_decoders)
        return _text_decoder(annotation, self._type_decoders)


def _alike(argument: Argument) -> tuple[Any, ...]:
    """Return what arguments have in common that share a decoder."""
    kind = kind_of(argument.annotation)
    read = None if argument.inbound is None else argument.inbound.identity
    return (argument.source, kind, argument.skip_validation, argument.body, read)


def kind_of(annotation: Any) -> tuple[Any, ...]:
    """Return what two annotations have in common that mean the same; annotations need not hash."""
    if type(annotation) is type:
        return ("", id(annotation))
    # Classes of one name, local to two functions, look the same.
    classes = tuple(id(leaf) for leaf in leaves(annotation) if isinstance(leaf, type))
    return (repr(annotation), *classes)


def unmarked(annotation: Any) -> Any:
    """Return *annotation* without what is no constraint, so that a plain type is seen as such."""
    if get_origin(annotation) is Annotated:
        bare, *extras = get_args(annotation)
        if not any(isinstance(extra, msgspec.Meta) for extra in extras):
            return bare
    return annotation


def is_json(media_type: str) -> bool:
    """Whether a body of that media type is JSON (RFC 6839, section 3.1)."""
    return media_type == RequestEncodingType.JSON or media_type.endswith("+json")


def _text_of_path(annotation: Any, type_decoders: TypeDecodersSequence) -> Decoder:
    """Return the decoder of a path parameter, of any type, that is wanted as text."""
    if annotation is str:
        return str
    convert = converter(annotation, type_decoders)
    return lambda value: convert(str(value))


def _text_decoder(annotation: Any, type_decoders: TypeDecodersSequence) -> Decoder:
    convert = converter(annotation, type_decoders)
    return lambda body: convert(str(body, "utf-8"))


def _form_decoder(argument: Argument, type_decoders: TypeDecodersSequence) -> Decoder:
    convert = converter(argument.annotation, type_decoders)
    fields = _form_reader(argument)
    return lambda body: convert(fields(body))


def _form_fault_finder(argument: Argument, type_decoders: TypeDecodersSequence) -> FaultFinder:
    find = fault_finder(argument.annotation, type_decoders, form="text")
    fields = _form_reader(argument)

    def find_in_form(body: bytes, error: Exception) -> list[Fault]:
        return fault_of(error) if _is_large_form(body) else find(fields(body), error)

    return find_in_form


def _form_reader(argument: Argument) -> Callable[[bytes], dict[str, Any]]:
    """Return the reader of a form: a field that takes a list gets all values, others the last."""
    read_as = argument.annotation if argument.inbound is None else argument.inbound.described
    takes_several = _fields_that_take_several(read_as)

    def read(body: bytes) -> dict[str, Any]:
        if _is_large_form(body):
            raise ValueError(f"A form has {MAX_FORM_FIELDS} fields at most")
        fields = parse_query_string(body)
        return {
            name: values if takes_several(name) else values[-1] for name, values in fields.items()
        }

    return read


def _is_large_form(body: bytes) -> bool:
    return body.count(b"&") >= MAX_FORM_FIELDS


def _fields_that_take_several(annotation: Any) -> Callable[[str], bool]:
    names: set[str] = set()
    for form in members(annotation):
        if get_origin(form) in {dict, Mapping} and _takes_several(get_args(form)[1]):
            return lambda _name: True
        if isinstance(form, type):
            aliases = _aliases(form)
            names.update(
                aliases.get(name, name)
                for name, hint in get_type_hints(form).items()
                if _takes_several(hint)
            )
    return names.__contains__


def _takes_several(annotation: Any) -> bool:
    return any(is_sequence(member) for member in members(annotation))


def _aliases(form: type) -> Mapping[str, str]:
    """Return the names in the request of fields that bear another one there."""
    if issubclass(form, msgspec.Struct):
        return dict(zip(form.__struct_fields__, form.__struct_encode_fields__, strict=True))
    fields: Mapping[str, Any] = getattr(form, "model_fields", {})  # of a pydantic model
    return {
        name: field.validation_alias
        for name, field in fields.items()
        if isinstance(field.validation_alias, str)
    }


def check_media_type(wanted: str) -> MediaTypeCheck:
    """Return a function that refuses requests whose body is not declared as *wanted*.

    A body without a declared type is refused, too: browsers send one across origins unasked.
    """
    plain = wanted.lower().encode("latin-1")
    suffix = b"+json" if wanted == RequestEncodingType.JSON else None

    def check(scope: Scope) -> None:
        # PERF: from the end, where most clients say what they send. Of several lines the last one
        # counts, as in `Request.content_type` (Fetch, "extract a MIME type").
        for name, value in reversed(scope["headers"]):
            if name == b"content-type":
                # PERF: what is said in full need not be taken apart, which takes a fiftieth of a
                # small request. Browsers say it so, but not last, where the endpoint's text looks.
                if value == plain:
                    return
                found = value.split(b";", 1)[0].strip().lower()
                if found == plain or (suffix is not None and found.endswith(suffix)):
                    return
                shown = repr(value.decode("latin-1")[:100])
                raise UnsupportedMediaTypeException(f"the body is {shown}, not {wanted}")
        raise UnsupportedMediaTypeException(f"the body's content-type is missing; send {wanted}")

    return check


CHECK_JSON: Final = check_media_type(RequestEncodingType.JSON)
"""Refuses bodies that are not declared as JSON."""
