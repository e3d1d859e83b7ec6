"""The body of a request, as a server passes it on: in pieces of at most 64 KiB.

Where the body ends, servers know from its framing (RFC 9112 6.3), and so it is here: with a
`content-length` the piece that reaches it is the last one and what comes after it is not read; a
body that ends before it is cut off, and the app sees a disconnect. Without one the body is chunked,
and an empty message ends it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Final

import httpx2
from anyio import to_thread

from hesper._types import Message

__all__ = ("request_messages",)

_PIECE: Final = 65_536


async def request_messages(request: httpx2.Request) -> AsyncGenerator[Message, None]:
    """Yield the `http.request` messages of *request*; a body that is cut off has no last one."""
    length = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers:
        async for piece in _pieces(request):
            yield {"type": "http.request", "body": piece, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}
        return
    left = int(length) if length.isdecimal() else 0
    if not left:
        yield {"type": "http.request", "body": b"", "more_body": False}
        return
    async for piece in _pieces(request):
        body = piece[:left]
        left -= len(body)
        yield {"type": "http.request", "body": body, "more_body": left > 0}
        if not left:
            return


async def _pieces(request: httpx2.Request) -> AsyncGenerator[bytes, None]:
    async for chunk in _chunks(request):
        for start in range(0, len(chunk), _PIECE):
            yield chunk[start : start + _PIECE]


async def _chunks(request: httpx2.Request) -> AsyncGenerator[bytes, None]:
    stream = request.stream
    if isinstance(stream, httpx2.AsyncByteStream):
        async for chunk in stream:
            yield chunk
        return
    # A sync client's body may be a generator that waits: it is not to hold up the app's loop.
    chunks = iter(stream)
    while (piece := await to_thread.run_sync(_next_chunk, chunks)) is not None:
        yield piece


def _next_chunk(chunks: Iterator[bytes]) -> bytes | None:
    # A StopIteration cannot leave a coroutine (PEP 479).
    return next(chunks, None)
