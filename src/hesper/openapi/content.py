"""What a return annotation says of responses: their content, by media type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, Union, get_args, get_origin

from hesper._signature import members, without_extras
from hesper._types import Empty
from hesper.enums import MediaType
from hesper.response.file import File
from hesper.response.redirect import Redirect
from hesper.response.response import Response
from hesper.response.sse import ServerSentEvent
from hesper.response.stream import Stream

_ANYTHING: Final = "*/*"


@dataclass(slots=True, weakref_slot=True)
class Contents:
    """What is known of the content of responses; lives while a document is written."""

    data: list[tuple[str, Any]] = field(default_factory=list)
    """Media types and annotations; `Empty` for an annotation that says nothing."""
    is_open: bool = False
    """Whether there may be anything else."""
    redirects: bool = False
    """Whether a redirect is among them."""
    only_redirects: bool = False
    """Whether nothing else is."""

    def by_media_type(self) -> Mapping[str, Any]:
        """Return an annotation for each media type; none if there may be anything."""
        if self.is_open:
            return {}
        found: dict[str, Any] = {}
        for media_type, annotation in self.data:
            if media_type in found and Empty not in (annotation, found[media_type]):
                annotation = _union(found[media_type], annotation)
            elif media_type in found:
                annotation = Empty
            found[media_type] = annotation
        return found


def _union(one: Any, other: Any) -> Any:
    try:
        # Not through `typing`, whose cache would keep classes of the user's.
        return one | other
    except TypeError:
        return Union[one, other]  # noqa: UP007 - of values


def contents_of(returns: Any, sends: Any, media_type: str | None, declared: str | None) -> Contents:
    """Return what is known of the content of responses.

    Args:
        returns: What the handler says that it returns; `Empty` if nothing.
        sends: The same as clients see it; something else only with a DTO.
        media_type: The media type of plain results; `None` lets the content decide.
        declared: The media type that the handler declares for all responses.
    """
    found = Contents()
    kinds = [] if returns is Empty else list(members(returns))
    found.is_open = returns is Empty
    plain = [kind for kind in kinds if not _is_response(kind)]
    for kind in kinds:
        if _is_response(kind):
            _add_response(found, without_extras(kind), declared, described=sends is not returns)
    found.redirects = any(_is(kind, Redirect) for kind in kinds)
    found.only_redirects = found.redirects and all(_is(kind, Redirect) for kind in kinds)
    if sends is not returns:
        _add(found, sends, media_type or declared)
    else:
        for kind in plain:
            _add(found, kind, media_type, nothing=MediaType.JSON)
    return found


def _is(annotation: Any, kind: type) -> bool:
    bare = without_extras(annotation)
    origin = get_origin(bare) or bare
    return isinstance(origin, type) and issubclass(origin, kind)


def _is_response(annotation: Any) -> bool:
    return _is(annotation, Response)


def _add_response(found: Contents, kind: Any, declared: str | None, *, described: bool) -> None:
    """Add what is known of a response of some class."""
    if _is(kind, Redirect):
        return
    if _is(kind, ServerSentEvent):
        # What the schema of a stream of events is about differs between tools.
        found.data.append(("text/event-stream", Empty))
    elif _is(kind, Stream) or _is(kind, File):
        # The response itself says what it is, or its file name does.
        found.data.append((declared or _ANYTHING, Empty))
    elif described:
        return
    elif get_args(kind):
        for member in members(get_args(kind)[0]):
            _add(found, member, declared)
    else:
        found.is_open = True


def _add(
    found: Contents, annotation: Any, media_type: str | None, nothing: str | None = None
) -> None:
    """Add a type of content."""
    bare = without_extras(annotation)
    if bare is None or bare is type(None):
        if nothing is not None:
            found.data.append((media_type or nothing, None))
        return
    if bare in (Any, object) or isinstance(bare, (TypeVar, str)):
        found.is_open = True
        return
    origin = get_origin(bare) or bare
    if isinstance(origin, type) and "__call__" in dir(origin):
        found.is_open = True  # an ASGI app
    elif isinstance(origin, type) and issubclass(origin, (bytes, bytearray, memoryview)):
        found.data.append((media_type or MediaType.TEXT, Empty))
    elif isinstance(origin, type) and issubclass(origin, str):
        found.data.append((media_type or MediaType.TEXT, annotation))
    else:
        found.data.append((media_type or MediaType.JSON, annotation))
