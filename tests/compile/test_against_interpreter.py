"""A compiled endpoint does what the reference interpreter does, event by event."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import HealthCheck, given, settings

from hesper import Hesper
from tests.compile.driver import Sent, http_scope, serve
from tests.compile.interpreter import Interpreter
from tests.compile.random_routes import (
    Asked,
    Builder,
    Events,
    Route,
    described,
    requests,
    routes,
)

PATH = "/things/3"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="hesper")


async def compiled(builder: Builder, asked: Asked) -> tuple[Sent, Events]:
    builder.events.clear()
    scope = http_scope("POST", PATH, query=asked.query, headers=asked.headers)
    sent = await serve(builder.app(), scope, asked.body)
    return sent, list(builder.events)


async def interpreted(builder: Builder, asked: Asked) -> tuple[Sent, Events]:
    builder.events.clear()
    app: Hesper = builder.app()
    plan = app._wiring.plans[0]
    scope = http_scope("POST", PATH, query=asked.query, headers=asked.headers)
    scope["hesper_app"] = app
    scope["state"] = app.lifespan().namespace
    scope["path_params"] = {"item": 3}

    async def serve_plan(scope, receive, send):  # type: ignore[no-untyped-def]
        await Interpreter(plan, scope, receive, send).serve()

    sent = await serve(serve_plan, scope, asked.body)
    return sent, list(builder.events)


async def check(route: Route, asked: Asked) -> None:
    builder = Builder(route)
    wanted, wanted_events = await interpreted(builder, asked)
    sent, events = await compiled(builder, asked)
    assert events == wanted_events
    assert sent.messages == wanted.messages
    assert described(sent.error) == described(wanted.error)


few = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@few
@given(routes(), requests())
def test_a_compiled_endpoint_does_what_the_interpreter_does(route: Route, asked: Asked) -> None:
    asyncio.run(check(route, asked))


@few
@given(routes(many_exits=True), requests())
def test_an_endpoint_with_many_exits_does_what_the_interpreter_does(
    route: Route, asked: Asked
) -> None:
    asyncio.run(check(route, asked))
