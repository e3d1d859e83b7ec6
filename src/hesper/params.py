"""Say where an argument comes from and what it must fulfil, in its annotation.

`Annotated[int, Parameter(query="page", ge=1)]`, `FromHeader[str]` or a plain annotation with the
right name: all of them become the same declaration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

import msgspec

from hesper._types import Empty
from hesper.enums import ParamType, RequestEncodingType

__all__ = [
    "Body",
    "Constraints",
    "CookieParameter",
    "Dependency",
    "FromCookie",
    "FromHeader",
    "FromPath",
    "FromQuery",
    "HeaderParameter",
    "JSONBody",
    "MsgPackBody",
    "NamedDependency",
    "Parameter",
    "ParameterDeclaration",
    "PathParameter",
    "QueryParameter",
    "SkipValidation",
    "SkipValidationMarker",
    "URLEncodedBody",
]

T = TypeVar("T")


class Constraints(msgspec.Struct, frozen=True, kw_only=True, weakref=True, repr_omit_defaults=True):
    """What a value must fulfil, and how the documentation describes it."""

    gt: float | None = None
    """The value is greater than this."""
    ge: float | None = None
    """The value is at least this."""
    lt: float | None = None
    """The value is less than this."""
    le: float | None = None
    """The value is at most this."""
    multiple_of: float | None = None
    """The value is a multiple of this."""
    min_length: int | None = None
    """The fewest characters, or bytes, of the value."""
    max_length: int | None = None
    """The most characters, or bytes, of the value."""
    min_items: int | None = None
    """The fewest items of a list."""
    max_items: int | None = None
    """The most items of a list."""
    pattern: str | None = None
    """A regular expression that matches somewhere in the value."""
    title: str | None = None
    """A short name, for the documentation."""
    description: str | None = None
    """What the value is for, for the documentation."""
    examples: Sequence[Any] | None = None
    """Examples of the value, for the OpenAPI document: values, or `openapi.spec.Example`s."""
    schema_extra: Mapping[str, Any] | None = None
    """Keywords of JSON Schema that are laid over those of the type, for the OpenAPI document."""

    def __hash__(self) -> int:
        # Examples need not hash: what is equal has equal rules.
        return hash((type(self), self.pattern, self.title, self.description))


class ParameterDeclaration(Constraints, frozen=True, kw_only=True):
    """Where a parameter comes from, under which name, and what it must fulfil."""

    default: Any = Empty
    """The value of a parameter that is not given."""
    required: bool | None = None
    """`False`: a parameter without a default is `None` if it is not given."""
    deprecated: bool | None = None
    """Whether nobody is to use the parameter any more, for the OpenAPI document."""
    include_in_schema: bool | None = None
    """`False`: the parameter does not appear in the OpenAPI document."""

    @property
    def source(self) -> ParamType | None:
        """The part of the request it is read from; `None` leaves that to the argument's name."""
        return None

    @property
    def alias(self) -> str | None:
        """Its name in the request, where that is not the argument's."""
        return None


class Parameter(ParameterDeclaration, frozen=True, kw_only=True):
    """A parameter that is read from where the keyword says: `Parameter(query="page", ge=1)`.

    Raises:
        TypeError: More than one place to read from is given.
    """

    query: str | None = None
    """Read from the query string under this name."""
    header: str | None = None
    """Read from the header of this name."""
    cookie: str | None = None
    """Read from the cookie of this name."""

    def __post_init__(self) -> None:
        """Refuse two places."""
        if [self.query, self.header, self.cookie].count(None) < 2:
            raise TypeError("a parameter is read from one place: give query=, header= or cookie=")

    @property
    def source(self) -> ParamType | None:
        """The part of the request it is read from."""
        if self.query is not None:
            return ParamType.QUERY
        if self.header is not None:
            return ParamType.HEADER
        return ParamType.COOKIE if self.cookie is not None else None

    @property
    def alias(self) -> str | None:
        """Its name in the request."""
        return next((a for a in (self.query, self.header, self.cookie) if a is not None), None)


class _PlacedParameter(ParameterDeclaration, frozen=True, kw_only=True):
    """A parameter whose class says where it is read from."""

    name: str | None = None
    """Its name in the request, where that is not the argument's."""

    _source: ClassVar[ParamType]

    @property
    def source(self) -> ParamType | None:
        """The part of the request it is read from."""
        return self._source

    @property
    def alias(self) -> str | None:
        """Its name in the request."""
        return self.name


class PathParameter(_PlacedParameter, frozen=True, kw_only=True):
    """A parameter in the path."""

    _source = ParamType.PATH


class QueryParameter(_PlacedParameter, frozen=True, kw_only=True):
    """A parameter in the query string."""

    _source = ParamType.QUERY


class HeaderParameter(_PlacedParameter, frozen=True, kw_only=True):
    """A parameter in a header; underscores of the argument's name stand for hyphens."""

    _source = ParamType.HEADER


class CookieParameter(_PlacedParameter, frozen=True, kw_only=True):
    """A parameter in a cookie."""

    _source = ParamType.COOKIE


class Body(Constraints, frozen=True, kw_only=True):
    """How the body is encoded, and what its value must fulfil."""

    media_type: RequestEncodingType | str = RequestEncodingType.JSON
    """The encoding the body is read from; any other answers 415."""


class Dependency(msgspec.Struct, frozen=True, kw_only=True, weakref=True):
    """Marks an argument that a dependency fills; without a provider the app is not built."""

    default: Any = Empty
    """The value where no layer provides the dependency."""


class SkipValidationMarker:
    """Marks an argument that is passed on as it came, neither converted nor checked."""


FromPath: TypeAlias = Annotated[T, PathParameter()]
"""Read from the path."""

FromQuery: TypeAlias = Annotated[T, QueryParameter()]
"""Read from the query string."""

FromHeader: TypeAlias = Annotated[T, HeaderParameter()]
"""Read from a header; underscores of the argument's name stand for hyphens."""

FromCookie: TypeAlias = Annotated[T, CookieParameter()]
"""Read from a cookie."""

JSONBody: TypeAlias = Annotated[T, Body()]
"""The body, decoded from JSON."""

MsgPackBody: TypeAlias = Annotated[T, Body(media_type=RequestEncodingType.MESSAGEPACK)]
"""The body, decoded from MessagePack."""

URLEncodedBody: TypeAlias = Annotated[T, Body(media_type=RequestEncodingType.URL_ENCODED)]
"""The body, decoded from a form (`application/x-www-form-urlencoded`)."""

SkipValidation: TypeAlias = Annotated[T, SkipValidationMarker()]
"""Passed on as it came, neither converted nor checked."""

NamedDependency: TypeAlias = Annotated[T, Dependency()]
"""Filled by the dependency of the argument's name."""
