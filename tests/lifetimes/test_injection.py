"""Where dependencies are injected besides handlers and providers, and how long they live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import Hesper, Lifespan, Lifetime, Provide, Request, Response, WebSocket, get, websocket
from hesper.datastructures import State
from hesper.exceptions import HTTPException, PermissionDeniedException, WebSocketDisconnect
from hesper.response import Stream
from hesper.testing import TestClient
from tests.asgi_driver import answer, serve
from tests.lifetimes.kinds import Log, opens

pytestmark = pytest.mark.anyio


def test_guards_and_hooks_take_all_lifetimes_and_share_the_call() -> None:
    log: Log = []

    def note(what: str) -> Callable[..., Any]:
        def hook(first: Any, *, call: str, user: str, pool: str, client: str) -> Any:
            log.append(f"{what} {call} {user} {pool} {client}")
            return first if what == "after_request" else None

        return hook

    def guard(first: Any, second: Any, call: str, user: str, pool: str, client: str) -> None:
        log.append(f"guard {call} {user} {pool} {client}")

    @get("/", guards=[guard], before_request=note("before"), after_request=note("after_request"))
    async def handle() -> str:
        log.append("handler")
        return ""

    app = Hesper(
        [handle],
        dependencies={
            "call": opens(log, "call"),
            "user": opens(log, "user", Lifetime.CONNECTION),
            "pool": opens(log, "pool", Lifetime.LIFESPAN),
            "client": opens(log, "client", Lifetime.LOOP),
        },
    )
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
    assert log == [
        "+client",
        "+pool",
        "+user",
        "+call",
        "guard call user pool client",
        "before call user pool client",
        "handler",
        "after_request call user pool client",
        "-call",
        "-user",
        "-pool",
        "-client",
    ]


def test_what_only_the_handler_needs_is_not_made_when_a_hook_answers() -> None:
    log: Log = []

    def before(request: Request, user: str) -> str:
        return f"for {user}"

    @get("/", before_request=before)
    async def handle(never: str) -> str:
        raise AssertionError("not called")

    app = Hesper([handle], dependencies={"user": opens(log, "user"), "never": opens(log, "never")})
    assert answer(app, "GET", "/").text == "for user"
    assert log == ["+user", "-user"]


def test_exception_handlers_take_what_is_still_there() -> None:
    log: Log = []

    def recover(request: Request, error: HTTPException, user: str, pool: str) -> Response[str]:
        log.append("recover")
        return Response(f"{request.url.path} {error.detail} {user} {pool}", status_code=409)

    @get("/", exception_handlers={403: recover})
    async def handle(user: str) -> str:
        raise PermissionDeniedException("no")

    app = Hesper(
        [handle],
        dependencies={
            "user": opens(log, "user", Lifetime.CONNECTION),
            "pool": opens(log, "pool", Lifetime.LIFESPAN),
        },
    )
    with TestClient(app) as client:
        assert client.get("/").text == "/ no user pool"
    assert log == ["+pool", "+user", "recover", "-user", "-pool"]


def test_the_apps_exception_handlers_take_them_where_there_is_no_route() -> None:
    log: Log = []

    async def recover(request: Request, error: Exception, user: str) -> str:
        return f"{user} has lost their way"

    app = Hesper(
        exception_handlers={404: recover},
        dependencies={"user": opens(log, "user", Lifetime.CONNECTION)},
    )
    assert answer(app, "GET", "/nowhere").text == "user has lost their way"
    assert log == ["+user", "-user"]


def test_the_same_handler_takes_what_the_inner_layer_provides() -> None:
    def recover(request: Request, error: Exception, place: str) -> str:
        return place

    def named(name: str) -> Provide:
        return Provide(lambda: name, lifetime=Lifetime.CONNECTION, sync_to_thread=False)

    @get("/inner", dependencies={"place": named("inner")})
    async def handle() -> None:
        raise PermissionDeniedException

    app = Hesper(
        [handle], exception_handlers={HTTPException: recover}, dependencies={"place": named("app")}
    )
    assert answer(app, "GET", "/inner").text == "inner"
    assert answer(app, "GET", "/nowhere").text == "app"


def test_a_value_may_depend_on_reserved_names_in_late_hooks() -> None:
    seen: list[Any] = []

    def after(request: Request, state: State, app: Hesper, *, page: str = "kept") -> None:
        seen.extend([request.url.path, state.size, app, page])

    @get("/", after_response=after)
    async def handle() -> None: ...

    app = Hesper([handle], state={"size": 5})
    answer(app, "GET", "/?page=7")
    assert seen == ["/", 5, app, "kept"]


@pytest.mark.parametrize("fails", [True, False])
def test_after_response_takes_what_is_still_there(fails: bool) -> None:
    log: Log = []

    async def after(request: Request, user: str) -> None:
        log.append(f"after {user}")

    @get("/", after_response=after)
    async def handle(user: str) -> None:
        if fails:
            raise PermissionDeniedException

    app = Hesper([handle], dependencies={"user": opens(log, "user", Lifetime.CONNECTION)})
    answer(app, "GET", "/")
    assert log == ["+user", "after user", "-user"]


def test_websocket_guards_handlers_and_exception_handlers_take_them() -> None:
    log: Log = []

    def guard(connection: object, handler: object, user: str) -> None:
        log.append(f"guard {user}")

    async def recover(socket: WebSocket, error: Exception, user: str) -> None:
        log.append(f"recover {user}")
        await socket.close(4000)

    @websocket("/", guards=[guard], exception_handlers={LookupError: recover})
    async def talk(socket: WebSocket, call: str, user: str, pool: str) -> None:
        await socket.accept()
        log.append("handler")
        raise LookupError

    app = Hesper(
        [talk],
        dependencies={
            "call": opens(log, "call"),
            "user": opens(log, "user", Lifetime.CONNECTION),
            "pool": opens(log, "pool", Lifetime.LIFESPAN),
        },
    )
    with (
        TestClient(app) as client,
        client.websocket_connect("/") as socket,
        pytest.raises(WebSocketDisconnect) as ended,
    ):
        socket.receive()
    assert ended.value.code == 4000
    assert log == [
        *["+pool", "+user", "guard user", "+call", "handler", "-call", "recover user"],
        *["-user", "-pool"],
    ]


class Client: ...


async def test_hooks_and_managers_of_the_lifespan_take_them_by_name_and_type() -> None:
    seen: list[Any] = []

    async def client() -> Client:
        return Client()

    async def pool() -> str:
        return "pool"

    @asynccontextmanager
    async def manager(anything: Client, state: State) -> AsyncIterator[dict[str, Any]]:
        seen.append(type(anything))
        yield {"begun": True}

    class Hooks:
        async def start(self, app: Hesper, pool: str, lifespan: Lifespan, *, c: Client) -> None:
            seen.extend([app, pool, lifespan, type(c)])

        def stop(self, c: Client, state: State) -> None:
            seen.extend([type(c), state.begun])

    hooks = Hooks()
    app = Hesper(
        dependencies={
            Client: Provide(client, lifetime=Lifetime.LOOP),
            "pool": Provide(pool, lifetime=Lifetime.LIFESPAN),
        },
        lifespan=manager,
        on_startup=[hooks.start],
        on_shutdown=[hooks.stop],
    )
    async with app.lifespan() as lifespan:
        pass
    assert seen == [Client, app, "pool", lifespan, Client, Client, True]


async def test_a_hook_takes_the_values_of_its_own_lifespan() -> None:
    taken: list[object] = []

    async def pool() -> object:
        return object()

    def start(pool: object) -> None:
        taken.append(pool)

    provide = Provide(pool, lifetime=Lifetime.LIFESPAN)
    app = Hesper(dependencies={"pool": provide}, on_startup=start)
    async with app.lifespan() as one, app.lifespan() as other:
        assert taken == [await one.resolve("pool"), await other.resolve("pool")]


async def test_an_argument_of_a_hook_keeps_its_default_if_nobody_provides_it() -> None:
    seen: list[Any] = []

    def start(app: Hesper, pool: str = "default") -> None:
        seen.append(pool)

    async with Hesper(on_startup=start).lifespan():
        pass
    provided = Hesper(
        on_startup=start,
        dependencies={"pool": Provide(lambda: "provided", lifetime=Lifetime.LIFESPAN)},
    )
    async with provided.lifespan():
        pass
    assert seen == ["default", "provided"]


async def test_a_stream_is_made_with_the_values_of_its_call() -> None:
    log: Log = []

    @get("/")
    async def handle(call: str, user: str) -> Stream:
        async def chunks() -> AsyncIterator[str]:
            yield f"{call} {user} {log}"

        return Stream(chunks())

    dependencies = {"call": opens(log, "call"), "user": opens(log, "user", Lifetime.CONNECTION)}
    found = await serve(Hesper([handle], dependencies=dependencies), "GET", "/")
    assert found.text == "call user ['+user', '+call']"
    assert log == ["+user", "+call", "-call", "-user"]
