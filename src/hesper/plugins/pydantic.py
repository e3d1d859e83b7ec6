"""DTOs for pydantic's models.

Pydantic itself validates what is read, and writes down what is sent: its validators, serializers
and computed fields take part.
"""

from __future__ import annotations

from typing import TypeVar

from hesper.dto import AbstractDTO
from hesper.dto.kinds import PydanticKind

__all__ = ("PydanticDTO",)

T = TypeVar("T")


class PydanticDTO(AbstractDTO[T]):
    """A DTO for a model of pydantic."""

    accepted = (PydanticKind,)
