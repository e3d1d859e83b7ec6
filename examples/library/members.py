"""The members: those who may borrow."""

from __future__ import annotations

from datetime import date

from aiosqlite import Connection
from msgspec import Struct

from hesper import Controller, get, post
from hesper.exceptions import NotFoundException
from library.database import row, rows
from library.rules import Line, RowNumber, librarian

FIND = "SELECT * FROM members WHERE id = :id"
LIST = "SELECT * FROM members ORDER BY name, id"
ADD = "INSERT INTO members (name, joined_on) VALUES (:name, :today) RETURNING *"


class Member(Struct, frozen=True):
    """A member of the library."""

    id: int
    name: str
    joined_on: date


class NewMember(Struct, forbid_unknown_fields=True):
    """What a librarian says of a new member."""

    name: Line


async def find_member(db: Connection, number: int) -> Member:
    """Return the member with *number*.

    Raises:
        NotFoundException: The library has no such member.
    """
    member = await row(db, Member, FIND, {"id": number})
    if member is None:
        raise NotFoundException(f"the library has no member number {number}")
    return member


class Members(Controller):
    """Everything under `/members`."""

    path = "/members"

    @get()
    async def everyone(self, db: Connection) -> list[Member]:
        """List all members by name."""
        return await rows(db, Member, LIST, {})

    @get("/{number:int}")
    async def one(self, db: Connection, number: RowNumber) -> Member:
        """Return one member."""
        return await find_member(db, number)

    @post(guards=[librarian])
    async def enrol(self, db: Connection, data: NewMember, today: date) -> Member:
        """Take in a new member."""
        [member] = await rows(db, Member, ADD, {"name": data.name, "today": today})
        return member
