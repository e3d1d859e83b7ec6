"""The cells of the comparison: what is asked, and what every app must answer to it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from benchmarks.work import GREETING, whale

JSON = "application/json"
TEXT = "text/plain"

LINES = [
    {"article": f"harpoon {number}", "quantity": number, "price": 7.5, "tags": ["iron", "ash"]}
    for number in range(1, 6)
]
ORDER = {
    "number": 1851,
    "customer": "Peter Coffin",
    "express": True,
    "address": {
        "street": "Spouter Inn 1",
        "city": "New Bedford",
        "postcode": "02740",
        "country": "US",
    },
    "lines": LINES,
    "note": "by noon",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A request and its answer.

    Attributes:
        name: What the table calls it.
        method: The request's method.
        path: The request's path, which needs no percent-encoding.
        status: The status that every app answers.
        query: The query string, as sent.
        body: The body, a JSON document, or nothing.
        media_type: The answer's media type, `None` where each framework words its own errors.
        answer: The answer's text, or what its JSON means; not compared without `media_type`.
        allow: The methods in the answer's `Allow` header that every app must name.
    """

    name: str
    method: str
    path: str
    status: int
    query: bytes = b""
    body: bytes = b""
    media_type: str | None = None
    answer: object = None
    allow: frozenset[str] = frozenset()


CASES = (
    Case("text", "GET", "/text", 200, media_type=TEXT, answer=GREETING),
    Case("json", "GET", "/json", 200, media_type=JSON, answer=whale()),
    Case("path", "GET", "/items/1851", 200, media_type=JSON, answer={"item_id": 1851}),
    Case(
        "query",
        "GET",
        "/search",
        200,
        query=b"text=white+whale&limit=20&tag=sea&tag=ship",
        media_type=JSON,
        answer={"text": "white whale", "limit": 20, "tag": ["sea", "ship"]},
    ),
    Case(
        "body",
        "POST",
        "/orders",
        201,
        body=msgspec.json.encode(ORDER),
        media_type=JSON,
        answer=ORDER,
    ),
    Case(
        "dependencies",
        "GET",
        "/access",
        200,
        media_type=JSON,
        answer={"name": "ishmael", "tenant": "pequod"},
    ),
    Case("404", "GET", "/nowhere", 404),
    Case("405", "DELETE", "/json", 405, allow=frozenset({"GET"})),
)

REFUSED = (
    Case("a path parameter that is no number", "GET", "/items/whale", 404),
    Case("a query parameter that is no number", "GET", "/search", 400, query=b"text=a&limit=b"),
    Case("a query without what is required", "GET", "/search", 400, query=b"limit=1"),
    Case(
        "a body with a fault deep inside",
        "POST",
        "/orders",
        400,
        body=msgspec.json.encode({**ORDER, "lines": [{**LINES[0], "quantity": 0}]}),
    ),
)
"""Requests that every app must refuse; the statuses differ between frameworks within 4xx."""
