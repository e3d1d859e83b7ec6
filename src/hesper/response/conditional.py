"""Conditional requests: whether a client has what it asks for, or knows what it changes.

* `GET` and `HEAD` are judged by the response they get, when it starts: only then is it known to be
  a success, and otherwise conditions do not count (RFC 9110 13.2.1). What has not been sent by
  then, such as a stream's content, is never made.
* Other methods are judged before anything is done, by what is there until then.
* A header that cannot be read names no entity tag, or no time, and is no error.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hesper._types import ASGIApp, Message, RawHeaders, Receive, Scope, Send
from hesper.connection.request import Request
from hesper.datastructures.etag import ETag
from hesper.exceptions import ClientException

_CONDITIONS: Final = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}
)
_SAFE: Final = frozenset({"GET", "HEAD"})

# RFC 9110 13.2.1: these select no representation that a condition could be about.
_UNCONDITIONAL: Final = frozenset({"CONNECT", "OPTIONS", "TRACE"})

# RFC 9110 15.4.5: what describes the content that a 304 does not have.
_OF_CONTENT: Final = frozenset(
    {
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-range",
        b"content-type",
    }
)

# RFC 9110 8.8.3, and one member of a list of such (5.6.1), which may be empty.
_TAG: Final = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_MEMBER: Final = re.compile(rb"[ \t]*(?:%b[ \t]*)?(?:,|\Z)" % _TAG.pattern)


class Conditional:
    """Sends a response, or what is sent in its place to a conditional request.

    It lives until it is sent.

    Args:
        app: What sends the response.
    """

    __slots__ = ("__weakref__", "_app")

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; 304 instead if the client has it (RFC 9110 15.4.5).

        Args:
            scope: The request's scope.
            receive: Waits for the client's next message.
            send: Sends a message to the client.

        Raises:
            ClientException: A precondition fails: 412; nothing has been sent.
        """
        conditions = _conditions(scope) if scope.get("method") in _SAFE else None
        if not conditions:
            await self._app(scope, receive, send)
            return

        async def judging(message: Message) -> None:
            if message["type"] == "http.response.start" and 200 <= message["status"] < 300:
                _judge(conditions, message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, judging)
        except _NotModified as not_modified:
            headers = not_modified.headers
        else:
            return
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class _NotModified(Exception):  # noqa: N818  (no error; it ends what sends the response)
    """The client has the response; it lives until that is told."""

    def __init__(self, headers: RawHeaders) -> None:
        super().__init__()
        self.headers = headers


def check_preconditions(request: Request[Any, Any, Any], etag: ETag | None) -> None:
    """Refuse a request to change what the client does not know, before it is changed.

    For handlers of `PUT`, `PATCH`, `DELETE` and `POST` that find out for themselves which version
    is there; `If-Match` and `If-None-Match` are looked at.

    Args:
        request: The request.
        etag: The entity tag of what is there now; `None` if there is nothing.

    Raises:
        ClientException: A precondition fails: 412.
    """
    refuse_unmatched(request.scope, None if etag is None else etag.to_header().encode("latin-1"))


def refuse_unmatched(scope: Scope, etag: bytes | None) -> None:
    """Do as `check_preconditions` does, with the value of an `ETag` header.

    Args:
        scope: The request's scope.
        etag: The header's value; `None` if there is nothing.

    Raises:
        ClientException: A precondition fails: 412.
    """
    if scope["method"] in _SAFE or scope["method"] in _UNCONDITIONAL:
        return
    conditions = _conditions(scope)
    if_match = conditions.get(b"if-match")
    if if_match is not None and not _names(if_match, etag, weakly=False):
        raise _failed("If-Match")
    if_none_match = conditions.get(b"if-none-match")
    if if_none_match is not None and _names(if_none_match, etag, weakly=True):
        raise _failed("If-None-Match")


def _judge(conditions: dict[bytes, bytes], headers: RawHeaders) -> None:
    """Raise what a response of these headers becomes, in the order of RFC 9110 13.2.2."""
    lines = dict(headers)
    etag, modified = lines.get(b"etag"), lines.get(b"last-modified")
    if etag is not None and not _TAG.fullmatch(etag):
        etag = None  # the handler's own value, which is no tag, cannot be compared with any
    if (held := conditions.get(b"if-match")) is not None:
        if etag is not None and not _names(held, etag, weakly=False):
            raise _failed("If-Match")
    elif _is_later(modified, conditions.get(b"if-unmodified-since")):
        raise _failed("If-Unmodified-Since")
    if (held := conditions.get(b"if-none-match")) is not None:
        unchanged = etag is not None and _names(held, etag, weakly=True)
    else:
        unchanged = _is_later(modified, conditions.get(b"if-modified-since")) is False
    if unchanged:
        dropped = _OF_CONTENT if etag is None else _OF_CONTENT | {b"last-modified"}
        raise _NotModified([line for line in headers if line[0] not in dropped])


def _conditions(scope: Scope) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _CONDITIONS:
            found[name] = found[name] + b", " + value if name in found else value
    return found


def _names(members: bytes, etag: bytes | None, *, weakly: bool) -> bool:
    """Tell whether the value of a header names an entity tag, or any by "*".

    Args:
        members: The value: a list of entity tags, or "*".
        etag: The tag; None if there is nothing that has one.
        weakly: Whether weak tags count as well (RFC 9110 8.8.3.2).
    """
    if etag is None:
        return False
    if members.strip(b" \t") == b"*":
        return True
    if not weakly and etag.startswith(b"W/"):
        return False
    wanted = etag.removeprefix(b"W/")
    found, place = False, 0
    while place < len(members):
        member = _MEMBER.match(members, place)
        if member is None:
            return False
        found = found or (member[2] == wanted and (weakly or member[1] is None))
        place = member.end()
    return found


def _is_later(modified: bytes | None, condition: bytes | None) -> bool | None:
    """Tell whether the first date is later than the second; None without two dates."""
    if modified is None or condition is None:
        return None
    time, since = _time(modified), _time(condition)
    return None if time is None or since is None else time > since


def _time(value: bytes) -> int | None:
    """Return the seconds since 1970 that an HTTP date says (RFC 9110 5.6.7), if it is one."""
    from calendar import timegm  # here, as they are slow to load
    from email.utils import parsedate_tz

    try:
        parsed = parsedate_tz(value[:100].decode("latin-1"))
        # All forms are of UTC, also the one that names no zone.
        return None if parsed is None or parsed[9] else timegm(parsed[:9])
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _failed(condition: str) -> ClientException:
    return ClientException(f"The precondition {condition} failed", status_code=412)
