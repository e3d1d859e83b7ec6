"""The cells of the comparison: what is asked, and what every app must answer to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from benchmarks.work import GREETING, PIECES, whale

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
CALLS = tuple(f"There she blows, {number}!" for number in range(100))


class Kind(Enum):
    """Which of a framework's apps a case is asked of."""

    WORK = "the app with all the work"
    ROUTES = "an app of 1,000 routes"
    MIDDLEWARES = "an app behind three middlewares, with hooks"


@dataclass(frozen=True, slots=True)
class Case:
    """A connection and its answer.

    Attributes:
        name: What the table calls it.
        method: The request's method.
        path: The request's path, which needs no percent-encoding.
        status: The status that every app answers; 101 for a websocket that is opened.
        goal: The share of the raw app's throughput that Hesper is to reach.
        query: The query string, as sent.
        body: The body, a JSON document, or nothing.
        media_type: The answer's media type, `None` where each framework words its own errors.
        answer: The answer's text, or what its JSON means; not compared without `media_type`.
        allow: The methods in the answer's `Allow` header that every app must name.
        calls: The texts that a websocket's client sends; empty for a request.
        pieces: The messages in which the answer comes, where there is more than one.
        kind: The app it is asked of.
    """

    name: str
    method: str
    path: str
    status: int
    goal: float = 0.0
    query: bytes = b""
    body: bytes = b""
    media_type: str | None = None
    answer: object = None
    allow: frozenset[str] = frozenset()
    calls: tuple[str, ...] = ()
    pieces: tuple[bytes, ...] = ()
    kind: Kind = Kind.WORK


def text(name: str, path: str, goal: float, kind: Kind = Kind.WORK) -> Case:
    """Return a request that is answered with the greeting."""
    return Case(name, "GET", path, 200, goal, media_type=TEXT, answer=GREETING, kind=kind)


def json(name: str, path: str, goal: float, answer: object, kind: Kind = Kind.WORK) -> Case:
    """Return a request that is answered with *answer* as JSON."""
    return Case(name, "GET", path, 200, goal, media_type=JSON, answer=answer, kind=kind)


CASES = (
    text("text", "/text", 0.80),
    json("json", "/json", 0.80, whale()),
    json("path", "/items/1851", 0.70, {"item_id": 1851}),
    Case(
        "query",
        "GET",
        "/search",
        200,
        0.80,
        query=b"text=white+whale&limit=20&tag=sea&tag=ship",
        media_type=JSON,
        answer={"text": "white whale", "limit": 20, "tag": ["sea", "ship"]},
    ),
    Case(
        "body",
        "POST",
        "/orders",
        201,
        0.88,
        body=msgspec.json.encode(ORDER),
        media_type=JSON,
        answer=ORDER,
    ),
    json("dependencies", "/access", 0.82, {"name": "ishmael", "tenant": "pequod"}),
    text("middlewares", "/text", 0.75, Kind.MIDDLEWARES),
    text("routes-static", "/shelf-250", 0.75, Kind.ROUTES),
    json("routes-parameter", "/shelf-250/1851", 0.66, {"item_id": 1851}, Kind.ROUTES),
    Case("404", "GET", "/nowhere", 404, 0.75),
    Case("405", "DELETE", "/json", 405, 0.75, allow=frozenset({"GET"})),
    text("state", "/state", 0.78),
    Case(
        "websocket",
        "GET",
        "/echo",
        101,
        0.60,
        calls=CALLS,
        pieces=tuple(said.encode() for said in CALLS),
    ),
    Case(
        "stream",
        "GET",
        "/stream",
        200,
        0.92,
        media_type=TEXT,
        answer=b"".join(PIECES).decode(),
        pieces=PIECES,
    ),
    json("thread", "/thread", 0.85, {"in_thread": True}),
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
