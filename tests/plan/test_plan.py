"""Plans: what start-up knows about a route."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from hesper import Hesper, Replace, Request, Response, Router, get, route, websocket
from hesper._plan.graph import Lasting
from hesper._plan.plan import Plan, plan_route
from hesper._plan.result import Result
from hesper._plan.walk import Walk
from hesper._types import ASGIApp
from hesper.app import ApplicationLayer
from hesper.connection import WebSocket
from hesper.exceptions import ConfigurationError


def outer(app: ASGIApp) -> ASGIApp:
    return app


def inner(app: ASGIApp) -> ASGIApp:
    return app


def answered(_request: Request, _error: Exception) -> Response[str]:
    return Response("")


def guard(connection: object, handler: object, service: object) -> None: ...


def service() -> int:
    return 1


def hook(value: object) -> None: ...


def planned(handler: Any, **options: Any) -> Plan:
    """Return the plan of one handler under an application with *options*."""
    problems: list[str] = []
    (declared,) = Walk(ApplicationLayer(**options)).routes([handler])
    plan = plan_route(declared, problems, Lasting())
    assert problems == []
    return plan


def test_a_plan_knows_path_methods_and_calls() -> None:
    @route("/{number:int}", http_method=["GET", "PUT"], guards=[guard], before_request=hook)
    async def handle(number: int) -> str:
        return str(number)

    plan = planned(
        handle, dependencies={"service": service}, after_request=hook, after_response=hook
    )
    assert str(plan.path) == "/{number:int}"
    assert plan.methods == ("GET", "PUT")
    assert plan.scope_type == "http"
    assert plan.label == "GET/PUT /{number:int}"
    assert plan.call.call is handle
    assert [step.call for step in plan.guards] == [guard]
    assert [step.call for step in plan.before_request] == [hook]
    assert [step.call for step in plan.after_request] == [hook]
    assert [step.call for step in plan.after_response] == [hook]
    assert list(plan.providers) == ["service"]
    assert plan.result is Result.TEXT


def test_every_option_is_set_and_resolved() -> None:
    @get("/", opt={"b": 2}, request_max_body_size=None)
    async def handle() -> None: ...

    plan = planned(handle, opt={"a": 1}, request_max_body_size=5)
    assert plan.option("opt") == {"a": 1, "b": 2}
    assert plan.option("request_max_body_size") is None
    assert plan.option("guards") == ()
    assert plan.handler.fn is handle


def test_middleware_of_the_application_is_not_the_routes() -> None:
    @get("/", middleware=[inner])
    async def handle() -> None: ...

    assert planned(handle, middleware=[outer]).middleware == (inner,)


def called(plan: Plan) -> list[dict[object, object]]:
    """Return the functions of the exception handlers, by layer."""
    return [{key: step.call for key, step in layer.items()} for layer in plan.exception_handlers]


def test_exception_handlers_stand_by_layer_the_nearest_first() -> None:
    @get("/", exception_handlers={404: answered})
    async def handle() -> None: ...

    plan = planned(handle, exception_handlers={500: answered})
    assert called(plan) == [{404: answered}, {500: answered}]


def test_exception_handlers_end_at_a_replace() -> None:
    @get("/", exception_handlers=Replace({404: answered}))
    async def handle() -> None: ...

    plan = planned(handle, exception_handlers={500: answered})
    assert called(plan) == [{404: answered}]


def test_a_websocket_has_neither_methods_nor_request_hooks() -> None:
    @websocket("/ws")
    async def talk(socket: WebSocket) -> None: ...

    plan = planned(talk, before_request=hook, after_request=hook, guards=[hook])
    assert (plan.methods, plan.scope_type, plan.label) == ((), "websocket", "WEBSOCKET /ws")
    assert plan.before_request == plan.after_request == ()
    assert len(plan.guards) == 1


def test_a_plan_never_changes() -> None:
    @get("/")
    async def handle() -> None: ...

    plan: Any = planned(handle)
    with pytest.raises(AttributeError):
        plan.methods = ()


def test_one_layer_in_two_apps_makes_two_plans() -> None:
    @get("/")
    async def handle() -> None: ...

    router = Router("/r", [handle], opt={"own": 1})
    left, right = planned(router, opt={"a": 1}), planned(router, opt={"a": 2})
    assert (left.option("opt"), right.option("opt")) == ({"a": 1, "own": 1}, {"a": 2, "own": 1})


def numbers() -> Iterator[int]:
    yield 1


async def async_numbers() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [numbers, async_numbers])
@pytest.mark.parametrize(
    ("decorator", "instead"),
    [(get, r"return Stream\(generator\(\)\)"), (websocket, "write async def without yield")],
)
def test_a_generator_function_is_no_handler(function: Any, decorator: Any, instead: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Hesper([decorator("/")(partial(function))])
    (problem,) = raised.value.problems
    assert "is a generator function, and calling it runs nothing" in problem
    assert re.search(instead, problem)


class Role:
    """A guard that is equal to others of its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Role) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __call__(self, _connection: object, _handler: object) -> None: ...


def test_equal_guards_of_two_routes_are_called_each_for_its_own() -> None:
    one, other = Role("reader"), Role("reader")

    @get("/one", guards=[one])
    async def first() -> None: ...

    @get("/other", guards=[other])
    async def second() -> None: ...

    plans = Hesper([first, second])._wiring.plans
    calls = [step.call for plan in plans for step in plan.guards]
    assert len(calls) == 2
    assert calls[0] is one
    assert calls[1] is other


def test_a_guard_without_hash_guards_every_route() -> None:
    class Unhashable:
        def __hash__(self) -> int:
            raise TypeError

        def __call__(self, _connection: object, _handler: object) -> None: ...

    guard = Unhashable()

    def handler(number: int) -> Any:
        @get(f"/{number}")
        async def handle() -> None: ...

        return handle

    app = Hesper([handler(number) for number in range(2)], guards=[guard])
    assert all(plan.guards[0].call is guard for plan in app._wiring.plans)
