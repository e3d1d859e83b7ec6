"""DTOs for classes that are mapped to tables."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
from sqlalchemy import (
    Column,
    Computed,
    ForeignKey,
    Integer,
    String,
    Table,
    create_engine,
    func,
    literal_column,
    select,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    column_property,
    composite,
    mapped_column,
    registry,
    relationship,
)
from sqlalchemy.types import NullType, UserDefinedType

from hesper import Hesper, get, patch, post
from hesper.dto import DataclassDTO, DTOConfig, DTOData, dto_field
from hesper.exceptions import ConfigurationError, ImproperlyConfiguredException
from hesper.pagination import OffsetPagination
from hesper.plugins.sqlalchemy import SQLAlchemyDTO
from tests.asgi_driver import Answer, answer


class Base(DeclarativeBase):
    pass


class Stamped:
    made: Mapped[datetime.datetime | None] = mapped_column(
        server_default=func.now(), info=dto_field("read-only")
    )


class Author(Stamped, Base):
    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True, info=dto_field("read-only"))
    name: Mapped[str] = mapped_column(String(20))
    password: Mapped[str] = mapped_column(info=dto_field("write-only"))
    note: Mapped[Annotated[str | None, dto_field("private")]]
    books: Mapped[list[Book]] = relationship(back_populates="author")
    rank: Mapped[int] = mapped_column(Computed("id * 2"))
    one: Mapped[int] = column_property(literal_column("1"))

    @hybrid_property
    def loud(self) -> str:
        return self.name.upper()


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True, info=dto_field("read-only"))
    title: Mapped[str]
    pages: Mapped[int] = mapped_column(default=100)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), info=dto_field("private"))
    author: Mapped[Author] = relationship(back_populates="books")


AuthorDTO = SQLAlchemyDTO[Author]


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def send(app: Hesper, value: Any, method: str = "POST") -> Answer:
    headers = [("content-type", "application/json")]
    return answer(app, method, "/", headers=headers, body=msgspec.json.encode(value))


def test_a_row_is_written_and_sent_with_what_the_database_fills_in(session: Session) -> None:
    @post("/", dto=AuthorDTO, sync_to_thread=False)
    def add(data: Author) -> Author:
        session.add(data)
        session.commit()
        return data

    body = {
        "id": 99,
        "name": "Jane",
        "password": "p",
        "note": "evil",
        "rank": 99,
        "loud": "evil",
        "books": [{"title": "Emma", "id": 98, "author_id": 97}],
    }
    found = send(Hesper([add]), body).json()
    made = found.pop("made")
    assert datetime.datetime.fromisoformat(made) > datetime.datetime(2000, 1, 1)
    assert found == {
        "id": 1,
        "name": "Jane",
        "books": [{"id": 1, "title": "Emma", "pages": 100}],
        "rank": 2,
        "one": 1,
        "loud": "JANE",
    }
    stored = session.scalars(select(Author)).one()
    assert (stored.password, stored.note) == ("p", None)


def test_rows_are_changed_by_what_was_sent(session: Session) -> None:
    session.add(Author(name="Jane", password="p", books=[Book(title="Emma")]))
    session.commit()

    class PatchDTO(SQLAlchemyDTO[Book]):
        config = DTOConfig(partial=True, exclude={"author.made"})

    @patch("/", dto=PatchDTO, sync_to_thread=False)
    def change(data: DTOData[Book]) -> Book:
        book = data.update_instance(session.scalars(select(Book)).one())
        session.commit()
        return book

    found = send(Hesper([change]), {"pages": 7, "author": {"name": "Anne"}}, "PATCH").json()
    assert (found["title"], found["pages"]) == ("Emma", 7)
    assert found["author"]["name"] == "Anne"
    assert session.scalars(select(Author.password)).one() == "p"


def test_pages_of_rows_are_sent(session: Session) -> None:
    session.add_all([Author(name=name, password="p") for name in "ab"])
    session.commit()

    class NameDTO(SQLAlchemyDTO[Author]):
        config = DTOConfig(include={"name"})

    @get("/", return_dto=NameDTO, sync_to_thread=False)
    def some() -> OffsetPagination[Author]:
        return OffsetPagination(session.scalars(select(Author)).all(), 10, 0, 2)

    found = answer(Hesper([some]), "GET", "/").json()
    assert found["items"] == [{"name": "a"}, {"name": "b"}]


def test_what_is_required_is_what_nobody_else_fills_in() -> None:
    required = {
        field.name for field in AuthorDTO.generate_field_definitions(Author) if field.required
    }
    assert required == {"name", "password"}


def test_faults_are_named_by_their_place() -> None:
    @post("/", dto=AuthorDTO, sync_to_thread=False)
    def add(data: Author) -> None:
        pass

    found = send(Hesper([add]), {"name": 1, "books": [{"title": None}]})
    assert found.faults == {("body", "name"), ("body", "password"), ("body", "books[0].title")}


def test_an_instance_may_be_completed_by_the_handler() -> None:
    class NewDTO(SQLAlchemyDTO[Author]):
        config = DTOConfig(exclude={"password"})

    @post("/", dto=NewDTO, sync_to_thread=False)
    def add(data: Author) -> str:
        assert data.password is None
        return data.name

    assert send(Hesper([add]), {"name": "Jane", "password": "evil"}).text == "Jane"


@dataclass
class Span:
    first: int
    last: int


class Log(Base):
    __tablename__ = "log"

    kind: ClassVar[str] = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[int]
    last: Mapped[int]
    span: Mapped[Span] = composite("first", "last")


def test_what_is_composed_of_columns_is_sent_as_columns() -> None:
    @get("/", return_dto=SQLAlchemyDTO[Log])
    async def one() -> Log:
        return Log(id=1, first=2, last=3)

    assert answer(Hesper([one]), "GET", "/").json() == {"id": 1, "first": 2, "last": 3}


class DataclassBase(MappedAsDataclass, DeclarativeBase):
    pass


class Point(DataclassBase):
    __tablename__ = "point"

    id: Mapped[int] = mapped_column(init=False, primary_key=True)
    x: Mapped[int]
    label: Mapped[str | None]
    y: Mapped[int] = mapped_column(default=4)


def test_a_mapped_dataclass_is_made_by_its_constructor() -> None:
    inbound = SQLAlchemyDTO[Point].inbound_of(Point, own=True)
    assert inbound is not None
    assert inbound.finish is not None
    point = inbound.finish(inbound.wire(x=1, label=None))
    assert (point.x, point.y, point.id) == (1, 4, None)


def test_a_mapped_dataclass_needs_what_its_constructor_needs() -> None:
    class NewDTO(SQLAlchemyDTO[Point]):
        config = DTOConfig(exclude={"label"})

    @post("/", dto=NewDTO)
    async def add(data: Point) -> None:
        pass

    with pytest.raises(ConfigurationError, match="Point needs 'label'"):
        Hesper([add])


class Shape(UserDefinedType[Any]):
    """Whose values may be anything."""

    @property
    def python_type(self) -> Any:
        raise NotImplementedError


mapper = registry()
old = Table(
    "old",
    mapper.metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("note", String),
    Column("odd", NullType, nullable=False, default=0),
    Column("shape", Shape, nullable=False, default=""),
    Column("parent_id", ForeignKey("old.id"), info=dto_field("private")),
)


class Old:
    if False:  # what checkers see; nothing is annotated
        name: Any
        children: Any
        parent: Any


mapper.map_imperatively(
    Old,
    old,
    properties={
        "children": relationship(Old, back_populates="parent"),
        "parent": relationship(Old, back_populates="children", remote_side=old.c.id),
        "seen": relationship(Old, viewonly=True, remote_side=old.c.id),
    },
)


def test_types_are_those_of_the_columns_where_nothing_is_annotated() -> None:
    fields = {field.name: field for field in SQLAlchemyDTO[Old].generate_field_definitions(Old)}
    assert {name: field.annotation for name, field in fields.items()} == {
        "id": int,
        "name": str,
        "note": str | None,
        "odd": object,
        "shape": Any,
        "parent_id": int | None,
        "children": list[Old],
        "parent": Old | None,
        "seen": Old | None,
    }
    assert [name for name, field in fields.items() if not field.settable] == ["seen"]
    assert [name for name, field in fields.items() if field.required] == ["name"]
    assert fields["odd"].default == 0


def test_a_mapped_class_is_no_other_kind_of_model() -> None:
    with pytest.raises(ImproperlyConfiguredException, match=r"hesper\.plugins\.sqlalchemy"):
        DataclassDTO[Point]
    with pytest.raises(ImproperlyConfiguredException, match="takes one mapped class, not the data"):
        SQLAlchemyDTO[Plain]


@dataclass
class Plain:
    row: Any = None


def test_a_row_is_not_sent_where_nobody_expects_one() -> None:
    @get("/", return_dto=DataclassDTO[Plain])
    async def one() -> Plain:
        row: Any = Author(name="Jane", password="p")
        plain: Plain = row
        return plain

    assert answer(Hesper([one]), "GET", "/").status == 500


def test_what_is_not_loaded_is_changed_without_asking_the_database(session: Session) -> None:
    author = Author(name="Jane", password="p")
    session.add(author)
    session.commit()  # after which nothing of it is loaded
    session.expunge(author)
    inbound = AuthorDTO.inbound_of(DTOData[Author], own=True)
    assert inbound is not None
    assert inbound.finish is not None
    decoded = msgspec.json.decode(b'{"name": "Ann", "password": "q"}', type=inbound.wire)
    assert inbound.finish(decoded).update_instance(author).name == "Ann"


def test_a_hybrid_property_of_a_type_that_is_not_there_is_an_error() -> None:
    class Lost(Base):
        __tablename__ = "lost"

        id: Mapped[int] = mapped_column(primary_key=True)

        @hybrid_property
        def odd(self) -> Any:
            return 1

    descriptor: Any = Lost.__mapper__.all_orm_descriptors["odd"]
    descriptor.fget.__annotations__["return"] = "Missing"
    with pytest.raises(ImproperlyConfiguredException, match="Lost cannot be resolved"):
        SQLAlchemyDTO[Lost].outbound_of(Lost, own=True)
