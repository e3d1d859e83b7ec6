"""Values to and from JSON and MessagePack: the only file that knows msgspec's codecs.

* JSON is strict both ways (RFC 8259). Coming in, `NaN`, numbers out of range, lone surrogates,
  invalid UTF-8 and nesting beyond `MAX_JSON_DEPTH` are refused. Going out, a float that JSON
  cannot express (NaN, infinities) is written as `null`, and a lone surrogate is an error.
* Where a type says float or Decimal, numbers that are not finite are refused, in any form that
  they come in; so are items of a set that cannot be hashed.
* What the encoders built here raise is in `ENCODE_ERRORS`, what the decoders raise is in
  `DECODE_ERRORS`; the four functions for general use raise `SerializationException` instead.
* What is encoded beyond msgspec's own types is in `_conversions`, and how `type_encoders` and
  `type_decoders` are looked up.
* Pydantic's models and dataclasses are validated and dumped by pydantic, which is never
  imported unless such a type is met.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    ParamSpec,
    TypeVar,
    get_args,
    get_origin,
    overload,
)

import msgspec

import hesper._late as late
from hesper._conversions import Rewriter, decoder_for, decoding_hook, encoding_hook, is_native
from hesper._faults import DECODE_ERRORS, Fault, fault_of
from hesper._finite import finite_check, finite_model_check
from hesper._json_depth import MAX_JSON_DEPTH, refuse_deep_json, refuse_deep_value
from hesper._type_survey import is_pydantic, may_meet_unhashable_items, survey
from hesper._types import TypeDecodersSequence, TypeEncodersMap
from hesper.exceptions import SerializationException

__all__ = (
    "DECODE_ERRORS",
    "ENCODE_ERRORS",
    "Fault",
    "converter",
    "decode_json",
    "decode_msgpack",
    "encode_json",
    "encode_msgpack",
    "fault_finder",
    "fault_of",
    "json_decoder",
    "json_encoder",
    "msgpack_decoder",
    "msgpack_encoder",
)

T = TypeVar("T")
P = ParamSpec("P")

ENCODE_ERRORS: Final[tuple[type[Exception], ...]] = (
    msgspec.MsgspecError,
    TypeError,  # an unsupported type
    ValueError,  # a lone surrogate, an int of too many digits, a failing model
    ArithmeticError,
    RecursionError,  # a value that holds itself
)
"""Everything that our encoders raise for a value that cannot be encoded."""


# Encoding


def json_encoder(type_encoders: TypeEncodersMap | None = None) -> Callable[[object], bytes]:
    """Return a function that encodes any value as JSON.

    Args:
        type_encoders: By type: a function that turns an instance into something encodable.

    Returns:
        A function which raises `ENCODE_ERRORS`.
    """
    return _encoder(msgspec.json.Encoder, type_encoders) if type_encoders else _encode_json


def msgpack_encoder(type_encoders: TypeEncodersMap | None = None) -> Callable[[object], bytes]:
    """Return a function that encodes any value as MessagePack.

    Args:
        type_encoders: By type: a function that turns an instance into something encodable.

    Returns:
        A function which raises `ENCODE_ERRORS`.
    """
    return _encoder(msgspec.msgpack.Encoder, type_encoders) if type_encoders else _encode_msgpack


def encode_json(value: object, type_encoders: TypeEncodersMap | None = None) -> bytes:
    """Encode *value* as JSON.

    Args:
        value: The value.
        type_encoders: By type: a function that turns an instance into something encodable.

    Returns:
        The JSON text, in UTF-8.

    Raises:
        SerializationException: The value, or one inside it, cannot be encoded.
    """
    return _encoded(json_encoder(type_encoders), value, "JSON")


def encode_msgpack(value: object, type_encoders: TypeEncodersMap | None = None) -> bytes:
    """Encode *value* as MessagePack.

    Args:
        value: The value.
        type_encoders: By type: a function that turns an instance into something encodable.

    Returns:
        The encoded bytes.

    Raises:
        SerializationException: The value, or one inside it, cannot be encoded.
    """
    return _encoded(msgpack_encoder(type_encoders), value, "MessagePack")


def _encoder(
    codec: type[msgspec.json.Encoder | msgspec.msgpack.Encoder], type_encoders: TypeEncodersMap
) -> Callable[[object], bytes]:
    hook = encoding_hook(type_encoders)
    if not any(map(is_native, type_encoders)):
        return codec(enc_hook=hook).encode
    # msgspec asks no hook about the types it knows, so the value is rewritten beforehand.
    rewritten = Rewriter(type_encoders)
    encode = codec(enc_hook=lambda value: rewritten(hook(value))).encode
    return lambda value: encode(rewritten(value))


def _encoded(encode: Callable[[object], bytes], value: object, form: str) -> bytes:
    try:
        return encode(value)
    except ENCODE_ERRORS as error:
        raise SerializationException(
            f"a value of type {type(value).__qualname__} cannot be encoded as {form}: {error}"
        ) from error


_encode_json: Final = msgspec.json.Encoder(enc_hook=encoding_hook({})).encode
_encode_msgpack: Final = msgspec.msgpack.Encoder(enc_hook=encoding_hook({})).encode


# Decoding


def json_decoder(
    type_: Any, type_decoders: TypeDecodersSequence = (), *, strict: bool = True
) -> Callable[[bytes], Any]:
    """Return a function that decodes JSON as *type_*.

    Args:
        type_: Any annotation that msgspec or pydantic understand.
        type_decoders: Pairs of a predicate on a type, and a decoder `(type, value) -> instance`.
        strict: Whether "5" is refused where a number is wanted.

    Returns:
        A function which takes the text and raises `DECODE_ERRORS`.

    Raises:
        ImproperlyConfiguredException: Values of that type cannot be decoded.
    """
    if (finish := decoder_for(type_, type_decoders)) is not None:
        return lambda raw: finish(_decode_plain_json(raw))
    if is_pydantic(type_):
        adapter = _adapter(type_)
        validate = _validated(adapter, adapter.validate_json)
        # Pydantic reads JSON less strictly than we do, but has a mode of its own for it.
        return lambda raw: (_decode_plain_json(raw), validate(raw))[1]
    bounded = survey(type_, type_decoders)
    hook = decoding_hook(type_decoders)
    decode = _checked(
        msgspec.json.Decoder(type_, strict=strict, dec_hook=hook).decode, type_, floats=not strict
    )
    if bounded:  # what is nested deeper than the type is skipped, and never handed out
        return decode

    def decode_shallow(raw: bytes) -> Any:
        refuse_deep_json(raw)
        return decode(raw)

    return decode_shallow


def msgpack_decoder(
    type_: Any, type_decoders: TypeDecodersSequence = (), *, strict: bool = True
) -> Callable[[bytes], Any]:
    """Return a function that decodes MessagePack as *type_*.

    Args:
        type_: Any annotation that msgspec or pydantic understand.
        type_decoders: Pairs of a predicate on a type, and a decoder `(type, value) -> instance`.
        strict: Whether "5" is refused where a number is wanted.

    Returns:
        A function which takes the bytes and raises `DECODE_ERRORS`.

    Raises:
        ImproperlyConfiguredException: Values of that type cannot be decoded.
    """
    if (finish := decoder_for(type_, type_decoders)) is not None:
        return lambda raw: finish(_decode_plain_msgpack(raw))
    if is_pydantic(type_):
        adapter = _adapter(type_)
        validate = _validated(adapter, adapter.validate_python)
        return lambda raw: validate(_decode_plain_msgpack(raw))
    bounded = survey(type_, type_decoders)
    hook = decoding_hook(type_decoders)
    decode = _checked(
        msgspec.msgpack.Decoder(type_, strict=strict, dec_hook=hook).decode, type_, floats=True
    )
    if bounded:
        return decode

    def decode_shallow(raw: bytes) -> Any:
        if len(raw) > MAX_JSON_DEPTH:  # each level takes a byte at least
            _decode_plain_msgpack(raw)
        return decode(raw)

    return decode_shallow


def converter(type_: Any, type_decoders: TypeDecodersSequence = ()) -> Callable[[Any], Any]:
    """Return a function that makes a *type_* of text, as query, path, headers and cookies hold.

    Args:
        type_: Any annotation that msgspec understands.
        type_decoders: Pairs of a predicate on a type, and a decoder `(type, value) -> instance`.

    Returns:
        A function which takes a string (for a type that is a collection: a list of strings, or
        for one with fields: a dict of values) and raises `DECODE_ERRORS`.

    Raises:
        ImproperlyConfiguredException: Values of that type cannot be made of text.
    """
    if (finish := decoder_for(type_, type_decoders)) is not None:
        return finish
    if type_ in (str, Any, object):
        return _itself
    if is_pydantic(type_):
        adapter = _adapter(type_)
        return _validated(adapter, adapter.validate_python)
    survey(type_, None)
    convert = partial(
        msgspec.convert, type=type_, strict=False, dec_hook=decoding_hook(type_decoders)
    )
    checked = _checked(convert, type_, floats=True)
    bare = get_args(type_)[0] if get_origin(type_) is Annotated else type_
    return _of_digits(type_, checked) if bare in (int, int | None) else checked


def _of_digits(type_: Any, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return *convert*, which makes integers of text, with a short way for text of digits only."""
    # PERF: a decoder knows its type; `convert` takes the type apart for each value.
    decode = msgspec.json.Decoder(type_).decode

    def convert_digits(text: Any) -> Any:
        if type(text) is str and text.isdigit():
            try:
                return decode(text)
            except DECODE_ERRORS:
                pass  # said below, as of all other text
        return convert(text)

    return convert_digits


def fault_finder(
    type_: Any,
    type_decoders: TypeDecodersSequence = (),
    *,
    form: Literal["json", "msgpack", "text"],
    strict: bool = True,
) -> Callable[[Any, Exception], list[Fault]]:
    """Return a function that names all faults of a value, of which decoders name the first only.

    Args:
        type_: The annotation that the decoder was made for.
        type_decoders: The decoders that it was made with.
        form: Which decoder it was: of `json_decoder`, of `msgpack_decoder`, or of `converter`.
        strict: As the decoder was made with.

    Returns:
        A function which takes what the decoder was given and the one of `DECODE_ERRORS` that it
        raised, and returns at least one fault, and at most a hundred. Parts of the value are
        decoded again for that, hooks included.
    """
    if decoder_for(type_, type_decoders) is not None or is_pydantic(type_):
        return lambda _value, error: fault_of(error)
    convert: Callable[[Any, Any], Any] = partial(
        msgspec.convert,
        strict=strict and form != "text",
        str_keys=form == "json",
        builtin_types=(bytes, bytearray, memoryview) if form == "msgpack" else (),
        dec_hook=decoding_hook(type_decoders),
    )
    finite = finite_check(type_, floats=form != "json" or not strict)
    if may_meet_unhashable_items(type_):
        convert = _refusing_unhashable(convert)
    if finite is not None:
        unchecked = convert
        convert = lambda value, part: finite(unchecked(value, part))  # noqa: E731
    finder = late.FaultFinder(type_, convert)
    if form == "text":
        return finder.find
    decode = _decode_plain_json if form == "json" else _decode_plain_msgpack

    def find(raw: bytes, error: Exception) -> list[Fault]:
        try:
            value = decode(raw)
        except DECODE_ERRORS:
            return fault_of(error)
        return finder.find(value, error, len(raw))

    return find


@overload
def decode_json(
    value: bytes | str, *, type_decoders: TypeDecodersSequence | None = ..., strict: bool = ...
) -> Any: ...
@overload
def decode_json(
    value: bytes | str,
    target_type: type[T],
    type_decoders: TypeDecodersSequence | None = ...,
    strict: bool = ...,
) -> T: ...
@overload
def decode_json(
    value: bytes | str,
    target_type: Any,
    type_decoders: TypeDecodersSequence | None = ...,
    strict: bool = ...,
) -> Any: ...
def decode_json(
    value: bytes | str,
    target_type: Any = Any,
    type_decoders: TypeDecodersSequence | None = None,
    strict: bool = True,
) -> Any:
    """Decode JSON.

    Args:
        value: The text, in UTF-8 if it is bytes.
        target_type: What to make of it; by default lists, dicts and scalars.
        type_decoders: Pairs of a predicate on a type, and a decoder `(type, value) -> instance`.
        strict: Whether "5" is refused where a number is wanted.

    Returns:
        An instance of *target_type*.

    Raises:
        SerializationException: The text is not JSON, or not of that type.
    """
    decode = json_decoder(target_type, type_decoders or (), strict=strict)
    try:
        return decode(value.encode() if isinstance(value, str) else value)
    except DECODE_ERRORS as error:
        raise SerializationException(_sentence(error)) from error


@overload
def decode_msgpack(
    value: bytes, *, type_decoders: TypeDecodersSequence | None = ..., strict: bool = ...
) -> Any: ...
@overload
def decode_msgpack(
    value: bytes,
    target_type: type[T],
    type_decoders: TypeDecodersSequence | None = ...,
    strict: bool = ...,
) -> T: ...
@overload
def decode_msgpack(
    value: bytes,
    target_type: Any,
    type_decoders: TypeDecodersSequence | None = ...,
    strict: bool = ...,
) -> Any: ...
def decode_msgpack(
    value: bytes,
    target_type: Any = Any,
    type_decoders: TypeDecodersSequence | None = None,
    strict: bool = True,
) -> Any:
    """Decode MessagePack.

    Args:
        value: The encoded bytes.
        target_type: What to make of them; by default lists, dicts and scalars.
        type_decoders: Pairs of a predicate on a type, and a decoder `(type, value) -> instance`.
        strict: Whether "5" is refused where a number is wanted.

    Returns:
        An instance of *target_type*.

    Raises:
        SerializationException: The bytes are not MessagePack, or not of that type.
    """
    decode = msgpack_decoder(target_type, type_decoders or (), strict=strict)
    try:
        return decode(value)
    except DECODE_ERRORS as error:
        raise SerializationException(_sentence(error)) from error


def _decode_plain_json(raw: bytes) -> Any:
    refuse_deep_json(raw)
    return msgspec.json.decode(raw)


def _decode_plain_msgpack(raw: bytes) -> Any:
    value = msgspec.msgpack.decode(raw)
    refuse_deep_value(value)
    return value


def _itself(value: Any) -> Any:
    return value


def _checked(decode: Callable[[Any], Any], type_: Any, *, floats: bool) -> Callable[[Any], Any]:
    """Add what msgspec does not look after, as far as values of that type need it."""
    hashed = _refusing_unhashable(decode) if may_meet_unhashable_items(type_) else decode
    finite = finite_check(type_, floats=floats)
    return hashed if finite is None else lambda raw: finite(hashed(raw))


def _validated(adapter: Any, validate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    finite = finite_model_check(adapter.core_schema)
    return validate if finite is None else lambda value: finite(validate(value))


def _refusing_unhashable(decode: Callable[P, Any]) -> Callable[P, Any]:
    def decode_hashable(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return decode(*args, **kwargs)
        except TypeError as error:  # of msgspec; what hooks raise it wraps
            if "unhashable type" not in str(error):
                raise
        raise msgspec.ValidationError("Expected items that can be in a set, got an array or object")

    return decode_hashable


def _sentence(error: Exception) -> str:
    return "; ".join(
        f"{fault.path}: {fault.message}" if fault.path else fault.message
        for fault in fault_of(error)
    )


def _adapter(type_: Any) -> Any:
    from pydantic import TypeAdapter  # optional, and there where a model of it is

    return TypeAdapter(type_)
