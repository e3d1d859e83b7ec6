"""Responses: what a handler says about its answer, and what sends it."""

from __future__ import annotations

from hesper.response.conditional import check_preconditions
from hesper.response.file import File
from hesper.response.redirect import Redirect
from hesper.response.response import Response
from hesper.response.sse import ServerSentEvent, ServerSentEventMessage
from hesper.response.stream import Stream

__all__ = (
    "File",
    "Redirect",
    "Response",
    "ServerSentEvent",
    "ServerSentEventMessage",
    "Stream",
    "check_preconditions",
)
