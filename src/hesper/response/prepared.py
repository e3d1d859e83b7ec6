"""What is sent of a response: `Prepared`."""

from __future__ import annotations

from typing import ClassVar

from hesper._types import RawHeaders, Receive, Scope, Send


class Prepared:
    """A response that is ready to be sent; it lives until it is sent.

    Args:
        status: The status code.
        headers: The complete header lines, as ASGI carries them.
        body: The complete body.
    """

    __slots__ = ("__weakref__", "body", "headers", "started", "status")

    streaming: bool = False
    """Whether its body is made while it is sent."""

    notes_start: ClassVar[bool] = True
    """Whether calling it sets `started`. A subclass with a `__call__` of its own says so itself."""

    started: bool
    """Whether sending has begun, so that no other response can be sent in its place."""

    def __init_subclass__(cls) -> None:
        """Take for granted that a `__call__` of another class's notes nothing."""
        if "notes_start" not in vars(cls):
            owner = next(base for base in cls.__mro__ if "__call__" in vars(base))
            cls.notes_start = owner is not cls and getattr(owner, "notes_start", False)

    def __init__(self, status: int, headers: RawHeaders, body: bytes = b"") -> None:
        self.started = False
        self.status = status
        self.headers = headers
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; of one to `HEAD` the header only (RFC 9110 9.3.2).

        Args:
            scope: The request's scope.
            receive: Not used.
            send: Sends a message to the client.
        """
        self.started = True
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        body = b"" if scope.get("method") == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})
