"""The headers of a response that is being put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Final

import hesper._late as late
from hesper.datastructures.headers import encode_header

VALIDATORS: Final = frozenset({b"etag", b"last-modified"})
"""The headers that tell versions of a response apart (RFC 9110 8.8)."""


class ResponseHeaders(MutableMapping[str, str]):
    """One line for each name, in any case; it lives as long as its response.

    Every line is checked when it is set, so headers that exist can be sent. Cookies, the one
    header of which a response has several lines, are not among them.

    Args:
        headers: The first ones: a mapping, or declared headers, of which those for documentation
            only are left out.

    Raises:
        ValueError: A name or a value cannot stand in a header.
    """

    __slots__ = ("__weakref__", "lines")

    lines: dict[bytes, bytes]
    """The encoded values by lower-case, encoded name."""

    def __init__(
        self, headers: Mapping[str, str] | Sequence[late.ResponseHeader] | None = None
    ) -> None:
        self.lines = {}
        if not headers:
            return
        # PERF: asking whether something is a mapping takes as long as encoding a header.
        if type(headers) is dict or isinstance(headers, Mapping):
            # Not as `self[name]`: a subclass's `__setitem__` may need what it has not set up yet.
            for name, value in headers.items():
                key, encoded = encode_header(name, value)
                self.lines[key] = encoded
        else:
            self.lines.update(
                header.to_encoded() for header in headers if not header.documentation_only
            )

    def __getitem__(self, name: str) -> str:
        return self.lines[_key(name)].decode("latin-1")

    def __setitem__(self, name: str, value: str) -> None:
        key, encoded = encode_header(name, value)
        self.lines[key] = encoded

    def __delitem__(self, name: str) -> None:
        del self.lines[_key(name)]

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        # Names only: values may be credentials.
        return f"<{type(self).__name__} {', '.join(self) or 'without any'}>"


def _key(name: str) -> bytes:
    return name.lower().encode("latin-1", "replace")
