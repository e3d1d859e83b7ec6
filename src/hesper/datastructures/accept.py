"""The media types that a client accepts, and how much it likes them (RFC 9110 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

__all__ = ("Accept",)

# RFC 9110 12.4.2, but with any number of digits, as clients send them.
_QUALITY: Final = re.compile(r"0?\.[0-9]+|0\.?|1(?:\.0*)?")


class _Range(NamedTuple):
    """A media type, in which "*" stands for any (RFC 9110 12.5.1)."""

    type: str
    subtype: str
    parameters: frozenset[tuple[str, str]]
    quality: float

    def precision(self, wanted: _Range) -> int:
        """Return how closely this range describes *wanted*; 0 if it does not."""
        if self.type == "*":
            return 1
        if self.type != wanted.type or self.subtype not in ("*", wanted.subtype):
            return 0
        if not self.parameters <= wanted.parameters:
            return 0
        return 2 if self.subtype == "*" else 3 + len(self.parameters)


class Accept:
    """The `Accept` header of a request.

    It lives as long as whoever holds it. Members that are no media type are left out; a header
    without any accepts everything.

    Args:
        accept_value: The header's value.
    """

    __slots__ = ("__weakref__", "_ranges", "_value")

    def __init__(self, accept_value: str) -> None:
        self._value = accept_value
        found = (_range(member) for member in _split(accept_value, ","))
        self._ranges = [one for one in found if one] or [_Range("*", "*", frozenset(), 1.0)]

    def __str__(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Accept({self._value!r})"

    def accepts(self, media_type: str) -> bool:
        """Tell whether the client takes a media type.

        Args:
            media_type: The media type, with its parameters if it has any.
        """
        return self._preference(media_type)[0] > 0

    def best_match(self, provided_types: Sequence[str], default: str | None = None) -> str | None:
        """Return the media type that the client likes best.

        Of those it likes equally, that which it names more precisely is the better one, and then
        that which comes first.

        Args:
            provided_types: The media types to choose from, the best first.
            default: What to return if the client takes none of them.
        """
        best, most = default, (0.0, 0)
        for provided in provided_types:
            preference = self._preference(provided)
            if preference[0] > 0 and preference > most:
                best, most = provided, preference
        return best

    def _preference(self, media_type: str) -> tuple[float, int]:
        """Return the quality that the most precise range gives, and how precise it is."""
        wanted = _range(media_type)
        precision, quality = 0, 0.0
        for one in self._ranges if wanted else ():
            found = one.precision(wanted) if wanted else 0
            if found > precision:
                precision, quality = found, one.quality
        return quality, precision


def _range(member: str) -> _Range | None:
    """Return the range that a member of the header says, or `None` if it says none."""
    name, *parts = (part.strip(" \t") for part in _split(member, ";"))
    type_, slash, subtype = name.lower().partition("/")
    if not (type_ and slash and subtype) or (type_ == "*" and subtype != "*"):
        return None
    parameters: set[tuple[str, str]] = set()
    for part in parts:
        key, _, value = part.partition("=")
        if key in ("q", "Q"):
            # What follows the quality is no part of the media type.
            quality = float(value) if _QUALITY.fullmatch(value) else None
            return (
                None if quality is None else _Range(type_, subtype, frozenset(parameters), quality)
            )
        if key:
            parameters.add((key.lower(), value.strip('"').lower()))
    return _Range(type_, subtype, frozenset(parameters), 1.0)


def _split(text: str, separator: str) -> Iterator[str]:
    """Return the parts of *text* between the separators that stand outside of quotes."""
    if '"' not in text:
        yield from text.split(separator)
        return
    start, quoted, escaped = 0, False, False
    for place, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            yield text[start:place]
            start = place + 1
    yield text[start:]
