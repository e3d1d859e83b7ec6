"""Entity tags: what tells two versions of a response apart (RFC 9110 8.8.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from hesper.exceptions import ImproperlyConfiguredException

__all__ = ("ETag",)

_OPAQUE: Final = re.compile(r"[\x21\x23-\x7e\x80-\xff]*")
_ENTITY_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


@dataclass(frozen=True, slots=True, weakref_slot=True)
class ETag:
    """The `ETag` header.

    It is checked when it is made, so a tag that exists can be sent.

    Raises:
        ImproperlyConfiguredException: There is no value, and the tag is not for documentation
            only; or the value has blanks, quotes or other characters that cannot stand in a tag.
    """

    HEADER_NAME: ClassVar[str] = "etag"
    """The header's name."""

    documentation_only: bool = False
    """Whether the header appears in the OpenAPI document alone and is never set."""
    weak: bool = False
    """Whether equal tags mean equivalent bodies rather than identical bytes."""
    value: str | None = None
    """The opaque text between the quotes; `None` for documentation only."""

    def __post_init__(self) -> None:
        if self.value is None:
            if not self.documentation_only:
                raise ImproperlyConfiguredException(
                    "an ETag without a value: give it one, or documentation_only=True"
                )
        elif not _OPAQUE.fullmatch(self.value):
            raise ImproperlyConfiguredException(
                f"the value of an ETag is {self.value!r}: blanks, quotes, controls and "
                "characters outside of latin-1 cannot stand there"
            )

    @classmethod
    def from_header(cls, header_value: str, documentation_only: bool = False) -> Self:
        """Return the tag that a header's value says.

        Args:
            header_value: The value of an `ETag` header.
            documentation_only: The field of that name.

        Raises:
            ImproperlyConfiguredException: It is no entity tag.
        """
        found = _ENTITY_TAG.fullmatch(header_value.strip(" \t"))
        if not found:
            raise ImproperlyConfiguredException(
                f'{header_value[:200]!r} is no entity tag: one looks like "abc" or W/"abc", '
                "with the quotes"
            )
        return cls(documentation_only, weak=found[1] is not None, value=found[2])

    def to_header(self) -> str:
        """Return the header's value; empty for a tag without a value."""
        if self.value is None:
            return ""
        return f'W/"{self.value}"' if self.weak else f'"{self.value}"'
