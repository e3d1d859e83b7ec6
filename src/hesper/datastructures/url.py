"""URLs, taken apart and put together (RFC 3986).

The parts are as they stand in the URL, percent-encoded. What a URL is put together from is encoded
where it would otherwise end its part, so no part can become another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from hesper._types import Scope
from hesper.datastructures.multi_dict import ImmutableMultiDict
from hesper.datastructures.query import parse_query_string

__all__ = ("URL",)

# RFC 3986 3.3 and 3.4: what stands in a path, and in a query or a fragment, as it is.
_OF_PATH: Final = "/:@!$&'()*+,;=~"
_OF_QUERY: Final = _OF_PATH + "?"

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_AUTHORITY: Final = re.compile(r"[^\x00-\x20\x7f/?#\\]*")

# RFC 9110 7.2, without what no host is called; anything else in the header is an attempt.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{0,5}))?")

# Of these, the slashes before the authority are written even if it is empty.
_WITH_AUTHORITY: Final = frozenset({"http", "https", "ws", "wss", "ftp", "file"})

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class URL:
    """A URL, which never changes.

    It lives as long as whoever holds it. URLs are equal if their texts are.

    Args:
        url: The URL's text.

    Raises:
        ValueError: The text is no URL: its brackets or its port are malformed.
    """

    __slots__ = ("__weakref__", "_parts")
    _parts: SplitResult

    def __init__(self, url: str) -> None:
        self._parts = _checked(urlsplit(url))

    @classmethod
    def from_components(
        cls,
        scheme: str = "",
        netloc: str = "",
        path: str = "",
        fragment: str = "",
        query: str | Mapping[str, object] = "",
    ) -> Self:
        """Return the URL that consists of these parts.

        Args:
            scheme: Such as "https".
            netloc: The host, with user and port if there are any.
            path: The path; percent signs in it are kept.
            fragment: What follows "#".
            query: What follows "?", or its names and values; a multi-dict gives all of its values.

        Raises:
            ValueError: The scheme or the netloc cannot stand in a URL.
        """
        if scheme and not _SCHEME.fullmatch(scheme):
            raise ValueError(f"the scheme of a URL is {scheme!r}: it looks like 'https'")
        if not _AUTHORITY.fullmatch(netloc):
            raise ValueError(
                f"the netloc of a URL is {_shown(netloc)!r}: it looks like 'host' or "
                "'user@host:8000', without slashes and blanks"
            )
        return cls._of(
            scheme.lower(),
            netloc,
            quote(path, _OF_PATH + "%", errors="replace"),
            quote(_query(query), _OF_QUERY + "%", errors="replace"),
            quote(fragment, _OF_QUERY + "%", errors="replace"),
        )

    @classmethod
    def from_scope(cls, scope: Scope) -> Self:
        """Return the URL that a connection asks for.

        The host is that of the `Host` header if it is well-formed, else the server's address.

        Args:
            scope: The connection's scope.
        """
        scheme = scope.get("scheme") or ("ws" if scope["type"] == "websocket" else "http")
        return cls._of(
            scheme,
            _authority(scope, scheme),
            quote(_full_path(scope), _OF_PATH, errors="replace"),
            quote(scope.get("query_string", b""), _OF_QUERY + "%"),
        )

    @classmethod
    def _of(cls, scheme: str, netloc: str, path: str, query: str, fragment: str = "") -> Self:
        # RFC 3986 3.3: without these, a path could be read as an authority or a scheme.
        if netloc and path and not path.startswith("/"):
            path = f"/{path}"
        elif not netloc and scheme not in _WITH_AUTHORITY and path.startswith("//"):
            path = f"/.{path}"
        elif not scheme and not netloc and ":" in path.partition("/")[0]:
            path = f"./{path}"
        url = cls.__new__(cls)
        url._parts = _checked(SplitResult(scheme, netloc, path, query, fragment))
        return url

    def with_replacements(
        self,
        scheme: str | None = None,
        netloc: str | None = None,
        path: str | None = None,
        query: str | Mapping[str, object] | None = None,
        fragment: str | None = None,
    ) -> Self:
        """Return a URL in which the parts that are given replace this one's.

        Args:
            scheme: As in `from_components`; so are the others. An empty text drops the part.
            netloc: The host, with user and port.
            path: The path.
            query: The query.
            fragment: The fragment.

        Raises:
            ValueError: The scheme or the netloc cannot stand in a URL.
        """
        return self.from_components(
            scheme=self.scheme if scheme is None else scheme,
            netloc=self.netloc if netloc is None else netloc,
            path=self.path if path is None else path,
            query=self.query if query is None else query,
            fragment=self.fragment if fragment is None else fragment,
        )

    @property
    def scheme(self) -> str:
        """The scheme in lower case, such as "https"; empty for a relative URL."""
        return self._parts.scheme

    @property
    def netloc(self) -> str:
        """The host, with user and port if there are any."""
        return self._parts.netloc

    @property
    def path(self) -> str:
        """The path."""
        return self._parts.path

    @property
    def query(self) -> str:
        """What follows "?"."""
        return self._parts.query

    @property
    def fragment(self) -> str:
        """What follows "#"."""
        return self._parts.fragment

    @property
    def username(self) -> str | None:
        """The user's name."""
        return self._parts.username

    @property
    def password(self) -> str | None:
        """The user's password."""
        return self._parts.password

    @property
    def hostname(self) -> str | None:
        """The host in lower case, without brackets."""
        return self._parts.hostname

    @property
    def port(self) -> int | None:
        """The port, if the URL names one."""
        return self._parts.port

    @property
    def query_params(self) -> ImmutableMultiDict[str]:
        """The names and values of the query, decoded."""
        return ImmutableMultiDict.over(parse_query_string(self.query.encode("utf-8", "replace")))

    def __str__(self) -> str:
        return _joined(self._parts)

    def __repr__(self) -> str:
        return f"URL({_joined(self._parts._replace(netloc=_shown(self.netloc)))!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, URL | str):
            return str(self) == str(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))


def _joined(parts: SplitResult) -> str:
    """Return the text of a URL (RFC 3986 5.3)."""
    scheme, netloc, path, query, fragment = parts
    text = f"{scheme}:" if scheme else ""
    if netloc or (scheme in _WITH_AUTHORITY and path.startswith("/")):
        text += f"//{netloc}"
    text += path
    if query:
        text += f"?{query}"
    return f"{text}#{fragment}" if fragment else text


def _checked(parts: SplitResult) -> SplitResult:
    """Return *parts* whose properties can all be read."""
    try:
        _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"the netloc of a URL is {_shown(parts.netloc)!r}: {error}") from None
    return parts


def _shown(netloc: str) -> str:
    """Return *netloc* without the password that may stand in it."""
    user, at, host = netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{name}:***@{host}" if colon else f"{user}{at}{host}"


def _query(query: str | Mapping[str, object]) -> str:
    if isinstance(query, str):
        return query
    if isinstance(query, ImmutableMultiDict):
        return urlencode(list(query.multi_items()), errors="replace")
    return urlencode(query, doseq=True, errors="replace")


def _authority(scope: Scope, scheme: str) -> str:
    for name, value in scope.get("headers", ()):
        if name == b"host":
            host: str = value.decode("latin-1")
            found = _HOST.fullmatch(host)
            if found and int(found["port"] or 0) <= 65535:
                return host
            break
    if not scope.get("server"):
        return ""
    host, port = scope["server"]
    if port is None:
        # ASGI, HTTP connection scope: the host is the path of a socket file.
        return ""
    host = f"[{host}]" if ":" in host else host
    return host if port == _DEFAULT_PORTS.get(scheme) else f"{host}:{port}"


def _full_path(scope: Scope) -> str:
    """Return the path with the root path before it, which most servers have put there."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if not root or path == root or path.startswith(f"{root}/"):
        return path
    return root + path if path.startswith("/") else f"{root}/{path}"
