"""Middleware that hands on a copy of the scope, as a good deal of it does."""

from __future__ import annotations

from typing import Any

import pytest

from hesper import Hesper, Router, get, mount
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from tests.asgi_driver import answer


def copying(app: ASGIApp) -> ASGIApp:
    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope}, receive, send)

    return around


def app_of(events: list[str], layers: str, **options: Any) -> Hesper:
    """Return an app that has the middleware on some layers, and notes what follows a response."""

    @get("/", background=BackgroundTask(events.append, "background work"))
    async def index() -> str:
        return "served"

    @get("/broken")
    async def broken() -> str:
        raise ValueError

    inside = [copying] if "router" in layers else []
    outside = [copying] if "application" in layers else []

    def after_response(request: object) -> None:
        events.append("after_response")

    router = Router("/", [index, broken], middleware=inside)
    return Hesper([router], middleware=outside, after_response=after_response, **options)


@pytest.mark.parametrize("layers", ["router", "application", "router and application"])
@pytest.mark.parametrize(
    ("path", "happens"),
    [
        ("/", ["after_response", "background work"]),
        ("/broken", ["after_response"]),
        ("/missing", ["after_response"]),
    ],
)
def test_what_follows_a_response_is_done_once(layers: str, path: str, happens: list[str]) -> None:
    events: list[str] = []
    answer(app_of(events, layers), "GET", path)
    assert events == happens


def test_a_mounted_application_and_the_one_around_it_do_each_their_own() -> None:
    inner: list[str] = []
    outer: list[str] = []
    inside = app_of(inner, "application")

    def after_response(request: object) -> None:
        outer.append("after_response")

    app = Hesper([mount("/inside", inside)], middleware=[copying], after_response=after_response)
    answer(app, "GET", "/inside/")
    assert inner == ["after_response", "background work"]
    assert outer == ["after_response"]
