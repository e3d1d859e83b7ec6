"""Every option that is set through `AppConfig` takes effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from hesper import Hesper, Provide, Request, Response, WebSocket, get, post, websocket
from hesper.config.app import AppConfig
from hesper.datastructures import CacheControlHeader, Cookie, ETag, ResponseHeader
from hesper.openapi import OpenAPIConfig
from hesper.params import Parameter
from hesper.testing import TestClient
from tests.asgi_driver import answer
from tests.config.parts import (
    Adding,
    MyRequest,
    MySocket,
    Upper,
    app_with,
    class_of_request,
    index,
    one,
    refuse,
    stamping,
)
from tests.lifespan.journal import Journal, RefusalError
from tests.option_rows import Book, leave, renaming


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


def teapot(request: Request, error: Exception) -> Response[str]:
    return Response("teapot", status_code=418)


@get("/opt")
async def opt(request: Request) -> dict[str, Any]:
    return dict(request.route_handler.opt)


@get("/fail")
async def fail() -> None:
    raise RefusalError


@get("/token")
async def token(token: str) -> str:
    return token


@post("/body")
async def body(data: dict[str, int]) -> int:
    return len(data)


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(type(socket).__name__)
    await socket.close()


EFFECTS: dict[str, Callable[[], object]] = {}


def effect(function: Callable[[], object]) -> Callable[[], object]:
    EFFECTS[function.__name__.removeprefix("of_")] = function
    return function


@effect
def of_route_handlers() -> None:
    assert answer(app_with(route_handlers=[index]), "GET", "/").text == "index"


@effect
def of_path() -> None:
    assert answer(app_with(index, path="/api"), "GET", "/api").text == "index"


def run_through(app: Hesper) -> None:
    with TestClient(app):
        pass


@effect
def of_on_startup() -> None:
    journal = Journal()
    run_through(app_with(on_startup=[journal.hook("up")]))
    assert journal == ["up"]


@effect
def of_on_shutdown() -> None:
    journal = Journal()
    run_through(app_with(on_shutdown=[journal.hook("down")]))
    assert journal == ["down"]


@effect
def of_lifespan() -> None:
    journal = Journal()
    run_through(app_with(lifespan=[journal.manager("a")]))
    assert journal == ["enter a", "exit a"]


@effect
def of_state() -> None:
    assert app_with(state={"a": 1}).state == {"a": 1}


@effect
def of_after_exception() -> None:
    seen: list[object] = []
    answer(app_with(fail, after_exception=[lambda error, _: seen.append(error)]), "GET", "/fail")
    assert len(seen) == 1


@effect
def of_before_send() -> None:
    seen: list[object] = []
    answer(app_with(index, before_send=[lambda message, _: seen.append(message)]), "GET", "/")
    assert len(seen) == 2


@effect
def of_plugins() -> None:
    app = app_with(plugins=[Adding(index)])
    assert answer(app, "GET", "/").text == "index"


@effect
def of_debug() -> None:
    assert "RefusalError" in answer(app_with(fail, debug=True), "GET", "/fail").text


@effect
def of_problem_details() -> None:
    found = answer(app_with(problem_details=True), "GET", "/")
    assert found.header("content-type") == "application/problem+json"


@effect
def of_drain_timeout() -> None:
    assert app_with(drain_timeout=0.5).lifespan().drain_timeout == 0.5


@effect
def of_before_request() -> None:
    app = app_with(index, before_request=[lambda _: "before"])
    assert answer(app, "GET", "/").text == "before"


@effect
def of_after_request() -> None:
    app = app_with(index, after_request=[lambda _: Response("after")])
    assert answer(app, "GET", "/").text == "after"


@effect
def of_after_response() -> None:
    seen: list[object] = []
    answer(app_with(index, after_response=[seen.append]), "GET", "/")
    assert len(seen) == 1


@effect
def of_guards() -> None:
    assert answer(app_with(index, guards=[refuse]), "GET", "/").status == 403


@effect
def of_middleware() -> None:
    assert answer(app_with(index, middleware=[stamping]), "GET", "/").header("stamp") == "here"


@effect
def of_dependencies() -> None:
    assert (
        answer(app_with(one, dependencies={"one": Provide(lambda: 1)}), "GET", "/one").json() == 1
    )


@effect
def of_exception_handlers() -> None:
    app = app_with(fail, exception_handlers={RefusalError: teapot})
    assert answer(app, "GET", "/fail").text == "teapot"


@effect
def of_opt() -> None:
    assert answer(app_with(opt, opt={"key": 1}), "GET", "/opt").json() == {"key": 1}


@effect
def of_parameters() -> None:
    app = app_with(token, parameters={"token": Parameter(header="x-token")})
    assert answer(app, "GET", "/token", headers=[("x-token", "abc")]).text == "abc"


@effect
def of_response_headers() -> None:
    app = app_with(index, response_headers=[ResponseHeader(name="x-one", value="1")])
    assert answer(app, "GET", "/").header("x-one") == "1"


@effect
def of_response_cookies() -> None:
    app = app_with(index, response_cookies=[Cookie(key="one", value="1")])
    assert (answer(app, "GET", "/").header("set-cookie") or "").startswith("one=1")


@effect
def of_type_encoders() -> None:
    @get("/made")
    async def made() -> Any:
        return Point(3)

    app = app_with(made, type_encoders={Point: lambda value: value.x})
    assert answer(app, "GET", "/made").json() == 3


@effect
def of_type_decoders() -> None:
    @post("/made")
    async def made(data: list[Point]) -> int:
        return data[0].x

    decoder = (lambda kind: kind is Point, lambda kind, value: kind(value))
    app = app_with(made, type_decoders=[decoder])
    sent = [("content-type", "application/json")]
    assert answer(app, "POST", "/made", body=b"[3]", headers=sent).json() == 3


@effect
def of_request_class() -> None:
    app = app_with(class_of_request, request_class=MyRequest)
    assert answer(app, "GET", "/class").text == "MyRequest"


@effect
def of_response_class() -> None:
    seen: list[str] = []

    def look(response: Response[Any]) -> Response[Any]:
        seen.append(type(response).__name__)
        return response

    answer(app_with(index, response_class=Upper, after_request=[look]), "GET", "/")
    assert seen == ["Upper"]


@effect
def of_websocket_class() -> None:
    app = app_with(socket, websocket_class=MySocket)
    with TestClient(app) as client, client.websocket_connect("/socket") as session:
        assert session.receive_text() == "MySocket"


@effect
def of_request_max_body_size() -> None:
    sent = [("content-type", "application/json")]
    app = app_with(body, request_max_body_size=3)
    assert answer(app, "POST", "/body", body=b'{"a": 1}', headers=sent).status == 413


@effect
def of_when_disconnected() -> None:
    ended: list[str] = []

    @get("/")
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("wait")

    asyncio.run(leave(app_with(wait, when_disconnected="cancel")))
    assert ended == ["wait"]


@post("/book")
async def book(data: Book) -> Book:
    return data


@effect
def of_dto() -> None:
    app = app_with(book, dto=renaming("a", []))
    sent = [("content-type", "application/json")]
    body = b'{"title_a": "Emma"}'
    assert answer(app, "POST", "/book", body=body, headers=sent).json() == {"title_a": "Emma"}


@effect
def of_return_dto() -> None:
    app = app_with(book, return_dto=renaming("a", []))
    sent = [("content-type", "application/json")]
    body = b'{"title": "Emma"}'
    assert answer(app, "POST", "/book", body=body, headers=sent).json() == {"title_a": "Emma"}


@effect
def of_include_in_schema() -> None:
    (route,) = app_with(index, include_in_schema=False).iter_routes()
    assert route.options["include_in_schema"] is False


@effect
def of_tags() -> None:
    (route,) = app_with(index, tags=["books"]).iter_routes()
    assert route.options["tags"] == ("books",)


@effect
def of_security() -> None:
    (route,) = app_with(index, security=[{"bearer": []}]).iter_routes()
    assert route.options["security"] == ({"bearer": []},)


@effect
def of_cache_control() -> None:
    app = app_with(index, cache_control=CacheControlHeader(max_age=60))
    assert answer(app, "GET", "/").header("cache-control") == "max-age=60"


@effect
def of_etag() -> None:
    app = app_with(index, etag=ETag(value="1"))
    assert answer(app, "GET", "/", headers=[("if-none-match", '"1"')]).status == 304


@effect
def of_openapi_config() -> None:
    assert answer(app_with(openapi_config=None), "GET", "/schema/openapi.json").status == 404
    app = app_with(openapi_config=OpenAPIConfig(title="Mine", version="1", path="/api"))
    assert answer(app, "GET", "/api/openapi.json").json()["info"]["title"] == "Mine"


def test_every_option_has_its_effect_tested() -> None:
    assert set(EFFECTS) == {f.name for f in fields(AppConfig)}


@pytest.mark.parametrize("name", EFFECTS)
def test_an_option_that_a_hook_sets_takes_effect(name: str) -> None:
    EFFECTS[name]()
