"""Write the functions that take values from the wire to their models, and back.

Each model has a function of its own, which is written once for its DTO. It reads like what one
would write by hand; objects are bound to speaking names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_origin

import msgspec

from hesper._signature import without_extras
from hesper._source import Source
from hesper.dto.kinds import KINDS, is_mapped, writes_itself
from hesper.dto.looking import mentions_model
from hesper.dto.shape import (
    ChoiceShape,
    FieldShape,
    ItemsShape,
    MappingShape,
    ModelShape,
    OnWire,
    PlainShape,
    RowShape,
    Shape,
    WrapperShape,
    is_plain,
)

Transfer: TypeAlias = Callable[[Any], Any]
"""Makes of a value what it is on the other side."""

Task: TypeAlias = Literal["make", "fill", "values", "send"]
"""Make an instance of what was decoded; collect what the validation of pydantic makes one of;
collect all values of what was decoded, by name; make of an instance what is encoded."""

_GROUPS: Final = (list, tuple, set, frozenset)
_NO_GROUP: Final = (dict, str, bytes, bytearray, int, float, type(None))
_BUILT_IN: Final = (list, dict, tuple, set, frozenset)
_NAMES: Final = ("value", "wire", "dumped", "isinstance", *(kind.__name__ for kind in _BUILT_IN))


def transfer_of(shape: Shape, task: Task) -> Transfer | None:
    """Return the function that does a task with values of a shape; `None` if nothing is to do."""
    return None if is_plain(shape) else _function_of(shape, task)


def source_of(shape: ModelShape | WrapperShape, task: Task) -> Source:
    """Return the text of the function that does a task with values of a model."""
    return _Writer(task).model(shape)


def _function_of(shape: Shape, task: Task) -> Transfer:
    if task not in shape.transfers:
        owner, name = "", str(shape.annotation)
        if isinstance(shape, (ModelShape, WrapperShape)):
            source, name = source_of(shape, task), shape.type.__name__
            owner = f"{shape.owner} " if isinstance(shape, ModelShape) else ""
        else:
            source = _Writer(task).around(shape)
        shape.transfers[task] = source.build(task, f"{owner}{task} {name}")
    function: Transfer = shape.transfers[task]
    return function


class _Writer:
    """Writes one function; lives while that is done.

    Args:
        task: What the function is to do.
    """

    def __init__(self, task: Task) -> None:
        self._task: Task = task
        self._inner: Task = task
        self._given = "value" if task == "send" else "wire"
        self._source = Source(f"def {task}({self._given}):", (task, *_NAMES))

    def around(self, shape: Shape) -> Source:
        """Write the function for what stands around models."""
        self._source.add(f"return {self._part(shape, self._given)}")
        return self._source

    def model(self, shape: ModelShape | WrapperShape) -> Source:
        """Write the function for a model."""
        if self._task in {"make", "fill"}:
            self._inner = "fill" if shape.kind.made == "validated" else "make"
        if self._task == "send":
            self._write_send(shape)
        elif isinstance(shape, ModelShape):  # what is around it cannot be read
            self._write_read(shape)
        return self._source

    # From the wire

    def _write_read(self, shape: ModelShape) -> None:
        source = self._source
        by_keyword = self._task == "make" and shape.kind.made == "called"
        keys = {f.attribute: f.parameter if by_keyword else f.name for f in shape.fields}
        texts = {f.attribute: self._part(f.shape, f"wire.{f.attribute}") for f in shape.fields}
        required = [f.attribute for f in shape.fields if not f.optional]
        optional = [f.attribute for f in shape.fields if f.optional]
        if by_keyword and not optional:
            given = [f"{keys[name]}={texts[name]}" for name in required]
            self._lines(f"return {source.bind(shape.type.__name__, shape.type)}(", given, ")")
            return
        given = [f"{keys[name]!r}: {texts[name]}" for name in required]
        values = source.local("given")
        self._lines(f"{values} = {{", given, "}")
        for name in optional:
            unset = source.bind("UNSET", msgspec.UNSET)
            with source.block(f"if wire.{name} is not {unset}:"):
                source.add(f"{values}[{keys[name]!r}] = {texts[name]}")
        source.add(f"return {self._made(shape, values)}")

    def _made(self, shape: ModelShape, values: str) -> str:
        bind = self._source.bind
        if self._task != "make" or shape.kind.made == "written":
            return values
        if shape.kind.made == "called":
            return f"{bind(shape.type.__name__, shape.type)}(**{values})"
        return f"{bind('validate', shape.validate)}({values})"

    # To the wire

    def _write_send(self, shape: ModelShape | WrapperShape) -> None:
        source = self._source
        kind = dict if shape.kind.made == "written" else shape.type
        with source.block(f"if not isinstance(value, {self._bound(kind)}):"):
            source.add(f"return {source.bind('bare', bare)}(value)")
        plain = [field for field in shape.fields if is_plain(field.shape)]
        if shape.kind.made == "validated" and plain:
            names = source.bind("FIELDS", {field.name for field in plain})
            source.add(f"dumped = value.model_dump(mode='json', by_alias=False, include={names})")
        texts = {field.attribute: self._sent(shape, field) for field in shape.fields}
        if isinstance(shape, ModelShape):
            given = [f"{name}={text}" for name, text in texts.items()]
            wire = source.bind(f"Wire{shape.type.__name__}", shape.wire)
            self._lines(f"return {wire}(", given, ")")
            return
        pairs = [f"{shape.tag[0]!r}: {shape.tag[1]!r}"] if shape.tag is not None else []
        pairs += [f"{field.wire_name!r}: {texts[field.attribute]}" for field in shape.fields]
        self._lines("return {", pairs, "}")

    def _lines(self, head: str, parts: Sequence[str], end: str) -> None:
        """Write each part on a line of its own, which a traceback will point to."""
        if not parts:
            self._source.add(head + end)
            return
        with self._source.block(head):
            for part in parts:
                self._source.add(f"{part},")
        self._source.add(end)

    def _sent(self, shape: ModelShape | WrapperShape, field: FieldShape) -> str:
        bind = self._source.bind
        if shape.kind.made == "written":
            text = self._part(field.shape, f"value[{field.name!r}]")
            unset = bind("UNSET", msgspec.UNSET)
            return f"{text} if {field.name!r} in value else {unset}" if field.optional else text
        if shape.kind.made == "validated" and is_plain(field.shape):
            return f"dumped.get({field.name!r}, {bind('UNSET', msgspec.UNSET)})"
        return self._part(field.shape, f"value.{field.name}")

    # Both ways

    def _part(self, shape: Shape, value: str) -> str:
        """Return the expression for a part of the value, given the one that takes it."""
        match shape:
            case PlainShape():
                return value
            case ModelShape() | WrapperShape():
                return f"{self._function(shape)}({value})"
            case ItemsShape():
                text = self._items(shape, value)
                return self._guarded(text, value, f"not isinstance({value}, {{}})", _NO_GROUP)
            case MappingShape():
                key, item = self._source.local("key"), self._source.local("item")
                inner = self._part(shape.inner, item)
                text = f"{{{key}: {inner} for {key}, {item} in {value}.items()}}"
                return self._guarded(text, value, f"isinstance({value}, {{}})", Mapping)
            case RowShape():
                inners = [self._part(s, f"{value}[{at}]") for at, s in enumerate(shape.inners)]
                text = f"({', '.join(inners)},)"
                return self._guarded(text, value, f"isinstance({value}, {{}})", (tuple, list))
            case ChoiceShape():
                return self._choice(shape, value)
            case _:
                raise AssertionError(shape)

    def _function(self, shape: ModelShape | WrapperShape) -> str:
        task = self._inner
        if task == "fill" and shape.kind.made != "validated":
            task = "make"
        name = shape.type.__name__.lower()
        return self._source.bind(f"{task}_{name}", _function_of(shape, task))

    def _items(self, shape: ItemsShape, value: str) -> str:
        item = self._source.local("item")
        text = f"{self._part(shape.inner, item)} for {item} in {value}"
        if shape.make is list or self._task in {"send", "values"}:
            return f"[{text}]"
        return f"{{{text}}}" if shape.make is set else f"{shape.make.__name__}({text})"

    def _guarded(self, text: str, value: str, test: str, kinds: Any) -> str:
        """Return an expression for a value of which nobody has checked what it is."""
        if self._task != "send":
            return text
        name = "Mapping" if kinds is Mapping else "PLAIN" if kinds is _NO_GROUP else "ROW"
        test = test.format(self._source.bind(name, kinds))
        return f"({text} if {test} else {self._source.bind('bare', bare)}({value}))"

    def _choice(self, shape: ChoiceShape, value: str) -> str:
        # A class before those that it is derived from.
        members = sorted(
            (member for member in shape.members if not is_plain(member)),
            key=lambda member: -len(getattr(_class_of(member), "__mro__", ())),
        )
        rest = value
        if self._task == "send":
            rest = f"{self._source.bind('bare', bare)}({value})"
            members += [member for member in shape.members if _has_parts(member)]
        before = self._inner
        if shape.has_several_models and before == "values":
            self._inner = "make"  # values alone do not tell of which model they are
        text = ""
        for member in members:
            text += f"{self._part(member, value)} if {self._test(member, value)} else "
        self._inner = before
        return f"({text}{rest})"

    def _test(self, member: Shape, value: str) -> str:
        name = ""
        if self._task == "send":
            kind = _class_of(member)
        elif isinstance(member, ModelShape):
            kind, name = member.wire, f"Wire{member.type.__name__}"
        else:
            kind = dict if isinstance(member, MappingShape) else _GROUPS
        return f"isinstance({value}, {self._bound(kind, name)})"

    def _bound(self, kind: Any, name: str = "") -> str:
        """Return the name of what an instance is told by."""
        if kind in _BUILT_IN:
            return str(kind.__name__)
        name = name or (kind.__name__ if isinstance(kind, type) else "GROUPS")
        return self._source.bind(name, kind)


def _class_of(member: Shape) -> Any:
    """Return the class by which a member of a union is told, where it is sent."""
    match member:
        case ModelShape() | WrapperShape():
            return dict if member.kind.made == "written" else member.type
        case ItemsShape():
            return _GROUPS
        case MappingShape():
            return Mapping
        case _:
            bare = without_extras(member.annotation)
            return get_origin(bare) or bare


def _has_parts(member: Shape) -> bool:
    """Whether a member of a union is sent as it is, though it is no scalar."""
    kind = _class_of(member) if is_plain(member) else None
    return isinstance(kind, type) and (
        issubclass(kind, (Mapping, Collection))
        or writes_itself(kind)
        or mentions_model(member.annotation)
    )


class Misfit(TypeError):  # noqa: N818
    """A handler's result, or a part of it, is not of the type for which the DTO is."""


def bare(value: Any) -> Any:
    """Return a value without parts that takes the place of a model, such as `None`.

    Raises:
        Misfit: It may hold what must not be sent.
    """
    if value is None or isinstance(value, OnWire):  # the latter, if a hook has seen it
        return value
    if isinstance(value, (Mapping, *_GROUPS)) or is_model(value):
        raise Misfit(
            f"{type(value).__qualname__} is returned where the DTO is for another type, so it is "
            "not known what of it may be sent; correct the annotation or the value, or switch the "
            "DTO off with return_dto=None"
        )
    return value


def stray(value: Any) -> Any:
    """Return plain data that takes the place of a result, such as what is said of an error.

    Raises:
        Misfit: It holds a model.
    """
    if isinstance(value, _GROUPS):
        return [stray(item) for item in value]
    if isinstance(value, Mapping):
        return {key: stray(item) for key, item in value.items()}
    return bare(value)


def is_model(value: object) -> bool:
    """Whether a value is an instance of a model, of whatever kind."""
    kind = type(value)
    return any(known.accepts(kind) for known in KINDS) or is_mapped(kind) or writes_itself(kind)
