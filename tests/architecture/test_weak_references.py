"""Everything can be weakly referenced, and what is dropped is freed, without the collector."""

from __future__ import annotations

import asyncio
import enum
import gc
import importlib
import logging
import pkgutil
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import httpx
import httpx2
import pytest

import hesper
from hesper import (
    Controller,
    Hesper,
    Lifespan,
    Provide,
    Request,
    Response,
    Router,
    WebSocket,
    get,
    mount,
    post,
    websocket,
)
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from hesper.datastructures import State
from hesper.exceptions import NotAuthorizedException, NotFoundException, WebSocketDisconnect
from hesper.registry import Registry, attached
from hesper.response import Stream
from hesper.testing import AsyncTestClient, LiveServer, TestClient, WebSocketDeniedError, client_for
from hesper.testing.errors import LifespanError

CANNOT: dict[str, str] = {}
"""Public classes whose instances cannot be weakly referenced, by name, and the reason why."""


def public_classes() -> dict[str, type]:
    """Return every class that a public module exports, by its full name."""
    found: dict[str, type] = {}
    for module_info in pkgutil.walk_packages(hesper.__path__, "hesper."):
        if any(part.startswith("_") for part in module_info.name.split(".")):
            continue
        module = importlib.import_module(module_info.name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if isinstance(value, type):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


@pytest.mark.parametrize("name", sorted(public_classes()))
def test_instances_of_a_public_class_can_be_weakly_referenced(name: str) -> None:
    kind = public_classes()[name]
    # Members of enumerations live as long as their class.
    can = kind.__weakrefoffset__ != 0 or issubclass(kind, enum.Enum)
    assert can == (name not in CANNOT), f"{name} needs '__weakref__' in its __slots__"


class Marker:
    """Something local to a frame, to see whether the frame is gone."""


markers: list[weakref.ref[Marker]] = []


def mark() -> Marker:
    marker = Marker()
    markers.append(weakref.ref(marker))
    return marker


async def session(state: State) -> AsyncIterator[int]:
    marker = mark()
    try:
        yield state.number
    finally:
        del marker


def thread_session(state: State) -> Iterator[int]:
    yield state.number


def allow(connection: object, route_handler: object) -> None: ...


def refuse(connection: object, route_handler: object) -> None:
    marker = mark()
    raise NotAuthorizedException(str(marker))


async def before(request: Request) -> None: ...


def translate(request: Request, error: LookupError) -> Response[str]:
    return Response(str(error), status_code=418)


class Books(Controller):
    """Every way in which a handler can end."""

    path = "/books"
    dependencies = {"db": Provide(session), "slow": Provide(thread_session)}
    guards = [allow]
    before_request = before
    exception_handlers = {LookupError: translate}

    @get("/one")
    async def one(self, db: int) -> int:
        return db

    @get("/request")
    async def request(self, request: Request) -> str:
        return str(request.url)

    @get("/thread")
    def thread(self, slow: int) -> int:
        return slow

    @get("/boom")
    async def boom(self, db: int) -> None:
        marker = mark()
        raise ValueError(str(marker))

    @get("/boom-in-a-thread")
    def boom_in_a_thread(self, slow: int) -> None:
        marker = mark()
        raise ValueError(str(marker))

    @get("/translated")
    async def translated(self) -> None:
        marker = mark()
        raise LookupError(str(marker))

    @get("/missing")
    async def missing(self, db: int) -> None:
        marker = mark()
        raise NotFoundException(str(marker))

    @get("/refused", guards=[refuse])
    async def refused(self) -> None: ...

    @get("/stream")
    async def stream(self) -> Stream:
        async def numbers() -> AsyncIterator[str]:
            for number in range(3):
                yield str(number)

        return Stream(numbers())

    @get("/broken-stream")
    async def broken_stream(self) -> Stream:
        async def numbers() -> AsyncIterator[str]:
            marker = mark()
            yield "1"
            raise ValueError(str(marker))

        return Stream(numbers())

    @get("/background")
    async def background(self) -> Response[str]:
        return Response("ok", background=BackgroundTask(allow, 1, 2))

    @post("/add")
    async def add(self, data: dict[str, int]) -> dict[str, int]:
        return data


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


@websocket("/refused-socket", guards=[refuse])
async def refused_socket(socket: WebSocket) -> None: ...


@websocket("/broken-socket")
async def broken_socket(socket: WebSocket) -> None:
    await socket.accept()
    marker = mark()
    raise ValueError(str(marker))


class Passing:
    """A middleware that does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "lifespan":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"raw"})


@asynccontextmanager
async def manager(app: Hesper) -> AsyncIterator[dict[str, int]]:
    app.state.numbers = []
    yield {"number": 1}


async def start(app: Hesper, lifespan: Lifespan) -> None:
    app.state.numbers.append(1)


def stop(state: State) -> None:
    state.numbers.append(2)


async def fail() -> None:
    marker = mark()
    raise ConnectionError(str(marker))


def make(**options: Any) -> Hesper:
    return Hesper(
        [
            Router("/api", [Books, echo, refused_socket, broken_socket], middleware=[Passing]),
            mount("/raw", raw),
            mount("/inner", Hesper([Router("/", [Books])], lifespan=[manager])),
        ],
        middleware=[Passing],
        lifespan=[manager],
        state={"initial": 1},
        **{"on_startup": [start], "on_shutdown": [stop], **options},
    )


Client: TypeAlias = AsyncTestClient[Hesper]
Use: TypeAlias = Callable[[Client], Awaitable[object]]


def asking(path: str, status: int) -> Use:
    async def use(client: Client) -> None:
        assert (await client.get(path)).status_code == status

    return use


async def adding(client: Client) -> None:
    assert (await client.post("/api/books/add", json={"a": 1})).status_code == 201
    assert (await client.post("/api/books/add", json={"a": "x"})).status_code == 400
    assert (await client.post("/api/books/add", content=b"{")).status_code == 415


async def streaming(client: Client) -> None:
    async with client.stream("GET", "/api/books/stream") as response:
        assert await response.aread() == b"012"


async def breaking_a_stream(client: Client) -> None:
    with pytest.raises(httpx2.HTTPError):
        await client.get("/api/books/broken-stream")


async def talking(client: Client) -> None:
    async with client.websocket_connect("/api/echo") as session:
        await session.send_text("hello")
        assert await session.receive_text() == "hello"


async def being_refused(client: Client) -> None:
    with pytest.raises((WebSocketDisconnect, WebSocketDeniedError)):
        async with client.websocket_connect("/api/refused-socket"):
            raise AssertionError("accepted")


async def breaking_a_socket(client: Client) -> None:
    async with client.websocket_connect("/api/broken-socket") as session:
        with pytest.raises(WebSocketDisconnect):
            await session.receive_text()


USES: dict[str, Use] = {
    "answer": asking("/api/books/one", 200),
    "request object": asking("/api/books/request", 200),
    "thread": asking("/api/books/thread", 200),
    "error": asking("/api/books/boom", 500),
    "error in a thread": asking("/api/books/boom-in-a-thread", 500),
    "translated error": asking("/api/books/translated", 418),
    "HTTP error": asking("/api/books/missing", 404),
    "refused by a guard": asking("/api/books/refused", 401),
    "no route": asking("/nowhere", 404),
    "wrong method": asking("/api/books/add", 405),
    "raw mount": asking("/raw/", 200),
    "mounted app": asking("/inner/books/one", 200),
    "background": asking("/api/books/background", 200),
    "body": adding,
    "stream": streaming,
    "broken stream": breaking_a_stream,
    "websocket": talking,
    "refused websocket": being_refused,
    "broken websocket": breaking_a_socket,
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Switch the logs off: pytest keeps what they show."""
    logging.disable(logging.CRITICAL)
    markers.clear()
    yield
    logging.disable(logging.NOTSET)


def hesper_objects() -> list[object]:
    """Return all objects of Hesper's own making that the collector knows of."""
    return [
        found
        for found in gc.get_objects()
        if str(type(found).__module__).partition(".")[0] == "hesper"
        or (isinstance(found, types.FunctionType) and found.__code__.co_filename[:7] == "<hesper")
    ]


def left_by(work: Callable[[], object]) -> list[str]:
    """Return what *work* leaves behind, the collector being off."""
    work()  # what is made once for good is made now
    gc.collect()
    gc.disable()
    try:
        before = hesper_objects()
        known, threads = set(map(id, before)), set(threading.enumerate())
        work()
        for thread in set(threading.enumerate()) - threads:
            thread.join(10)  # what a worker thread has done last is its own until it ends
        return [repr(found)[:200] for found in hesper_objects() if id(found) not in known]
    finally:
        gc.enable()


def used(use: Use, app: Hesper) -> Coroutine[Any, Any, None]:
    async def main() -> None:
        async with AsyncTestClient(app, raise_server_exceptions=False) as client:
            await use(client)

    return main()


def failing(app: Hesper) -> Coroutine[Any, Any, bool]:
    """Use *app*, and return whether its lifespan failed.

    The error is caught here: `asyncio.run` and `pytest.raises` would keep it in cycles of theirs.
    """

    async def main() -> bool:
        try:
            await used(USES["answer"], app)
        except LifespanError:
            return True
        return False

    return main()


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_app_that_was_used_and_dropped_leaves_nothing(use: Use) -> None:
    gone: list[weakref.ref[Hesper]] = []

    def work() -> None:
        app = make()
        gone.append(weakref.ref(app))
        asyncio.run(used(use, app))

    assert left_by(work) == []
    assert [reference() for reference in gone] == [None, None]
    assert [reference() for reference in markers if reference() is not None] == []


def test_an_app_that_was_never_used_leaves_nothing() -> None:
    assert left_by(make) == []


def test_an_app_that_was_run_twice_leaves_nothing() -> None:
    def work() -> None:
        app = make()
        for _ in range(2):
            asyncio.run(used(USES["answer"], app))

    assert left_by(work) == []


def test_an_app_that_could_not_be_started_leaves_nothing() -> None:
    def work() -> None:
        assert asyncio.run(failing(make(on_startup=[fail])))

    assert left_by(work) == []
    assert markers
    assert all(reference() is None for reference in markers)


def test_an_app_that_could_not_be_stopped_leaves_nothing() -> None:
    def work() -> None:
        assert asyncio.run(failing(make(on_shutdown=[fail])))

    assert left_by(work) == []
    assert markers
    assert all(reference() is None for reference in markers)


def test_an_app_without_a_server_leaves_nothing() -> None:
    async def main() -> None:
        async with make().lifespan() as lifespan:
            lifespan.state.lifespan = lifespan
            await lifespan.tasks.start(asyncio.sleep, 0)

    assert left_by(lambda: asyncio.run(main())) == []


def test_an_app_behind_the_plain_client_leaves_nothing() -> None:
    def work() -> None:
        with TestClient(make()) as client:
            assert client.get("/api/books/one").status_code == 200
            with client.websocket_connect("/api/echo") as session:
                session.send_text("hello")
                assert session.receive_text() == "hello"

    assert left_by(work) == []


def test_an_app_behind_a_real_server_leaves_nothing() -> None:
    def work() -> None:
        with LiveServer(make()) as server:
            response = httpx.get(f"{server.url}/api/books/one", trust_env=False)
            assert response.status_code == 200

    assert left_by(work) == []


def test_nothing_is_left_that_even_the_collector_cannot_free() -> None:
    asyncio.run(used(USES["error"], make()))
    gc.collect()
    assert gc.garbage == []


def test_no_module_of_hesper_leads_to_an_app() -> None:
    app = make()
    asyncio.run(used(USES["answer"], app))
    elsewhere = {id(vars(module)) for module in list(sys.modules.values())}
    ours = [vars(module) for name, module in sys.modules.items() if name.startswith("hesper")]
    seen, ahead = {id(namespace) for namespace in ours}, deque[object](ours)
    while ahead:
        for found in gc.get_referents(ahead.popleft()):
            assert found is not app
            if (
                id(found) not in seen
                and id(found) not in elsewhere
                and not isinstance(found, types.ModuleType)
            ):
                seen.add(id(found))
                ahead.append(found)
    assert len(seen) > 1_000


def test_an_app_of_local_handlers_and_controllers_goes_with_their_classes() -> None:
    class Local(Controller):
        path = "/"

        @get("/")
        async def index(self) -> str:
            return "local"

    app = Hesper([Local])
    asyncio.run(used(asking("/", 200), app))
    gone = weakref.ref(app)
    del app
    assert gone() is None  # the class is a cycle of its own, and the app no part of it


def test_what_a_handler_sees_can_be_weakly_referenced() -> None:
    seen: list[weakref.ref[object]] = []

    @get("/{name:str}")
    async def index(request: Request, state: State, app: Hesper, lifespan: Lifespan) -> str:
        parts = [request, state, app, lifespan, request.headers, request.url, request.app]
        parts += [request.state, request.query_params, lifespan.tasks, lifespan.closing]
        seen.extend(map(weakref.ref, parts))
        return "seen"

    asyncio.run(used(asking("/it", 200), Hesper([index])))
    assert len(seen) == 11
    assert [reference() for reference in seen] == [None] * 11


def test_layers_are_keys_by_identity() -> None:
    first, second = make(), make()
    names: WeakKeyDictionary[object, str] = WeakKeyDictionary()
    names[first], names[second] = "first", "second"
    names[echo] = "a handler"
    router = Router("/", [echo])
    names[router] = "a router"
    assert (names[first], names[second], len(names)) == ("first", "second", 4)
    del first, router
    assert list(names.values()) == ["second", "a handler"]


@pytest.mark.parametrize("client_library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.anyio
async def test_a_cache_of_clients_by_app_works(client_library: Any) -> None:
    client_cache: WeakKeyDictionary[Hesper, Any] = WeakKeyDictionary()

    def client_for_app(app: Hesper) -> Any:
        client = client_cache.get(app)
        if client is None:
            client = client_cache[app] = client_library.AsyncClient(
                transport=client_library.ASGITransport(app=app)
            )
        return client

    @get("/")
    async def index() -> str:
        return "served"

    one, two = Hesper([index]), Hesper([index])
    for app in (one, two, one):
        response = await client_for_app(app).get("http://app/")
        assert response.text == "served"
    assert client_for_app(one) is client_for_app(one) is not client_for_app(two)
    assert len(client_cache) == 2
    gone = weakref.ref(one)
    del app, one, two
    gc.collect()
    # The trap: a value that refers to its key keeps it, in a weak-keyed mapping too.
    assert gone() is not None


@get("/")
async def index() -> str:
    return "served"


@pytest.mark.parametrize("client_library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_thousand_apps_with_clients_attached_are_freed(client_library: Any) -> None:
    def client_of(app: Hesper) -> Any:
        def connect() -> Any:
            return client_library.AsyncClient(transport=client_library.ASGITransport(app=app))

        return attached(app, "client", connect)

    async def main(times: int) -> Registry[Hesper]:
        apps = Registry[Hesper]()
        for _ in range(times):
            app = Hesper([index])
            apps.add(app)
            assert (await client_of(app).get("http://app/")).text == "served"
            assert client_of(app) is client_of(app)
        return apps

    apps = asyncio.run(main(1_000))
    gc.collect()  # the client refers to its app: a cycle, which is freed, but not at once
    assert list(apps) == []


def test_a_thousand_apps_with_clients_for_them_are_freed_without_the_collector() -> None:
    async def main(times: int) -> Registry[Hesper]:
        apps = Registry[Hesper]()
        for _ in range(times):
            app = Hesper([index])
            apps.add(app)
            assert (await client_for(app).get("/")).text == "served"
            assert client_for(app) is client_for(app)
            assert len(apps) <= 1 + (app not in apps)
            del app
        return apps

    def work() -> None:
        assert list(asyncio.run(main(1_000))) == []

    assert left_by(work) == []
