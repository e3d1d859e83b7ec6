"""Cookies: those that arrive, and those that are set (RFC 6265).

A value that cannot stand in the header as it is (RFC 6265 4.1.1) travels between double quotes,
its UTF-8 bytes as backslash and three octal digits. Python's standard library and the frameworks
built on it write and read the same form.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from hesper.datastructures.headers import encode_header

__all__ = ("Cookie", "SameSite", "parse_cookie_header")

SameSite: TypeAlias = Literal["lax", "strict", "none"]
"""On which requests from other sites a browser sends a cookie (RFC 6265bis 4.1.2.7)."""

_BLANKS: Final = " \t"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
# Of the year 9999, the last that a date can name.
_LAST_SECOND: Final = 253_402_300_799

# RFC 6265 4.1.1: cookie-name, cookie-octet, av-octet.
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLAIN_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_PATH: Final = re.compile(r"[\x20-\x2b\x2d-\x3a\x3c-\x7e]*")
_DOMAIN: Final = re.compile(r"[\x21-\x2b\x2d-\x3a\x3c-\x7e]*")

_UNPLAIN_BYTE: Final = re.compile(rb"[^\x20\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]")
_ESCAPE: Final = re.compile(r"\\([0-3][0-7][0-7]|.)", re.DOTALL)


def parse_cookie_header(value: str) -> dict[str, str]:
    """Return the cookies of a request by name; no input is an error.

    Args:
        value: The value of the `Cookie` header (RFC 6265 4.2), decoded as latin-1.
    """
    cookies: dict[str, str] = {}
    for pair in value.split(";"):
        name, separator, text = pair.partition("=")
        name = name.strip(_BLANKS)
        # RFC 6265 5.4, step 2: of cookies with one name, that with the longest path comes first.
        # It was meant for this place, so a later one, which any broader place may have set, does
        # not replace it.
        if separator and name and name not in cookies:
            cookies[name] = _unquoted(text.strip(_BLANKS))
    return cookies


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Cookie:
    """A cookie for the client to keep.

    Everything is checked when it is made, so a cookie that exists can be sent.

    Raises:
        ValueError: A field has what cannot stand in the header; the message says which.
    """

    key: str
    """The cookie's name, a token (RFC 6265 4.1.1)."""
    path: str = "/"
    """The path below which the client sends the cookie, percent-encoded."""
    value: str | None = field(default=None, repr=False)
    """The cookie's value, any text; `None` is the empty one."""
    max_age: int | None = None
    """The seconds for which the client keeps the cookie; 0 or less removes it."""
    expires: int | None = None
    """The seconds from now after which the cookie expires, for clients older than `max_age`."""
    domain: str | None = None
    """The domain whose hosts get the cookie; `None` is the answering host alone."""
    secure: bool | None = None
    """Whether the cookie is sent over HTTPS only."""
    httponly: bool | None = None
    """Whether the cookie is hidden from scripts."""
    samesite: SameSite = "lax"
    """On which requests from other sites the cookie is sent."""
    description: str | None = None
    """What the cookie is for, for the OpenAPI document."""
    documentation_only: bool = False
    """Whether the cookie appears in the OpenAPI document alone and is never set."""

    def __post_init__(self) -> None:
        _check("key", self.key, _NAME)
        _check("path", self.path, _PATH)
        if self.domain is not None:
            _check("domain", self.domain, _DOMAIN)
        if self.samesite not in ("lax", "strict", "none"):
            raise ValueError(
                f"the samesite of the cookie {self.key!r} is {self.samesite!r}: "
                "it can be 'lax', 'strict' or 'none'"
            )
        try:
            _quoted(self.value or "")
        except UnicodeEncodeError:
            raise ValueError(
                f"the value of the cookie {self.key!r} has half of a surrogate pair, which is no "
                "character: encode the value"
            ) from None

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """What a client tells cookies apart by: key, path and domain (RFC 6265 5.3, step 11)."""
        return self.key, self.path, self.domain

    def to_header(self) -> str:
        """Return the value of the `Set-Cookie` header (RFC 6265 4.1)."""
        parts = [f"{self.key}={_quoted(self.value or '')}"]
        if self.domain:
            parts.append(f"Domain={self.domain}")
        if self.path:
            parts.append(f"Path={self.path}")
        if self.expires is not None:
            parts.append(f"Expires={_date(int(time.time()) + self.expires)}")
        if self.max_age is not None:
            parts.append(f"Max-Age={int(self.max_age)}")
        if self.secure:
            parts.append("Secure")
        if self.httponly:
            parts.append("HttpOnly")
        parts.append(f"SameSite={self.samesite}")
        return "; ".join(parts)

    def to_encoded_header(self) -> tuple[bytes, bytes]:
        """Return the `Set-Cookie` header line as ASGI carries it."""
        return encode_header("set-cookie", self.to_header())


def _check(what: str, text: str, allowed: re.Pattern[str]) -> None:
    if allowed.fullmatch(text) and (text or what != "key"):
        return
    raise ValueError(
        f"the {what} of a cookie is {text!r}: control characters, semicolons, commas and "
        "anything outside of ASCII cannot stand there"
        + (", nor blanks, quotes and separators" if what == "key" else "")
    )


def _quoted(text: str) -> str:
    if _PLAIN_VALUE.fullmatch(text):
        return text
    escaped = _UNPLAIN_BYTE.sub(lambda found: b"\\%03o" % found[0][0], text.encode())
    return f'"{escaped.decode("ascii")}"'


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
        if "\\" in text:
            text = _ESCAPE.sub(_unescaped, text)
    if text.isascii():
        return text
    try:
        # Scripts in a browser store UTF-8, of which latin-1 has made one character a byte.
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _unescaped(found: re.Match[str]) -> str:
    escaped = found[1]
    return chr(int(escaped, 8)) if len(escaped) == 3 else escaped


def _date(seconds: int) -> str:
    """Return a time since the epoch as RFC 9110 5.6.7 writes dates, whatever the locale."""
    at = time.gmtime(min(max(0, seconds), _LAST_SECOND))
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    )
