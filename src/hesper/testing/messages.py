"""The checks that servers make on what an app sends.

Each check takes a message and returns what it says, or raises `ASGIProtocolError`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hesper._types import Message, RawHeaders
from hesper.testing.errors import ASGIProtocolError

__all__ = (
    "LifespanMessages",
    "ResponseMessages",
    "WebSocketMessages",
    "WebSocketPhase",
    "close_reason",
    "message_type",
    "payload_size",
    "raw_headers",
)

# RFC 9110 5.6.2 (token), in lower case as ASGI asks for.
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_FORBIDDEN_IN_VALUE: Final = re.compile(rb"[\r\n\0]")
# RFC 6455 7.4.1: these say in reports what no close frame may say.
_NEVER_SENT: Final = frozenset({1004, 1005, 1006, 1015})
# RFC 6455 5.5: a control frame has 125 bytes, two of which are the code.
_REASON_BYTES: Final = 123
_BODILESS: Final = frozenset({204, 304})


def message_type(message: Message) -> str:
    """Return the type of *message*.

    Raises:
        ASGIProtocolError: It is not a mapping with a text `type`.
    """
    value: object = message
    kind = value.get("type") if isinstance(value, Mapping) else None
    if not isinstance(kind, str):
        raise ASGIProtocolError(
            f"The app sent {message!r:.200}; a message is a dict with a str under 'type'."
        )
    return kind


def raw_headers(message: Message) -> RawHeaders:
    """Return the headers of *message*, empty if it has none.

    Raises:
        ASGIProtocolError: A header is not a pair of bytes, a name is not a token in lower case, or
            a value holds a line break or NUL (RFC 9110 5.5).
    """
    headers: RawHeaders = []
    for pair in message.get("headers", ()):
        try:
            name, value = pair
        except (TypeError, ValueError):
            raise _bad_header(message, pair, "each header is a pair of name and value") from None
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise _bad_header(message, pair, "name and value are bytes")
        if not _NAME.fullmatch(name):
            raise _bad_header(message, pair, "a name is a token in lower case")
        if _FORBIDDEN_IN_VALUE.search(value):
            raise _bad_header(message, pair, "a value holds no CR, LF or NUL")
        headers.append((name, value))
    return headers


def _bad_header(message: Message, pair: object, rule: str) -> ASGIProtocolError:
    return ASGIProtocolError(
        f"The app sent the header {pair!r:.200} in {message['type']!r}; {rule}."
    )


def _field(message: Message, name: str, kind: type[Any], default: object) -> Any:
    """Return the field *name* of *message*, which has to be a *kind*."""
    value = message.get(name, default)
    # A bool is an int to isinstance, and a status of True is a mistake.
    if type(value) is not kind and (kind is int or not isinstance(value, kind)):
        raise ASGIProtocolError(
            f"The app sent {name}={value!r:.200} in {message['type']!r};"
            f" it has to be of type {kind.__name__}."
        )
    return value


def payload_size(message: Message) -> int:
    """Return the size of what a `websocket.send` carries, in bytes.

    Raises:
        ASGIProtocolError: It does not carry either text or bytes.
    """
    text, data = message.get("text"), message.get("bytes")
    if isinstance(text, str) and data is None:
        return len(text.encode(errors="surrogatepass"))
    if isinstance(data, bytes) and text is None:
        return len(data)
    raise ASGIProtocolError(
        f"The app sent {dict(message)!r:.200}; a 'websocket.send' carries either a str as 'text' or"
        " bytes as 'bytes'."
    )


def close_reason(message: Message) -> tuple[int, str]:
    """Return the code and the reason of a `websocket.close`.

    Raises:
        ASGIProtocolError: The code may not be sent, or the reason is too long (RFC 6455 7.4, 5.5).
    """
    code: int = _field(message, "code", int, 1000)
    reason = message.get("reason")
    if not 1000 <= code <= 4999 or code in _NEVER_SENT:
        raise ASGIProtocolError(
            f"The app closed a websocket with the code {code}; write 1000, another code of RFC 6455"
            " 7.4.1 that may be sent, or one from 3000 to 4999."
        )
    if reason is None:
        return code, ""
    if not isinstance(reason, str) or len(reason.encode(errors="replace")) > _REASON_BYTES:
        raise ASGIProtocolError(
            f"The app closed a websocket with the reason {reason!r:.200}; it is a str of at most"
            f" {_REASON_BYTES} bytes in UTF-8."
        )
    return code, reason


class ResponseMessages:
    """The messages of one response in their order. It lives as long as the response is sent.

    Args:
        prefix: What the types begin with: "http." or, for a refused websocket, "websocket.http.".
        head_only: Whether the request was a HEAD, whose response has no body (RFC 9110 9.3.2).
    """

    __slots__ = ("__weakref__", "_head_only", "_left", "_prefix", "complete", "headers", "status")

    def __init__(self, prefix: str, *, head_only: bool) -> None:
        self.status: int | None = None
        self.headers: RawHeaders = []
        self.complete = False
        self._prefix = prefix
        self._head_only = head_only
        self._left: int | None = None

    def take(self, message: Message) -> bytes:
        """Check the next message and return the bytes of the body to pass on.

        Raises:
            ASGIProtocolError: The message is out of order, of a wrong shape, or makes the body
                longer or shorter than its `content-length`.
        """
        kind = message_type(message)
        expected = "response.body" if self.status is not None else "response.start"
        if self.complete:
            raise ASGIProtocolError(
                f"The app sent {kind!r} after the end of the response: a body ends with the first"
                " message whose more_body is missing or false."
            )
        if kind != self._prefix + expected:
            raise ASGIProtocolError(
                f"The app sent {kind!r} where {self._prefix + expected!r} has to come: a response"
                " is one start, and then its body."
            )
        if self.status is None:
            self._start(message)
            return b""
        return self._body(message)

    def _start(self, message: Message) -> None:
        status = _field(message, "status", int, None)
        if not 200 <= status <= 999:
            raise ASGIProtocolError(
                f"The app sent the status {status} in {message['type']!r}; the status of a final"
                " response is 200 or more, and has three digits (RFC 9110 15)."
            )
        self.headers = raw_headers(message)
        self.status = status
        self._left = self._declared_length()

    def _declared_length(self) -> int | None:
        if self._head_only:
            return None
        if self.status in _BODILESS:
            return 0
        lengths = [value for name, value in self.headers if name == b"content-length"]
        if not lengths:
            return None
        if len(lengths) > 1 or not lengths[0].isdigit():
            raise ASGIProtocolError(
                f"The app sent the content-length {b', '.join(lengths)!r:.200};"
                " it is one number (RFC 9110 8.6)."
            )
        return int(lengths[0])

    def _body(self, message: Message) -> bytes:
        body: bytes = _field(message, "body", bytes, b"")
        more_body: bool = _field(message, "more_body", bool, False)
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0:
                raise self._wrong_length("longer")
            if self._left and not more_body:
                raise self._wrong_length("shorter")
        self.complete = not more_body
        return b"" if self._head_only else body

    def _wrong_length(self, comparison: str) -> ASGIProtocolError:
        if self.status in _BODILESS:
            return ASGIProtocolError(f"The app sent a body with the status {self.status}.")
        return ASGIProtocolError(
            f"The app sent a body that is {comparison} than its content-length says"
            f" (by {abs(self._left or 0)} bytes)."
        )


class WebSocketPhase(enum.Enum):
    """How far a websocket has come, from the app's side; the values stand in messages."""

    CONNECTING = "before it has accepted"
    DENYING = "while it refuses with a response"
    OPEN = "while the websocket is open"
    CLOSED = "after it has closed the websocket"


class WebSocketMessages:
    """The messages of one websocket in their order. It lives as long as the websocket.

    Args:
        offered: The subprotocols that the client offers.
    """

    __slots__ = (
        "__weakref__",
        "_offered",
        "body",
        "close",
        "denial",
        "headers",
        "phase",
        "subprotocol",
    )

    def __init__(self, offered: Sequence[str]) -> None:
        self._offered = offered
        self.phase = WebSocketPhase.CONNECTING
        self.subprotocol: str | None = None
        """The subprotocol that the app has chosen."""
        self.headers: RawHeaders = []
        """The headers of the app's answer to the handshake."""
        self.denial = ResponseMessages(_DENIAL, head_only=False)
        """The response that the app refuses with, if it does."""
        self.body = bytearray()
        """The body of that response."""
        self.close: tuple[int, str] | None = None
        """The code and the reason with which the app has closed."""

    @property
    def answered(self) -> bool:
        """Whether the handshake has its answer."""
        return self.denial.complete or self.phase in {WebSocketPhase.OPEN, WebSocketPhase.CLOSED}

    def take(self, message: Message) -> int | None:
        """Check the next message; return the size of what it carries, if it carries something.

        Raises:
            ASGIProtocolError: The message is out of order, or of a wrong shape.
        """
        kind = message_type(message)
        phase = self.phase
        if phase in _UNANSWERED and kind.startswith(_DENIAL):
            self.body += self.denial.take(message)
            self.phase = WebSocketPhase.DENYING
        elif phase is WebSocketPhase.CONNECTING and kind == "websocket.accept":
            self._accept(message)
        elif phase is WebSocketPhase.OPEN and kind == "websocket.send":
            return payload_size(message)
        elif phase in _TO_BE_CLOSED and kind == "websocket.close":
            self.close = close_reason(message)
            self.phase = WebSocketPhase.CLOSED
        else:
            raise ASGIProtocolError(
                f"The app sent {kind!r} {phase.value}; a websocket is one 'websocket.accept', any"
                " number of 'websocket.send' and one 'websocket.close', or a refusal."
            )
        return None

    def _accept(self, message: Message) -> None:
        subprotocol = message.get("subprotocol")
        if subprotocol is not None and subprotocol not in self._offered:
            raise ASGIProtocolError(
                f"The app accepted the subprotocol {subprotocol!r:.200}, and the client had offered"
                f" {list(self._offered)!r:.200} (RFC 6455 4.1)."
            )
        self.headers = raw_headers(message)
        self.subprotocol = subprotocol
        self.phase = WebSocketPhase.OPEN


_DENIAL: Final = "websocket.http."
_UNANSWERED: Final = frozenset({WebSocketPhase.CONNECTING, WebSocketPhase.DENYING})
_TO_BE_CLOSED: Final = frozenset({WebSocketPhase.CONNECTING, WebSocketPhase.OPEN})


class LifespanMessages:
    """The app's answers in one lifespan. It lives as long as that."""

    __slots__ = ("__weakref__", "answer", "asked", "phase")

    def __init__(self) -> None:
        self.phase = "startup"
        self.asked = False
        """Whether the app has received what it has to answer."""
        self.answer: Message | None = None

    def begin(self, phase: str) -> None:
        """Wait for the answer to another phase: "startup" or "shutdown"."""
        self.phase = phase
        self.asked = False
        self.answer = None

    def take(self, message: Message) -> None:
        """Check the next message.

        Raises:
            ASGIProtocolError: It is not the answer, or not the first one.
        """
        kind = message_type(message)
        answers = {f"lifespan.{self.phase}.{answer}" for answer in ("complete", "failed")}
        if not self.asked or self.answer is not None or kind not in answers:
            raise ASGIProtocolError(
                f"The app sent {kind!r} during its {self.phase}; each of 'lifespan.startup' and"
                " 'lifespan.shutdown' is answered once, with '.complete' or '.failed' added."
            )
        self.answer = message
