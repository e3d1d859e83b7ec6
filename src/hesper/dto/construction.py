"""Make instances of plain values, part by part, so that the place of each fault is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hesper._did_you_mean import did_you_mean
from hesper._faults import MAX_FAULTS, Fault, below, fault_of, joined, shown
from hesper.dto.changing import Change
from hesper.dto.shape import (
    ChoiceShape,
    FieldShape,
    ItemsShape,
    MappingShape,
    ModelShape,
    RowShape,
    Shape,
)
from hesper.exceptions import ValidationException


def model_of(shape: Shape, value: Any) -> ModelShape | None:
    """Return the shape of the model that plain values stand for, if it is known which."""
    if isinstance(shape, ModelShape):
        return shape
    if isinstance(shape, ChoiceShape) and isinstance(value, dict):
        models = [member for member in shape.members if isinstance(member, ModelShape)]
        return models[0] if len(models) == 1 else None
    return None


def _member_of(shape: ChoiceShape, value: Any) -> Shape | None:
    """Return the member of a union that plain values stand for; `None` if they are none's."""
    model = model_of(shape, value)
    if model is not None:
        return model
    for member in shape.members:
        if isinstance(member, MappingShape) and isinstance(value, dict):
            return member
        if isinstance(member, (ItemsShape, RowShape)) and isinstance(value, (list, tuple)):
            return member
    return None


def _is_instance(shape: ModelShape, value: object) -> bool:
    return isinstance(value, dict if shape.kind.made == "written" else shape.type)


class _Incomplete(Exception):  # noqa: N818
    """Something is missing in a model, which may still be given."""


def _is_complete(shape: ModelShape, given: Mapping[str, Any]) -> bool:
    required = (field.name for field in shape.fields if field.definition.required)
    return all(name in given for name in (*shape.lacking, *required))


class Construction:
    """Makes instances of plain values, part by part, and collects all faults; lives for one value.

    Attributes:
        faults: What the models refuse, by the names on the wire.
    """

    __slots__ = ("__weakref__", "_examining", "faults")

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._examining = False

    def end(self) -> None:
        """Raise what was collected.

        Raises:
            ValidationException: The models refuse something.
        """
        if self.faults:
            extra = [
                {"message": fault.message, "key": fault.path or "data", "source": "body"}
                for fault in self.faults
            ]
            raise ValidationException("Validation failed for the request's body", extra=extra)

    def part(self, shape: Shape, value: Any, path: str, *, filling: bool = False) -> Any:
        """Return what plain values stand for.

        Args:
            shape: What they are.
            value: The values; what is an instance already is taken as it is.
            path: Where they stand on the wire.
            filling: Whether they are for a model of pydantic, which makes those inside itself.
        """
        match shape:
            case ModelShape() if isinstance(value, dict):
                return self._model(shape, value, path, filling=filling)
            case ItemsShape() if isinstance(value, list):
                items = [
                    self.part(shape.inner, item, joined(path, at), filling=filling)
                    for at, item in enumerate(value)
                ]
                return self._attempt(lambda: shape.make(items), path)
            case RowShape() if isinstance(value, (list, tuple)):
                pairs = zip(shape.inners, value, strict=True)
                return tuple(
                    self.part(inner, item, joined(path, at), filling=filling)
                    for at, (inner, item) in enumerate(pairs)
                )
            case MappingShape() if isinstance(value, dict):
                return {
                    key: self.part(shape.inner, item, joined(path, key), filling=filling)
                    for key, item in value.items()
                }
            case ChoiceShape():
                member = _member_of(shape, value)
                return value if member is None else self.part(member, value, path, filling=filling)
            case _:
                return value

    def _model(self, shape: ModelShape, value: dict[str, Any], path: str, *, filling: bool) -> Any:
        before = len(self.faults)
        validated = shape.kind.made == "validated"
        given = self._fields(shape, value, path, filling=validated)
        self._require(shape, given, path)
        if shape.kind.made == "written" or (validated and filling):
            return given
        if len(self.faults) > before:
            return None
        if validated:
            return self._validated(shape, given, path)
        keywords = {field.name: field.parameter for field in shape.fields}
        call = {keywords.get(name, name): inner for name, inner in given.items()}
        return self._attempt(lambda: shape.type(**call), path)

    def _fields(
        self, shape: ModelShape, value: dict[str, Any], path: str, *, filling: bool
    ) -> dict[str, Any]:
        known = {field.name: field for field in shape.fields}
        made: dict[str, Any] = {}
        for name, inner in value.items():
            if name not in known:  # what the handler gives
                made[self._parameter(shape, name)] = inner
                continue
            at = _below(path, known[name])
            try:
                made[name] = self.part(known[name].shape, inner, at, filling=filling)
            except _Incomplete:
                if not filling:
                    raise
        return made

    def _parameter(self, shape: ModelShape, name: str) -> str:
        """Return the constructor's keyword for a field that only a handler can give.

        Raises:
            TypeError: There is no such field.
        """
        definitions = list(shape.kind.fields(shape.type))
        for definition in definitions:
            if name in {definition.name, definition.parameter}:
                called = shape.kind.made == "called"
                return (definition.parameter or name) if called else definition.name
        if shape.kind.is_lenient(shape.type) or shape.kind.keeps_unknown(shape.type):
            return name
        names = [definition.name for definition in definitions]
        raise TypeError(
            f"{shape.type.__qualname__} has no field {name!r} that create_instance(...) could set"
            f"{did_you_mean(name, names)}"
        )

    def _require(self, shape: ModelShape, given: Mapping[str, Any], path: str) -> None:
        """Note the fields that a client left out, and refuse that a handler leaves out its own."""
        if shape.kind.is_lenient(shape.type):
            return
        if self._examining:
            if shape.kind.made != "validated" and not _is_complete(shape, given):
                raise _Incomplete
            return
        for name in shape.lacking:
            if name not in given:
                at = f" at {shape.path!r}" if shape.path else ""
                raise TypeError(
                    f"the {shape.type.__qualname__}{at} needs {name!r}, which {shape.owner} does "
                    "not take from requests; give it to create_instance(...)"
                )
        for field in shape.fields:
            if field.definition.required and field.name not in given:
                message = f"Object missing required field `{field.wire_name}`"
                self.faults.append(Fault(message, _below(path, field)))

    def _attempt(self, make: Callable[[], Any], path: str) -> Any:
        """Return what *make* makes; what it refuses is a fault of what is at *path*."""
        try:
            return make()
        except (TypeError, ValueError, ArithmeticError) as error:
            self.faults += [
                Fault(fault.message, below(path, fault.path)) for fault in fault_of(error)
            ]
            return None

    # Pydantic's models, which are made with all that is inside them

    def _validated(self, shape: ModelShape, given: dict[str, Any], path: str) -> Any:
        try:
            return shape.validate(given)
        except ValueError as error:
            self.faults += _located(shape, error, path)
            return None

    def examine(self, shape: Shape, value: Any, path: str = "") -> None:
        """Have pydantic judge the fields that were sent of its models, which may be incomplete.

        Args:
            shape: What plain values are.
            value: The values.
            path: Where they stand on the wire.
        """
        self._examining = True
        match shape:
            case ModelShape() if isinstance(value, dict) and shape.kind.made == "validated":
                given = self._fields(shape, value, path, filling=True)
                try:
                    shape.validate(given)
                except ValueError as error:
                    self.faults += _located(shape, error, path, given)
            case ModelShape() if isinstance(value, dict):
                for field in shape.fields:
                    if field.name in value:
                        self.examine(field.shape, value[field.name], _below(path, field))
            case ItemsShape() if isinstance(value, list):
                for at, item in enumerate(value):
                    self.examine(shape.inner, item, joined(path, at))
            case RowShape() if isinstance(value, (list, tuple)):
                for at, (inner, item) in enumerate(zip(shape.inners, value, strict=True)):
                    self.examine(inner, item, joined(path, at))
            case MappingShape() if isinstance(value, dict):
                for key, item in value.items():
                    self.examine(shape.inner, item, joined(path, key))
            case ChoiceShape() if (member := _member_of(shape, value)) is not None:
                self.examine(member, value, path)

    # Changing an instance

    def changes(
        self, shape: ModelShape, instance: Any, value: dict[str, Any], path: str
    ) -> list[Change]:
        """Return what is to be set on an instance; nothing is set yet.

        Args:
            shape: What the values are.
            instance: The instance.
            value: The values, by the names of fields.
            path: Where they stand on the wire.
        """
        if shape.kind.made == "validated":
            before = len(self.faults)
            merged = self._overlaid(shape, instance, value, path)
            refused = len(self.faults) > before
            validated = None if refused else self._validated(shape, merged, path)
            return (
                []
                if validated is None
                else [Change(instance, name, getattr(validated, name), None) for name in value]
            )
        known = {field.name: field for field in shape.fields}
        found: list[Change] = []
        for name, inner in value.items():
            at = _below(path, known[name]) if name in known else joined(path, name)
            child = model_of(known[name].shape, inner) if name in known else None
            present = _get(instance, name) if child is not None else None
            if child is not None and isinstance(inner, dict) and _is_instance(child, present):
                found += self.changes(child, present, inner, at)
            else:
                made = self.part(known[name].shape, inner, at) if name in known else inner
                found.append(Change(instance, name, made, at))
        return found

    def _overlaid(
        self, shape: ModelShape, instance: Any, value: dict[str, Any], path: str
    ) -> dict[str, Any]:
        """Return the values of a pydantic model, those that were sent in the others' place."""
        merged = {name: getattr(instance, name) for name in type(instance).__pydantic_fields__}
        known = {field.name: field for field in shape.fields}
        for name, inner in value.items():
            child = model_of(known[name].shape, inner) if name in known else None
            if (
                child is not None
                and child.kind.made == "validated"
                and isinstance(inner, dict)
                and (_is_instance(child, merged.get(name)))
            ):
                at = _below(path, known[name])
                merged[name] = self._overlaid(child, merged[name], inner, at)
            elif name in known:
                at = _below(path, known[name])
                merged[name] = self.part(known[name].shape, inner, at, filling=True)
            else:
                merged[name] = inner
        return merged


def _below(path: str, field: FieldShape) -> str:
    return joined(path, field.wire_name)


def _get(instance: Any, name: str) -> Any:
    return instance.get(name) if isinstance(instance, dict) else getattr(instance, name, None)


def _located(
    shape: ModelShape, error: ValueError, path: str, given: Mapping[str, Any] | None = None
) -> list[Fault]:
    """Return what pydantic says is wrong, by the names on the wire.

    Args:
        shape: The model.
        error: What pydantic raised.
        path: Where the model stands.
        given: The values, if only what is wrong with those that are there is wanted.
    """
    tell = getattr(error, "errors", None)
    if tell is None:  # of what is around the validation
        return [Fault(fault.message, below(path, fault.path)) for fault in fault_of(error)]
    found = tell(include_url=False, include_context=False, include_input=False)
    if given is not None:
        found = [f for f in found if f["type"] != "missing" and f["loc"] and f["loc"][0] in given]
    return [Fault(shown(f["msg"]), _wire_path(shape, f["loc"], path)) for f in found[:MAX_FAULTS]]


def _wire_path(shape: Shape | None, place: Sequence[Any], path: str) -> str:
    for part in place:
        if isinstance(shape, ChoiceShape):
            inside = [member for member in shape.members if _has_part(member, part)]
            if not inside:  # pydantic names the member that it tried
                continue
            shape = inside[0]
        if isinstance(shape, ModelShape):
            field = next((field for field in shape.fields if field.name == part), None)
            path = joined(path, part if field is None else field.wire_name)
            shape = None if field is None else field.shape
            continue
        path = joined(path, part)
        if isinstance(shape, (ItemsShape, MappingShape)):
            shape = shape.inner
        elif isinstance(shape, RowShape) and isinstance(part, int):
            shape = shape.inners[part]
        else:
            shape = None
    return path


def _has_part(shape: Shape, part: Any) -> bool:
    if isinstance(shape, ModelShape):
        return any(field.name == part for field in shape.fields)
    if isinstance(shape, (ItemsShape, RowShape)):
        return isinstance(part, int)
    return isinstance(shape, MappingShape)
