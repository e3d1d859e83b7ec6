"""ASGI apps among the handlers, as declarations."""

from __future__ import annotations

import pytest

from hesper import Hesper, Request, asgi, get
from hesper._types import Receive, Scope, Send
from hesper.exceptions import ConfigurationError, PermissionDeniedException
from hesper.response import Response
from tests.asgi_driver import answer


async def show(scope: Scope, receive: Receive, send: Send) -> None:
    text = f"{scope['method']} {scope['root_path']}|{scope['path']}"
    await Response(text, media_type="text/plain")(scope, receive, send)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
def test_an_asgi_handler_answers_every_method(method: str) -> None:
    @asgi("/app")
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await show(scope, receive, send)

    found = answer(Hesper([app]), method, "/app")
    assert found.status == 200
    assert found.text == ("" if method == "HEAD" else f"{method} |/app")


@pytest.mark.parametrize("path", ["/app", "/{name:str}", "/deep/app", "/deep/{name:str}"])
def test_an_asgi_handler_is_found_beside_static_routes(path: str) -> None:
    @get("/deep/static")
    async def static() -> str:
        return "static"

    @asgi(path)
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await show(scope, receive, send)

    both, asked = Hesper([static, app]), path.replace("{name:str}", "any")
    assert answer(both, "GET", asked).text == f"GET |{asked}"
    assert answer(both, "GET", "/deep/static").text == "static"
    assert answer(both, "GET", "/deep/static/not").status == 404


def test_an_asgi_handler_has_its_path_alone() -> None:
    @asgi("/app")
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await show(scope, receive, send)

    assert answer(Hesper([app]), "GET", "/app/below").status == 404


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/below", "/app/below/"])
def test_a_mount_has_all_paths_below_on_segment_boundaries(path: str) -> None:
    @asgi("/app", is_mount=True)
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await show(scope, receive, send)

    assert answer(Hesper([app]), "GET", path).text == f"GET /app|{path}"
    assert answer(Hesper([app]), "GET", "/apple").status == 404


def test_a_route_inside_a_mount_comes_first() -> None:
    @asgi("/app", is_mount=True)
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await show(scope, receive, send)

    @get("/app/own")
    async def own() -> str:
        return "own"

    both = Hesper([app, own])
    assert answer(both, "GET", "/app/own").text == "own"
    assert answer(both, "GET", "/app/other").text == "GET /app|/app/other"
    assert answer(both, "POST", "/app/own").text == "POST /app|/app/own"


def test_guards_stand_before_an_asgi_handler() -> None:
    def refuse(_connection: object, _handler: object) -> None:
        raise PermissionDeniedException

    @asgi("/app", guards=[refuse])
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("reached")

    assert answer(Hesper([app]), "GET", "/app").status == 403


def test_an_asgi_handler_is_asynchronous() -> None:
    @asgi("/app")
    def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    with pytest.raises(ConfigurationError, match=r"an? asgi handler is an asynchronous function"):
        Hesper([app])


def test_an_asgi_handler_takes_further_arguments_behind_its_three() -> None:
    @asgi("/{name:str}")
    async def app(scope: Scope, receive: Receive, send: Send, name: str, mark: str) -> None:
        await Response(name + mark, media_type="text/plain")(scope, receive, send)

    async def provide(name: str) -> str:
        return f"!{name}"

    assert answer(Hesper([app], dependencies={"mark": provide}), "GET", "/ab").text == "ab!ab"


def test_a_parameter_of_the_prefix_reaches_a_mount() -> None:
    @asgi("/{name:str}", is_mount=True)
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        text = f"{scope['path_params']} {Request(scope).url.path}"
        await Response(text, media_type="text/plain")(scope, receive, send)

    assert answer(Hesper([app]), "GET", "/ab/c").text == "{'name': 'ab'} /ab/c"


def test_a_guard_that_returns_something_lets_nobody_pass_to_an_asgi_handler() -> None:
    def says_no(_connection: object, _handler: object) -> bool:
        return False

    @asgi("/app", guards=[says_no])
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("reached")

    assert answer(Hesper([app]), "GET", "/app").status == 500
