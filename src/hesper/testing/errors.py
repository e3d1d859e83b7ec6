"""The errors that the test clients report about an app, beside the app's own exceptions."""

from __future__ import annotations

import httpx2

from hesper.exceptions import HesperException, WebSocketDisconnect

__all__ = ("ASGIProtocolError", "ClientGoneError", "LifespanError", "WebSocketDeniedError")


class ASGIProtocolError(HesperException):
    """The app broke the ASGI specification: a message out of order, or of a wrong shape."""


class LifespanError(HesperException):
    """The app answered that its start-up or its shutdown failed.

    The exception that the app raised besides, if any, is the `__cause__`.
    """


class ClientGoneError(OSError):
    """What `send` raises once the client has gone (ASGI 2.4, HTTP connection scope)."""


class WebSocketDeniedError(WebSocketDisconnect):
    """The app refused a websocket with an HTTP response; `code` is the response's status.

    Args:
        response: The app's response, read to its end.
    """

    response: httpx2.Response
    """The app's response, read to its end."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.text or response.reason_phrase, code=response.status_code)
        self.response = response
