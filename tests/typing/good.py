"""What users write: every line type-checks, and the assertions pin what they see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, assert_type

from hesper import (
    Controller,
    Extend,
    Hesper,
    Lifespan,
    Lifetime,
    Provide,
    Replace,
    Request,
    Response,
    Router,
    WebSocket,
    get,
    live,
    loop_local,
    post,
    websocket,
)
from hesper.background_tasks import background
from hesper.connection import ASGIConnection
from hesper.datastructures import Cookie, ResponseHeader, State
from hesper.dto import DTOData
from hesper.handlers import BaseRouteHandler
from hesper.params import FromHeader, FromQuery
from hesper.registry import Record, Registry, attached


class Session: ...


class Book:
    title: str = ""


async def session(state: State) -> AsyncIterator[Session]:
    yield Session()


def allow(connection: ASGIConnection, route_handler: BaseRouteHandler) -> None: ...


async def before(request: Request) -> None: ...


async def after(response: Response[Any]) -> Response[Any]:
    return response


def conflict(request: Request, error: LookupError) -> Response[str]:
    return Response(str(error), status_code=409)


@asynccontextmanager
async def pool(app: Hesper) -> AsyncIterator[None]:
    app.state.pool = object()
    yield


class Books(Controller):
    path = "/books"
    guards = [allow]
    dependencies = {"db": Provide(session)}
    before_request = before
    after_request = Extend(after)
    response_headers = [ResponseHeader(name="x-books", value="yes")]
    tags = Replace(["books"])
    opt = {"audit": True}
    request_max_body_size = None

    @get("/{isbn:str}", response_headers={"x-one": "1"}, name="book")
    async def one(self, isbn: str, db: Session, page: FromQuery[int] = 1) -> Book:
        assert_type(isbn, str)
        assert_type(page, int)
        return Book()

    @post(guards=[allow], status_code=202, response_cookies=[Cookie(key="seen", value="1")])
    async def add(self, data: dict[str, int], token: FromHeader[str]) -> None:
        assert_type(token, str)


@get(["/health", "/alive"], sync_to_thread=False, dependencies={Session: session})
def health() -> str:
    return "ok"


@websocket("/chat")
async def chat(socket: WebSocket) -> None:
    await socket.accept()


app = Hesper(
    [Router("/api", [Books], guards=Replace([allow])), health, chat],
    exception_handlers={LookupError: conflict, 404: conflict},
    lifespan=[pool],
    state={"count": 0},
    guards=[allow],
)


async def called_directly() -> None:
    assert_type(await Books().one("1", Session(), page=2), Book)
    assert_type(app.route_reverse("book", isbn="1"), str)
    async with app.lifespan() as lifespan:
        assert_type(lifespan.state, State)


assert_type(health(), str)
assert_type(app.state, State)


class Client:
    def __init__(self, url: str, *, timeout: float = 5) -> None: ...

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *raised: object) -> None: ...


@loop_local.singleton
async def connect(url: str) -> Session:
    return Session()


@loop_local.singleton()
def limiter(size: int = 1) -> Book:
    return Book()


@asynccontextmanager
async def opened(number: int) -> AsyncIterator[Session]:
    yield Session()


async def resources_of_the_loop() -> None:
    assert_type(await connect("here"), Session)
    assert_type(limiter(size=2), Book)
    assert_type(loop_local.singleton(Client)("here", timeout=1), Client)
    assert_type(await loop_local.enter(opened(1)), Session)
    assert_type(await loop_local.enter_once(Client("here")), Client)
    async with loop_local.sticky_acm(Client("here")) as client:
        assert_type(client, Client)
    async with loop_local.sticky_singleton_acm(Client)("here", timeout=1) as client:
        assert_type(client, Client)
    async with loop_local.sticky_singleton_acm(opened)(number=1) as session:
        assert_type(session, Session)
    loop_local.atexit(print, "the end", flush=True)
    loop_local.storage()["anything"] = 1
    await loop_local.aclose()


def what_is_alive() -> None:
    registry = Registry[Client](arrived=lambda client: client.__aenter__(), departed=print)
    registry.add(Client("here"))
    for client in registry:
        assert_type(client, Client)
    assert_type(attached(app, "client", lambda: Client("here")), Client)
    assert_type(live.apps, tuple[Record, ...])


async def dependencies(request: Request, lifespan: Lifespan) -> None:
    assert_type(await request.resolve(Client), Client)
    assert_type(await lifespan.resolve(Session), Session)
    _: object = await request.resolve("client")
    Provide(connect, lifetime=Lifetime.LOOP)
    Provide(Session, use_cache=True, sync_to_thread=False)
    assert_type(app.override({"client": Client("there"), Session: Provide(Session)}), Hesper)
    async for number in lifespan.until_closing(numbers()):
        assert_type(number, int)
    Response("", background=background(print, "done"))


async def numbers() -> AsyncIterator[int]:
    yield 1


def transfer(data: DTOData[Book]) -> None:
    assert_type(data.create_instance(), Book)
