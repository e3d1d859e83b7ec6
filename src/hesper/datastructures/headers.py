"""Headers, read and edited as a mapping over the list that ASGI carries.

Names are compared without regard to case (RFC 9110 5.1); values are latin-1 text (5.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from typing import Final, Self, TypeAlias, TypeVar, overload

from hesper._types import Empty, EmptyType, Message, RawHeaders, Scope

__all__ = ("Headers", "MutableScopeHeaders", "encode_header")

_T = TypeVar("_T")

# RFC 9110 5.6.2: what a name may consist of.
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# RFC 9110 5.5: controls are invalid in a value, and CR, LF and NUL dangerous.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_WITH_HEADERS: Final = (
    "http.response.start",
    "http.response.trailers",
    "websocket.accept",
    "websocket.http.response.start",
)

_AT_HAND: Final = 1024

CONTENT_LENGTHS: Final = tuple((b"content-length", b"%d" % size) for size in range(_AT_HAND))
"""The header line that gives the length of a small body, by that length in bytes."""

# Inside the classes `dict` is the method of that name.
_Lists: TypeAlias = dict[str, list[str]]


def content_length(body: bytes) -> tuple[bytes, bytes]:
    """Return the header line that gives the length of *body*."""
    size = len(body)
    return CONTENT_LENGTHS[size] if size < _AT_HAND else (b"content-length", b"%d" % size)


def _encoded_name(name: str) -> bytes:
    """Return a header's name as ASGI carries it."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a header: only letters, digits and "
            "!#$%&'*+-.^_`|~ can stand there"
        )
    return name.lower().encode("ascii")


# PERF: an app sends the same ones all the time. A name of any length is not kept for good.
_known_name: Final = lru_cache(maxsize=512)(_encoded_name)
_KEPT: Final = 64


def encode_header(name: str, value: str) -> tuple[bytes, bytes]:
    """Return a header line as ASGI carries it, its name in lower case.

    Blanks around the value are dropped, as they are no part of it (RFC 9110 5.5).

    Args:
        name: The header's name, a token (RFC 9110 5.6.2).
        value: The header's value, latin-1 text without control characters.

    Raises:
        ValueError: The name or the value cannot stand in a header.
    """
    key = _known_name(name) if len(name) <= _KEPT else _encoded_name(name)
    # PERF: most values are printable ASCII, which is told without searching.
    if value.isascii() and value.isprintable():
        return key, value.strip(" ").encode("ascii")
    bad = _CONTROL.search(value)
    if bad:
        raise ValueError(
            f"the value of the header {name!r} has the control character {bad[0]!r} at "
            f"{bad.start()}: take it out, or encode the value"
        )
    try:
        return key, value.strip(" \t").encode("latin-1")
    except UnicodeEncodeError as error:
        found = value[error.start]
    raise ValueError(
        f"the value of the header {name!r} has {found!r}, which is outside of latin-1: "
        "encode the value, for instance with urllib.parse.quote()"
    )


class Headers(Mapping[str, str]):
    """The headers of a message, by name in any case.

    Made by the constructor they own their list; made by `over` or `from_scope` they read the
    connection's and live no longer than it. Where a name has several lines, the mapping gives
    the first and `getall` gives all of them.

    Args:
        headers: A mapping, pairs of text, or ASGI's list of pairs of bytes.

    Raises:
        ValueError: A name or a value cannot stand in a header.
    """

    __slots__ = ("__weakref__", "raw")

    raw: RawHeaders
    """The header lines as ASGI carries them."""

    def __init__(
        self,
        headers: Mapping[str, str] | Iterable[tuple[str, str] | tuple[bytes, bytes]] | None = None,
    ) -> None:
        if isinstance(headers, Headers):
            self.raw = list(headers.raw)
            return
        pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
        self.raw = [encode_header(_text(name), _text(value)) for name, value in pairs]

    @classmethod
    def over(cls, raw: RawHeaders) -> Self:
        """Return headers over the list *raw* itself, which is neither copied nor checked.

        Args:
            raw: The header lines as ASGI carries them.
        """
        headers = cls.__new__(cls)
        headers.raw = raw
        return headers

    @classmethod
    def from_scope(cls, scope: Scope) -> Self:
        """Return the headers of a connection, over the scope's own list.

        Args:
            scope: The connection's scope.
        """
        return cls.over(scope["headers"])

    def __getitem__(self, name: str) -> str:
        wanted = _wanted(name)
        for found, value in self.raw:
            if found.lower() == wanted:
                return value.decode("latin-1")
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        wanted = _wanted(name)
        return any(found.lower() == wanted for found, _ in self.raw)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower().decode("latin-1") for name, _ in self.raw))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self.raw})

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return self.dict() == other.dict()
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # the list may change.

    def __repr__(self) -> str:
        # Names only: values may be credentials.
        return f"<{type(self).__name__} {', '.join(self) or 'without any'}>"

    @overload
    def getall(self, name: str) -> list[str]: ...

    @overload
    def getall(self, name: str, default: _T) -> list[str] | _T: ...

    def getall(self, name: str, default: _T | EmptyType = Empty) -> list[str] | _T:
        """Return the values of all lines of that name, in their order.

        Args:
            name: The header's name in any case.
            default: What to return if there is none.

        Raises:
            KeyError: There is none, and no default.
        """
        wanted = _wanted(name)
        values = [value.decode("latin-1") for found, value in self.raw if found.lower() == wanted]
        if values:
            return values
        if isinstance(default, EmptyType):
            raise KeyError(name)
        return default

    def multi_items(self) -> Iterator[tuple[str, str]]:
        """Return name and value of every line, in their order."""
        return (
            (name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in self.raw
        )

    def dict(self) -> _Lists:
        """Return a new dictionary with the list of values of each name."""
        lists: _Lists = {}
        for name, value in self.multi_items():
            lists.setdefault(name, []).append(value)
        return lists


class MutableScopeHeaders(Headers, MutableMapping[str, str]):
    """The headers of a scope or a message, edited in place.

    They live as long as the scope or the message whose list they edit.

    Args:
        scope: The scope or message; without headers, it is given an empty list of them.
    """

    __slots__ = ()

    def __init__(self, scope: Scope | Message | None = None) -> None:
        raw = None if scope is None else scope.get("headers")
        self.raw = raw if isinstance(raw, list) else list(raw or ())
        if scope is not None:
            scope["headers"] = self.raw

    @classmethod
    def from_message(cls, message: Message) -> Self:
        """Return the headers of a message that carries any.

        Args:
            message: A message such as `http.response.start`.

        Raises:
            ValueError: Messages of this type carry no headers.
        """
        if message["type"] not in _WITH_HEADERS:
            raise ValueError(
                f"a message of type {message['type']!r} carries no headers: "
                f"those of {', '.join(_WITH_HEADERS)} do"
            )
        return cls(message)

    def __setitem__(self, name: str, value: str) -> None:
        """Give the header one line, in the place of its first one."""
        line = encode_header(name, value)
        places = [place for place, (found, _) in enumerate(self.raw) if found.lower() == line[0]]
        if not places:
            self.raw.append(line)
            return
        self.raw[places[0]] = line
        for place in reversed(places[1:]):
            del self.raw[place]

    def __delitem__(self, name: str) -> None:
        """Remove all lines of that name."""
        wanted = _wanted(name)
        kept = [line for line in self.raw if line[0].lower() != wanted]
        if len(kept) == len(self.raw):
            raise KeyError(name)
        self.raw[:] = kept

    def add(self, name: str, value: str) -> None:
        """Append a line, whether or not the header has one.

        Args:
            name: The header's name in any case.
            value: The header's value.

        Raises:
            ValueError: The name or the value cannot stand in a header.
        """
        self.raw.append(encode_header(name, value))

    def extend_header_value(self, name: str, value: str) -> None:
        """Append a member to the comma-separated list that is the header's value.

        Args:
            name: The header's name in any case.
            value: The member.

        Raises:
            ValueError: The name or the value cannot stand in a header.
        """
        self[name] = ", ".join([*self.getall(name, ()), value])


def _text(part: object) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else str(part)


def _wanted(name: object) -> bytes | None:
    """Return *name* as it stands in the list, or `None` if it cannot stand there."""
    try:
        return name.lower().encode("latin-1") if isinstance(name, str) else None
    except UnicodeEncodeError:
        return None
