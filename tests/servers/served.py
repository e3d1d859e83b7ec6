"""The app that every server serves: it says what happens, and answers what it sees."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from hesper import Hesper, Request, WebSocket, get, mount, websocket
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.datastructures import State
from tests.servers.saying import say

variable: ContextVar[str] = ContextVar("variable", default="of nobody")


class Spy:
    """A raw ASGI middleware that answers, at one path, what `scope["state"]` holds.

    It also binds a name in the state of each connection, which no other connection may see.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.app = app
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self.path:
            await self.app(scope, receive, send)
            return
        seen = shown(scope["state"])
        scope["state"]["bound by the spy"] = "yes"
        body = json.dumps({"type": type(scope["state"]).__name__, "seen": seen}).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def shown(state: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in state.items() if not name.startswith("hesper.")}


def spy_inside(app: ASGIApp) -> ASGIApp:
    return Spy(app, "/inside")


@asynccontextmanager
async def manager(app: Hesper) -> AsyncIterator[dict[str, str]]:
    say("the manager is entered")
    variable.set("of the lifespan")
    yield {"yielded": "by the manager"}
    say("the manager is exited")


async def first_start(app: Hesper) -> None:
    say("the first start-up hook runs")
    app.state.numbers = [1]


def second_start(state: State) -> None:
    say("the second start-up hook runs")
    state.numbers.append(2)


async def first_stop(app: Hesper) -> None:
    say(f"the first shutdown hook runs, the numbers are {app.state.numbers}")


def second_stop() -> None:
    say("the second shutdown hook runs")


@asynccontextmanager
async def mounted_lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    say("the mounted app starts")
    yield {"mounted": "by Starlette"}
    say("the mounted app stops")


def mounted_state(request: StarletteRequest) -> JSONResponse:
    return JSONResponse(shown(request.scope["state"]))


@get("/")
async def index() -> str:
    return "served"


@get("/bind")
async def bind(request: Request) -> dict[str, object]:
    was_bound = "bound" in request.state
    request.state.bound = True
    request.state.numbers.append(0)
    return {"was bound": was_bound, "numbers": len(request.state.numbers)}


@get("/variable")
async def variable_of_a_request() -> str:
    found = variable.get()
    variable.set("of a request")
    return found


@get("/thread")
def variable_in_a_thread() -> dict[str, str]:
    return {"variable": variable.get(), "yielded": app.state.yielded}


@get("/app")
async def state_of_the_app() -> list[int]:
    numbers: list[int] = app.state.numbers
    return numbers[:2]


@websocket("/socket")
async def socket_state(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json({"variable": variable.get(), "yielded": socket.state.yielded})
    await socket.close()


app = Hesper(
    [
        index,
        bind,
        variable_of_a_request,
        variable_in_a_thread,
        state_of_the_app,
        socket_state,
        mount("/mounted", Starlette(routes=[Route("/", mounted_state)], lifespan=mounted_lifespan)),
    ],
    lifespan=[manager],
    on_startup=[first_start, second_start],
    on_shutdown=[first_stop, second_stop],
    middleware=[spy_inside],
)

watched = Spy(app, "/outside")
"""The app as a server sees it that was given a middleware which knows nothing of Hesper."""
