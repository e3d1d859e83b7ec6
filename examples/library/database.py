"""The library's SQLite file: a pool for each lifespan, a transaction for each call.

Readers never wait: the file is in write-ahead mode. Writers take the file's only write lock when
their transaction begins, and wait for it there, so a transaction that has begun can be finished.
"""

from __future__ import annotations

import os
import sqlite3
from asyncio import LifoQueue
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import aiosqlite
import msgspec
from aiosqlite import Connection

from hesper import Hesper, Request
from hesper.datastructures import State
from library.catalogue import folded
from library.schema import prepare

CONNECTIONS = 4
"""How many transactions one process has open at a time."""

PATIENCE = 10.0
"""For how many seconds a writer waits for the write lock."""

RowType = TypeVar("RowType")
Values = Mapping[str, object]


class Pool:
    """Connections to one database file; it lives as long as the lifespan that opened it."""

    def __init__(self) -> None:
        self._idle: LifoQueue[Connection] = LifoQueue()

    def add(self, connection: Connection) -> None:
        """Let transactions use *connection*."""
        self._idle.put_nowait(connection)

    @asynccontextmanager
    async def transaction(self, *, write: bool) -> AsyncIterator[Connection]:
        """Lend out a connection: commits at the end of the block, rolls back on any exception.

        Args:
            write: Take the write lock at once. Without it the block sees one unchanging state of
                the database and must not write.
        """
        connection = await self._idle.get()
        try:
            await connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield connection
            await connection.commit()
        except BaseException:
            # A cancelled BEGIN may still happen in the connection's thread; this comes after it.
            await connection.rollback()
            raise
        finally:
            self._idle.put_nowait(connection)


@asynccontextmanager
async def connected(path: str) -> AsyncIterator[Connection]:
    """Open the database file at *path*, and close it at the end of the block."""
    async with aiosqlite.connect(path, timeout=PATIENCE, isolation_level=None) as connection:
        connection.row_factory = sqlite3.Row
        await connection.create_function("folded", 1, folded, deterministic=True)
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = NORMAL")
        await connection.execute("PRAGMA foreign_keys = ON")
        yield connection


@asynccontextmanager
async def database(app: Hesper) -> AsyncIterator[None]:
    """Keep the pool open for one run of the application, as `app.state.pool`."""
    path = os.environ.get("LIBRARY_DATABASE", "library.sqlite3")
    pool = Pool()
    async with AsyncExitStack() as connections:
        for _ in range(CONNECTIONS):
            pool.add(await connections.enter_async_context(connected(path)))
        async with pool.transaction(write=True) as db:
            await prepare(db)
        app.state.pool = pool
        yield


class LibraryState(State):
    """What the application keeps while it runs."""

    pool: Pool


async def transaction(request: Request, state: LibraryState) -> AsyncIterator[Connection]:
    """Provide `db`: one transaction for each call, which may write unless the method is safe.

    It ends before the response starts: what a client is told has been stored is stored. GET and
    HEAD promise to change nothing (RFC 9110, section 9.2.1), so they never wait for a writer.
    """
    async with state.pool.transaction(write=request.method not in {"GET", "HEAD"}) as db:
        yield db


async def rows(db: Connection, row_type: type[RowType], sql: str, values: Values) -> list[RowType]:
    """Return what *sql* selects or returns, each row as a *row_type*. Dates are stored as text."""
    found = await db.execute_fetchall(sql, msgspec.to_builtins(values))
    return [msgspec.convert(dict(row), row_type, strict=False) for row in found]


async def row(db: Connection, row_type: type[RowType], sql: str, values: Values) -> RowType | None:
    """Return the first row that *sql* selects, as a *row_type*, or `None`."""
    return next(iter(await rows(db, row_type, sql, values)), None)


async def count(db: Connection, sql: str, values: Values) -> int:
    """Return the number that *sql* selects."""
    [(number,)] = await db.execute_fetchall(sql, values)
    return int(number)
