"""Query strings and URL-encoded forms, taken apart in linear time.

The rules are those of forms (WHATWG URL 5.1): pairs between "&", "+" is a blank, and whatever is
malformed is taken literally. No input is an error.
"""

from __future__ import annotations

from urllib.parse import unquote_plus

__all__ = ("parse_query_pairs", "parse_query_string")


def parse_query_pairs(query: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a query string, in their order.

    Args:
        query: The query string, without "?"; bytes that are no UTF-8 become U+FFFD.

    Returns:
        Name and value of each pair; the value is empty where "=" is missing.
    """
    pairs: list[tuple[str, str]] = []
    encoded = b"%" in query or b"+" in query
    for piece in query.decode("utf-8", "replace").split("&"):
        if piece:
            name, _, value = piece.partition("=")
            # PERF: the common pair has nothing to decode, and one search tells so.
            if encoded and ("%" in piece or "+" in piece):
                pairs.append((unquote_plus(name), unquote_plus(value)))
            else:
                pairs.append((name, value))
    return pairs


def parse_query_string(query: bytes) -> dict[str, list[str]]:
    """Return the values of a query string by name.

    Args:
        query: The query string, without "?"; bytes that are no UTF-8 become U+FFFD.

    Returns:
        The values of each name, in their order; names in the order in which they were first seen.
    """
    values: dict[str, list[str]] = {}
    for name, value in parse_query_pairs(query):
        # PERF: `setdefault` would make a list for every repeated name.
        if name in values:
            values[name].append(value)
        else:
            values[name] = [value]
    return values
