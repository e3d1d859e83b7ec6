"""Server-sent events (WHATWG HTML 9.2).

No field but the data can hold a line break, and data is split at every line break that the
format knows (CR, LF, CRLF; no others), so no text can become a field of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from hesper._closing import Closing
from hesper.background_tasks import BackgroundTask, BackgroundTasks
from hesper.datastructures.cookies import Cookie
from hesper.datastructures.response_header import ResponseHeader
from hesper.response.defaults import Defaults
from hesper.response.stream import Stream, StreamSource

_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")
_SEPARATORS: Final = ("\r\n", "\n", "\r")


@dataclass(slots=True, weakref_slot=True)
class ServerSentEventMessage:
    """One event; it lives as long as whoever holds it."""

    data: str | int | bytes | None = ""
    """The data; None sends none, so that the client gets no event."""
    event: str | None = None
    """The event's type, without line breaks; the client's default is "message"."""
    id: int | str | None = None
    """What the client reports as the last event when it comes back; without line breaks or NUL."""
    retry: int | None = None
    """The milliseconds after which the client is to come back."""
    comment: str | None = None
    """A comment, which clients skip."""
    sep: str = "\r\n"
    """The line break to write."""

    def encode(self) -> bytes:
        """Return the event as it is sent.

        Raises:
            TypeError: The data is neither text, nor bytes, nor an integer.
            ValueError: A field has something that cannot stand there.
        """
        if self.sep not in _SEPARATORS:
            raise ValueError(f"the separator of an event is {self.sep!r}: it is a line break")
        lines: list[str] = []
        if self.comment is not None:
            lines += [f": {line}" for line in _lines(self.comment)]
        if self.id is not None:
            lines.append(f"id: {_one_line('id', str(self.id))}")
        if self.event is not None:
            lines.append(f"event: {_one_line('event', self.event)}")
        if self.data is not None:
            lines += [f"data: {line}" for line in _lines(self.data)]
        if self.retry is not None:
            lines.append(f"retry: {int(self.retry)}")
        return (self.sep.join(lines) + 2 * self.sep).encode()


SSEData: TypeAlias = str | bytes | int | Mapping[str, Any] | ServerSentEventMessage
"""One event: its data, its fields, or the whole message."""


class ServerSentEvent(Stream):
    """A response that is a stream of events.

    It lives as long as whoever sends it holds it, and is otherwise a `Stream`.

    Args:
        content: What to iterate over, or a function that returns such: text, bytes and integers
            are the data of an event, mappings its fields, and `ServerSentEventMessage` a whole.
        event_type: The type of events that say none.
        event_id: The id of events that say none.
        retry_duration: The milliseconds for which the client is to wait, for events that say none.
        comment_message: The comment of events that say none.
        status_code: The status; by default that of the route.
        headers: Header lines; `Cache-Control: no-cache` is there unless something else is said.
        cookies: Cookies to set.
        background: Work to do after the last event.

    Raises:
        ValueError: A header or a cookie cannot be sent.
    """

    __slots__ = ("comment_message", "event_id", "event_type", "retry_duration")

    def __init__(
        self,
        content: StreamSource,
        *,
        event_type: str | None = None,
        event_id: int | str | None = None,
        retry_duration: int | None = None,
        comment_message: str | None = None,
        status_code: int | None = None,
        headers: Mapping[str, str] | Sequence[ResponseHeader] | None = None,
        cookies: Mapping[str, str] | Sequence[Cookie] | None = None,
        background: BackgroundTask | BackgroundTasks | None = None,
    ) -> None:
        super().__init__(
            content,
            status_code=status_code,
            headers=headers,
            cookies=cookies,
            background=background,
        )
        self.event_type = event_type
        self.event_id = event_id
        self.retry_duration = retry_duration
        self.comment_message = comment_message
        self.headers.setdefault("cache-control", "no-cache")
        # What nginx, and those who follow it, need so as not to hold events back.
        self.headers.setdefault("x-accel-buffering", "no")

    def media_type_for(self, defaults: Defaults) -> str:
        """Return `text/event-stream`, whatever the route says.

        Args:
            defaults: Not used.
        """
        return "text/event-stream"

    def is_ended_by(self, closing: Closing) -> bool:
        """True: an event stream has no end of its own, and its client comes back.

        Args:
            closing: Not used.
        """
        return True

    def chunk(self, item: Any) -> bytes:
        """Return an event as it is sent.

        Args:
            item: Text, bytes, an integer, the fields as a mapping, or a `ServerSentEventMessage`.

        Raises:
            TypeError: It is something else, or a field is unknown.
            ValueError: A field has something that cannot stand there.
        """
        return self._message(item).encode()

    def _message(self, item: Any) -> ServerSentEventMessage:
        if isinstance(item, ServerSentEventMessage):
            return item
        if isinstance(item, (str, bytes, int)):
            return ServerSentEventMessage(
                item, self.event_type, self.event_id, self.retry_duration, self.comment_message
            )
        if isinstance(item, Mapping):
            fields: dict[str, Any] = {
                "event": self.event_type,
                "id": self.event_id,
                "retry": self.retry_duration,
                "comment": self.comment_message,
            }
            return ServerSentEventMessage(**{**fields, **item})
        raise TypeError(
            f"an event stream got a {type(item).__qualname__} to send: give text, bytes, an "
            "integer, a mapping of the event's fields, or a ServerSentEventMessage"
        )


def _lines(value: str | int | bytes) -> list[str]:
    if not isinstance(value, (str, bytes, int)):
        raise TypeError(
            f"the data of an event is a {type(value).__qualname__}: give text, bytes or an "
            "integer, such as the JSON that hesper.serialization.encode_json returns"
        )
    text = value.decode() if isinstance(value, bytes) else str(value)
    # PERF: most data is one line, and looking for a character takes less than a pattern.
    return _LINE_BREAK.split(text) if "\n" in text or "\r" in text else [text]


def _one_line(field: str, text: str) -> str:
    if "\r" in text or "\n" in text or "\0" in text:
        raise ValueError(
            f"the {field} of an event is {text[:100]!r}: line breaks and NUL cannot stand there, "
            "only in its data"
        )
    return text
