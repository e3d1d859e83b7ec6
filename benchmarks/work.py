"""The work that every app in the comparison does: the types, the dependencies and the answers.

What a framework is free to choose (which library validates, which one encodes) is left to each
app; what a client can observe is fixed here, and checked before anything is measured.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from msgspec import Meta, Struct

GREETING = "Call me Ishmael."
PIECES = tuple(b"%-63d\n" % number for number in range(100))


class Address(Struct):
    """Where an order goes."""

    street: Annotated[str, Meta(min_length=1)]
    city: str
    postcode: str
    country: Annotated[str, Meta(min_length=2, max_length=2)]


class Line(Struct):
    """One line of an order."""

    article: str
    quantity: Annotated[int, Meta(ge=1, le=100)]
    price: Annotated[float, Meta(ge=0)]
    tags: list[str]


class Order(Struct):
    """A body with nesting and constraints, decoded, validated and encoded back."""

    number: int
    customer: str
    express: bool
    address: Address
    lines: list[Line]
    note: str | None = None


class Settings(Struct):
    """The first dependency."""

    tenant: str


class Connection(Struct):
    """The second one, which is closed when the call is over."""

    tenant: str
    closed: bool = False


class Session(Struct):
    """The third, on a connection."""

    connection: Connection


class User(Struct):
    """The fourth, from a session."""

    name: str
    session: Session


class Access(Struct):
    """The fifth, which the handler asks for; it depends on the fourth and the first."""

    name: str
    tenant: str


class Ledger:
    """What happened that no answer tells; it lives as long as the process."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.before = 0
        self.after = 0


LEDGER = Ledger()


async def provide_settings() -> Settings:
    return Settings("pequod")


async def provide_connection(settings: Settings) -> AsyncIterator[Connection]:
    connection = Connection(settings.tenant)
    LEDGER.opened += 1
    try:
        yield connection
    finally:
        connection.closed = True
        LEDGER.closed += 1


async def provide_session(connection: Connection) -> Session:
    return Session(connection)


async def provide_user(session: Session) -> User:
    return User("ishmael", session)


async def provide_access(user: User, settings: Settings) -> Access:
    return Access(user.name, settings.tenant)


def whale() -> dict[str, object]:
    """Return what the JSON case answers, made anew for each request."""
    return {
        "mark": "moby-dick-1851",
        "title": "Moby-Dick",
        "author": "Herman Melville",
        "year": 1851,
        "lent": False,
    }


async def pieces() -> AsyncIterator[bytes]:
    """Make the stream's chunks."""
    for piece in PIECES:
        yield piece


def in_thread() -> bool:
    """Tell whether this is called in a worker thread."""
    return threading.current_thread() is not threading.main_thread()


async def note_before() -> None:
    """Do what the hook before the handler does."""
    LEDGER.before += 1


async def note_after() -> None:
    """Do what the hook after the handler does."""
    LEDGER.after += 1


class Gate:
    """Where requests wait for each other; it lives as long as the process."""

    def __init__(self) -> None:
        self.close(0)

    def close(self, expected: int) -> None:
        """Let whoever comes from now on wait, until as many are there as are *expected*."""
        self._missing = expected
        self._full = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let all go on."""
        self._opened.set()

    async def full(self) -> None:
        """Wait until all are there."""
        await self._full.wait()

    async def wait(self) -> None:
        """Wait until the gate is opened."""
        self._missing -= 1
        if self._missing == 0:
            self._full.set()
        await self._opened.wait()


GATE = Gate()


class PassThrough:
    """A middleware that passes on what it gets."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Hooked:
    """The two hooks as a middleware, for the frameworks that have no hooks."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await note_before()
        await self.app(scope, receive, send)
        await note_after()


STEP = """
async def value_{number}({name}: int) -> int:
    return {name} + 1
"""


async def value_0() -> int:
    return 0


def chain(depth: int) -> dict[str, Callable[..., Any]]:
    """Return that many dependencies by name, each of which needs the one before.

    They are written as text, since their parameters are named after what they need.
    """
    functions: dict[str, Any] = {"__name__": __name__}
    for number in range(1, depth):
        exec(STEP.format(number=number, name=f"value_{number - 1}"), functions)
    functions["value_0"] = value_0
    return {name: functions[name] for name in (f"value_{number}" for number in range(depth))}


def shelves(routes: int) -> list[str]:
    """Return the paths below which an app of that many *routes* has two each."""
    return [f"/shelf-{number}" for number in range(routes // 2)]
