"""Routes whose generated endpoints are worth reading."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any
from uuid import UUID

import msgspec

from hesper import (
    Lifetime,
    MediaType,
    Provide,
    Request,
    Response,
    WebSocket,
    asgi,
    delete,
    get,
    post,
    websocket,
)
from hesper._types import Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from hesper.datastructures import State
from hesper.enums import RequestEncodingType
from hesper.params import Body, FromCookie, FromHeader, FromQuery, QueryParameter
from hesper.response import Stream

NOBODY = UUID(int=0)


class Book(msgspec.Struct):
    title: str
    pages: int = 0


class Pool:
    pass


class Session:
    pass


@get("/")
async def hello() -> str:
    return "hello"


@get("/books", media_type=MediaType.MESSAGEPACK)
async def packed() -> list[Book]:
    return []


@delete("/books/{isbn:str}")
async def remove(isbn: str) -> None:
    pass


@get("/books/{isbn:str}/copies/{number:int}")
async def copy(isbn: str, number: Annotated[int, msgspec.Meta(ge=1)]) -> Mapping[str, int]:
    return {}


@get("/books/search")
async def search(
    text: str,
    page: Annotated[int, QueryParameter(ge=1)] = 1,
    size: int = 20,
    genre: FromQuery[list[str] | None] = None,
    after: UUID = NOBODY,
    x_trace: FromHeader[str | None] = None,
    theme: FromCookie[str] = "light",
) -> list[Book]:
    return []


@post("/books")
async def add(data: Book, notify: bool = False) -> Book:
    return data


@post("/notes")
async def note(
    data: Annotated[Book | None, Body(media_type=RequestEncodingType.URL_ENCODED)] = None,
) -> str:
    return ""


@get("/sync", status_code=202)
def sync(name: str) -> dict[str, str]:
    return {}


@get("/answer", background=BackgroundTask(print))
async def answer(request: Request, state: State) -> Response[str]:
    return Response("x")


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    yield Pool()


async def session(pool: Pool) -> AsyncIterator[Session]:
    yield Session()


@contextmanager
def clock() -> Iterator[float]:
    yield 0.0


def user(session: Session, authorization: FromHeader[str]) -> str:
    return authorization


@get(
    "/nested",
    dependencies={
        "pool": pool,
        Session: session,
        "clock": Provide(clock, sync_to_thread=False),
        "user": user,
    },
)
async def nested(mine: Session, user: str, clock: float) -> str:
    return user


async def logged_in(request: Any, handler: Any, token: FromHeader[str]) -> None:
    pass


def librarian(request: Any, handler: Any, rights: list[str]) -> None:
    pass


async def rights(session: Session) -> list[str]:
    return []


@get(
    "/guarded",
    guards=[logged_in, librarian],
    dependencies={"session": Provide(session), "rights": rights, "pool": pool},
)
async def guarded(session: Session, page: int = 1) -> Book:
    return Book("")


async def cached(request: Request, session: Session) -> str | None:
    return None


async def signed(response: Response, clock: float) -> Response:
    return response


async def counted(request: Request) -> None:
    pass


@get(
    "/hooked",
    before_request=cached,
    after_request=signed,
    after_response=counted,
    dependencies={"session": session, "pool": pool, "clock": clock},
)
async def hooked(pool: Pool) -> str:
    return ""


@get(
    "/answered/before",
    before_request=cached,
    dependencies={"session": session, "pool": pool, "clock": clock},
)
async def answered_before(clock: float) -> str:
    return ""


@get("/stream", dependencies={"session": session, "pool": pool})
async def stream(session: Session) -> Stream:
    return Stream([])


def _provider(number: int) -> Callable[[], AsyncIterator[int]]:
    async def provide() -> AsyncIterator[int]:
        yield number

    return provide


@get("/many", dependencies={f"part{n}": _provider(n) for n in range(9)})
async def many(
    part0: int,
    part1: int,
    part2: int,
    part3: int,
    part4: int,
    part5: int,
    part6: int,
    part7: int,
    part8: int,
) -> list[int]:
    return []


async def settings(page: int = 1) -> dict[str, int]:
    return {"page": page}


async def opened(settings: dict[str, int]) -> Pool:
    return Pool()


async def begun(opened: Pool) -> Session:
    return Session()


async def named(begun: Session) -> str:
    return ""


async def titled(named: str) -> str:
    return ""


@get(
    "/deep",
    dependencies={
        "settings": settings,
        "opened": opened,
        "begun": begun,
        "named": named,
        "titled": titled,
    },
)
async def deep(titled: str) -> str:
    return titled


async def client() -> AsyncIterator[Pool]:
    yield Pool()


async def shared_pool(client: Pool) -> AsyncIterator[Pool]:
    yield Pool()


async def visitor(request: Request, pool: Pool) -> AsyncIterator[str]:
    yield ""


def rates() -> list[float]:
    return []


@get(
    "/lifetimes",
    dependencies={
        "client": Provide(client, lifetime=Lifetime.LOOP),
        "pool": Provide(shared_pool, lifetime=Lifetime.LIFESPAN),
        "user": Provide(visitor, lifetime=Lifetime.CONNECTION),
        "rates": Provide(rates, use_cache=True),
        "session": session,
    },
)
async def lifetimes(
    session: Session, user: str, pool: Pool, client: Pool, rates: list[float]
) -> str:
    return user


@websocket("/live/{room:int}", guards=[logged_in], dependencies={"session": session, "pool": pool})
async def live(socket: WebSocket, room: int, session: Session, since: int = 0) -> None:
    pass


@asgi("/asgi", guards=[logged_in], after_response=counted)
async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    pass


ROUTES: dict[str, Any] = {
    "plain": hello,
    "message_pack": packed,
    "nothing": remove,
    "path": copy,
    "values": search,
    "body": add,
    "optional_form": note,
    "thread": sync,
    "deep_dependencies": deep,
    "lifetimes": lifetimes,
    "response": answer,
    "nested_dependencies": nested,
    "guards": guarded,
    "hooks": hooked,
    "hook_before": answered_before,
    "stream": stream,
    "many_exits": many,
    "websocket": live,
    "asgi": raw,
}
