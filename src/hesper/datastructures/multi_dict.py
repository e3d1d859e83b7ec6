"""Mappings in which a key has one or more values, as in a query string or a form.

As a mapping they give the first value of each key; `getall` gives all of them. Keys come in the
order in which they were first seen, the values of a key in the order in which they were added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Generic, Self, TypeAlias, TypeVar, cast, overload

from hesper._types import Empty, EmptyType

__all__ = ("ImmutableMultiDict", "MultiDict")

T = TypeVar("T")
D = TypeVar("D")

# Inside the classes `dict` is the method of that name.
_Lists: TypeAlias = dict[str, list[T]]


class ImmutableMultiDict(Mapping[str, T], Generic[T]):
    """A multi-dict that can be read only.

    It lives as long as whoever holds it.

    Args:
        items: A mapping, or pairs in which a key may come again; another multi-dict gives all of
            its values.
    """

    __slots__ = ("__weakref__", "_lists")
    _lists: _Lists[T]

    def __init__(self, items: Mapping[str, T] | Iterable[tuple[str, T]] | None = None) -> None:
        self._lists = {}
        for key, value in _pairs(items):
            self._lists.setdefault(key, []).append(value)

    @classmethod
    def over(cls, lists: _Lists[T]) -> Self:
        """Return a multi-dict over *lists* itself, which is not copied.

        Args:
            lists: The values by key; no list is empty.
        """
        multi_dict = cls.__new__(cls)
        multi_dict._lists = lists
        return multi_dict

    def __getitem__(self, key: str) -> T:
        return self._lists[key][0]

    def __contains__(self, key: object) -> bool:
        return key in self._lists

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists)

    def __len__(self) -> int:
        return len(self._lists)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ImmutableMultiDict):
            return self._lists == other._lists
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # an equal one may change.

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.multi_items())!r})"

    @overload
    def getall(self, key: str) -> list[T]: ...

    @overload
    def getall(self, key: str, default: D) -> list[T] | D: ...

    def getall(self, key: str, default: D | EmptyType = Empty) -> list[T] | D:
        """Return a new list of all values of a key.

        Args:
            key: The key.
            default: What to return if there is none.

        Raises:
            KeyError: There is none, and no default.
        """
        values = self._lists.get(key)
        if values is not None:
            return values.copy()
        if isinstance(default, EmptyType):
            raise KeyError(key)
        return default

    def multi_items(self) -> Iterator[tuple[str, T]]:
        """Return key and value of every value, the values of a key after each other."""
        return ((key, value) for key, values in self._lists.items() for value in values)

    def dict(self) -> _Lists[T]:
        """Return a new dictionary with the list of values of each key."""
        return {key: values.copy() for key, values in self._lists.items()}

    def copy(self) -> Self:
        """Return a multi-dict of the same class with the same values."""
        return self.over(self.dict())

    def mutable_copy(self) -> MultiDict[T]:
        """Return a multi-dict with the same values that can be changed."""
        return MultiDict.over(self.dict())


class MultiDict(ImmutableMultiDict[T], MutableMapping[str, T], Generic[T]):
    """A multi-dict that can be changed.

    It lives as long as whoever holds it.

    Args:
        items: A mapping, or pairs in which a key may come again; another multi-dict gives all of
            its values.
    """

    __slots__ = ()

    def __setitem__(self, key: str, value: T) -> None:
        """Give the key this value only."""
        self._lists[key] = [value]

    def __delitem__(self, key: str) -> None:
        """Remove the key with all of its values."""
        del self._lists[key]

    def add(self, key: str, value: T) -> None:
        """Append a value to those of a key.

        Args:
            key: The key.
            value: The value.
        """
        self._lists.setdefault(key, []).append(value)

    def extend(self, items: Mapping[str, T] | Iterable[tuple[str, T]]) -> None:
        """Append values to those of their keys.

        Args:
            items: What the constructor takes.
        """
        for key, value in _pairs(items):
            self.add(key, value)

    @overload
    def popall(self, key: str) -> list[T]: ...

    @overload
    def popall(self, key: str, default: D) -> list[T] | D: ...

    def popall(self, key: str, default: D | EmptyType = Empty) -> list[T] | D:
        """Remove a key and return all of its values.

        Args:
            key: The key.
            default: What to return if there is none.

        Raises:
            KeyError: There is none, and no default.
        """
        if isinstance(default, EmptyType):
            return self._lists.pop(key)
        return self._lists.pop(key, default)

    def immutable(self) -> ImmutableMultiDict[T]:
        """Return a multi-dict with the same values that can be read only."""
        return ImmutableMultiDict.over(self.dict())


def _pairs(items: Mapping[str, T] | Iterable[tuple[str, T]] | None) -> Iterable[tuple[str, T]]:
    if items is None:
        return ()
    if isinstance(items, ImmutableMultiDict):
        # A list, so that a multi-dict can be extended with itself.
        return list(items.multi_items())
    if isinstance(items, Mapping):
        # A mapping is an iterable too: checkers fear one whose keys are pairs.
        return cast("Mapping[str, T]", items).items()
    return items
