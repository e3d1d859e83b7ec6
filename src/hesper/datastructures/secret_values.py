"""Values that no log, traceback or page of an error shows by accident."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

__all__ = ("SecretBytes", "SecretString")

_HIDDEN: Final = "******"

_ValueT = TypeVar("_ValueT", bound="str | bytes")


class _Secret(Generic[_ValueT]):
    """A value that only `get_secret()` gives away."""

    __slots__ = ("__weakref__", "_value")
    _value: _ValueT

    def __init__(self, value: _ValueT) -> None:
        self._value = value

    def get_secret(self) -> _ValueT:
        """Return the value itself."""
        return self._value

    def __str__(self) -> str:
        return _HIDDEN

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_HIDDEN!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Secret) or type(self) is not type(other):
            return NotImplemented
        # Here, because the module is slow to import and few applications compare secrets.
        from hmac import compare_digest

        return compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash((type(self), self._value))


class SecretString(_Secret[str]):
    """A secret text.

    It lives as long as whoever holds it.

    Args:
        value: The text.
    """

    __slots__ = ()


class SecretBytes(_Secret[bytes]):
    """Secret bytes.

    They live as long as whoever holds them.

    Args:
        value: The bytes.
    """

    __slots__ = ()


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
