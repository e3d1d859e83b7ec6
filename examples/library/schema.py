"""The tables of the library, and how a new database file gets them."""

from __future__ import annotations

from aiosqlite import Connection
from msgspec.structs import astuple

from library.catalogue import first_stock

VERSION = 1
"""What `PRAGMA user_version` says of a database that is ready for this application."""

TABLES = (
    """
    CREATE TABLE books (
        mark    TEXT PRIMARY KEY,
        title   TEXT NOT NULL,
        author  TEXT NOT NULL,
        year    INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE members (
        id         INTEGER PRIMARY KEY,
        name       TEXT NOT NULL,
        joined_on  TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE loans (
        id           INTEGER PRIMARY KEY,
        book         TEXT NOT NULL REFERENCES books (mark) ON DELETE CASCADE,
        member       INTEGER NOT NULL REFERENCES members (id),
        lent_on      TEXT NOT NULL,
        due_on       TEXT NOT NULL,
        returned_on  TEXT
    )
    """,
    # Whatever the code does, a book is lent to one member at a time.
    "CREATE UNIQUE INDEX loans_open ON loans (book) WHERE returned_on IS NULL",
    "CREATE INDEX loans_by_book ON loans (book)",
    "CREATE INDEX loans_by_member ON loans (member)",
)


async def prepare(db: Connection) -> None:
    """Give a new database its tables and its first books, and leave any other as it is.

    Everything happens in the caller's transaction, so of several processes that start on the same
    new file one does it and the others find it done.
    """
    [(version,)] = await db.execute_fetchall("PRAGMA user_version")
    if version == VERSION:
        return
    for table in TABLES:
        await db.execute(table)
    await db.executemany("INSERT INTO books VALUES (?, ?, ?, ?)", map(astuple, first_stock()))
    await db.execute(f"PRAGMA user_version = {VERSION}")
