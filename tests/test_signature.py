"""Reading callables: every kind of them, and every way annotations are written."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, Final, Generic, NamedTuple, NewType, Optional, TypeVar, Union

import attrs
import msgspec
import pytest

from hesper._signature import (
    MISSING,
    UnreadableSignature,
    described,
    is_union,
    members,
    read_signature,
    without_extras,
)

T = TypeVar("T", bound=int)
UserId = NewType("UserId", int)


class Session:
    """Something that annotations of this module name."""


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    return {p.name: p.annotation for p in read_signature(function).parameters}


# Callables.


def plain(session: Session, number: int = 5, *, flag: bool = False) -> list[Session]: ...  # type: ignore[empty-body]


def test_a_functions_annotations_are_resolved() -> None:
    signature = read_signature(plain)
    assert [(p.name, p.annotation, p.default, p.keyword_only) for p in signature.parameters] == [
        ("session", Session, MISSING, False),
        ("number", int, 5, False),
        ("flag", bool, False, True),
    ]
    assert signature.returns == list[Session]


def test_what_is_not_annotated_is_missing() -> None:
    def function(a, b=1): ...  # type: ignore[no-untyped-def]

    assert hints(function) == {"a": MISSING, "b": MISSING}
    assert read_signature(function).returns is MISSING


def test_annotated_keeps_its_metadata() -> None:
    def function(a: Annotated[int, "extra"]) -> None: ...

    assert hints(function) == {"a": Annotated[int, "extra"]}


def test_a_bound_method_has_no_self() -> None:
    class Local:
        def method(self, session: Session) -> None: ...

        @classmethod
        def of_class(cls, session: Session) -> None: ...

        @staticmethod
        def static(session: Session) -> None: ...

    for function in (Local().method, Local.of_class, Local.static, vars(Local)["static"]):
        assert hints(function) == {"session": Session}


def test_a_callable_object_is_read_from_its_call() -> None:
    class Local:
        def __call__(self, session: Session) -> None: ...

    assert hints(Local()) == {"session": Session}


class Plain:
    def __init__(self, session: Session) -> None: ...


@dataclass
class Data:
    session: Session
    number: int = 3


@attrs.define
class Attrs:
    session: Session
    number: int = 3


class Structure(msgspec.Struct):
    session: Session
    number: int = 3


class Tuple(NamedTuple):
    session: Session
    number: int = 3


class Derived(Plain):
    pass


@pytest.mark.parametrize("kind", [Data, Attrs, Structure, Tuple])
def test_a_class_is_read_from_its_fields(kind: type) -> None:
    assert hints(kind) == {"session": Session, "number": int}


@pytest.mark.parametrize("kind", [Plain, Derived])
def test_a_class_is_read_from_its_constructor(kind: type) -> None:
    assert hints(kind) == {"session": Session}


def test_a_class_without_constructor_takes_nothing() -> None:
    assert hints(Session) == {}


@pytest.mark.parametrize("maker", [contextmanager, asynccontextmanager])
def test_a_factory_of_context_managers_is_read_from_its_generator(maker: Any) -> None:
    def sync(session: Session) -> Iterator[int]:
        yield 1

    async def asynchronous(session: Session) -> AsyncIterator[int]:
        yield 1

    function = maker(sync if maker is contextmanager else asynchronous)
    assert hints(function) == {"session": Session}


def test_a_wrapped_function_is_read_from_the_innermost() -> None:
    @functools.wraps(plain)
    def wrapper(*args: Any, **kwargs: Any) -> Any: ...

    @functools.wraps(wrapper)
    def twice(*args: Any, **kwargs: Any) -> Any: ...

    assert hints(twice) == {"session": Session, "number": int, "flag": bool}


def test_what_a_partial_application_settles_is_no_parameter() -> None:
    assert hints(functools.partial(plain, Session())) == {"number": int, "flag": bool}
    assert hints(functools.partial(plain, number=1)) == {"session": Session, "flag": bool}
    nested = functools.partial(functools.partial(plain, number=1), flag=True)
    assert hints(nested) == {"session": Session}


@pytest.mark.parametrize("keyword", ["*args", "**kwargs"])
def test_nothing_tells_what_to_pass_to_the_rest(keyword: str) -> None:
    def args(*args: int) -> None: ...

    def kwargs(**kwargs: int) -> None: ...

    with pytest.raises(UnreadableSignature, match=r"it takes \*+(kw)?args, and nothing tells"):
        read_signature(args if keyword == "*args" else kwargs)


def test_a_built_in_without_signature_is_unreadable() -> None:
    with pytest.raises(UnreadableSignature, match="its signature cannot be read"):
        read_signature(dict)


# Postponed annotations.


def test_a_local_class_that_the_function_uses_is_found() -> None:
    class Local:
        pass

    def function(value: Local) -> None:
        Local()

    assert hints(function) == {"value": Local}


def test_a_local_class_is_found_while_the_function_around_it_runs() -> None:
    class Local:
        pass

    class Other:
        pass

    def function(value: Local, other: list[Other]) -> None: ...

    assert hints(function) == {"value": Local, "other": list[Other]}


def test_a_local_class_is_found_from_a_method_of_another() -> None:
    class Local:
        pass

    class Books:
        def handle(self, value: Local) -> None: ...

    assert hints(Books().handle) == {"value": Local}


def test_a_local_class_is_found_from_a_local_dataclass() -> None:
    class Local:
        pass

    @dataclass
    class Config:
        value: Local

    assert hints(Config) == {"value": Local}


def test_a_struct_whose_fields_cannot_be_resolved_is_an_error_that_says_so() -> None:
    class Local:
        pass

    class Fields(msgspec.Struct):
        value: Local

    with pytest.raises(UnreadableSignature, match=r"its signature cannot be read .*'Local'"):
        read_signature(Fields)


def test_a_local_class_is_found_from_a_local_named_tuple() -> None:
    class Local:
        pass

    class Fields(NamedTuple):
        value: Local

    assert hints(Fields) == {"value": Local}


def test_a_variable_that_is_assigned_later_does_not_stand_in_the_way() -> None:
    class Local:
        pass

    def function(value: Local) -> object:
        return Local, later

    assert hints(function) == {"value": Local}
    later = function


async def built_in_a_coroutine() -> dict[str, Any]:
    class Local:
        pass

    def function(value: Local) -> None: ...

    return {name: hint.__name__ for name, hint in hints(function).items()}


@pytest.mark.anyio
async def test_a_local_class_is_found_in_a_coroutine() -> None:
    assert await built_in_a_coroutine() == {"value": "Local"}


def returned() -> Callable[..., Any]:
    class Local:
        pass

    def function(value: Local) -> None: ...

    return function


def test_a_local_class_of_a_function_that_has_returned_is_an_error_that_says_so() -> None:
    with pytest.raises(UnreadableSignature, match=r"'Local' is not defined where the function"):
        read_signature(returned())


def test_a_variable_of_another_function_of_that_name_is_not_taken() -> None:
    function = returned()

    class Local:
        pass

    with pytest.raises(UnreadableSignature, match="'Local'"):
        read_signature(function)
    del Local


def test_an_import_for_checkers_alone_is_an_error_that_says_so() -> None:
    def function(value: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821 # pyright: ignore[reportUndefinedVariable]

    with pytest.raises(UnreadableSignature, match=r"'Nowhere'.*not under TYPE_CHECKING"):
        read_signature(function)


def test_where_names_are_enough_annotations_may_stay_unresolved() -> None:
    def function(app: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821 # pyright: ignore[reportUndefinedVariable]

    (parameter,) = read_signature(function, by_name=True).parameters
    assert parameter.name == "app"


@pytest.mark.parametrize("text", ["int |", "1 / 0", "Session.nothing", "list[", "Session[int]"])
def test_an_annotation_that_cannot_be_evaluated_is_an_error_that_says_so(text: str) -> None:
    def function(value: int) -> None: ...

    function.__annotations__["value"] = text
    with pytest.raises(UnreadableSignature, match="annotations cannot be read"):
        read_signature(function)


# Annotations.


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, (int,)),
        (int | None, (int, type(None))),
        (Optional[int], (int, type(None))),  # noqa: UP045 - the older spellings
        (Union[int, str, None], (int, str, type(None))),  # noqa: UP007
        (Annotated[int | None, 1], (int, type(None))),
        (list[int], (list[int],)),
    ],
)
def test_a_union_has_members(annotation: Any, expected: tuple[Any, ...]) -> None:
    assert members(annotation) == expected
    assert is_union(without_extras(annotation)) is (len(expected) > 1)


class Box(Generic[T]):
    pass


@pytest.mark.parametrize(
    ("annotation", "bare"),
    [
        (Annotated[Annotated[int, 1], 2], int),
        (UserId, int),
        (Annotated[UserId, 1], int),
        (T, int),
        (TypeVar("U"), Any),
        (Any, Any),
        (Box[int], Box[int]),
    ],
)
def test_what_wraps_a_type_is_taken_off(annotation: Any, bare: Any) -> None:
    assert without_extras(annotation) == bare


def test_messages_name_a_callable_by_module_and_name() -> None:
    assert described(plain) == f"{__name__}.plain"
    assert described(functools.partial(plain, Session())) == f"{__name__}.plain"
    assert described(Plain) == f"{__name__}.Plain"

    class Local:
        def __call__(self) -> None: ...

    assert described(Local()).endswith("Local")


def test_defaults_that_are_more_than_the_parameters_are_read_as_inspect_reads_them() -> None:
    def function(number: int) -> None: ...

    function.__defaults__ = (1, 2)
    (found,) = inspect.signature(function).parameters.values()
    (parameter,) = read_signature(function).parameters
    assert (parameter.name, parameter.default) == ("number", found.default)


def test_defaults_by_name_of_what_is_not_passed_by_name_alone_count_for_nothing() -> None:
    def function(number: int, *, flag: bool) -> None: ...

    function.__kwdefaults__ = {"number": 1, "flag": True, "other": 2}
    parameters = read_signature(function).parameters
    assert [(one.name, one.default) for one in parameters] == [("number", MISSING), ("flag", True)]


# What a function keeps.


def test_a_function_is_read_once() -> None:
    def function(a: int, b: str = "") -> list[int]: ...  # type: ignore[empty-body]

    assert read_signature(function) is read_signature(function)


def written_anew(function: Any) -> None:
    function.__annotations__ = {"a": str}


def written_over(function: Any) -> None:
    function.__annotations__["a"] = "str"


def given_a_default(function: Any) -> None:
    function.__defaults__ = ("",)


def given_another_code(function: Any) -> None:
    def other(b: int) -> None: ...

    function.__code__ = other.__code__


def written_for_other_names(function: Any) -> None:
    function.__annotations__ = {"return": function.__annotations__["a"], "a": None}


def taken_away(function: Any) -> None:
    function.__annotations__ = {}


def told_by_another(function: Any) -> None:
    function.__signature__ = inspect.Signature()


def given_a_default_by_name(function: Any) -> None:
    function.__kwdefaults__ = {"a": 1}


@pytest.mark.parametrize(
    "change",
    [
        written_anew,
        written_over,
        written_for_other_names,
        taken_away,
        told_by_another,
        given_a_default,
        given_another_code,
        given_a_default_by_name,
    ],
)
def test_a_function_that_was_changed_is_read_anew(change: Callable[[Any], None]) -> None:
    def function(a: int) -> None: ...

    def unread(a: int) -> None: ...

    read_signature(function)
    change(function)
    change(unread)
    assert read_signature(function) == read_signature(unread)


def test_what_a_function_keeps_is_not_that_of_a_function_it_is_copied_to() -> None:
    def function(a: int) -> None: ...

    def other(b: int) -> None: ...

    read_signature(function)
    vars(other).update(vars(function))
    assert hints(other) == {"b": int}


def test_a_function_and_its_method_are_read_each_in_its_way() -> None:
    class Owner:
        def method(self, a: int) -> None: ...

    names = [list(hints(call)) for call in (Owner.method, Owner().method, Owner.method)]
    assert names == [["self", "a"], ["a"], ["self", "a"]]


def test_what_a_function_keeps_does_not_keep_it_alive() -> None:
    def function(a: int) -> list[int]: ...  # type: ignore[empty-body]

    read_signature(function)
    alive = weakref.ref(function)
    gc.disable()
    try:
        del function
        assert alive() is None
    finally:
        gc.enable()


def test_annotations_that_have_changed_places_are_read_anew() -> None:
    def function(a, b): ...  # type: ignore[no-untyped-def]

    function.__annotations__ = {"a": int, "b": str}
    read_signature(function)
    function.__annotations__ = {"b": int, "a": str}
    assert hints(function) == {"a": str, "b": int}


def test_defaults_by_name_that_change_are_read_anew() -> None:
    def function(*, a: int = 1) -> None: ...

    read_signature(function)
    unchecked: Any = function
    unchecked.__kwdefaults__["a"] = 2
    assert read_signature(function).parameters[0].default == 2


POSTPONED: Final = """
from __future__ import annotations
class Model: ...
def plain(model: Model): ...
def listed(model: list[Model]): ...
def dotted(model: holder.Model): ...
"""


@pytest.mark.parametrize("name", ["plain", "listed", "dotted"])
def test_what_a_name_in_an_annotation_stands_for_now_is_read(name: str) -> None:
    module: dict[str, Any] = {"holder": SimpleNamespace(Model=Session)}
    exec(POSTPONED, module)

    class Model: ...

    read_signature(module[name])
    module["Model"] = module["holder"].Model = Model
    assert hints(module[name])["model"] in (Model, list[Model])


def test_a_builtin_that_a_module_has_a_name_for_by_now_is_that_of_the_module() -> None:
    module: dict[str, Any] = {}
    exec("from __future__ import annotations\ndef function(a: int): ...", module)
    read_signature(module["function"])
    module["int"] = Session
    assert hints(module["function"]) == {"a": Session}


def test_what_a_variable_around_a_function_stands_for_now_is_read() -> None:
    kind: Any = int

    def function(a):  # type: ignore[no-untyped-def]
        return a or kind

    function.__annotations__ = {"a": "kind"}
    assert hints(function) == {"a": int}
    kind = str
    assert hints(function) == {"a": str}


def made_for(kind: Any) -> Callable[..., Any]:
    def function(a):  # type: ignore[no-untyped-def]
        return a or kind

    function.__annotations__ = {"a": "kind"}
    return function


def test_what_a_function_keeps_is_not_that_of_another_of_the_same_factory() -> None:
    numbers, texts = made_for(int), made_for(str)
    read_signature(numbers)
    functools.update_wrapper(texts, numbers)
    del vars(texts)["__wrapped__"]
    assert hints(texts) == {"a": str}


@pytest.mark.parametrize("change", [written_anew, taken_away])
def test_a_class_is_not_kept_by_a_function_that_is_read_without_it(change: Any) -> None:
    class Local: ...

    def function(a): ...  # type: ignore[no-untyped-def]

    function.__annotations__ = {"a": Local}
    read_signature(function)
    change(function)
    read_signature(function)
    alive = weakref.ref(Local)
    del Local
    gc.collect()
    assert alive() is None


def test_what_a_function_keeps_can_be_copied_with_whatever_its_defaults_are() -> None:
    def function(a: Any = threading.Lock()) -> None: ...  # noqa: B008

    read_signature(function)
    (kept,) = vars(function).values()
    assert copy.copy(kept) is copy.deepcopy(kept) is kept
