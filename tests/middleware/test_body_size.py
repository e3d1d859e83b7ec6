"""How large a body may be that middleware reads before its handler does."""

from __future__ import annotations

from typing import Any

import pytest

from hesper import Hesper, Request, Router, mount, post
from hesper._types import ASGIApp, Receive, Scope, Send
from tests.asgi_driver import Answer, answer


def reading(app: ASGIApp) -> ASGIApp:
    """Middleware that looks at the body first."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive, send).body()
        await app(scope, receive, send)

    return around


@post("/")
async def by_argument(body: bytes) -> int:
    return len(body)


@post("/")
async def by_request(request: Request) -> int:
    return len(await request.body())


@post("/")
async def by_stream(request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


every_way = pytest.mark.parametrize("handler", [by_argument, by_request, by_stream])


def sent(app: ASGIApp, size: int, path: str = "/") -> Answer:
    return answer(app, "POST", path, body=b"x" * size)


@every_way
def test_middleware_of_a_route_reads_no_more_than_the_route_allows(handler: Any) -> None:
    router = Router("/", [handler], middleware=[reading], request_max_body_size=3)
    assert sent(Hesper([router]), 3).status == 201
    assert sent(Hesper([router]), 4).status == 413


@every_way
def test_middleware_of_a_route_reads_all_that_the_route_allows(handler: Any) -> None:
    router = Router("/", [handler], middleware=[reading], request_max_body_size=None)
    assert sent(Hesper([router]), 10_000_001).status == 201


@every_way
def test_middleware_of_the_application_reads_what_the_application_allows(handler: Any) -> None:
    app = Hesper([handler], middleware=[reading], request_max_body_size=3)
    assert sent(app, 3).status == 201
    assert sent(app, 4).status == 413
    app = Hesper([handler], middleware=[reading], request_max_body_size=None)
    assert sent(app, 10_000_001).status == 201


@every_way
def test_a_body_that_middleware_has_read_may_still_be_too_large_for_the_route(handler: Any) -> None:
    router = Router("/", [handler], request_max_body_size=3)
    app = Hesper([router], middleware=[reading])
    assert sent(app, 3).status == 201
    assert sent(app, 4).status == 413


@every_way
def test_a_route_may_allow_the_default_inside_of_an_application_that_allows_less(
    handler: Any,
) -> None:
    def around(app: ASGIApp) -> ASGIApp:
        return app

    router = Router("/", [handler], request_max_body_size=10_000_000)
    assert sent(Hesper([router], middleware=[around], request_max_body_size=3), 4).status == 201


@every_way
def test_a_mounted_application_has_its_own_limit(handler: Any) -> None:
    def around(app: ASGIApp) -> ASGIApp:
        return app

    inside = mount("/inside", Hesper([handler]))
    app = Hesper([inside], middleware=[around], request_max_body_size=3)
    assert sent(app, 4, "/inside").status == 201
