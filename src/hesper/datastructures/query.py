"""Query strings and URL-encoded forms, taken apart in linear time.

The rules are those of forms (WHATWG URL 5.1): pairs between "&", "+" is a blank, and whatever is
malformed is taken literally. No input is an error.
"""

from __future__ import annotations

from urllib.parse import unquote

__all__ = ("parse_query_pairs", "parse_query_string")


def parse_query_pairs(query: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a query string, in their order.

    Args:
        query: The query string, without "?"; bytes that are no UTF-8 become U+FFFD.

    Returns:
        Name and value of each pair; the value is empty where "=" is missing.
    """
    text = _with_blanks(query)
    pairs = [piece.partition("=") for piece in text.split("&") if piece]
    if "%" in text:
        return [(unquote(name), unquote(value)) for name, _, value in pairs]
    return [(name, value) for name, _, value in pairs]


def parse_query_string(query: bytes) -> dict[str, list[str]]:
    """Return the values of a query string by name.

    Args:
        query: The query string, without "?"; bytes that are no UTF-8 become U+FFFD.

    Returns:
        The values of each name, in their order; names in the order in which they were first seen.
    """
    values: dict[str, list[str]] = {}
    text = _with_blanks(query)
    encoded = "%" in text
    # PERF: not by way of the pairs, as every request with a query comes here.
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            if encoded:
                name, value = unquote(name), unquote(value)
            if name in values:
                values[name].append(value)
            else:
                values[name] = [value]
    return values


def _with_blanks(query: bytes) -> str:
    """Return the text of a query; a "+" that is meant as one is written "%2B", and still is."""
    return query.decode("utf-8", "replace").replace("+", " ")
