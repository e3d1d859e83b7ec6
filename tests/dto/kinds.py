"""The same model in every kind: a person with an address, and marks on the fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from hesper.dto import (
    AbstractDTO,
    AttrsDTO,
    DataclassDTO,
    MsgspecDTO,
    TypedDictDTO,
    dto_field,
)
from hesper.plugins.pydantic import PydanticDTO
from hesper.plugins.sqlalchemy import SQLAlchemyDTO

SECRET = "nobody sees this"

FIELDS = ("name", "age", "identity", "password", "secret", "address")
NESTED = ("street", "code", "key")
"""The fields of the person, and of the address."""


@dataclass
class DataclassAddress:
    street: str = ""
    code: int = field(default=0, metadata=dto_field("read-only"))
    key: str = field(default=SECRET, metadata=dto_field("private"))


@dataclass
class DataclassPerson:
    name: str
    age: int = 1
    identity: int = field(default=0, metadata=dto_field("read-only"))
    password: str = field(default=SECRET, metadata=dto_field("write-only"))
    secret: str = field(default=SECRET, metadata=dto_field("private"))
    address: DataclassAddress | None = None


class StructAddress(msgspec.Struct):
    street: str = ""
    code: Annotated[int, dto_field("read-only")] = 0
    key: Annotated[str, msgspec.Meta(extra=dto_field("private"))] = SECRET


class StructPerson(msgspec.Struct):
    name: str
    age: int = 1
    identity: Annotated[int, dto_field("read-only")] = 0
    password: Annotated[str, dto_field("write-only")] = SECRET
    secret: Annotated[str, dto_field("private")] = SECRET
    address: StructAddress | None = None


@attrs.define
class AttrsAddress:
    street: str = ""
    code: int = attrs.field(default=0, metadata=dto_field("read-only"))
    key: str = attrs.field(default=SECRET, metadata=dto_field("private"))


@attrs.define
class AttrsPerson:
    name: str
    age: int = 1
    identity: int = attrs.field(default=0, metadata=dto_field("read-only"))
    password: str = attrs.field(default=SECRET, metadata=dto_field("write-only"))
    secret: str = attrs.field(default=SECRET, metadata=dto_field("private"))
    address: AttrsAddress | None = None


class DictAddress(TypedDict, total=False):
    street: str
    code: Annotated[int, dto_field("read-only")]
    key: Annotated[str, dto_field("private")]


class DictPerson(TypedDict):
    name: str
    age: NotRequired[int]
    identity: NotRequired[Annotated[int, dto_field("read-only")]]
    password: NotRequired[Annotated[str, dto_field("write-only")]]
    secret: NotRequired[Annotated[str, dto_field("private")]]
    address: NotRequired[DictAddress | None]


class PydanticAddress(pydantic.BaseModel):
    street: str = ""
    code: Annotated[int, dto_field("read-only")] = 0
    key: Annotated[str, dto_field("private")] = SECRET


class PydanticPerson(pydantic.BaseModel):
    name: str
    age: int = 1
    identity: Annotated[int, dto_field("read-only")] = 0
    password: Annotated[str, dto_field("write-only")] = SECRET
    secret: Annotated[str, dto_field("private")] = SECRET
    address: PydanticAddress | None = None


class Base(DeclarativeBase):
    pass


class MappedPerson(Base):
    __tablename__ = "person"

    row: Mapped[int] = mapped_column(primary_key=True, info=dto_field("private"))
    name: Mapped[str]
    age: Mapped[int] = mapped_column(default=1)
    identity: Mapped[int] = mapped_column(default=0, info=dto_field("read-only"))
    password: Mapped[str] = mapped_column(default=SECRET, info=dto_field("write-only"))
    secret: Mapped[str] = mapped_column(default=SECRET, info=dto_field("private"))
    address: Mapped[MappedAddress | None] = relationship(back_populates="person")


class MappedAddress(Base):
    __tablename__ = "address"

    row: Mapped[int] = mapped_column(primary_key=True, info=dto_field("private"))
    person_row: Mapped[int] = mapped_column(ForeignKey("person.row"), info=dto_field("private"))
    street: Mapped[str] = mapped_column(default="")
    code: Mapped[int] = mapped_column(default=0, info=dto_field("read-only"))
    key: Mapped[str] = mapped_column(default=SECRET, info=dto_field("private"))
    person: Mapped[MappedPerson] = relationship(back_populates="address")


class Kind(NamedTuple):
    """A kind of model: how to have a DTO for it, and its classes."""

    dto: Any
    person: Any
    address: Any

    def make(self, values: dict[str, Any]) -> Any:
        """Return a person, who has an address if there are values for one."""
        values = dict(values)
        if values.get("address") is not None:
            values["address"] = self.address(**values["address"])
        return self.person(**values)

    def get(self, instance: Any, name: str, default: Any = None) -> Any:
        """Return the value of a field."""
        if isinstance(instance, dict):
            return instance.get(name, default)
        return getattr(instance, name, default)

    def narrowed(self, config: Any = None) -> type[AbstractDTO[Any]]:
        """Return the DTO for a person, with a configuration."""
        model = self.person if config is None else Annotated[self.person, config]
        dto: type[AbstractDTO[Any]] = self.dto[model]
        return dto


KINDS: dict[str, Kind] = {
    "dataclass": Kind(DataclassDTO, DataclassPerson, DataclassAddress),
    "struct": Kind(MsgspecDTO, StructPerson, StructAddress),
    "attrs": Kind(AttrsDTO, AttrsPerson, AttrsAddress),
    "TypedDict": Kind(TypedDictDTO, DictPerson, DictAddress),
    "pydantic": Kind(PydanticDTO, PydanticPerson, PydanticAddress),
    "SQLAlchemy": Kind(SQLAlchemyDTO, MappedPerson, MappedAddress),
}


def echo(kind: Kind, config: Any = None) -> tuple[Callable[..., Any], Callable[[Any], Any]]:
    """Return what makes a person of a request's body, decoded already, and what sends one."""
    dto = kind.narrowed(config)
    inbound = dto.inbound_of(kind.person, own=True)
    outbound = dto.outbound_of(kind.person, own=True)
    assert inbound is not None
    assert outbound is not None
    return inbound.finish or (lambda wire: wire), outbound.transfer or (lambda value: value)
