"""Know what is alive without keeping it alive: `Registry`, `attached` and `live`.

* A registry holds its members weakly. They are known by identity: they need be neither hashable
  nor comparable, only weakly referenceable.
* What belongs to an object is stored on that object. In a mapping beside it, even a weak-keyed
  one, a value that refers to its key would keep it for ever.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

__all__ = ["Live", "Record", "Registry", "attached", "live"]

logger: Final = logging.getLogger("hesper")

T = TypeVar("T")

Details: TypeAlias = Mapping[str, str | int | float | bool | None]
"""Plain values that describe something live."""


class Registry(Generic[T]):
    """A set that never keeps what it lists alive; a member is gone when nothing else holds it.

    Safe from any thread: iterating goes over a snapshot, whatever comes and goes meanwhile.

    Args:
        arrived: Called with each member that is added.
        departed: Called with the label of each member that is discarded or freed: the member
            itself may be gone.
        label: Makes a member's label when it is added; must not refer to the member.
    """

    __slots__ = ("__weakref__", "_arrived", "_departed", "_forget", "_label", "_members")

    def __init__(
        self,
        *,
        arrived: Callable[[T], object] | None = None,
        departed: Callable[[str], object] | None = None,
        label: Callable[[T], str] = repr,
    ) -> None:
        self._arrived = arrived
        self._departed = departed
        self._label = label
        self._members: dict[int, _Member[T]] = {}
        self._forget: Callable[[weakref.ref[T]], None] = _forgetter(weakref.ref(self))

    def add(self, member: T) -> None:
        """List *member* until it is discarded or freed; nothing happens if it is listed.

        Raises:
            TypeError: *member* cannot be weakly referenced.
        """
        if member in self:
            return
        listed = _Member(member, self._forget)
        listed.key = id(member)
        listed.since = time.time()
        listed.label = self._label(member) if self._departed is not None else ""
        # One step: of several threads that add a member at once, one does.
        while (present := self._members.setdefault(listed.key, listed)) is not listed:
            if present() is member:
                return
            # The identity belonged to another member, which is gone, and soon forgotten.
            self._remove(present)
        _tell(self._arrived, member)

    def discard(self, member: T) -> None:
        """List *member* no longer; nothing happens if it is not listed."""
        listed = self._members.get(id(member))
        if listed is not None and listed() is member:
            self._remove(listed)

    def _remove(self, listed: _Member[T]) -> None:
        # Whoever takes it out tells of it, so that it is told once.
        taken = self._members.pop(listed.key, None)
        if taken is listed:
            _tell(self._departed, listed.label)
        elif taken is not None:
            self._members.setdefault(taken.key, taken)

    def since(self, member: T) -> float | None:
        """Return when *member* was added, in seconds since the epoch; `None` if it is not in."""
        listed = self._members.get(id(member))
        return listed.since if listed is not None and listed() is member else None

    def __iter__(self) -> Iterator[T]:
        # A copy is made in one step, which neither a thread nor the collector can interrupt.
        return _Snapshot(iter(self._members.copy().values()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, member: object) -> bool:
        listed = self._members.get(id(member))
        return listed is not None and listed() is member

    def __repr__(self) -> str:
        return f"<Registry of {len(self)}>"


class _Member(weakref.ref[T]):
    """A reference to a member that knows where it is listed; lives as long as it is."""

    __slots__ = ("key", "label", "since")

    key: int
    since: float
    label: str


class _Snapshot(Iterator[T]):
    """Goes over the members that are still alive, and holds none; lives for one iteration."""

    __slots__ = ("_listed",)

    def __init__(self, listed: Iterator[_Member[T]]) -> None:
        self._listed = listed

    def __next__(self) -> T:
        for reference in self._listed:
            member = reference()
            if member is not None:
                return member
        raise StopIteration


def _forgetter(registry: weakref.ref[Registry[T]]) -> Callable[[weakref.ref[T]], None]:
    """Return what takes a freed member out of *registry*, without keeping the registry."""
    kind = _Member  # held here: at the interpreter's end the module forgets its names first

    def forget(reference: weakref.ref[T]) -> None:
        owner = registry()
        if owner is not None and isinstance(reference, kind):
            owner._remove(reference)

    return forget


def _tell(callback: Callable[[Any], object] | None, about: object) -> None:
    if callback is not None:
        try:
            callback(about)
        except Exception:
            logger.exception("a registry's callback failed")


_ATTACHED: Final = "__hesper_attached__"


def attached(owner: object, key: object, factory: Callable[[], T]) -> T:
    """Return the value of *key* that is stored on *owner*, made by *factory* on first use.

    Value and owner go together, even if the value refers back to its owner.

    Args:
        owner: Any object with a `__dict__`.
        key: What tells the values of one owner apart; hashable.
        factory: Makes the value. If several threads ask at once it may be called by each, and all
            of them get the value of the first that is ready.

    Raises:
        TypeError: *owner* cannot hold values.
    """
    namespace = getattr(owner, "__dict__", None)
    if not isinstance(namespace, dict):
        raise TypeError(
            f"nothing can be attached to {owner!r:.100}: it has no __dict__ to write to; "
            "attach to an instance whose class has no __slots__, or has '__dict__' among them"
        )
    attachments = namespace.get(_ATTACHED)
    while not isinstance(attachments, _Attachments) or attachments.owner != id(owner):
        # None yet, or those of the object that this one is a copy of.
        mine = _Attachments(id(owner))
        if attachments is None:
            attachments = namespace.setdefault(_ATTACHED, mine)
        else:
            attachments = namespace[_ATTACHED] = mine
    values = attachments.values
    if key not in values:
        made = factory()
        return values.setdefault(key, made)  # type: ignore[no-any-return]
    return values[key]  # type: ignore[no-any-return]


class _Attachments:
    """What is attached to one object; lives on it, and stays behind when it is copied."""

    __slots__ = ("__weakref__", "owner", "values")

    def __init__(self, owner: int | None = None) -> None:
        self.owner = owner
        self.values: dict[object, Any] = {}

    def __reduce__(self) -> tuple[type[_Attachments], tuple[()]]:
        return (_Attachments, ())


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Record:
    """What is known of one live object; plain values, which keep nothing alive."""

    kind: str
    """`app`, `lifespan` or `server`."""
    name: str
    details: Details
    since: float
    """When it came to life, in seconds since the epoch."""


class Describable(Protocol):
    """What can be listed in `live`."""

    def describe(self) -> tuple[str, Details]:
        """Return a name and details, as plain values."""
        ...


class Live:
    """What is alive in this process now: apps, lifespans and servers.

    Lists them without keeping them alive. Lives as long as the process.
    """

    __slots__ = ("__weakref__", "_members")

    def __init__(self) -> None:
        self._members: dict[str, Registry[Describable]] = {
            kind: Registry() for kind in ("app", "lifespan", "server")
        }

    def add(self, kind: str, member: Describable) -> None:
        """List *member* as long as it is alive, or until it is discarded."""
        self._members[kind].add(member)

    def discard(self, kind: str, member: Describable) -> None:
        """List *member* no longer."""
        self._members[kind].discard(member)

    def members(self, kind: str) -> tuple[Describable, ...]:
        """Return the live members of one kind themselves."""
        return tuple(self._members[kind])

    @property
    def apps(self) -> tuple[Record, ...]:
        """The apps, as a snapshot."""
        return self._records("app")

    @property
    def lifespans(self) -> tuple[Record, ...]:
        """The running lifespans, as a snapshot."""
        return self._records("lifespan")

    @property
    def servers(self) -> tuple[Record, ...]:
        """The running `LiveServer`s, as a snapshot."""
        return self._records("server")

    def _records(self, kind: str) -> tuple[Record, ...]:
        members = self._members[kind]
        return tuple(
            Record(kind, *member.describe(), since=since)
            for member in members
            if (since := members.since(member)) is not None
        )


live: Final = Live()
"""What is alive in this process now."""
