"""Signatures are what `inspect` and `typing` say they are, whichever way they are read."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType, ModuleType
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._signature import MISSING, UnreadableSignature, read_signature

_NAMES = """
from __future__ import annotations
import collections.abc, datetime, typing, uuid
from typing import *
import msgspec
T = TypeVar("T")
Alias = dict[str, "Book"]
Number = NewType("Number", int)
class Book(msgspec.Struct):
    title: str
class Page(Generic[T]): ...
"""

ANNOTATIONS = [
    *("int", "str", "bool", "None", "Any", "object", "Book", "uuid.UUID", "datetime.date"),
    *("list[int]", "list[Book]", "list['Book']", "List['Book']", "dict[str, list[Book]]", "Alias"),
    *("int | None", "Optional[Book]", "Union[int, 'Book']", "'int'", "'list[Book]'", "tuple[()]"),
    *("tuple[int, ...]", "Literal['int', 1]", "Callable[[int], str]", "Callable[..., 'Book']"),
    *("Annotated[int, 'm']", "Annotated['Book', 'm']", "Annotated[list['Book'], msgspec.Meta()]"),
    *("T", "Number", "Page", "Page[int]", "Page['Book']", "type[Book]", "collections.abc.Sequence"),
    *("ClassVar[int]", "Final", "Generic", "Protocol", "LiteralString", "Never", "NoReturn"),
    *("Self", "...", "3", "int()", "unknown", "Book.unknown", "*int", "(", "len", "1 / 0"),
]

KINDS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)

hints = st.none() | st.sampled_from(ANNOTATIONS)
parameters = st.lists(
    st.tuples(st.sampled_from(KINDS), hints, st.sampled_from([None, "1", "'a'", "None"])),
    max_size=4,
)


@st.composite
def heads(draw: st.DrawFn) -> str:
    """Return the head of a function, of which every annotation may be any."""
    written: list[inspect.Parameter] = []
    for index, (kind, annotation, default) in enumerate(
        sorted(draw(parameters), key=lambda drawn: drawn[0])
    ):
        needed = any(p.default is not p.empty for p in written) and kind < KINDS[2]
        said = (default or "1") if needed else default
        written.append(
            inspect.Parameter(
                f"p{index}",
                kind,
                default=inspect.Parameter.empty if said is None else _Text(said),
                annotation=inspect.Parameter.empty if annotation is None else _Text(annotation),
            )
        )
    returns = draw(hints)
    said_last = inspect.Signature.empty if returns is None else _Text(returns)
    return str(inspect.Signature(written, return_annotation=said_last))


class _Text:
    """Shows itself as it is written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def made(source: str, *, postponed: bool) -> dict[str, Any] | None:
    """Return the names that *source* defines; `None` if Python refuses it."""
    module = ModuleType("made")
    names = _NAMES if postponed else _NAMES.replace("from __future__ import annotations", "")
    try:
        exec(compile(names + source, "made", "exec", dont_inherit=True), vars(module))
    except Exception:
        return None
    return vars(module)


def expected(function: Callable[..., Any]) -> list[tuple[Any, ...]] | None:
    """Return what `inspect` and `typing` say of a function; `None` if they refuse it."""
    signature = inspect.signature(function)
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception:
        return None
    return [
        *(
            (name, hints.get(name, MISSING), one.default, one.kind is one.KEYWORD_ONLY)
            for name, one in signature.parameters.items()
        ),
        (hints.get("return", MISSING),),
    ]


def found(function: Callable[..., Any]) -> list[tuple[Any, ...]] | None:
    """Return what is read of a function; `None` if it is refused."""
    try:
        signature = read_signature(function)
    except UnreadableSignature:
        return None
    return [
        *((p.name, p.annotation, p.default, p.keyword_only) for p in signature.parameters),
        (signature.returns,),
    ]


@given(heads(), st.booleans())
def test_a_function_is_read_as_by_inspect_and_typing(head: str, postponed: bool) -> None:
    names = made(f"def function{head}: ...", postponed=postponed)
    if names is not None:
        function = names["function"]
        assert found(function) == expected(function)
        assert found(function) == expected(function)  # as it was kept


@given(heads(), st.booleans())
def test_a_method_is_read_as_by_inspect_and_typing(head: str, postponed: bool) -> None:
    names = made(f"def function{head}: ...", postponed=postponed)
    if names is not None and inspect.signature(names["function"]).parameters:
        try:
            method = MethodType(names["function"], object())
            inspect.signature(method)
        except ValueError:  # it has no place for the instance
            return
        assert found(method) == expected(method)


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize("postponed", [True, False], ids=["postponed", "evaluated"])
def test_an_annotation_is_read_as_by_typing(annotation: str, postponed: bool) -> None:
    names = made(f"def function(p: {annotation}) -> {annotation}: ...", postponed=postponed)
    if names is not None:
        assert found(names["function"]) == expected(names["function"])
