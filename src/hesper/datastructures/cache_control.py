"""The directives by which a response says who may keep it, and how long (RFC 9111 5.2.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Self

from hesper.exceptions import ImproperlyConfiguredException

__all__ = ("CacheControlHeader",)

_SECONDS: Final = frozenset({"max_age", "s_maxage", "stale_while_revalidate"})

# RFC 9111 1.2.2: a number that is too large to hold means this one.
_MOST_SECONDS: Final = 2_147_483_648

# RFC 9111 5.2: a token, and perhaps a token or a quoted text, in which commas may stand.
_DIRECTIVE: Final = re.compile(r'([^\s,="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?')


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CacheControlHeader:
    """The `Cache-Control` header of a response; a directive that is `None` is not sent.

    Raises:
        ImproperlyConfiguredException: A number of seconds is negative.
    """

    HEADER_NAME: ClassVar[str] = "cache-control"
    """The header's name."""

    documentation_only: bool = False
    """Whether the header appears in the OpenAPI document alone and is never set."""
    max_age: int | None = None
    """The seconds for which the response is fresh (RFC 9111 5.2.2.1)."""
    s_maxage: int | None = None
    """The same for shared caches (RFC 9111 5.2.2.10)."""
    no_cache: bool | None = None
    """Whether a cache asks the server before every use (RFC 9111 5.2.2.4)."""
    no_store: bool | None = None
    """Whether nobody may keep the response (RFC 9111 5.2.2.5)."""
    private: bool | None = None
    """Whether shared caches may not keep the response (RFC 9111 5.2.2.7)."""
    public: bool | None = None
    """Whether caches may keep what they otherwise would not (RFC 9111 5.2.2.9)."""
    no_transform: bool | None = None
    """Whether intermediaries leave the content as it is (RFC 9111 5.2.2.6)."""
    must_revalidate: bool | None = None
    """Whether a stale response is never used unasked (RFC 9111 5.2.2.2)."""
    proxy_revalidate: bool | None = None
    """The same for shared caches (RFC 9111 5.2.2.8)."""
    must_understand: bool | None = None
    """Whether only caches that know the status code keep the response (RFC 9111 5.2.2.3)."""
    immutable: bool | None = None
    """Whether the content never changes while it is fresh (RFC 8246)."""
    stale_while_revalidate: int | None = None
    """The seconds for which a stale response is used while a new one is fetched (RFC 5861)."""

    def __post_init__(self) -> None:
        for name in _SECONDS:
            seconds = getattr(self, name)
            if seconds is not None and seconds < 0:
                raise ImproperlyConfiguredException(
                    f"CacheControlHeader({name}={seconds}): the seconds cannot be negative; "
                    "0 means that the response is stale at once"
                )

    @classmethod
    def from_header(cls, header_value: str, documentation_only: bool = False) -> Self:
        """Return the directives that a header's value says.

        Unknown directives are left out (RFC 9111 5.2.3), and of repeated ones the first counts
        (4.2.1).

        Args:
            header_value: The value of a `Cache-Control` header.
            documentation_only: The field of that name.

        Raises:
            ImproperlyConfiguredException: A directive's number of seconds is none.
        """
        known = {field.name for field in fields(cls)} - {"documentation_only"}
        values: dict[str, Any] = {}
        for directive, quoted, plain in _DIRECTIVE.findall(header_value):
            name = directive.lower().replace("-", "_")
            if name in known and name not in values:
                values[name] = _seconds(directive, quoted or plain) if name in _SECONDS else True
        return cls(documentation_only, **values)

    @classmethod
    def prevent_storing(cls) -> Self:
        """Return the header that forbids everybody to keep the response."""
        return cls(no_store=True)

    def to_header(self) -> str:
        """Return the header's value; empty without any directive."""
        directives: list[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            name = field.name.replace("_", "-")
            if field.name in _SECONDS and value is not None:
                directives.append(f"{name}={int(value)}")
            elif value and field.name != "documentation_only":
                directives.append(name)
        return ", ".join(directives)


def _seconds(directive: str, text: str) -> int:
    # RFC 9111 1.2.2: digits, of any number.
    if text.isascii() and text.isdigit():
        return _MOST_SECONDS if len(text) > 10 else min(int(text), _MOST_SECONDS)
    raise ImproperlyConfiguredException(
        f"the directive {directive[:50]!r} of a Cache-Control header is {text[:50]!r}: "
        "it is a number of seconds, such as 3600"
    )
