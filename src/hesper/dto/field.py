"""What is said of a single field: its mark, and its place in the model."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from hesper._signature import unaliased
from hesper._types import Empty
from hesper.exceptions import ImproperlyConfiguredException

FIELD_KEY: Final = "__dto__"
"""The key of a field's mark in the metadata of the field."""


class Mark(enum.StrEnum):
    """Who may see or set a field."""

    READ_ONLY = "read-only"
    """Sent, and never taken from a request."""
    WRITE_ONLY = "write-only"
    """Taken from a request, and never sent."""
    PRIVATE = "private"
    """Neither sent nor taken from a request."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class DTOField:
    """What is said of a field, for DTOs; never changes."""

    mark: Mark | Literal["read-only", "write-only", "private"] | None = None
    """Who may see or set the field; `None` if everybody may."""

    def __post_init__(self) -> None:
        """Refuse marks that do not exist."""
        if self.mark is None:
            return
        try:
            object.__setattr__(self, "mark", Mark(self.mark))
        except ValueError:
            marks = ", ".join(repr(mark.value) for mark in Mark)
            raise ImproperlyConfiguredException(
                f"there is no mark {self.mark!r} for a field; write one of {marks}"
            ) from None


def dto_field(
    mark: Mark | Literal["read-only", "write-only", "private"] | None = None,
) -> dict[str, DTOField]:
    """Return the metadata that marks a field.

    It is given to `dataclasses.field(metadata=...)`, `attrs.field(metadata=...)`,
    `msgspec.Meta(extra=...)`, SQLAlchemy's `mapped_column(info=...)`, or stands in the field's
    annotation: `Annotated[int, dto_field("read-only")]`.

    Args:
        mark: Who may see or set the field.

    Raises:
        ImproperlyConfiguredException: There is no such mark.
    """
    return {FIELD_KEY: DTOField(mark)}


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class DTOFieldDefinition:
    """One field of a model, as DTOs know it; lives with the DTO's transfers."""

    name: str
    """Its name in the model."""
    annotation: Any
    """Its type."""
    required: bool = True
    """Whether an instance cannot be made without it."""
    default: Any = Empty
    """The value that it has if none is given, as far as it is known."""
    dto_field: DTOField = DTOField()
    """What is said of it for DTOs."""
    parameter: str | None = None
    """The constructor's keyword for it; `None` if it is the field's name."""
    own_wire_names: tuple[str, str] | None = None
    """The names that the model itself gives it in requests, and in responses."""
    readable: bool = True
    """Whether an instance has it: not what only the constructor takes."""
    settable: bool = True
    """Whether the constructor takes it: not what is computed."""


def marked(annotation: Any, metadata: Mapping[Any, Any] | None = None) -> DTOField:
    """Return what is said of a field for DTOs.

    Args:
        annotation: The field's type, which may be `Annotated`.
        metadata: What else is known of the field.
    """
    for source in (metadata, *_extras(annotation)):
        if isinstance(source, DTOField):
            return source
        known = source if isinstance(source, Mapping) else getattr(source, "extra", None)
        found = known.get(FIELD_KEY) if isinstance(known, Mapping) else None
        if isinstance(found, DTOField):
            return found
    return DTOField()


def without_marks(annotation: Any) -> Any:
    """Return a field's type without what is said of it for DTOs, which need not hash.

    Args:
        annotation: The field's type.
    """
    annotation = unaliased(annotation)
    if get_origin(annotation) is not Annotated:
        return annotation
    inner, *extras = get_args(annotation)
    kept = [
        extra
        for extra in extras
        if not isinstance(extra, DTOField)
        and not (isinstance(extra, Mapping) and FIELD_KEY in extra)
    ]
    return Annotated[(inner, *kept)] if kept else inner


def _extras(annotation: Any) -> tuple[Any, ...]:
    """Return the metadata of `Annotated`, wherever in a union or a type alias it stands."""
    annotation = unaliased(annotation)
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        return (*extras, *_extras(inner))
    if type(None) in get_args(annotation):
        return tuple(extra for member in get_args(annotation) for extra in _extras(member))
    return ()
