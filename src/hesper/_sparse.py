"""Classes whose objects hold only what is said of them: `sparse`.

PERF: a handler says two or three of forty things. To write down the others, as a dataclass does, is
half of what it takes to declare a route, in time and in memory; and to write the constructor that
does so, one for each class, is a good part of importing Hesper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from inspect import Parameter, Signature
from typing import Any, TypeVar, dataclass_transform

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
    """Make a class a frozen dataclass, all of whose fields have defaults; keywords are its fields.

    What has a rule among the fields, and is not said, is what the object has inherited.
    """
    kind = dataclass(frozen=True, kw_only=True, eq=False, repr=False, init=False)(kind)
    declared: Any = kind
    by_position = [field.name for field in fields(declared) if not field.kw_only]

    def __init__(made: Any, *given: object, **said: object) -> None:  # noqa: N807
        if given:
            said.update(_named(type(made), by_position, given, said))
        vars(made).update(shadowed_of(type(made)), **said)
        made.__post_init__()

    unsaid = {
        field.name: Unsaid(field.name)
        for field in fields(declared)
        if "rule" in field.metadata and field.name in vars(kind)
    }
    own = {"__init__": __init__, "__signature__": _Constructor(__init__), **unsaid}
    for name, value in own.items():
        type.__setattr__(kind, name, value)
    return kind


def _named(
    kind: type[Any], names: Sequence[str], given: Sequence[object], said: Mapping[str, object]
) -> dict[str, object]:
    """Return what is given by position by its name.

    Raises:
        TypeError: It is too much, or given by its name, too.
    """
    if len(given) > len(names):
        raise TypeError(
            f"{kind.__name__}() takes from 1 to {len(names) + 1} positional arguments "
            f"but {len(given) + 1} were given"
        )
    named = dict(zip(names, given, strict=False))
    for name in named.keys() & said.keys():
        raise TypeError(f"{kind.__name__}() got multiple values for argument {name!r}")
    return named


class _Constructor:
    """Tells `inspect` what the constructor of a sparse class takes; lives as long as the class.

    Args:
        constructor: The constructor; a subclass may have one of its own.
    """

    __slots__ = ("__weakref__", "_constructor")

    def __init__(self, constructor: Callable[..., None]) -> None:
        self._constructor = constructor

    def __get__(self, made: object, kind: type[Any]) -> Signature:
        if made is not None or kind.__init__ is not self._constructor:
            raise AttributeError("__signature__")
        described = sorted(fields(kind), key=lambda field: bool(field.kw_only))
        return Signature(
            [
                Parameter(
                    field.name,
                    Parameter.KEYWORD_ONLY if field.kw_only else Parameter.POSITIONAL_OR_KEYWORD,
                    default=field.default,
                    annotation=field.type,
                )
                for field in described
            ]
        )


def shadowed_of(kind: type[Any]) -> Mapping[str, Any]:
    """Return the defaults of the fields that a class has attributes of its own instead of.

    An attribute says nothing, as only what is passed does: so objects of the class hold the
    defaults of these fields. They are found once, and kept on the class.
    """
    shadowed: Mapping[str, Any] | None = vars(kind).get("_shadowed")
    if shadowed is None:
        attributes: dict[str, Any] = {}
        for source in reversed(kind.__mro__):
            attributes.update(vars(source))
        standing = [(field, attributes.get(field.name, field.default)) for field in fields(kind)]
        shadowed = {
            field.name: field.default
            for field, attribute in standing
            if not isinstance(attribute, Unsaid)
            and ("rule" in field.metadata or attribute is not field.default)
        }
        type.__setattr__(kind, "_shadowed", shadowed)
    return shadowed
