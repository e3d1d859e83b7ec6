"""Data transfer objects: what of a model clients see and set, and under which names."""

from __future__ import annotations

from hesper.dto.abstract import AbstractDTO, AttrsDTO, DataclassDTO, MsgspecDTO, TypedDictDTO
from hesper.dto.config import DTOConfig, RenameStrategy
from hesper.dto.data import DTOData
from hesper.dto.field import DTOField, DTOFieldDefinition, Mark, dto_field
from hesper.dto.transport import type_on_wire

__all__ = (
    "AbstractDTO",
    "AttrsDTO",
    "DTOConfig",
    "DTOData",
    "DTOField",
    "DTOFieldDefinition",
    "DataclassDTO",
    "Mark",
    "MsgspecDTO",
    "RenameStrategy",
    "TypedDictDTO",
    "dto_field",
    "type_on_wire",
)
