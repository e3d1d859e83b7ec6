"""State: what a lifespan or a connection knows, by attribute and by item.

Names that begin with "hesper." belong to the framework, which keeps them in the same ASGI
namespace: a state neither shows nor takes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import Any, Final, Never, Self, TypeAlias, TypeVar

__all__ = ("ImmutableState", "State")

_RESERVED: Final = "hesper."
_SHOWN: Final = 20
_ABSENT: Final = object()
_REFUSAL: Final = (
    "an immutable state refuses writes; take a State where you need to write, "
    "or make one with mutable_copy()"
)

_StateT = TypeVar("_StateT", bound="ImmutableState")

# Inside the classes `dict` is the method of that name.
_Data: TypeAlias = dict[str, Any]


class _Default:
    """A default of a subclass's attribute: what is read until the state holds a value for it.

    A plain class attribute would be found before the state is asked, and hide what it holds.
    """

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.value = value

    def __get__(self, state: ImmutableState | None, owner: type) -> object:
        return self.value if state is None else state._data.get(self.name, self.value)


class _Method:
    """A method of a state's class; no value that the state holds under its name hides it."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __get__(self, state: ImmutableState | None, owner: type) -> Any:
        return self.function.__get__(state, owner)

    def __set__(self, state: ImmutableState, value: object) -> Never:
        raise AttributeError(f"{type(state).__name__} has a method of that name")


class ImmutableState(Mapping[str, Any]):
    """A state that can be read and refuses every write.

    It lives as long as whoever holds it. Made by the constructor it owns its data; made by
    `over` it shares them.

    Args:
        state: The first values: a mapping, pairs, or another state.
        deep_copy: Copy the values deeply, now and in every `copy()`.
    """

    __slots__ = ("__weakref__", "_data", "_deep_copy")
    _data: _Data
    _deep_copy: bool

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, value in list(vars(cls).items()):
            if not name.startswith("__") and not hasattr(type(value), "__get__"):
                setattr(cls, name, _Default(name, value))

    def __new__(cls, *_args: object, **_options: object) -> Self:
        """Return an empty state, which a subclass's constructor may use before it calls ours."""
        return cls.over({})

    def __init__(
        self,
        state: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        deep_copy: bool = False,
    ) -> None:
        given = dict(() if state is None else state)
        for name in given:
            _refuse_reserved(name)
        self._data.update(deepcopy(given) if deep_copy else given)
        object.__setattr__(self, "_deep_copy", deep_copy)

    @classmethod
    def over(cls, data: _Data) -> Self:
        """Return a state over *data* itself: what changes in one is seen in the other.

        The constructor is not called.

        Args:
            data: The values by name.
        """
        state = object.__new__(cls)
        if cls is State and isinstance(data, dict):
            object.__setattr__(state, "__dict__", data)
        object.__setattr__(state, "_data", data)
        object.__setattr__(state, "_deep_copy", False)
        return state

    def __getattr__(self, name: str) -> Any:
        try:
            return self._data[name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__} has no {name!r}; it has {_listed(self)}",
                name=name,
                obj=self,
            ) from None

    def __setattr__(self, name: str, value: Never) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: {_REFUSAL}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted: {_REFUSAL}")

    def __setitem__(self, name: Never, value: Never) -> None:
        raise TypeError(f"{type(self).__name__}[{name!r}] cannot be set: {_REFUSAL}")

    def __delitem__(self, name: Never) -> None:
        raise TypeError(f"{type(self).__name__}[{name!r}] cannot be deleted: {_REFUSAL}")

    def __getitem__(self, name: str) -> Any:
        if _is_reserved(name):
            raise KeyError(name)
        return self._data[name]

    def __contains__(self, name: object) -> bool:
        return name in self._data and not _is_reserved(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.dict())

    def __len__(self) -> int:
        return len(self.dict())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ImmutableState):
            return self.dict() == other.dict()
        if isinstance(other, Mapping):
            return self.dict() == dict(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # the data may change.

    def __dir__(self) -> list[str]:
        names = {*object.__dir__(self), *self}
        return sorted(name for name in names if not _is_reserved(name))

    def __repr__(self) -> str:
        # Names only: values are of any size, and may be secret.
        return f"<{type(self).__name__} of {_listed(self)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).over, ({},), (self.dict(), self._deep_copy)

    def __setstate__(self, saved: tuple[_Data, bool]) -> None:
        """Take what was pickled or copied."""
        self._data.update(saved[0])
        object.__setattr__(self, "_deep_copy", saved[1])

    def dict(self) -> _Data:
        """Return the names and their values as a new dictionary; the values are shared."""
        # `dict.copy` is one step for other threads, a comprehension over the data is many.
        return {name: value for name, value in self._data.copy().items() if not _is_reserved(name)}

    def copy(self) -> Self:
        """Return a state of the same class with data of its own.

        The values are shared, unless this state was made with `deep_copy=True`.
        """
        return self._copied(type(self))

    def immutable_copy(self) -> ImmutableState:
        """Return a copy, made as `copy()` makes it, that refuses writes."""
        return self._copied(ImmutableState)

    def mutable_copy(self) -> State:
        """Return a copy, made as `copy()` makes it, that takes writes."""
        return self._copied(State)

    def _copied(self, kind: type[_StateT]) -> _StateT:
        data = self.dict()
        copied = kind.over(deepcopy(data) if self._deep_copy else data)
        object.__setattr__(copied, "_deep_copy", self._deep_copy)
        return copied


class State(ImmutableState, MutableMapping[str, Any]):
    """A state that can be read and written, safe between threads as a dictionary is.

    PERF: the data of one that is of no subclass are its `__dict__`, too, so that an attribute is
    read as any object's is; `__getattr__` is there for what is missing.

    It lives as long as whoever holds it. Subclasses may annotate attributes, give them defaults,
    and define methods and properties.

    Args:
        state: The first values: a mapping, pairs, or another state.
        deep_copy: Copy the values deeply, now and in every `copy()`.
    """

    __slots__ = ("__dict__",)

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_of_class(self, name, "__set__"):
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def __delattr__(self, name: str) -> None:
        if _is_of_class(self, name, "__delete__"):
            object.__delattr__(self, name)
            return
        try:
            del self[name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__} has no {name!r} to delete; it has {_listed(self)}",
                name=name,
                obj=self,
            ) from None

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_reserved(name)
        self._data[name] = value

    def __delitem__(self, name: str) -> None:
        if _is_reserved(name):
            raise KeyError(name)
        del self._data[name]

    # The mixin's forms of the next four take several steps, between which a thread may come.

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return the value of *name*, which is set to *default* if it is not there."""
        _refuse_reserved(name)
        return self._data.setdefault(name, default)

    def pop(self, name: str, default: Any = _ABSENT) -> Any:
        """Remove *name* and return its value; *default*, if given, when it is not there."""
        if not _is_reserved(name):
            return self._data.pop(name) if default is _ABSENT else self._data.pop(name, default)
        if default is _ABSENT:
            raise KeyError(name)
        return default

    def popitem(self) -> tuple[str, Any]:
        """Remove the youngest name and return it with its value."""
        for name in reversed(list(self)):
            value = self._data.pop(name, _ABSENT)
            if value is not _ABSENT:
                return name, value
        raise KeyError("popitem(): the state is empty")

    def clear(self) -> None:
        """Remove all names."""
        for name in self:
            self._data.pop(name, None)


# A value under the name of a method, which items may have, must not hide it.
for _name in dir(State):
    if not _name.startswith("_"):
        _function = next(vars(kind)[_name] for kind in State.__mro__ if _name in vars(kind))
        setattr(State, _name, _Method(_function))


def _is_reserved(name: object) -> bool:
    return isinstance(name, str) and name.startswith(_RESERVED)


def _refuse_reserved(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a state's names are texts, and {name!r} is {type(name).__name__}")
    if name.startswith(_RESERVED):
        raise KeyError(f"{name!r}: names that begin with {_RESERVED!r} belong to the framework")


def _is_of_class(state: State, name: str, method: str) -> bool:
    """Tell whether the class of *state* handles writes of *name* itself, as a property does.

    Raises:
        AttributeError: The class has something of that name that would hide the value.
    """
    # `getattr` on the class would find the metaclass's attributes too, such as `mro`.
    found = next((vars(c)[name] for c in type(state).__mro__ if name in vars(c)), _ABSENT)
    dunder = name.startswith("__") and name.endswith("__")
    if (found is _ABSENT and not dunder) or isinstance(found, _Default):
        return False
    if (
        not isinstance(found, _Method)
        and hasattr(type(found), method)
        and name not in ImmutableState.__slots__
    ):
        return True
    raise AttributeError(
        f"{name!r} is a name of the class {type(state).__name__}, so a value under it could not "
        f"be read back as an attribute: write state[{name!r}], or choose another name",
        name=name,
        obj=state,
    )


def _listed(state: ImmutableState) -> str:
    names = list(state)
    if not names:
        return "nothing"
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
