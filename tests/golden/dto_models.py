"""DTOs whose generated functions are worth reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
import pydantic

from hesper.dto import (
    AbstractDTO,
    DataclassDTO,
    DTOConfig,
    MsgspecDTO,
    TypedDictDTO,
    dto_field,
)
from hesper.pagination import ClassicPagination
from hesper.plugins.pydantic import PydanticDTO


@dataclass
class Author:
    name: str
    email: str = field(default="", metadata=dto_field("private"))


@dataclass
class Book:
    title: str
    authors: list[Author]
    isbn: int = field(default=0, metadata=dto_field("read-only"))
    editor: Author | None = None
    by_year: dict[int, set[str]] = field(default_factory=dict)


class Point(msgspec.Struct):
    x: int
    y: int


class Entry(TypedDict, total=False):
    key: str
    other_key: int


class Shelf(TypedDict):
    entries: NotRequired[dict[str, Entry]]


class Person(pydantic.BaseModel):
    name: str
    secret: Annotated[str, dto_field("private")] = ""
    friend: Person | None = None


class RenamedPoint(MsgspecDTO[Point]):
    config = DTOConfig(rename_strategy="upper")


class PartialBook(DataclassDTO[Book]):
    config = DTOConfig(partial=True)


class KebabShelf(TypedDictDTO[Shelf]):
    config = DTOConfig(rename_strategy="kebab")


DTOS: dict[str, tuple[type[AbstractDTO[Any]], Any, str]] = {
    "read_struct": (RenamedPoint, Point, "make"),
    "send_struct": (RenamedPoint, Point, "send"),
    "read_dataclass": (DataclassDTO[Book], Book, "make"),
    "send_dataclass": (DataclassDTO[Book], Book, "send"),
    "values_of_part": (PartialBook, Book, "values"),
    "read_dict": (KebabShelf, Shelf, "make"),
    "send_dict": (KebabShelf, Shelf, "send"),
    "read_pydantic": (PydanticDTO[Person], Person, "make"),
    "send_pydantic": (PydanticDTO[Person], Person, "send"),
    "send_page": (DataclassDTO[Book], ClassicPagination[Book], "send"),
}
"""By golden file: a DTO, the type of a value, and what is done with it."""
