"""Where each argument of a callable comes from: reserved name, path, dependency, or request.

The order is the design's: a reserved name is the thing itself; then the path, dependencies (by
name, then by type), what a declaration says, and the query string for all others.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

import hesper._late as late
from hesper._plan.annotations import (
    Marks,
    UnclearArgument,
    constrained,
    declared_by,
    fits_in_path,
    fits_in_text,
    forms_of,
    is_sequence,
    marks_of,
    shown,
)
from hesper._plan.decoding import Decoding
from hesper._plan.path import TYPES, PathTemplate
from hesper._resolution import contributions
from hesper._signature import (
    MISSING,
    Signature,
    SignatureParameter,
    described,
    members,
    without_extras,
)
from hesper._types import Empty, TypeDecodersSequence
from hesper.datastructures.state import ImmutableState
from hesper.enums import ParamType
from hesper.layer import Layer
from hesper.lifetime import Lifetime
from hesper.params import Body, Dependency, ParameterDeclaration


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

    __hash__ = object.__hash__  # PERF: an enum's own calls a function of Python for each look-up


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

_OF_A_LIFESPAN: Final = frozenset({Source.APP, Source.LIFESPAN, Source.STATE})
"""What there is as long as a lifespan, without a connection."""

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


class Argument(msgspec.Struct, frozen=True, eq=False):
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
    inbound: late.Inbound | None = None
    """What a DTO makes of the decoded body; `annotation` is then the type on the wire."""

    @property
    def takes_several(self) -> bool:
        """Whether repeated values are collected."""
        return any(is_sequence(without_extras(one)) for one in members(self.annotation))


class Reading(msgspec.Struct, frozen=True):
    """What the arguments of a route's callables are read with."""

    path: PathTemplate
    scope_type: str
    dependencies: Mapping[Any, Any]
    parameters: Mapping[str, ParameterDeclaration]
    type_decoders: TypeDecodersSequence
    dto: type[late.DTO] | None = None
    has_own_dto: bool = False
    """Whether the handler itself names the DTO."""
    chain: tuple[Layer, ...] = ()
    """The layers of the route, outermost first."""
    decoding: Decoding = msgspec.field(default_factory=Decoding)
    """The decoders of the app's values."""

    def declared_by(self, key: Any) -> str:
        """Return how messages call the layer that provides *key*; nothing if nobody knows."""
        layers = (
            layer.label
            for layer, change in reversed(tuple(contributions(self.chain, "dependencies")))
            if key in change.value
        )
        return next(layers, "")

    @property
    def likeness(self) -> Hashable:
        """Equal for readings by which all callables have the same arguments."""
        return (
            self.path.parameters,
            self.scope_type,
            frozenset(self.dependencies),
            tuple((name, id(value)) for name, value in self.parameters.items()),
            tuple(map(id, self.type_decoders)),
            self.dto,
            self.has_own_dto,
        )


def read_arguments(
    signature: Signature,
    function: Callable[..., Any],
    reading: Reading,
    given: int,
    lifetime: Lifetime,
    *,
    is_late: bool,
) -> tuple[Argument, ...]:
    """Return the arguments of *function*.

    Args:
        signature: What it takes.
        function: A handler, provider, guard or hook.
        reading: The route it is called on.
        given: How many leading arguments its caller passes by position.
        lifetime: How long what it makes lives: what outlives connections takes nothing from one.
        is_late: Whether it is called when the handler's call has ended: it takes dependencies and
            reserved names, and keeps its other defaults.

    Raises:
        UnclearArgument: The source of an argument cannot be told.
    """
    if not signature.parameters:
        return ()
    owner = described(function)
    read: list[Argument] = []
    for index, parameter in enumerate(signature.parameters):
        if index < given and not parameter.keyword_only:
            read.append(Argument(parameter.name, Source.GIVEN, Any, index))
        elif lifetime >= Lifetime.LIFESPAN:
            read.append(_lasting(parameter, reading, owner, lifetime))
        elif is_late:
            read.append(_late(parameter, reading, owner))
        else:
            read.append(_argument(parameter, reading, owner))
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
    in_path = reading.path.kind_of(name) is not None
    if (in_path and declared is None) or declared is ParamType.PATH:
        return _from_path(parameter, declaration, marks, reading, owner)
    if declared is None:
        key = dependency_key(parameter, reading.dependencies, owner)
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


def _lasting(
    parameter: SignatureParameter, reading: Reading, owner: str, lifetime: Lifetime
) -> Argument:
    """Return an argument of what is made before there are connections."""
    name = parameter.name
    lives = f"lives as long as its {lifetime.name.lower()} (Lifetime.{lifetime.name})"
    if name in RESERVED:
        of_a_lifespan = RESERVED[name] in _OF_A_LIFESPAN
        if of_a_lifespan and lifetime is Lifetime.LIFESPAN:
            return _reserved(parameter, reading, owner)
        raise UnclearArgument(
            f"{owner} {lives}, and takes {name!r}, which does not; leave it out, or give the "
            f"provider lifetime=Lifetime.{'LIFESPAN' if of_a_lifespan else 'CALL'}"
        )
    found = _injected(parameter, reading, owner)
    if found is not None:
        return found
    raise UnclearArgument(
        f"{owner} {lives}, and takes {name!r}, which is no dependency"
        f"{late.or_dependency(parameter, reading.dependencies)}; what comes from a request is "
        "known to Lifetime.CONNECTION and Lifetime.CALL alone"
    )


def _late(parameter: SignatureParameter, reading: Reading, owner: str) -> Argument:
    """Return an argument of what is called when the handler's call has ended."""
    if parameter.name in RESERVED:
        return _reserved(parameter, reading, owner)
    found = _injected(parameter, reading, owner)
    if found is not None:
        return found
    raise UnclearArgument(
        f"{owner} takes {parameter.name!r}, which it is not given and which is no dependency"
        f"{late.or_dependency(parameter, reading.dependencies)}"
    )


def _injected(parameter: SignatureParameter, reading: Reading, owner: str) -> Argument | None:
    """Return an argument that is a dependency, or keeps its default; else `None`."""
    key = dependency_key(parameter, reading.dependencies, owner)
    if key is None and parameter.default is MISSING:
        dependency = marks_of(parameter.annotation, f"{parameter.name!r} of {owner}").dependency
        if dependency is None:
            return None
        return _without_provider(parameter, dependency, reading, owner)
    return Argument(
        parameter.name,
        Source.DEPENDENCY,
        parameter.annotation,
        key,
        parameter.default,
        parameter.keyword_only,
    )


def _reserved(parameter: SignatureParameter, reading: Reading, owner: str) -> Argument:
    name, source = parameter.name, RESERVED[parameter.name]
    if source in _ONLY.get(reading.scope_type, ()):
        instead = "socket" if reading.scope_type == "websocket" else "request"
        raise UnclearArgument(
            f"{owner} takes {name!r}, which a {reading.scope_type} route does not have; "
            f"take {instead!r} instead"
        )
    if source is Source.COOKIES:
        _ = late.parse_cookie_header  # loaded now: no request may be the first to need it
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
    body, read = marks.body, None
    if source is Source.DATA:
        if body is None and without_extras(annotation) is not bytes:
            body = Body()
        if body is not None and not marks.skip_validation:
            where = f"{name!r} of {owner}"
            if reading.dto is not None:
                read = late.inbound(annotation, reading.dto, where, own=reading.has_own_dto)
            annotation = annotation if read is None else read.wire
        annotation = constrained(annotation, body, f"{name!r} of {owner}")
        if body is not None and not marks.skip_validation:
            reading.decoding.check_body(
                annotation, body, reading.type_decoders, f"{name!r} of {owner}"
            )
    return Argument(
        name,
        source,
        annotation,
        name,
        parameter.default,
        parameter.keyword_only,
        marks.skip_validation,
        body,
        read,
    )


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
    kind = reading.path.kind_of(key)
    if kind is None:
        known = [parameter.name for parameter in reading.path.parameters]
        raise UnclearArgument(
            f"{owner} reads {key!r} from the path, but {reading.path} has no such parameter"
            f"{late.did_you_mean(key, known)}"
        )
    made = TYPES[kind]
    annotation = made if parameter.annotation is MISSING else parameter.annotation
    if not fits_in_path(annotation, made):
        raise UnclearArgument(
            f"{where} is {shown(annotation)}, but {reading.path} makes it {shown(made)}; "
            "change one of them"
        )
    annotation = constrained(annotation, declaration, where)
    if annotation is not made and not marks.skip_validation:
        reading.decoding.check_value(annotation, reading.type_decoders, where)
    return Argument(
        name,
        Source.PATH_PARAMETER,
        annotation,
        key,
        MISSING,
        parameter.keyword_only,
        marks.skip_validation,
    )


def dependency_key(
    parameter: SignatureParameter, dependencies: Mapping[Any, Any], owner: str
) -> Any:
    """Return the key of the dependency that a parameter takes: its name or type; else `None`.

    Raises:
        UnclearArgument: Its type names several.
    """
    if not dependencies:
        return None
    if parameter.name in dependencies:
        return parameter.name
    whole = _key_of(parameter.annotation, dependencies)
    if whole is not None:
        return whole
    found = (_key_of(member, dependencies) for member in members(parameter.annotation))
    keys = [key for key in found if key is not None]
    if len(keys) > 1:
        raise UnclearArgument(
            f"{owner} takes {parameter.name!r}, for which there are the dependencies "
            f"{' and '.join(map(shown, keys))}; annotate it with one of them"
        )
    return keys[0] if keys else None


def _key_of(annotation: Any, dependencies: Mapping[Any, Any]) -> Any:
    for form in forms_of(annotation):
        with suppress(TypeError):  # an unhashable annotation is no key
            if form in dependencies:
                return form
    return None


def _without_provider(
    parameter: SignatureParameter, dependency: Dependency, reading: Reading, owner: str
) -> Argument:
    default = parameter.default if dependency.default is Empty else dependency.default
    if default is MISSING:
        raise UnclearArgument(
            f"{owner} needs the dependency {parameter.name!r}, which no layer provides"
            f"{late.or_dependency(parameter, reading.dependencies)}"
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
            f"from the query string{late.or_dependency(parameter, reading.dependencies)}"
        )
    if not fits_in_text(annotation, reading.type_decoders):
        raise UnclearArgument(
            f"{owner} takes {name!r} of type {shown(annotation)}, which is no dependency and "
            f"cannot be read from a {source.value}"
            f"{late.or_dependency(parameter, reading.dependencies)}"
        )
    if source is Source.COOKIE_PARAMETER:
        _ = late.parse_cookie_header  # loaded now: no request may be the first to need it
    where = f"{name!r} of {owner}"
    annotation = constrained(annotation, declaration, where)
    if not marks.skip_validation:
        reading.decoding.check_value(annotation, reading.type_decoders, where)
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
