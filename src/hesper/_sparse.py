"""Classes whose objects hold only what is said of them: `sparse`.

PERF: a handler says two or three of forty things. To write down the others, as a dataclass does, is
half of what it takes to declare a route, in time and in memory; and to write the constructor that
does so, one for each class, is a good part of importing Hesper.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from inspect import Parameter, Signature, isdatadescriptor
from typing import Any, TypeVar, dataclass_transform

import msgspec

import hesper._late as late
from hesper._merge import UNSET

T = TypeVar("T")


class Unsaid:
    """Stands on a class for an option that an object does not say: that is what it has inherited.

    Lives as long as the class.
    """

    __slots__ = ("__weakref__", "_name")

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, said_of: object, _kind: type[Any]) -> Any:
        inherited = None if said_of is None else vars(said_of).get("_inherited")
        return UNSET if inherited is None else inherited[self._name]


@dataclass_transform(
    eq_default=False, kw_only_default=True, frozen_default=True, field_specifiers=(field,)
)
def sparse(kind: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose objects hold what is said of them.

    Its fields are passed by keyword, but for those that say otherwise. What has a rule among them,
    and is not said, is what the object has inherited; all else has its default from the class. A
    class with `_holds_defaults` has objects that hold these defaults, too: they are few, and do not
    change with the class.

    Raises:
        TypeError: A field's default is made by a function, which nobody would call.
    """
    kind = dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)(kind)
    declared: Any = kind
    by_position = [field.name for field in fields(declared) if not field.kw_only]
    required = [field.name for field in fields(declared) if field.default is MISSING]
    for one in fields(declared):
        if one.default_factory is not MISSING:
            raise TypeError(f"{kind.__name__}.{one.name} has a default_factory; write a default")

    def __init__(made: Any, /, *given: object, **said: object) -> None:  # noqa: N807
        """Say something of each field that is passed."""
        of = type(made)
        if given:
            said.update(_named(of, by_position, given, said))
        _require_known(of, said.keys())
        if required:
            _require_said(of, required, said.keys())
        shape = shape_of(of)
        through = _through_descriptors(shape, said) if shape.descriptors else {}
        vars(made).update(shape.held, **said)
        for name, value in through.items():
            object.__setattr__(made, name, value)
        made.__post_init__()

    __init__.__module__, __init__.__qualname__ = kind.__module__, f"{kind.__qualname__}.__init__"
    unsaid = {
        field.name: Unsaid(field.name)
        for field in fields(declared)
        if "rule" in field.metadata and field.name in vars(kind)
    }
    signature = _Constructor(__init__, kind.__new__)
    for name, value in {"__init__": __init__, "__signature__": signature, **unsaid}.items():
        type.__setattr__(kind, name, value)
    return kind


def _require_known(kind: type[Any], said: Collection[str]) -> None:
    """Refuse keywords that are no fields of a class, with the name that was probably meant.

    Raises:
        TypeError: There is one.
    """
    names = shape_of(kind).names
    for name in said:
        if name not in names:
            meant = late.did_you_mean(name, names)
            raise TypeError(f"{kind.__name__} has no option {name!r}{meant}")


def _require_said(kind: type[Any], required: Sequence[str], said: Collection[str]) -> None:
    missing = [repr(name) for name in required if name not in said]
    if missing:
        raise TypeError(f"{kind.__name__} needs {' and '.join(missing)}")


def _named(
    kind: type[Any], names: Sequence[str], given: Sequence[object], said: Mapping[str, object]
) -> dict[str, object]:
    """Return what is given by position by its name.

    Raises:
        TypeError: It is too much, or given by its name, too.
    """
    if len(given) > len(names):
        arguments = "argument" if len(names) == 1 else "arguments"
        raise TypeError(
            f"{kind.__name__} takes at most {len(names)} {arguments} by position, not {len(given)}"
        )
    named = dict(zip(names, given, strict=False))
    for name in named.keys() & said.keys():
        raise TypeError(f"{kind.__name__} got multiple values for argument {name!r}")
    return named


class _Constructor:
    """Tells `inspect` what the constructor of a sparse class takes; lives as long as the class.

    Args:
        constructor: The constructor; a subclass may have one of its own.
        new: What makes the objects that it is given; a subclass may have one of its own, too.
    """

    __slots__ = ("__weakref__", "_constructor", "_new")

    def __init__(self, constructor: Callable[..., None], new: Callable[..., object]) -> None:
        self._constructor = constructor
        self._new = new

    def __get__(self, made: object, kind: type[Any]) -> Signature:
        is_own = kind.__init__ is self._constructor and kind.__new__ is self._new
        if made is not None or not is_own:
            raise AttributeError("__signature__")
        described = sorted(fields(kind), key=lambda field: bool(field.kw_only))
        return Signature(
            [
                Parameter(
                    field.name,
                    Parameter.KEYWORD_ONLY if field.kw_only else Parameter.POSITIONAL_OR_KEYWORD,
                    default=Parameter.empty if field.default is MISSING else field.default,
                    annotation=field.type,
                )
                for field in described
            ]
        )


class Shape(msgspec.Struct, frozen=True, eq=False):
    """What the objects of a class hold; lives as long as the class."""

    names: frozenset[str]
    """The fields."""

    held: Mapping[str, Any]
    """The defaults that objects hold: all, if the class has it so; else those of fields that it
    has attributes of its own instead of, as these say nothing, and only what is passed does."""

    descriptors: Mapping[str, Any]
    """The fields that the class has a descriptor for which knows how to hold them, such as a
    property; and what they are set to if nothing is said, `MISSING` where they can only be read."""


def shape_of(kind: type[Any]) -> Shape:
    """Return what the objects of a class hold; it is found once, and kept on the class."""
    shape: Shape | None = vars(kind).get("_shape")
    if shape is None:
        shape = _found(kind)
        type.__setattr__(kind, "_shape", shape)
    return shape


def _found(kind: type[Any]) -> Shape:
    attributes: dict[str, Any] = {}
    for source in reversed(kind.__mro__):
        attributes.update(vars(source))
    holds_defaults = getattr(kind, "_holds_defaults", False)
    held: dict[str, Any] = {}
    descriptors: dict[str, Any] = {}
    for one in fields(kind):
        attribute = attributes.get(one.name, one.default)
        if isdatadescriptor(attribute):
            can_be_set = getattr(attribute, "fset", True) is not None
            descriptors[one.name] = one.default if can_be_set else MISSING
        elif one.default is MISSING or isinstance(attribute, Unsaid):
            continue
        elif holds_defaults or "rule" in one.metadata or attribute is not one.default:
            held[one.name] = one.default
    return Shape(frozenset(one.name for one in fields(kind)), held, descriptors)


def _through_descriptors(shape: Shape, said: dict[str, object]) -> dict[str, object]:
    """Take out of what is said what descriptors hold, and return it with what they are set to."""
    values = {name: said.pop(name, default) for name, default in shape.descriptors.items()}
    return {name: value for name, value in values.items() if value is not MISSING}
