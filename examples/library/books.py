"""The books: finding them, putting them on the shelf, taking them off."""

from __future__ import annotations

from typing import Annotated

from aiosqlite import Connection
from msgspec import Meta, Struct
from msgspec.structs import asdict

from hesper import Controller, delete, get, post
from hesper.exceptions import NotFoundException
from hesper.params import Parameter
from library.catalogue import folded, shelf_mark
from library.database import count, row, rows
from library.rules import ConflictError, Line, librarian

LENT = "EXISTS (SELECT 1 FROM loans WHERE book = mark AND returned_on IS NULL)"
FIND = f"SELECT *, {LENT} AS lent FROM books WHERE mark = :mark"
MATCHING = """
    FROM books
    WHERE instr(folded(title || ' ' || author), :text)
    AND instr(folded(author), :author)
    AND (:year_from IS NULL OR year >= :year_from)
    AND (:year_to IS NULL OR year <= :year_to)
"""
COUNT = f"SELECT count(*) {MATCHING}"
SEARCH = f"SELECT *, {LENT} AS lent {MATCHING} ORDER BY year, title LIMIT :limit OFFSET :offset"
ADD = "INSERT INTO books VALUES (:mark, :title, :author, :year)"
REMOVE = "DELETE FROM books WHERE mark = :mark"

Year = Annotated[int, Meta(ge=-3000, le=3000)]


class Book(Struct, frozen=True):
    """A book of the library, lent or on its shelf."""

    mark: str
    title: str
    author: str
    year: int
    lent: bool = False


class Page(Struct, frozen=True):
    """Some of the books that match a search, and how many there are in all."""

    items: list[Book]
    limit: int
    offset: int
    total: int


class NewBook(Struct, forbid_unknown_fields=True):
    """What a librarian says of a new book."""

    title: Line
    author: Line
    year: Year


async def find_book(db: Connection, mark: str) -> Book:
    """Return the book under *mark*.

    Raises:
        NotFoundException: The library has no such book.
    """
    book = await row(db, Book, FIND, {"mark": mark})
    if book is None:
        raise NotFoundException(f"the library has no book with the mark {mark!r}")
    return book


class Books(Controller):
    """Everything under `/books`."""

    path = "/books"

    @get()
    async def search(
        self,
        db: Connection,
        text: str = "",
        author: str = "",
        year_from: Year | None = None,
        year_to: Year | None = None,
        limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
        offset: Annotated[int, Parameter(ge=0, le=1_000_000)] = 0,
    ) -> Page:
        """List the books that match, oldest first: `text` is sought in titles and authors."""
        wanted = {
            "text": folded(text),
            "author": folded(author),
            "year_from": year_from,
            "year_to": year_to,
            "limit": limit,
            "offset": offset,
        }
        return Page(
            items=await rows(db, Book, SEARCH, wanted),
            limit=limit,
            offset=offset,
            total=await count(db, COUNT, wanted),
        )

    @get("/{mark:str}")
    async def one(self, db: Connection, mark: str) -> Book:
        """Return one book."""
        return await find_book(db, mark)

    @post(guards=[librarian])
    async def add(self, db: Connection, data: NewBook) -> Book:
        """Put a new book on its shelf."""
        mark = shelf_mark(data.title, data.year)
        if await row(db, Book, FIND, {"mark": mark}):
            raise ConflictError(f"the library has a book with the mark {mark!r} already")
        book = Book(mark, data.title, data.author, data.year)
        await db.execute(ADD, asdict(book))
        return book

    @delete("/{mark:str}", guards=[librarian])
    async def remove(self, db: Connection, mark: str) -> None:
        """Take a book off its shelf for good, and forget who read it."""
        book = await find_book(db, mark)
        if book.lent:
            raise ConflictError(f"{book.title!r} is lent: it can go when it is back")
        await db.execute(REMOVE, {"mark": mark})
