"""Where each argument of a callable comes from: reserved name, path, dependency, or request.

The order is the design's: a reserved name is the thing itself; then the path, dependencies (by
name, then by type), what a declaration says, and the query string for all others.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hesper._plan.annotations import (
    Marks,
    UnclearArgument,
    constrained,
    declared_by,
    fits_in_path,
    fits_in_text,
    is_sequence,
    marks_of,
    shown,
)
from hesper._plan.path import TYPES, PathTemplate
from hesper._signature import (
    MISSING,
    SignatureParameter,
    described,
    members,
    read_signature,
    without_extras,
)
from hesper._types import Empty, TypeDecodersSequence
from hesper.datastructures import ImmutableState
from hesper.enums import ParamType, RequestEncodingType
from hesper.exceptions import ImproperlyConfiguredException
from hesper.layer import did_you_mean
from hesper.params import Body, Dependency, ParameterDeclaration
from hesper.serialization import converter, json_decoder


class Source(enum.Enum):
    """The place an argument's value comes from."""

    GIVEN = "given"
    """The caller's: the documented arguments of guards and hooks."""
    REQUEST = "request"
    SOCKET = "socket"
    STATE = "state"
    HEADERS = "headers"
    COOKIES = "cookies"
    QUERY = "query"
    SCOPE = "scope"
    DATA = "data"
    BODY = "body"
    APP = "app"
    LIFESPAN = "lifespan"
    PATH_PARAMETER = "path parameter"
    QUERY_PARAMETER = "query parameter"
    HEADER_PARAMETER = "header parameter"
    COOKIE_PARAMETER = "cookie parameter"
    DEPENDENCY = "dependency"


RESERVED: Final[Mapping[str, Source]] = {
    source.value: source
    for source in (
        Source.REQUEST,
        Source.SOCKET,
        Source.STATE,
        Source.HEADERS,
        Source.COOKIES,
        Source.QUERY,
        Source.SCOPE,
        Source.DATA,
        Source.BODY,
        Source.APP,
        Source.LIFESPAN,
    )
}
"""Names that mean the thing itself, on every callable."""

_ONLY: Final[Mapping[str, frozenset[Source]]] = {
    "http": frozenset({Source.SOCKET}),
    "websocket": frozenset({Source.REQUEST, Source.DATA, Source.BODY}),
}

_PARAMETERS: Final = {
    ParamType.PATH: Source.PATH_PARAMETER,
    ParamType.QUERY: Source.QUERY_PARAMETER,
    ParamType.HEADER: Source.HEADER_PARAMETER,
    ParamType.COOKIE: Source.COOKIE_PARAMETER,
}

READ_FROM_REQUEST: Final = frozenset({*_PARAMETERS.values(), Source.DATA})
"""Sources whose values are decoded and checked."""


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """One argument of a handler, provider, guard or hook."""

    name: str
    """Its name in the callable's signature."""
    source: Source
    annotation: Any
    """Its type, with constraints as `msgspec.Meta`; `Any` without annotation."""
    key: Any
    """Its name in the request, or the key of its dependency."""
    default: Any = MISSING
    keyword_only: bool = False
    skip_validation: bool = False
    body: Body | None = None
    """How the body is encoded, for `data`; `None` takes the bytes of any body."""

    @property
    def takes_several(self) -> bool:
        """Whether repeated values are collected."""
        return any(is_sequence(member) for member in members(self.annotation))


@dataclass(frozen=True, slots=True)
class Reading:
    """What the arguments of a route's callables are read with."""

    path: PathTemplate
    scope_type: str
    dependencies: Mapping[Any, Any]
    parameters: Mapping[str, ParameterDeclaration]
    type_decoders: TypeDecodersSequence


def arguments_of(
    function: Callable[..., Any], reading: Reading, given: int = 0
) -> tuple[Argument, ...]:
    """Return the arguments of *function*.

    Args:
        function: A handler, provider, guard or hook.
        reading: The route it is called on.
        given: How many leading arguments its caller passes by position.

    Raises:
        UnclearArgument: The source of an argument cannot be told.
        UnreadableSignature: The signature cannot be read.
    """
    parameters = read_signature(function).parameters
    read: list[Argument] = []
    for index, parameter in enumerate(parameters):
        if index < given and not parameter.keyword_only:
            read.append(Argument(parameter.name, Source.GIVEN, Any, index))
        else:
            read.append(_argument(parameter, reading, described(function)))
    return tuple(read)


def _argument(parameter: SignatureParameter, reading: Reading, owner: str) -> Argument:
    name = parameter.name
    if name in RESERVED:
        return _reserved(parameter, reading, owner)
    if isinstance(parameter.default, (ParameterDeclaration, Body, Dependency)):
        kind = type(parameter.default).__name__
        raise UnclearArgument(
            f"{owner} has {kind}(...) as the default of {name!r}; "
            f"write {name}: Annotated[..., {kind}(...)]"
        )
    marks = marks_of(parameter.annotation, f"{name!r} of {owner}")
    if marks.body is not None:
        raise UnclearArgument(f"{owner} takes the body as {name!r}; call the argument 'data'")
    declaration = declared_by(marks.parameter, reading.parameters.get(name))
    declared = declaration.source if declaration is not None else None
    in_path = any(segment.name == name for segment in reading.path.parameters)
    if (in_path and declared is None) or declared is ParamType.PATH:
        return _from_path(parameter, declaration, marks, reading, owner)
    if declared is None:
        key = _dependency_key(parameter, reading.dependencies, owner)
        if key is not None:
            return Argument(
                name,
                Source.DEPENDENCY,
                parameter.annotation,
                key,
                parameter.default,
                parameter.keyword_only,
            )
    if marks.dependency is not None:
        return _without_provider(parameter, marks.dependency, reading, owner)
    return _from_request(parameter, declaration, marks, reading, owner)


def _reserved(parameter: SignatureParameter, reading: Reading, owner: str) -> Argument:
    name, source = parameter.name, RESERVED[parameter.name]
    if source in _ONLY.get(reading.scope_type, ()):
        instead = "socket" if reading.scope_type == "websocket" else "request"
        raise UnclearArgument(
            f"{owner} takes {name!r}, which a {reading.scope_type} route does not have; "
            f"take {instead!r} instead"
        )
    annotation = Any if parameter.annotation is MISSING else parameter.annotation
    if source is Source.STATE and not _is_state(annotation):
        raise UnclearArgument(
            f"{owner} annotates state with {shown(annotation)}; "
            "write State, ImmutableState or a subclass of one"
        )
    marks = marks_of(annotation, f"{name!r} of {owner}")
    if marks.parameter is not None or marks.dependency is not None:
        raise UnclearArgument(
            f"{owner} takes {name!r} from elsewhere, but the name is reserved; "
            "call the argument otherwise and give the name in the marker"
        )
    body = marks.body
    if source is Source.DATA:
        if body is None and without_extras(annotation) is not bytes:
            body = Body()
        annotation = constrained(annotation, body, f"{name!r} of {owner}")
        if body is not None and not marks.skip_validation:
            _check_body(annotation, body, reading, f"{name!r} of {owner}")
    return Argument(
        name,
        source,
        annotation,
        name,
        parameter.default,
        parameter.keyword_only,
        marks.skip_validation,
        body,
    )


def _check_body(annotation: Any, body: Body, reading: Reading, where: str) -> None:
    """Find out now whether bodies can be decoded: a request would find out too late."""
    if body.media_type == RequestEncodingType.MULTI_PART:
        raise UnclearArgument(
            f"{where} is a multipart form, which this version of Hesper does not read"
        )
    is_text = body.media_type == RequestEncodingType.URL_ENCODED or body.media_type[:5] == "text/"
    make = converter if is_text else json_decoder
    try:
        make(annotation, reading.type_decoders)
    except ImproperlyConfiguredException as error:
        raise UnclearArgument(f"{where}: {error.detail}") from None


def _check_value(annotation: Any, reading: Reading, where: str) -> None:
    """Find out now whether values can be converted."""
    try:
        converter(annotation, reading.type_decoders)
    except ImproperlyConfiguredException as error:
        raise UnclearArgument(f"{where}: {error.detail}") from None


def _is_state(annotation: Any) -> bool:
    bare = without_extras(annotation)
    return bare is Any or (isinstance(bare, type) and issubclass(bare, ImmutableState))


def _from_path(
    parameter: SignatureParameter,
    declaration: ParameterDeclaration | None,
    marks: Marks,
    reading: Reading,
    owner: str,
) -> Argument:
    name, where = parameter.name, f"{parameter.name!r} of {owner}"
    key = (declaration and declaration.alias) or name
    kinds = {segment.name: segment.kind for segment in reading.path.parameters}
    if key not in kinds:
        raise UnclearArgument(
            f"{owner} reads {key!r} from the path, but {reading.path} has no such parameter"
            f"{did_you_mean(key, kinds)}"
        )
    made = TYPES[kinds[key]]
    annotation = made if parameter.annotation is MISSING else parameter.annotation
    if not fits_in_path(annotation, made):
        raise UnclearArgument(
            f"{where} is {shown(annotation)}, but {reading.path} makes it {shown(made)}; "
            "change one of them"
        )
    annotation = constrained(annotation, declaration, where)
    if not marks.skip_validation:
        _check_value(annotation, reading, where)
    return Argument(
        name,
        Source.PATH_PARAMETER,
        annotation,
        key,
        MISSING,
        parameter.keyword_only,
        marks.skip_validation,
    )


def _dependency_key(
    parameter: SignatureParameter, dependencies: Mapping[Any, Any], owner: str
) -> Any:
    if parameter.name in dependencies:
        return parameter.name
    whole = without_extras(parameter.annotation)
    if _is_key(whole, dependencies):
        return whole
    alternatives = [without_extras(member) for member in members(whole)]
    keys = [member for member in alternatives if _is_key(member, dependencies)]
    if len(keys) > 1:
        raise UnclearArgument(
            f"{owner} takes {parameter.name!r}, for which there are the dependencies "
            f"{' and '.join(map(shown, keys))}; annotate it with one of them"
        )
    return keys[0] if keys else None


def _is_key(annotation: Any, dependencies: Mapping[Any, Any]) -> bool:
    try:
        return annotation in dependencies
    except TypeError:  # an unhashable annotation is no key
        return False


def _without_provider(
    parameter: SignatureParameter, dependency: Dependency, reading: Reading, owner: str
) -> Argument:
    default = parameter.default if dependency.default is Empty else dependency.default
    if default is MISSING:
        raise UnclearArgument(
            f"{owner} needs the dependency {parameter.name!r}, which no layer provides"
            f"{_or_dependency(parameter, reading)}"
        )
    return Argument(
        parameter.name,
        Source.DEPENDENCY,
        parameter.annotation,
        None,
        default,
        parameter.keyword_only,
    )


def _from_request(
    parameter: SignatureParameter,
    declaration: ParameterDeclaration | None,
    marks: Marks,
    reading: Reading,
    owner: str,
) -> Argument:
    annotation, name = parameter.annotation, parameter.name
    source = _PARAMETERS[(declaration and declaration.source) or ParamType.QUERY]
    if annotation is MISSING:
        raise UnclearArgument(
            f"{owner} takes {name!r} without an annotation; annotate it with the type to read "
            f"from the query string{_or_dependency(parameter, reading)}"
        )
    if not fits_in_text(annotation, reading.type_decoders):
        raise UnclearArgument(
            f"{owner} takes {name!r} of type {shown(annotation)}, which is no dependency and "
            f"cannot be read from a {source.value}{_or_dependency(parameter, reading)}"
        )
    where = f"{name!r} of {owner}"
    annotation = constrained(annotation, declaration, where)
    if not marks.skip_validation:
        _check_value(annotation, reading, where)
    alias = declaration.alias if declaration is not None else None
    if alias is None:
        alias = name.replace("_", "-") if source is Source.HEADER_PARAMETER else name
    return Argument(
        name,
        source,
        annotation,
        alias.lower() if source is Source.HEADER_PARAMETER else alias,
        _default(parameter, declaration),
        parameter.keyword_only,
        marks.skip_validation,
    )


def _default(parameter: SignatureParameter, declaration: ParameterDeclaration | None) -> Any:
    """Return the default of a parameter: the signature's, or else the declaration's."""
    if parameter.default is not MISSING or declaration is None:
        return parameter.default
    if declaration.default is not Empty:
        return declaration.default
    return None if declaration.required is False else MISSING


def _or_dependency(parameter: SignatureParameter, reading: Reading) -> str:
    """Return which dependency was probably meant, by its name or by its type; or nothing."""
    keys = list(reading.dependencies)
    near = did_you_mean(parameter.name, [key for key in keys if isinstance(key, str)])
    types = {shown(key): key for key in keys if not isinstance(key, str)}
    if near or not types:
        return near
    wanted = [] if parameter.annotation is MISSING else list(members(parameter.annotation))
    for name, key in types.items():
        if any(_are_related(without_extras(member), key) for member in wanted):
            return f"; did you mean the type {name}, which is a dependency?"
    by_lower_case = {name.lower(): name for name in types}
    for word in (*map(shown, wanted), parameter.name.replace("_", "")):
        nearest = difflib.get_close_matches(word.lower(), by_lower_case, n=1, cutoff=0.7)
        if nearest:
            return f"; did you mean the type {by_lower_case[nearest[0]]}, which is a dependency?"
    return ""


def _are_related(one: Any, other: Any) -> bool:
    if not isinstance(one, type) or not isinstance(other, type) or object in (one, other):
        return False
    return issubclass(one, other) or issubclass(other, one)
