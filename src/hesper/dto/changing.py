"""Set values on instances: all of them, or none if one is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from hesper._faults import Fault, below, fault_of
from hesper.dto.kinds import is_mapped


class Change(NamedTuple):
    """A value that is to be set on an instance; lives until that is done."""

    instance: Any
    name: str
    value: Any
    path: str | None
    """Where it stands on the wire; `None` if the model has accepted it already."""


def apply(changes: Sequence[Change]) -> list[Fault]:
    """Make changes, or none of them if the setter of a field refuses one.

    Args:
        changes: What is to be set.

    Returns:
        What was refused.
    """
    undo: list[Callable[[], None]] = []
    for change in changes:
        try:
            restore = _restoring(change.instance, change.name)
            _set(change.instance, change.name, change.value)
        except Exception as error:
            for earlier in reversed(undo):
                earlier()
            refused = isinstance(error, (TypeError, ValueError, ArithmeticError))
            if not refused or change.path is None:
                raise
            path = change.path
            return [Fault(fault.message, below(path, fault.path)) for fault in fault_of(error)]
        undo.append(restore)
    return []


def _set(instance: Any, name: str, value: Any) -> None:
    if isinstance(instance, dict):
        instance[name] = value
    else:
        setattr(instance, name, value)


def _restoring(instance: Any, name: str) -> Callable[[], None]:
    """Return what brings back the value that an instance has now, or that it has none."""
    if isinstance(instance, dict):
        if name in instance:
            return partial(_set, instance, name, instance[name])
        return partial(instance.pop, name)
    if is_mapped(type(instance)) and name not in vars(instance):
        return _nothing  # to ask for what is not loaded would ask the database
    if hasattr(instance, name):
        return partial(setattr, instance, name, getattr(instance, name))
    return partial(delattr, instance, name)


def _nothing() -> None:
    """Leave what there is."""
