"""What a client sent, before an instance is made of it: `DTOData`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Generic, TypeVar

from hesper.dto.changing import apply
from hesper.dto.construction import Construction, model_of
from hesper.dto.shape import Shape

T = TypeVar("T")


class DTOData(Generic[T]):
    """What a client sent for a model: decoded and checked, but no instance yet.

    A handler names it as the type of `data`: `DTOData[Person]`. It lives as long as the handler
    holds it.
    """

    __slots__ = ("__weakref__", "_shape", "_values")

    def __init__(self, shape: Shape, values: Any) -> None:
        self._shape = shape
        self._values = values

    def __repr__(self) -> str:
        return f"<DTOData {self._values!r}>"

    def as_builtins(self) -> Any:
        """Return what was sent, as dicts and lists, by the names that the fields have in models.

        What was not sent is not in it.
        """
        return deepcopy(self._values)

    def create_instance(self, **kwargs: Any) -> T:
        """Return an instance of the model; of a list, a list of instances.

        Args:
            **kwargs: Values that win over those that were sent; `address__id=1` is the `id` of
                the `address`. Of a list, each instance gets them.

        Raises:
            TypeError: A field that clients cannot set is required, and is not given.
            ValidationException: The model refuses what was sent, or the client left out a field
                that is required.
        """
        construction = Construction()
        instance = construction.part(self._shape, _merged(self._values, kwargs), "")
        construction.end()
        made: T = instance
        return made

    def update_instance(self, instance: T, **kwargs: Any) -> T:
        """Set what was sent on an instance of the model, and return it; the rest stays.

        What was sent for a nested model is set on the one that is there.

        Args:
            instance: The instance.
            **kwargs: Values that win over those that were sent.

        Raises:
            TypeError: What was sent is no single model.
            ValidationException: The model refuses what was sent.
        """
        shape = model_of(self._shape, self._values)
        if shape is None:
            raise TypeError(
                f"update_instance takes data of one model, not of {self._shape.annotation}"
            )
        construction = Construction()
        changes = construction.changes(shape, instance, _merged(self._values, kwargs), "")
        construction.end()
        construction.faults += apply(changes)
        construction.end()
        return instance


def _merged(values: Any, kwargs: Mapping[str, Any]) -> Any:
    """Return a copy of what was sent with further values in it."""
    if isinstance(values, list):
        return [_merged(item, kwargs) for item in values]
    merged = dict(values) if isinstance(values, dict) else values
    for key, value in kwargs.items():
        if not isinstance(merged, dict):
            raise TypeError(f"there is nothing to set {key!r} on in {merged!r:.100}")
        first, _, rest = key.partition("__")
        if rest and first and key not in merged:
            inner = merged.get(first)  # a client may send null for what may be missing
            merged[first] = _merged({} if inner is None else inner, {rest: value})
        else:
            merged[key] = value
    return merged
