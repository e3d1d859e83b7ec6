"""The application: what it is made of, and nothing else."""

from __future__ import annotations

from hesper import Hesper, Provide, get
from library.books import Books
from library.database import database, transaction
from library.loans import Loans
from library.members import Members
from library.rules import ConflictError, conflict, today


@get("/")
async def welcome() -> dict[str, str]:
    """Say what there is."""
    return {"books": "/books", "members": "/members", "loans": "/loans"}


app = Hesper(
    [welcome, Books, Members, Loans],
    lifespan=[database],
    dependencies={"db": Provide(transaction), "today": Provide(today)},
    exception_handlers={ConflictError: conflict},
)
