"""Responses: what a handler says about its answer, and what sends it."""

from hesper.response.conditional import check_preconditions as check_preconditions
from hesper.response.file import File as File
from hesper.response.redirect import Redirect as Redirect
from hesper.response.response import Response as Response
from hesper.response.sse import ServerSentEvent as ServerSentEvent
from hesper.response.sse import ServerSentEventMessage as ServerSentEventMessage
from hesper.response.stream import Stream as Stream

__all__: tuple[str, ...]
