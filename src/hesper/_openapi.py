"""What layers and the app know of the OpenAPI document; the rest is in `hesper.openapi`.

Only who asks for a document, or configures it, imports what it takes to have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hesper.enums import MediaType


class DocumentConfig:
    """What every configuration of the document is; `OpenAPIConfig` says what there is to say."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class ResponseSpec:
    """A response that the handler's annotation does not tell; never changes."""

    data_container: Any
    """The type of its content; `None` if there is none."""
    generate_examples: bool = True
    """Whether examples are made, where the configuration says `create_examples`."""
    description: str = "Additional response"
    """What it says, in CommonMark."""
    media_type: MediaType | str = MediaType.JSON
    """The media type of its content."""
    examples: Sequence[Any] | None = None
    """Examples of its content: values, or `openapi.spec.Example`s."""
