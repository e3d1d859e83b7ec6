"""Read the signature of a callable: its parameters with their resolved annotations.

Read when an app is built, never in a request.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

_ATTRS: Final = "__attrs_attrs__"

MISSING: Final = inspect.Parameter.empty
"""The default or annotation of a parameter that has none."""


class SignatureParameter(msgspec.Struct, frozen=True):
    """One parameter of a callable."""

    name: str
    annotation: Any
    default: Any
    keyword_only: bool


class Signature(msgspec.Struct, frozen=True):
    """What start-up needs to know of a callable."""

    parameters: tuple[SignatureParameter, ...]
    returns: Any
    """The resolved return annotation; `MISSING` without one."""


class _Kept(msgspec.Struct, frozen=True, eq=False):
    """What a function keeps of how it was read; lives as long as the function.

    It does not refer to the function: they would keep each other alive. It is worth nothing to
    others, so that a copy is itself.
    """

    signature: Signature
    """All of its parameters, that of a method's object too."""
    code: types.CodeType
    defaults: tuple[Any, ...] | None
    hints: dict[str, Any]
    """What its annotations stood for when it was read."""

    def is_of(self, function: types.FunctionType, hints: dict[str, Any]) -> bool:
        """Whether *function* is what it was when it was read.

        Decorators copy what a function keeps to other functions, some set what it says, and the
        names in its annotations may stand for something else by now.

        Args:
            function: The function that keeps this.
            hints: What its annotations stand for now.
        """
        return (
            self.code is function.__code__
            and self.defaults is function.__defaults__
            and function.__kwdefaults__ is None
            and self.hints.keys() == hints.keys()
            and all(_is_same(hint, hints[name]) for name, hint in self.hints.items())
        )

    def __copy__(self) -> _Kept:
        return self

    def __deepcopy__(self, _memo: object) -> _Kept:
        return self


_KEPT: Final = "__hesper_signature__"
"""The attribute of an ordinary function that holds what it keeps."""


class UnreadableSignature(Exception):  # noqa: N818 - a reason, turned into a ConfigurationError
    """A callable's signature cannot be used; the message says why and what to write."""


def read_signature(function: Callable[..., Any], *, by_name: bool = False) -> Signature:
    """Return the signature of *function* with all annotations resolved.

    Args:
        function: Any callable.
        by_name: Whether names tell enough, so that annotations are left unresolved where they
            cannot be resolved (an app's type, imported for checkers alone).

    Raises:
        UnreadableSignature: An annotation names what cannot be found, or the callable takes
            `*args` or `**kwargs`, of which nobody can tell what they stand for.
    """
    return _ordinary(function) or _signature(function, by_name=by_name)


def _signature(function: Callable[..., Any], *, by_name: bool) -> Signature:
    """Return the signature of any callable, as `inspect` and `typing` read it."""
    try:
        signature = inspect.signature(function)
    except Exception as error:  # classes may compute theirs, which may raise anything
        raise UnreadableSignature(f"its signature cannot be read ({error})") from None
    hints = _hints(function, by_name=by_name)
    bound = _bound_by_name(function)
    parameters: list[SignatureParameter] = []
    for parameter in signature.parameters.values():
        if parameter.name in bound:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UnreadableSignature(
                f"it takes {str(parameter).split(':')[0]}, and nothing tells what to pass there; "
                "name its parameters (a decorator keeps them with functools.wraps)"
            )
        annotation = hints.get(parameter.name, parameter.annotation)
        keyword_only = parameter.kind is parameter.KEYWORD_ONLY
        parameters.append(
            SignatureParameter(parameter.name, annotation, parameter.default, keyword_only)
        )
    returns = hints.get("return", signature.return_annotation)
    return Signature(tuple(parameters), returns)


# By these attributes of a function, others than itself say what it takes.
_TOLD_BY_OTHERS: Final = frozenset(
    {"__wrapped__", "__signature__", "__no_type_check__", "_partialmethod", "__partialmethod__"}
)
_TAKES_THE_REST: Final = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def _ordinary(call: Callable[..., Any]) -> Signature | None:
    """Return the signature of an ordinary function or method; `None` for all that is not.

    PERF: it is read from what the function holds, in a tenth of the time that `inspect.signature`
    and `get_type_hints` take, which have the last word on anything out of the ordinary; and it is
    kept by the function, for the next app that is made of the same handlers.
    """
    function: Any = call.__func__ if isinstance(call, types.MethodType) else call
    if type(function) is not types.FunctionType:
        return None
    signature = _kept(function)
    if signature is None or function is call:
        return signature
    taken = signature.parameters
    bound = bool(taken) and not taken[0].keyword_only
    return Signature(taken[1:], signature.returns) if bound else None


def _kept(function: types.FunctionType) -> Signature | None:
    """Return the signature of an ordinary function, which keeps it where that can be relied on."""
    own = vars(function)
    kept: _Kept | None = own.get(_KEPT)
    hints = _evaluated(function) if _TOLD_BY_OTHERS.isdisjoint(own) else None
    if kept is not None:
        if hints is not None and kept.is_of(function, hints):
            return kept.signature
        own.pop(_KEPT, None)  # with the classes that it knows
    found = None if hints is None else _found(function, hints)
    if found is not None and hints is not None and function.__kwdefaults__ is None:
        own[_KEPT] = _Kept(found, function.__code__, function.__defaults__, hints)
    return found


def _found(function: types.FunctionType, hints: dict[str, Any]) -> Signature | None:
    """Return the signature of an ordinary function; `None` if its code does not tell it."""
    code = function.__code__
    by_position = code.co_argcount
    if code.co_flags & _TAKES_THE_REST or getattr(function, "__type_params__", None):
        return None
    if not all(map(_is_settled, hints.values())):
        return None
    hints = {name: type(None) if hint is None else hint for name, hint in hints.items()}
    names = code.co_varnames[: by_position + code.co_kwonlyargcount]
    defaults: dict[str, Any] = {}
    if function.__defaults__ or function.__kwdefaults__:
        last, by_name = function.__defaults__ or (), function.__kwdefaults__ or {}
        if len(last) > by_position or not by_name.keys() <= set(names[by_position:]):
            return None  # somebody has set them
        with_default = names[by_position - len(last) : by_position]
        defaults = {**dict(zip(with_default, last, strict=True)), **by_name}
    parameters = [
        SignatureParameter(
            name, hints.get(name, MISSING), defaults.get(name, MISSING), index >= by_position
        )
        for index, name in enumerate(names)
    ]
    return Signature(tuple(parameters), hints.get("return", MISSING))


def _evaluated(function: types.FunctionType) -> dict[str, Any] | None:
    """Return what the annotations of a function stand for now, if each can be told at once."""
    known = _closure(function) if function.__closure__ else {}
    names = function.__globals__
    try:
        return {
            name: eval(_code_of(hint), names, known) if isinstance(hint, str) else hint  # noqa: S307
            for name, hint in function.__annotations__.items()
        }
    except Exception:  # annotations are code, which may raise anything; the general way tells
        return None


@functools.lru_cache(maxsize=1024)
def _code_of(annotation: str) -> types.CodeType:
    """Return the code of an annotation; it knows nothing of the functions that bear it."""
    return compile(annotation, "<annotation>", "eval")


def _is_settled(annotation: Any) -> bool:
    """Whether nothing in an annotation is left to resolve, as far as can be told at a glance."""
    if isinstance(annotation, type):
        return annotation not in (Generic, Protocol)  # which typing refuses
    if annotation is None or annotation is Any or annotation is Ellipsis:
        return True
    if type(annotation) is types.GenericAlias:  # PERF: `list[str]` and its like, asked directly
        return all(map(_is_settled, annotation.__args__))
    origin = get_origin(annotation)
    if origin is Literal:
        return True
    if origin is Annotated:
        return _is_settled(get_args(annotation)[0])
    if origin is Union or isinstance(origin, type):
        return all(map(_is_settled, get_args(annotation)))
    return False


def _is_same(one: Any, other: Any) -> bool:
    """Whether two annotations are one, or made in the same way of the same classes."""
    if one is other:
        return True
    if type(one) is not types.GenericAlias or type(other) is not types.GenericAlias:
        return False
    parts, others = one.__args__, other.__args__
    is_alike = one.__origin__ is other.__origin__ and len(parts) == len(others)
    return is_alike and all(map(_is_same, parts, others))


def _bound_by_name(function: Callable[..., Any]) -> set[str]:
    """Return the parameters that a partial application has settled; requests must not reach them.

    Those settled by position are no part of its signature any more.
    """
    bound: set[str] = set()
    while isinstance(function, functools.partial):
        bound.update(function.keywords)
        function = function.func
    return bound


def _hints(function: Callable[..., Any], *, by_name: bool) -> dict[str, Any]:
    target = _annotated(function)
    known = _closure(target)
    while True:
        try:
            return get_type_hints(target, localns=known, include_extras=True)
        except NameError as error:
            name = str(error.name)
            found = _local_of_caller(target, name)
            if found is not MISSING and name not in known:
                known[name] = found
                continue
            problem = (
                f"its annotation {name!r} is not defined where the function stands; "
                "import it at run time (not under TYPE_CHECKING) or define it at module level"
            )
        except Exception as error:  # annotations are code, which may raise anything
            problem = f"its annotations cannot be read ({type(error).__name__}: {error})"
        if by_name:
            return {}
        raise UnreadableSignature(problem)


def _annotated(function: Callable[..., Any]) -> Any:
    """Return the object that carries the annotations of a callable."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        made_by = function.__init__  # type: ignore[misc]
        # Structs and named tuples are made without a Python function, and that of attrs does not
        # know the module of the class: their fields tell.
        generic = not isinstance(made_by, types.FunctionType) or hasattr(function, _ATTRS)
        return function if generic else made_by
    function = inspect.unwrap(function, stop=lambda f: hasattr(f, "__signature__"))
    if isinstance(function, (types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
        return function
    return type(function).__call__


def _closure(target: Any) -> dict[str, Any]:
    """Return the variables a local function closes over, so that its annotations may name them."""
    code = getattr(target, "__code__", None)
    cells = getattr(target, "__closure__", None)
    if code is None or not cells:
        return {}
    found: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _local_of_caller(target: Any, name: str) -> Any:
    """Return what a local function's annotation names in the function around it.

    A postponed annotation does not make the function close over what it names. While the function
    around it still runs, as where a factory or a test declares handlers and builds their app, its
    variables can be looked up.
    """
    around, local, _ = getattr(target, "__qualname__", "").rpartition(".<locals>.")
    frame = sys._getframe() if local else None
    while frame is not None:
        if frame.f_code.co_qualname == around and frame.f_globals is _globals(target):
            found = frame.f_locals.get(name, MISSING)
            if found is not MISSING:
                return found
        frame = frame.f_back
    return MISSING


def _globals(target: Any) -> Any:
    if isinstance(target, type):
        return vars(sys.modules[target.__module__])
    return inspect.unwrap(target).__globals__


def is_union(annotation: Any) -> bool:
    """Whether *annotation* is `A | B` or `Union[A, B]`."""
    origin = get_origin(annotation)
    return origin is types.UnionType or str(origin) == "typing.Union"


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of a union, and anything else as the only one."""
    if type(annotation) is type:  # PERF: no union is a plain class
        return (annotation,)
    bare = without_extras(annotation)
    return get_args(bare) if is_union(bare) else (bare,)


def unaliased(annotation: Any) -> Any:
    """Return what an alias made by a `type` statement stands for, and anything else as it is."""
    while isinstance(annotation, _ALIASES):
        annotation = annotation.__value__
    return annotation


def without_extras(annotation: Any) -> Any:
    """Return *annotation* without `Annotated`'s metadata, type aliases resolved."""
    if type(annotation) is type:  # PERF: nothing is around a plain class
        return annotation
    while True:
        annotation = unaliased(annotation)
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):  # NewType
            annotation = annotation.__supertype__
        elif isinstance(annotation, TypeVar):
            return annotation.__bound__ or Any
        else:
            return annotation


# `type Name = ...` makes instances of this class since Python 3.12.
_ALIASES: tuple[Any, ...] = tuple(filter(None, [getattr(typing, "TypeAliasType", None)]))


def described(function: Callable[..., Any]) -> str:
    """Return how messages name a callable: `module.qualified_name`."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', type(function).__module__)}.{name}"
