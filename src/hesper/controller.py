"""A layer written as a class: `Controller`.

Options are class attributes, read from the namespace of each class along the inheritance chain. A
base class is an outer layer: options combine by the same rules as everywhere, and `path` is
replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any, ClassVar, Final, Self

import hesper._late as late
from hesper._place import Place, place_of_caller
from hesper.handlers.handler import declarations
from hesper.layer import RULES, Layer

# Low enough to see "guard" and "middlewares", high enough to let a "tag" or a "header" pass.
_RESEMBLANCE: Final = 0.88

_NAMES: Final = (*RULES, "path")


class Controller(Layer):
    """Group the handlers of a class under a path.

    Hesper makes one instance for each app, without arguments; an instance made by hand may stand
    in `route_handlers` in the class's place.
    """

    path: ClassVar[str] = "/"
    """The prefix of every path of the class; it may have parameters."""

    _declared_at: ClassVar[Place]

    def __new__(cls, *_arguments: object, **_keywords: object) -> Self:
        """Leave all arguments to the subclass's own `__init__`."""
        return object.__new__(cls)

    def __init__(self) -> None:
        # Layer's own would set every option on the instance, over the class attributes.
        pass

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Check the options that the class sets itself, and those of its mixins.

        Raises:
            TypeError: An attribute nearly is an option's name, or an option's value does not fit.
        """
        super().__init_subclass__(**keywords)
        cls._declared_at = place_of_caller()
        for source in _sources(cls):
            if source is cls or not issubclass(source, Controller):
                _check_names(source)
                _read(source)

    @property
    def label(self) -> str:
        """How messages name the controller."""
        return f"controller {type(self).__qualname__}"


class ControllerLayer(Layer):
    """What one class of a controller says itself; lives as long as the apps that it is part of."""

    @property
    def label(self) -> str:
        """How messages name the controller."""
        return f"controller {vars(self)['_name']}"


def _sources(controller: type[Controller]) -> Iterator[type]:
    """Yield the classes that a controller's options come from, the outermost base first."""
    for source in reversed(controller.__mro__):
        if source not in Controller.__mro__:
            yield source


def _check_names(source: type) -> None:
    for name, value in vars(source).items():
        where = f"{source.__qualname__}.{name}"
        if declarations(value):
            if name in _NAMES:
                raise TypeError(f"{where} is a handler with the name of an option; rename it")
        elif name == "path":
            if not isinstance(value, str):
                raise TypeError(f"{where} is the prefix of all paths, a string, not {value!r}")
        elif name in RULES:
            if isinstance(value, FunctionType) and value.__code__.co_varnames[:1] == ("self",):
                raise TypeError(
                    f"{where} is a method, but an option's function is called without the "
                    "controller; take self away and write @staticmethod above it"
                )
        elif not name.startswith("_"):
            meant = late.did_you_mean(name, _NAMES, cutoff=_RESEMBLANCE)
            if meant:
                raise TypeError(f"{where} is not an option{meant}")


def _read(source: type) -> ControllerLayer:
    own = vars(source)
    try:
        layer = ControllerLayer(**{name: own[name] for name in RULES if name in own})
    except (TypeError, ValueError) as error:
        raise TypeError(f"{source.__qualname__}: {error}") from None
    # Only a class that is no Controller has no place; finding it out takes long.
    vars(layer).update(_name=source.__qualname__, _declared_at=own.get("_declared_at", source))
    return layer


def layers_of(controller: type[Controller]) -> tuple[Layer, ...]:
    """Return the layers of a controller class, the outermost base first.

    A mixin is one, too, whether it is derived from `Controller` or not: a guard on it must count.
    """
    return tuple(_read(source) for source in _sources(controller))
