"""The loans: a member takes a book for four weeks, and brings it back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from aiosqlite import Connection
from msgspec import Struct

from hesper import Controller, get, post
from hesper.exceptions import NotFoundException
from library.books import find_book
from library.database import row, rows
from library.members import find_member
from library.rules import ConflictError, Line, RowNumber

LOAN = timedelta(days=28)

FIND = "SELECT * FROM loans WHERE id = :id"
LIST = """
    SELECT * FROM loans
    WHERE (:member IS NULL OR member = :member)
    AND (:status != 'open' OR returned_on IS NULL)
    AND (:status != 'overdue' OR (returned_on IS NULL AND due_on < :today))
    AND (:status != 'returned' OR returned_on IS NOT NULL)
    ORDER BY due_on, id
"""
LEND = """
    INSERT INTO loans (book, member, lent_on, due_on) VALUES (:book, :member, :lent_on, :due_on)
    RETURNING *
"""
RETURN = "UPDATE loans SET returned_on = :today WHERE id = :id RETURNING *"


class Loan(Struct, frozen=True):
    """A book in a member's hands, or back from them."""

    id: int
    book: str
    member: int
    lent_on: date
    due_on: date
    returned_on: date | None = None


class NewLoan(Struct, forbid_unknown_fields=True):
    """Which member wants which book."""

    book: Line
    member: RowNumber


class Loans(Controller):
    """Everything under `/loans`."""

    path = "/loans"

    @get()
    async def list_loans(
        self,
        db: Connection,
        today: date,
        status: Literal["all", "open", "overdue", "returned"] = "all",
        member: RowNumber | None = None,
    ) -> list[Loan]:
        """List loans, the first due first: those of one member, or of one status, or both."""
        wanted = {"status": status, "member": member, "today": today}
        return await rows(db, Loan, LIST, wanted)

    @post()
    async def lend(self, db: Connection, data: NewLoan, today: date) -> Loan:
        """Lend a book to a member."""
        book = await find_book(db, data.book)
        member = await find_member(db, data.member)
        if book.lent:
            raise ConflictError(f"{book.title!r} is lent already")
        lending = {
            "book": book.mark,
            "member": member.id,
            "lent_on": today,
            "due_on": today + LOAN,
        }
        [loan] = await rows(db, Loan, LEND, lending)
        return loan

    @post("/{number:int}/return", status_code=200)
    async def bring_back(self, db: Connection, number: RowNumber, today: date) -> Loan:
        """Take a book back."""
        loan = await row(db, Loan, FIND, {"id": number})
        if loan is None:
            raise NotFoundException(f"the library has no loan number {number}")
        if loan.returned_on is not None:
            raise ConflictError(f"{loan.book!r} came back on {loan.returned_on} already")
        [returned] = await rows(db, Loan, RETURN, {"id": number, "today": today})
        return returned
