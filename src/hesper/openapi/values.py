"""Defaults and examples as a document shows them: plain, and the same in every run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hesper._types import TypeEncodersMap
from hesper.serialization import decode_json, encode_json


def plain_value(value: object, encoders: TypeEncodersMap | None = None) -> Any:
    """Return *value* as it looks on the wire.

    Args:
        value: The value.
        encoders: The `type_encoders` of the route that it belongs to.

    Raises:
        SerializationException: It cannot be encoded.
    """

    def ordered(members: Collection[object]) -> list[object]:
        # The order of a set differs between processes.
        return sorted(members, key=lambda member: encode_json(member, encoders))

    return decode_json(encode_json(value, {set: ordered, frozenset: ordered, **(encoders or {})}))


def with_default(schema: Mapping[str, Any], default: object) -> dict[str, Any]:
    """Return *schema* with a default, if it can be written down and is no secret.

    Args:
        schema: The schema, which stays as it is.
        default: The value.
    """
    if schema.get("format") == "password":
        return dict(schema)
    try:
        shown = plain_value(default)
    except Exception:  # what a user's value may raise when it is encoded
        return dict(schema)
    # An infinite number is sent as null, which is not what is meant here.
    is_lost = shown is None and default is not None
    return dict(schema) if is_lost else {**schema, "default": shown}
