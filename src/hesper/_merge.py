"""How what one layer says of an option combines with what the layer outside it says.

Every layer's word on an option is a `Change`: values to join to the outer ones, or a fresh start
that drops them. Combining changes is associative and the change of nobody is neutral, so layers
may be folded in any grouping. A rule knows how values join, and what a plainly written value means:
a fresh start (`replace`) or one more to join (`extend`, `prepend`, `overlay`). `Extend` and
`Replace` say the other at one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from hesper._types import Empty, EmptyType

T_co = TypeVar("T_co", covariant=True)
Combine: TypeAlias = Callable[[Any, Any], Any]
Read: TypeAlias = Callable[[Any], Any]

UNSET: Final = Empty
"""The value of an option that a layer says nothing about."""


class Extend(msgspec.Struct, Generic[T_co], frozen=True, weakref=True):
    """An option's value that joins what the outer layers set, at this one place.

    Args:
        value: What the option takes without a wrapper.
    """

    value: T_co


class Replace(msgspec.Struct, Generic[T_co], frozen=True, weakref=True):
    """An option's value that drops what the outer layers set, at this one place.

    Args:
        value: What the option takes without a wrapper; `Replace([])` leaves nothing.
    """

    value: T_co


class Change(msgspec.Struct, frozen=True):
    """What one layer, or several folded into one, does to an option."""

    value: Any
    """The values, in the option's normal form."""

    fresh: bool = False
    """Whether the outer layers' values are dropped."""


class Rule(msgspec.Struct, frozen=True, eq=False):
    """How one option combines along a chain of layers."""

    name: str
    """`replace`, `extend`, `prepend` or `overlay`."""

    read: Read
    """Turns what the user wrote into the option's normal form; raises `TypeError` if it cannot."""

    join: Combine | None
    """Joins an outer and an inner value in normal form; `None` where they cannot be joined."""

    empty: Any
    """The value of an option that no layer sets, in normal form."""

    def change(self, option: str, written: object) -> Change:
        """Return what *written*, the value given for *option*, does.

        Raises:
            TypeError: The value does not fit the option.
            ValueError: The value has the right type, but cannot be used.
        """
        replaces = self.name == "replace"
        if isinstance(written, Extend):
            if self.join is None:
                raise TypeError(
                    f"{option}=Extend(...) has no meaning: only one {option} can be in force. "
                    f"Write {option}=... to replace the outer one"
                )
            written, replaces = written.value, False
        elif isinstance(written, Replace):
            written, replaces = written.value, True
        elif written is None and not replaces:
            raise TypeError(
                f"{option}=None would silently drop what the outer layers collected. Leave it out "
                f"to inherit, or write {option}=Replace({_EMPTY[self.name]}) to drop it"
            )
        try:
            return Change(self.read(written), replaces)
        except TypeError as error:
            raise TypeError(f"{option}: {error}") from None
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from None

    def combine(self, outer: Change, inner: Change) -> Change:
        """Return the change that does *outer*, then *inner*."""
        if inner.fresh or self.join is None:
            return inner
        return Change(self.join(outer.value, inner.value), outer.fresh)


_EMPTY = {"extend": "[]", "prepend": "[]", "overlay": "{}"}


def outer_first(outer: tuple[Any, ...], inner: tuple[Any, ...]) -> tuple[Any, ...]:
    """Join two tuples, the outer layer's values first."""
    return (*outer, *inner)


def inner_first(outer: tuple[Any, ...], inner: tuple[Any, ...]) -> tuple[Any, ...]:
    """Join two tuples, the inner layer's values first."""
    return (*inner, *outer)


def _overlaid(outer: dict[Any, Any], inner: dict[Any, Any]) -> dict[Any, Any]:
    return {**outer, **inner}


def _as_it_is(written: Any) -> Any:
    return written


def several(written: object) -> tuple[Any, ...]:
    """Read a list of values.

    Raises:
        TypeError: *written* is a single value, a string or a mapping.
    """
    if isinstance(written, (str, bytes, Mapping)) or not isinstance(written, Iterable):
        instead = "[]" if written is None else f"[{_name(written)}]"
        raise TypeError(f"takes a list, not {_shown(written)}; write {instead}")
    return tuple(written)


def callables(written: object) -> tuple[Any, ...]:
    """Read a list of callables.

    Raises:
        TypeError: *written* is no list, or a value in it is not callable.
    """
    values = several(written)
    for value in values:
        require_callable(value)
    return values


def require_callable(value: object, of: str = "") -> None:
    """Check that *value* can be called.

    Args:
        value: What the user wrote.
        of: Which of several values it is, for the message.

    Raises:
        TypeError: It cannot.
    """
    if not callable(value):
        raise TypeError(f"takes a callable{of}, not {_shown(value)}")


def hooks(written: object) -> tuple[Any, ...]:
    """Read one callable, several of them, or none (`None`).

    Raises:
        TypeError: A value is not callable.
    """
    if written is None:
        return ()
    values = several(written) if isinstance(written, (list, tuple)) else (written,)
    for value in values:
        require_callable(value)
    return values


def mapping(written: object) -> dict[Any, Any]:
    """Read a mapping.

    Raises:
        TypeError: *written* is none.
    """
    if not isinstance(written, Mapping):
        raise TypeError(f"takes a mapping, not {_shown(written)}")
    return dict(written)


def mapping_to_callables(written: object) -> dict[Any, Any]:
    """Read a mapping whose values are callable.

    Raises:
        TypeError: *written* is no mapping, or a value in it is not callable.
    """
    values = mapping(written)
    for key, value in values.items():
        require_callable(value, f" for {_name(key)}")
    return values


def _shown(value: object) -> str:
    return f"{_name(value)} ({type(value).__name__})"


def _name(value: object) -> str:
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else repr(value)[:60]


def _declare(rule: Rule) -> Any:
    return field(default=UNSET, repr=False, metadata={"rule": rule})


def replace(empty: object = None, *, read: Read = _as_it_is) -> Any:
    """Declare an option of which the layer closest to the handler sets the value."""
    return _declare(Rule("replace", read, None, empty))


def replace_hooks(join: Combine) -> Any:
    """Declare an option that holds hooks: the closest layer's, or joined under `Extend`."""
    return _declare(Rule("replace", hooks, join, ()))


def extend(*, read: Read = several) -> Any:
    """Declare a list: the outer layers' values first, then the inner ones'."""
    return _declare(Rule("extend", read, outer_first, ()))


def prepend(*, read: Read = several) -> Any:
    """Declare a list of which the first match wins: the inner layers' values first."""
    return _declare(Rule("prepend", read, inner_first, ()))


def overlay(*, read: Read = mapping) -> Any:
    """Declare a mapping: the inner layer's key wins."""
    return _declare(Rule("overlay", read, _overlaid, {}))


__all__ = ["UNSET", "Change", "EmptyType", "Extend", "Replace", "Rule"]
