"""What one layer says that cannot be."""

from __future__ import annotations

import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import partial
from typing import Any

import pytest

from hesper import Controller, Hesper, Request, Response, Router, asgi, get, mount, websocket
from hesper._plan.misfits import misfits
from hesper._types import Receive, Scope, Send
from hesper.connection import WebSocket
from hesper.datastructures import CacheControlHeader, ETag
from hesper.exceptions import ConfigurationError
from hesper.handlers import BaseRouteHandler
from tests.asgi_driver import answer


def one(request: object) -> None: ...
def two(request: object, error: object) -> None: ...
def none() -> None: ...
def three(request: object, error: object, db: object) -> None: ...
def two_and_more(
    request: object, error: object, db: object = None, *, flag: bool = False
) -> None: ...
def anything(*arguments: object) -> None: ...
def keyword(*, request: object, error: object) -> None: ...


class Callables:
    def __call__(self, request: object, error: object) -> None: ...

    def method(self, request: object, error: object) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [
        two,
        two_and_more,
        three,
        anything,
        Callables(),
        Callables().method,
        partial(three, db=1),
        print,
        max,
    ],
)
def test_an_exception_handler_that_takes_request_and_exception_fits(
    handler: Callable[..., Any],
) -> None:
    assert list(misfits(Router("/r", exception_handlers={404: handler}))) == []


@pytest.mark.parametrize("handler", [none, one, keyword, Callables])
def test_an_exception_handler_that_takes_something_else_is_a_misfit(
    handler: Callable[..., Any],
) -> None:
    (problem,) = misfits(Router("/r", exception_handlers={404: handler}))
    assert problem.startswith("router /r: the exception handler ")
    assert "is called with (request, exception), which it does not take" in problem


@pytest.mark.parametrize("hook", [one, two, three, anything, print])
def test_an_after_response_hook_that_takes_the_request_fits(hook: Callable[..., Any]) -> None:
    assert list(misfits(Router("/r", after_response=hook))) == []


@pytest.mark.parametrize("hook", [none, keyword])
def test_an_after_response_hook_that_takes_something_else_is_a_misfit(
    hook: Callable[..., Any],
) -> None:
    (problem,) = misfits(Router("/r", after_response=[one, hook]))
    assert f"the after_response hook {hook.__module__}.{hook.__qualname__} is called" in problem


def test_each_layer_is_checked_once() -> None:
    class Books(Controller):
        after_response = none

        @get("/a")
        async def one(self, request: Request) -> None: ...

        @get("/b")
        async def two(self, request: Request) -> None: ...

    @get("/c", after_response=none)
    async def handle() -> None: ...

    with pytest.raises(ConfigurationError) as raised:
        Hesper([Router("/r", [Books], after_response=none), handle], after_response=none)
    assert sorted(problem.partition(":")[0] for problem in raised.value.problems) == [
        "application",
        "controller test_each_layer_is_checked_once.<locals>.Books",
        "get('/c')",
        "router /r",
    ]


def generator(one: object, two: object = None) -> Iterator[None]:
    yield


async def async_generator(one: object, two: object = None) -> AsyncIterator[None]:
    yield


class Yielding:
    def __call__(self, one: object, two: object = None) -> Iterator[None]:
        yield


@pytest.mark.parametrize("call", [generator, async_generator, partial(generator), Yielding()])
@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("guards", "guard"),
        ("before_request", "before_request hook"),
        ("after_request", "after_request hook"),
        ("after_response", "after_response hook"),
        ("exception_handlers", "exception handler"),
    ],
)
def test_a_generator_function_never_runs_and_is_a_misfit(
    option: str, kind: str, call: Callable[..., Any]
) -> None:
    value: Any = {"guards": [call], "exception_handlers": {404: call}}.get(option, call)
    (problem,) = misfits(Router("/r", **{option: value}))
    assert problem.startswith(f"router /r: the {kind} {__name__}.")
    assert problem.endswith(
        "is a generator function, and calling it runs nothing; write it without yield"
    )


def test_a_generator_that_is_awaited_as_a_coroutine_fits() -> None:
    @types.coroutine
    def guard(_connection: object, _handler: object) -> Generator[None, None, None]:
        yield

    assert list(misfits(Router("/r", guards=[guard]))) == []


class Allow:
    def __call__(self, _connection: object, _handler: object) -> None: ...


class Awaited:
    def __init__(self, _connection: object, _handler: object) -> None: ...

    def __await__(self) -> Generator[None, None, None]:
        yield


def test_a_class_in_place_of_a_guard_is_a_misfit() -> None:
    (problem,) = misfits(Router("/r", guards=[Allow]))
    assert problem == (
        f"router /r: the guard {__name__}.Allow is a class, and making an instance checks "
        "nothing; put an instance, such as Allow(), or a function into guards"
    )


@pytest.mark.parametrize("guard", [Allow(), Awaited])
def test_an_instance_and_a_class_of_awaitables_are_guards(guard: Callable[..., Any]) -> None:
    assert list(misfits(Router("/r", guards=[guard]))) == []


def test_a_guard_that_never_runs_keeps_the_app_from_being_built() -> None:
    @get("/", guards=[async_generator])
    async def handle() -> None: ...

    with pytest.raises(ConfigurationError, match=r"async_generator is a generator function"):
        Hesper([handle])


async def mounted(scope: Scope, receive: Receive, send: Send) -> None: ...


def anything_at_all(*_arguments: object) -> None: ...


_RESPONSE_OPTIONS: dict[str, Any] = {
    "before_request": anything_at_all,
    "after_request": anything_at_all,
    "response_headers": {"x": "1"},
    "response_cookies": {"x": "1"},
    "response_class": Response,
    "cache_control": CacheControlHeader(no_store=True),
    "etag": ETag(value="1"),
    "request_class": Request,
    "request_max_body_size": 5,
}


@pytest.mark.parametrize(
    ("make", "kind", "options"),
    [
        (partial(get), "get", {"websocket_class": WebSocket}),
        (
            partial(websocket),
            "websocket",
            {**_RESPONSE_OPTIONS, "after_response": anything_at_all},
        ),
        (partial(asgi), "asgi", {**_RESPONSE_OPTIONS, "websocket_class": WebSocket}),
        (partial(mount, app=mounted), "mount", _RESPONSE_OPTIONS),
    ],
)
def test_an_option_that_a_handler_sets_in_vain_is_a_misfit(
    make: Callable[..., BaseRouteHandler], kind: str, options: dict[str, Any]
) -> None:
    for option, value in options.items():
        (problem,) = misfits(make(path="/x", **{option: value}))
        assert f"{option} has no effect on {kind} handlers" in problem


def test_options_of_http_may_stand_above_other_handlers() -> None:
    @websocket("/ws")
    async def talk(socket: WebSocket) -> None: ...

    @get("/")
    async def handle() -> None: ...

    router = Router("/", [talk, handle], response_headers={"x-a": "1"}, websocket_class=WebSocket)
    assert ("x-a", "1") in answer(Hesper([router]), "GET", "/").headers


def test_an_option_in_vain_keeps_the_app_from_being_built() -> None:
    @websocket("/ws", before_request=one)
    async def talk(socket: WebSocket) -> None: ...

    with pytest.raises(ConfigurationError, match=r"websocket\('/ws'\): before_request has no"):
        Hesper([talk])
