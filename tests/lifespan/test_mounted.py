"""Mounted apps: their lifespans, their namespaces, and what reaches them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket as StarletteWebSocket

from hesper import Hesper, Request, Router, get
from hesper._types import Message, Receive, Scope, Send
from hesper.exceptions import LifespanNotStarted, PermissionDeniedException
from hesper.handlers import mount
from hesper.lifespan import MountedAppFailed
from hesper.testing import AsyncTestClient, TestClient, WebSocketDeniedError
from tests.asgi_driver import serve
from tests.lifespan.journal import Journal

pytestmark = pytest.mark.anyio


def without_lifespan(kind: str) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and kind == "raises":
            raise ValueError("what is a lifespan?")
        if scope["type"] == "http":
            await JSONResponse({"served": True})(scope, receive, send)

    return app


@pytest.mark.parametrize("kind", ["raises", "returns"])
def test_an_app_that_does_not_know_the_protocol_is_served_without(kind: str) -> None:
    with TestClient(Hesper([mount("/app", without_lifespan(kind))])) as client:
        assert client.get("/app/").json() == {"served": True}


@pytest.mark.parametrize("kind", ["raises", "returns"])
async def test_an_app_whose_lifespan_is_required_must_know_the_protocol(kind: str) -> None:
    app = Hesper([mount("/app", without_lifespan(kind), lifespan="required")])
    with pytest.raises(MountedAppFailed, match="mounted at /app does not know the lifespan") as c:
        await app.lifespan().start()
    assert isinstance(c.value.__cause__, ValueError if kind == "raises" else type(None))


async def test_an_app_whose_lifespan_is_off_is_not_started() -> None:
    journal = Journal()
    async with Hesper([mount("/app", journal.app("app"), lifespan="off")]).lifespan():
        pass
    assert journal == []


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(TypeError, match='"auto", "required" or "off", not \'on\''):
        mount("/app", without_lifespan("raises"), lifespan="on")  # type: ignore[arg-type]  # pyright: ignore


def test_what_is_mounted_must_be_an_app() -> None:
    with pytest.raises(TypeError, match="takes an ASGI app, not 'app'"):
        mount("/app", "app")  # type: ignore[arg-type]  # pyright: ignore


def test_mount_decorates_nothing() -> None:
    with pytest.raises(TypeError, match="put mount"):
        mount("/app", without_lifespan("raises"))(lambda: None)


async def test_only_a_required_lifespan_must_run_before_a_connection() -> None:
    journal = Journal()
    required = Hesper([mount("/app", journal.app("app"), lifespan="required")])
    with pytest.raises(LifespanNotStarted, match="the app mounted at /app"):
        await serve(required, "GET", "/app/")
    answer = await serve(Hesper([mount("/app", without_lifespan("raises"))]), "GET", "/app/")
    assert answer.json() == {"served": True}


def stating(name: str) -> Any:
    """Return a lifespan of Starlette's that sets one name."""

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[Mapping[str, Any]]:
        yield {"name": name, name: f"of {name}"}

    return lifespan


async def starlette_state(request: StarletteRequest) -> JSONResponse:
    state = {name: value for name, value in request.scope["state"].items() if "." not in name}
    return JSONResponse(state)


def starlette_app(name: str) -> Starlette:
    return Starlette(routes=[Route("/", starlette_state)], lifespan=stating(name))


def test_a_starlette_app_has_a_state_of_its_own() -> None:
    app = Hesper(
        [mount("/one", starlette_app("one")), mount("/two", starlette_app("two"))],
        state={"name": "outer", "shared": "of the outer app"},
    )
    with TestClient(app) as client:
        assert client.get("/one/").json() == {
            "name": "one",
            "one": "of one",
            "shared": "of the outer app",
        }
        assert client.get("/two/").json()["name"] == "two"


@pytest.mark.parametrize("state", [True, False])
def test_a_mounted_app_does_not_write_into_the_outer_state(state: bool) -> None:
    @get("/")
    async def outer(request: Request) -> dict[str, Any]:
        return {**request.app.state.dict(), **request.state.dict()}

    app = Hesper([mount("/one", starlette_app("one")), outer], state={"name": "outer"})
    with TestClient(app, state=state) as client:
        client.get("/one/")
        assert client.get("/").json() == {"name": "outer"}


def test_a_fastapi_app_is_started_and_served() -> None:
    journal = Journal()

    @asynccontextmanager
    async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[dict[str, str]]:
        journal.append("start")
        yield {"pool": "a pool"}
        journal.append("stop")

    inner = fastapi.FastAPI(lifespan=lifespan)

    @inner.get("/books/{number}")
    async def book(number: int, request: fastapi.Request) -> dict[str, object]:
        return {"number": number, "pool": request.state.pool, "url": str(request.url)}

    with TestClient(Hesper([mount("/shop", inner, lifespan="required")])) as client:
        assert client.get("/shop/books/7").json() == {
            "number": 7,
            "pool": "a pool",
            "url": "http://testserver.local/shop/books/7",
        }
    assert journal == ["start", "stop"]


@get("/")
async def state_of_app(request: Request) -> dict[str, Any]:
    return {
        "app": request.app.state.dict(),
        "connection": request.state.dict(),
        "root_path": request.scope["root_path"],
        "path": request.scope["path"],
    }


def nested(journal: Journal) -> Hesper:
    """Return Hesper in Hesper in Hesper."""

    def named(name: str, *inner: Any) -> Hesper:
        @asynccontextmanager
        async def manager(app: Hesper) -> AsyncIterator[None]:
            journal.append(f"enter {name}")
            app.state.name = name
            yield
            assert app.state.name == name
            journal.append(f"exit {name}")

        return Hesper([state_of_app, *inner], lifespan=manager)

    innermost = named("innermost")
    middle = named("middle", mount("/innermost", innermost))
    return named("outer", mount("/middle", middle))


@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize(
    ("path", "name", "root_path"),
    [
        ("/", "outer", ""),
        ("/middle/", "middle", "/middle"),
        ("/middle/innermost/", "innermost", "/middle/innermost"),
    ],
)
def test_each_of_three_nested_apps_has_its_own_state_and_root_path(
    state: bool, path: str, name: str, root_path: str
) -> None:
    journal = Journal()
    with TestClient(nested(journal), state=state) as client:
        assert client.get(path).json() == {
            "app": {"name": name},
            "connection": {"name": name},
            "root_path": root_path,
            "path": path,
        }


def test_nested_apps_start_from_outside_and_stop_from_inside() -> None:
    journal = Journal()
    with TestClient(nested(journal)):
        pass
    names = ["outer", "middle", "innermost"]
    assert journal == [*(f"enter {n}" for n in names), *(f"exit {n}" for n in reversed(names))]


async def test_two_lifespans_of_nested_apps_on_one_loop_do_not_meet() -> None:
    app = nested(Journal())
    async with AsyncTestClient(app) as one, AsyncTestClient(app) as two:
        for client in (one, two, one):
            answer = await client.get("/middle/innermost/")
            assert answer.json()["app"] == {"name": "innermost"}


def test_one_app_mounted_twice_has_two_lifespans() -> None:
    number = iter(range(10))
    inner = Hesper([state_of_app], on_startup=lambda app: app.state.update(number=next(number)))
    with TestClient(Hesper([mount("/a", inner), mount("/b", inner)])) as client:
        assert client.get("/a/").json()["app"] == {"number": 0}
        assert client.get("/b/").json()["app"] == {"number": 1}
        assert client.get("/a/").json()["app"] == {"number": 0}


def test_one_mount_at_two_paths_has_one_lifespan() -> None:
    number = iter(range(10))
    inner = Hesper([state_of_app], on_startup=lambda app: app.state.update(number=next(number)))
    with TestClient(Hesper([mount(["/a", "/b"], inner)])) as client:
        assert client.get("/a/").json()["app"] == {"number": 0}
        assert client.get("/b/").json()["app"] == {"number": 0}


@pytest.mark.parametrize("mode", ["auto", "off"])
async def test_a_mounted_hesper_app_that_was_not_started_serves_nothing(
    mode: Literal["auto", "off"], caplog: pytest.LogCaptureFixture
) -> None:
    inner = Hesper([state_of_app], on_startup=Journal().hook("connect"))
    app = Hesper([mount("/inner", inner, lifespan=mode)])
    assert (await serve(app, "GET", "/inner/")).status == 500
    assert re.search(r"LifespanNotStarted: .*the start-up hook .*\.connect", caplog.text)


def test_a_hesper_app_in_a_starlette_app_sees_what_that_put_into_the_state() -> None:
    outer = Starlette(
        routes=[Mount("/hesper", Hesper([state_of_app], state={"own": 1}))],
        lifespan=stating("outer"),
    )
    with TestClient(outer) as client:
        assert client.get("/hesper/").json()["connection"] == {
            "name": "outer",
            "outer": "of outer",
            "own": 1,
        }


def test_a_hesper_app_in_a_starlette_app_that_has_something_to_start_says_so() -> None:
    inner = Hesper([state_of_app], on_startup=Journal().hook("connect"))
    outer = Starlette(routes=[Mount("/hesper", inner)])
    with TestClient(outer) as client, pytest.raises(LifespanNotStarted, match="connect"):
        client.get("/hesper/")


async def scope_of(request: StarletteRequest) -> JSONResponse:
    scope = request.scope
    return JSONResponse(
        {
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "root_path": scope["root_path"],
            "url": str(request.url),
        }
    )


@pytest.mark.parametrize("outer_root", ["", "/proxy"])
@pytest.mark.parametrize("rest", ["/", "/deep", "/deep/er", "/with%20space"])
def test_the_path_stays_whole_and_the_root_path_grows(outer_root: str, rest: str) -> None:
    inner = Starlette(routes=[Route("/{rest:path}", scope_of)])
    app = Hesper([Router(path="/outer", route_handlers=[mount("/in", inner)])])
    with TestClient(app, root_path=outer_root) as client:
        found = client.get(f"/outer/in{rest}").json()
    path = f"{outer_root}/outer/in{rest}"
    assert found["path"] == path.replace("%20", " ")
    assert found["root_path"] == f"{outer_root}/outer/in"
    assert found["raw_path"] == path


def test_a_mount_matches_on_segment_boundaries_only() -> None:
    app = Hesper([mount("/app", without_lifespan("raises"))])
    with TestClient(app) as client:
        assert client.get("/app/").status_code == 200
        assert client.get("/app/below").status_code == 200
        assert client.get("/application").status_code == 404
        assert client.get("/ap").status_code == 404


def test_path_parameters_of_a_mount_reach_it() -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append((scope["path_params"], scope["root_path"]))
            await JSONResponse({})(scope, receive, send)

    with TestClient(Hesper([mount("/shops/{shop:int}", app)])) as client:
        client.get("/shops/7/books")
    assert seen == [({"shop": 7}, "/shops/7")]


def test_a_websocket_reaches_a_mounted_app() -> None:
    async def echo(socket: StarletteWebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text() + socket.state.name)
        await socket.close()

    inner = Starlette(routes=[WebSocketRoute("/ws", echo)], lifespan=stating(" there"))
    app = Hesper([mount("/in", inner)])
    with TestClient(app) as client, client.websocket_connect("/in/ws") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello there"


def refuse(connection: object, handler: object) -> None:
    raise PermissionDeniedException


@pytest.mark.parametrize("place", ["app", "router", "mount"])
def test_guards_of_outer_layers_apply_to_mounts(place: str) -> None:
    guards = {place: [refuse]}
    mounted_app = mount("/in", starlette_app("inner"), guards=guards.get("mount", []))
    router = Router(path="/r", route_handlers=[mounted_app], guards=guards.get("router", []))
    with TestClient(Hesper([router], guards=guards.get("app", []))) as client:
        assert client.get("/r/in/").status_code == 403


@pytest.mark.parametrize("place", ["app", "router", "mount"])
def test_guards_of_outer_layers_refuse_websockets_to_mounts(place: str) -> None:
    guards = {place: [refuse]}
    mounted_app = mount("/in", starlette_app("inner"), guards=guards.get("mount", []))
    router = Router(path="/r", route_handlers=[mounted_app], guards=guards.get("router", []))
    app = Hesper([router], guards=guards.get("app", []))
    with (
        TestClient(app) as client,
        pytest.raises(WebSocketDeniedError) as caught,
        client.websocket_connect("/r/in/ws"),
    ):
        raise AssertionError("it was accepted")
    assert caught.value.code == 403


@pytest.mark.parametrize("place", ["app", "router"])
def test_middleware_of_outer_layers_applies_to_mounts(place: str) -> None:
    def stamping(app: Any) -> Any:
        async def stamp(scope: Scope, receive: Receive, send: Send) -> None:
            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"stamp", b"here")]
                await send(message)

            await app(scope, receive, sending)

        return stamp

    middleware = {place: [stamping]}
    router = Router(
        path="/r",
        route_handlers=[mount("/in", starlette_app("inner"))],
        middleware=middleware.get("router", []),
    )
    with TestClient(Hesper([router], middleware=middleware.get("app", []))) as client:
        assert client.get("/r/in/").headers["stamp"] == "here"
