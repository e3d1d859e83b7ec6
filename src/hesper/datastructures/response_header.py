"""Response headers as layers and handlers declare them."""

from __future__ import annotations

from dataclasses import dataclass

from hesper.datastructures.headers import encode_header
from hesper.exceptions import ImproperlyConfiguredException

__all__ = ("ResponseHeader",)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class ResponseHeader:
    """A header of responses, with its documentation.

    It is checked when it is made, so a header that exists can be sent.

    Raises:
        ImproperlyConfiguredException: The header has no value and is not for documentation only.
        TypeError: The value is no text.
        ValueError: The name or the value cannot stand in a header.
    """

    name: str
    """The header's name, a token (RFC 9110 5.6.2)."""
    documentation_only: bool = False
    """Whether the header appears in the OpenAPI document alone and is never set."""
    value: str | None = None
    """The header's value; `None` for documentation only."""
    description: str | None = None
    """What the header is for, for the OpenAPI document."""
    required: bool = False
    """Whether the OpenAPI document promises the header."""
    deprecated: bool = False
    """Whether the OpenAPI document warns against relying on the header."""

    def __post_init__(self) -> None:
        if self.value is None and not self.documentation_only:
            raise ImproperlyConfiguredException(
                f"the response header {self.name!r} has no value: give it one, or "
                "documentation_only=True if something else sets it"
            )
        if self.value is not None and not isinstance(self.value, str):
            raise TypeError(
                f"the value of the header {self.name!r} is text, not {self.value!r}; "
                f"write {str(self.value)!r}"
            )
        encode_header(self.name, self.value or "")

    def to_encoded(self) -> tuple[bytes, bytes]:
        """Return the header line as ASGI carries it."""
        return encode_header(self.name, self.value or "")
