"""Exception handlers: who is asked for which exception, wherever that is raised."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from hesper import Hesper, Replace, Request, Response, Router, WebSocket, asgi, get, websocket
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask
from hesper.connection import ASGIConnection
from hesper.exceptions import (
    ClientException,
    HTTPException,
    NotAuthorizedException,
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
    WebSocketDisconnect,
    WebSocketException,
)
from hesper.params import FromQuery
from tests.compile.driver import Sent, request

pytestmark = pytest.mark.anyio

Handlers = Mapping[int | type[Exception], Callable[..., Any]]


class OddError(Exception):
    pass


class OdderError(OddError):
    pass


def saying(text: str, status: int = 418) -> Callable[..., Any]:
    """Return an exception handler that answers *text*."""

    def handler(connection: Any, error: Exception) -> Response[str]:
        return Response(text, status_code=status)

    return handler


def raising(error: Exception) -> Callable[..., Any]:
    async def handler(connection: Any, raised: Exception) -> None:
        raise error

    return handler


# Where the exception is raised.

PLACES = (
    "guard",
    "dependency",
    "exit",
    "before_request",
    "handler",
    "after_request",
    "middleware of the handler",
    "middleware of the router",
    "middleware of the application",
)


def raised_at(place: str, error: Exception, **layers: Handlers) -> Hesper:
    """Return an app with one route, where *error* is raised.

    Args:
        place: Where.
        error: The exception.
        **layers: The exception handlers of `application`, `router` and `handler`.
    """

    def at(*here: str) -> None:
        if place in here:
            raise error

    async def session() -> AsyncIterator[str]:
        at("dependency")
        yield "session"
        at("exit")

    async def after_request(response: Response[Any]) -> Response[Any]:
        at("after_request")
        return response

    def middleware(layer: str) -> Callable[[ASGIApp], ASGIApp]:
        def wrap(app: ASGIApp) -> ASGIApp:
            async def around(scope: Scope, receive: Receive, send: Send) -> None:
                at(f"middleware of the {layer}")
                await app(scope, receive, send)

            return around

        return wrap

    options: dict[str, Any] = {
        "guards": [lambda _connection, _handler: at("guard")],
        "middleware": [middleware("handler")],
        "dependencies": {"session": session},
        "exception_handlers": layers.get("handler", {}),
    }

    @get("/", before_request=lambda _: at("before_request"), after_request=after_request, **options)
    async def handler(session: str) -> str:
        at("handler")
        return "served"

    @websocket("/socket", **options)
    async def socket_handler(socket: WebSocket, session: str) -> None:
        at("handler before it accepts")
        await socket.accept()
        at("handler")

    router = Router(
        "/",
        [handler, socket_handler],
        middleware=[middleware("router")],
        exception_handlers=layers.get("router", {}),
    )
    return Hesper(
        [router],
        middleware=[middleware("application")],
        exception_handlers=layers.get("application", {}),
    )


async def answer(app: ASGIApp, method: str = "GET", path: str = "/", query: str = "") -> Sent:
    sent = await request(app, method, path, query=query)
    if sent.error is not None:
        raise sent.error
    return sent


@pytest.mark.parametrize("place", PLACES)
async def test_an_exception_is_handled_wherever_it_is_raised(place: str) -> None:
    app = raised_at(place, OddError(), application={OddError: saying("application")})
    sent = await answer(app)
    assert (sent.status, sent.body) == (418, b"application")


@pytest.mark.parametrize("place", PLACES[:-1])
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (("handler", "router", "application"), b"handler"),
        (("router", "application"), b"router"),
        (("application",), b"application"),
    ],
)
async def test_the_nearest_layer_is_asked_first(
    place: str, layers: tuple[str, ...], expected: bytes
) -> None:
    handlers: dict[str, Handlers] = {layer: {OddError: saying(layer)} for layer in layers}
    assert (await answer(raised_at(place, OddError(), **handlers))).body == expected


async def test_what_the_applications_middleware_raises_only_the_application_handles() -> None:
    place = "middleware of the application"
    inner: dict[str, Handlers] = {"handler": {OddError: saying("inner")}}
    assert (await answer(raised_at(place, OddError(), **inner))).status == 500


async def test_a_general_handler_nearby_comes_before_a_special_one_further_out() -> None:
    app = raised_at(
        "handler",
        OdderError(),
        handler={Exception: saying("near")},
        application={OdderError: saying("far")},
    )
    assert (await answer(app)).body == b"near"


@pytest.mark.parametrize(
    ("error", "handlers", "expected"),
    [
        (OdderError(), {OddError: "base", OdderError: "own", Exception: "any"}, "own"),
        (OdderError(), {OddError: "base", Exception: "any", 500: "500"}, "base"),
        (OdderError(), {Exception: "any", 500: "500"}, "any"),
        (OdderError(), {500: "500", 400: "400"}, "500"),
        (NotFoundException(), {HTTPException: "http", 404: "404"}, "404"),
        (NotFoundException(), {NotFoundException: "own", 404: "404"}, "own"),
        (NotFoundException(), {HTTPException: "http", Exception: "any", 500: "500"}, "http"),
        (HTTPException(status_code=404), {ClientException: "client", 404: "404"}, "404"),
        (HTTPException(status_code=503), {500: "500", Exception: "any"}, "any"),
    ],
)
async def test_within_a_layer_the_most_special_handler_is_asked(
    error: Exception, handlers: dict[Any, str], expected: str
) -> None:
    said = {key: saying(text) for key, text in handlers.items()}
    assert (await answer(raised_at("handler", error, router=said))).body == expected.encode()


async def test_a_status_that_is_not_meant_is_not_asked() -> None:
    handlers: Handlers = {500: saying("500"), 404: saying("404")}
    sent = await answer(raised_at("handler", PermissionDeniedException(), router=handlers))
    assert sent.status == 403


@pytest.mark.parametrize("place", PLACES[:-1])
async def test_a_handler_that_raises_hands_over_to_the_next_layer(place: str) -> None:
    app = raised_at(
        place,
        OddError(),
        handler={OddError: raising(NotFoundException())},
        router={OddError: saying("never"), 404: raising(KeyError("again"))},
        application={KeyError: saying("application")},
    )
    assert (await answer(app)).body == b"application"


async def test_a_handler_that_raises_the_same_again_hands_it_over() -> None:
    async def again(request: Request, error: Exception) -> None:
        raise error

    app = raised_at(
        "handler",
        OddError(),
        handler={OddError: again},
        router={Exception: again},
        application={OddError: saying("application")},
    )
    assert (await answer(app)).body == b"application"


async def test_the_last_handler_that_raises_leads_to_the_default(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = raised_at("handler", OddError(), application={OddError: raising(KeyError("last"))})
    assert (await answer(app)).json() == {"status_code": 500, "detail": "Internal Server Error"}
    logged = caplog.records[-1].exc_info
    assert logged is not None
    assert logged[0] is KeyError


@pytest.mark.parametrize("result", [None, object(), Response(object())])
async def test_a_response_that_cannot_be_made_hands_over(result: Any) -> None:
    app = raised_at(
        "handler",
        OddError(),
        handler={OddError: lambda _, __: result},
        router={Exception: saying("router")},
    )
    assert (await answer(app)).body == b"router"


async def test_replace_drops_the_handlers_further_out() -> None:
    handlers: Any = Replace({KeyError: saying("never")})
    app = raised_at("handler", OddError(), handler=handlers, application={OddError: saying("far")})
    assert (await answer(app)).status == 500


async def test_faults_of_a_request_are_handled() -> None:
    @get("/", exception_handlers={ValidationException: saying("faults"), 400: saying("never")})
    async def handler(page: FromQuery[int]) -> None: ...

    assert (await answer(Hesper([handler]), query="page=x")).body == b"faults"


@pytest.mark.parametrize("key", [404, NotFoundException, ClientException, Exception])
async def test_a_missing_route_is_the_applications(key: Any) -> None:
    app = raised_at(
        "", OddError(), application={key: saying("application")}, router={key: saying("never")}
    )
    sent = await answer(app, path="/missing")
    assert (sent.status, sent.body) == (418, b"application")


async def test_a_missing_method_is_the_applications_and_says_which_there_are() -> None:
    def handler(request: Request, error: HTTPException) -> Response[str]:
        return Response(request.method, status_code=405, headers=error.headers)

    app = raised_at("", OddError(), application={405: handler})
    sent = await answer(app, "DELETE")
    assert (sent.status, sent.body) == (405, b"DELETE")
    assert sent.header(b"allow") == b"GET, HEAD, OPTIONS"


async def test_a_response_has_the_status_of_the_exception_where_it_says_none() -> None:
    app = raised_at("handler", NotAuthorizedException(), router={401: lambda _, __: {"a": 1}})
    sent = await answer(app)
    assert (sent.status, sent.json()) == (401, {"a": 1})


async def test_the_handler_of_an_asgi_apps_exception_is_asked() -> None:
    @asgi("/", exception_handlers={OddError: saying("handled")})
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise OddError

    assert (await answer(Hesper([fail]))).body == b"handled"


# Websockets.


async def socket_sent(
    app: ASGIApp, path: str = "/socket", denial: bool = True, query: bytes = b""
) -> list[Message]:
    """Return what *app* sends to a client that opens a websocket and waits."""
    scope: Scope = {
        "type": "websocket",
        "path": path,
        "query_string": query,
        "headers": [],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if denial else {},
    }
    waiting: list[Message] = [{"type": "websocket.connect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(5):
        await app(scope, receive, send)
    return sent


def told(sent: list[Message]) -> tuple[str, Any, Any]:
    """Return how a websocket ended: a kind, a status or code, and a body or reason."""
    kinds = [message["type"].removeprefix("websocket.") for message in sent]
    if kinds == ["http.response.start", "http.response.body"]:
        return "denied", sent[0]["status"], sent[1]["body"]
    assert kinds in (["close"], ["accept", "close"]), kinds
    return kinds[0], sent[-1]["code"], sent[-1]["reason"]


BEFORE = (
    "guard",
    "dependency",
    "handler before it accepts",
    "middleware of the handler",
    "middleware of the router",
    "middleware of the application",
)
AFTER = ("handler", "exit")


@pytest.mark.parametrize("place", BEFORE)
async def test_before_a_websocket_is_accepted_the_response_is_its_denial(place: str) -> None:
    app = raised_at(place, OddError(), application={OddError: saying("application")})
    assert told(await socket_sent(app)) == ("denied", 418, b"application")
    assert told(await socket_sent(app, denial=False)) == ("close", 1000, "")


@pytest.mark.parametrize("place", AFTER)
async def test_after_a_websocket_is_accepted_the_response_says_the_code(place: str) -> None:
    app = raised_at(place, OddError(), application={OddError: saying("application")})
    assert told(await socket_sent(app)) == ("accept", 4418, "")


@pytest.mark.parametrize("place", [*BEFORE[:-1], *AFTER])
async def test_the_nearest_layer_of_a_websocket_is_asked_first(place: str) -> None:
    def closing(code: int) -> Callable[..., Any]:
        async def handler(socket: WebSocket, error: Exception) -> None:
            await socket.close(code)

        return handler

    app = raised_at(
        place,
        OddError(),
        handler={OddError: raising(KeyError())},
        router={Exception: closing(4001)},
        application={KeyError: closing(4002)},
    )
    assert told(await socket_sent(app))[:2] == ("accept" if place in AFTER else "close", 4001)


@pytest.mark.parametrize("place", ["middleware of the router", "middleware of the application"])
async def test_middleware_that_fails_after_a_websocket_is_accepted_says_the_code(
    place: str,
) -> None:
    def wrap(app: ASGIApp) -> ASGIApp:
        async def around(scope: Scope, receive: Receive, send: Send) -> None:
            assert (await receive())["type"] == "websocket.connect"
            await send({"type": "websocket.accept"})
            raise OddError

        return around

    layer: dict[str, Any] = {"middleware": [wrap]}
    inside, outside = (layer, {}) if "router" in place else ({}, layer)

    @websocket("/socket", **inside)
    async def handler(socket: WebSocket) -> None: ...

    app = Hesper([handler], exception_handlers={OddError: saying("x", 409)}, **outside)
    assert told(await socket_sent(app)) == ("accept", 4409, "")


async def test_middleware_that_fails_after_the_connect_message_denies() -> None:
    def wrap(app: ASGIApp) -> ASGIApp:
        async def around(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            raise NotAuthorizedException("who?")

        return around

    app = Hesper([], middleware=[wrap])
    kind, status, body = told(await socket_sent(app))
    assert (kind, status) == ("denied", 401)
    assert b"who?" in body


async def test_middleware_that_fails_once_a_websocket_has_ended_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def wrap(app: ASGIApp) -> ASGIApp:
        async def around(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)
            raise OddError

        return around

    app = Hesper([], middleware=[wrap], exception_handlers={404: lambda _, __: None})
    with caplog.at_level(logging.ERROR):
        assert told(await socket_sent(app))[:2] == ("denied", 404)
    assert [record.getMessage() for record in caplog.records] == ["routing raised"]


async def test_a_missing_websocket_route_is_the_applications() -> None:
    app = raised_at("", OddError(), application={404: saying("nothing here", 404)})
    assert told(await socket_sent(app, "/missing")) == ("denied", 404, b"nothing here")


async def test_faults_of_a_handshake_are_handled() -> None:
    @websocket("/socket", exception_handlers={ValidationException: saying("faults")})
    async def handler(socket: WebSocket, page: FromQuery[int]) -> None: ...

    assert told(await socket_sent(Hesper([handler]), query=b"page=x")) == ("denied", 418, b"faults")


@pytest.mark.parametrize("place", ["handler before it accepts", "handler"])
async def test_what_a_handler_leaves_open_ends_as_the_exception_says(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    handlers: Handlers = {Exception: lambda _, __: None}
    ends = {
        "handler": ("accept", 4403, "no"),
        "handler before it accepts": ("denied", 403, b'{"status_code":403,"detail":"no"}'),
    }
    app = raised_at(place, PermissionDeniedException("no"), application=handlers)
    assert told(await socket_sent(app)) == ends[place]
    app = raised_at(place, OddError("secret"), application=handlers)
    kind, status, text = told(await socket_sent(app))
    assert (kind, status) == (("accept", 1011) if place == "handler" else ("denied", 500))
    assert "secret" not in str(text)
    assert caplog.records == []


async def test_the_reason_is_that_of_the_exception_and_never_of_a_failure() -> None:
    app = raised_at("handler", PermissionDeniedException("no"), router={403: saying("x", 409)})
    assert told(await socket_sent(app)) == ("accept", 4409, "no")


async def test_a_websockets_own_exception_keeps_its_code() -> None:
    error = WebSocketException("enough", code=4321)
    handlers: Handlers = {500: saying("never"), Exception: saying("any")}
    assert told(await socket_sent(raised_at("handler", error, router=handlers))) == (
        "accept",
        4321,
        "enough",
    )
    place = "handler before it accepts"
    app = raised_at(place, error, router={500: saying("never")})
    assert told(await socket_sent(app)) == ("close", 4321, "enough")
    app = raised_at(place, error, router={WebSocketException: saying("denied")})
    assert told(await socket_sent(app)) == ("denied", 418, b"denied")


async def test_a_client_that_goes_is_no_exception_to_handle() -> None:
    asked: list[Exception] = []

    def handler(socket: WebSocket, error: Exception) -> None:
        asked.append(error)

    app = raised_at("handler", WebSocketDisconnect(), router={Exception: handler})
    await socket_sent(app)
    assert asked == []


async def test_a_handler_that_finds_the_client_gone_ends_the_websocket() -> None:
    def handler(socket: WebSocket, error: Exception) -> None:
        raise WebSocketDisconnect  # as of another websocket, whose client has gone

    app = raised_at("handler", OddError(), router={OddError: handler})
    assert told(await socket_sent(app)) == ("accept", 1000, "")


async def test_a_handler_whose_arguments_cannot_be_told_is_asked_for_both() -> None:
    def handler(*given: Any) -> Response[str]:
        return Response("any", status_code=418)

    app = raised_at("guard", OddError(), application={OddError: handler})
    assert (await answer(app)).body == b"any"
    assert told(await socket_sent(app)) == ("denied", 418, b"any")


@pytest.mark.parametrize("place", [BEFORE[0], "handler"])
async def test_the_background_work_of_a_websockets_handler_is_done(place: str) -> None:
    done: list[str] = []

    def recover(socket: Any, error: Exception) -> Response[str]:
        return Response("gone", background=BackgroundTask(done.append, "done"))

    def guard(connection: Any, handler: Any) -> None:
        if place == "guard":
            raise OddError

    @websocket("/socket", guards=[guard], exception_handlers={OddError: recover})
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        raise OddError

    await socket_sent(Hesper([talk]))
    assert done == ["done"]


async def test_a_handler_may_speak_to_an_open_websocket() -> None:
    async def tell(socket: WebSocket, error: Exception) -> None:
        await socket.send_json({"error": "odd"})
        await socket.close(4000, "told")

    sent = await socket_sent(raised_at("handler", OddError(), router={OddError: tell}))
    assert [message["type"] for message in sent[1:]] == ["websocket.send", "websocket.close"]


async def test_a_handler_that_raises_leads_to_the_default(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = raised_at("handler", OddError(), router={OddError: raising(KeyError("again"))})
    assert told(await socket_sent(app)) == ("accept", 1011, "Internal Server Error")
    logged = caplog.records[-1].exc_info
    assert logged is not None
    assert logged[0] is KeyError


async def test_every_exception_of_a_websocket_is_observed_once() -> None:
    observed: list[Exception] = []
    errors = OddError(), KeyError()
    inner = raised_at("handler", errors[0], router={OddError: raising(errors[1])})
    app = Hesper(
        inner.route_handlers,
        exception_handlers={KeyError: saying("handled")},
        after_exception=lambda error, _scope: observed.append(error),
    )
    assert told(await socket_sent(app)) == ("accept", 4418, "")
    assert observed == [*errors]


# Which handler is for which type of connection.


def for_requests(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    return Response(request.method, status_code=418)


async def for_sockets(socket: WebSocket, error: Exception) -> None:
    await socket.close(4999)


def for_both(connection: ASGIConnection, error: Exception) -> Response[str]:
    return Response(connection.scope["type"], status_code=418)


@pytest.mark.parametrize("layer", ["handler", "router", "application"])
async def test_a_handler_that_names_its_connection_is_asked_for_no_other(layer: str) -> None:
    handlers: dict[str, Handlers] = {layer: {OddError: for_requests, Exception: for_sockets}}
    app = raised_at("handler before it accepts", OddError(), **handlers)
    assert told(await socket_sent(app)) == ("close", 4999, "")
    app = raised_at("before_request", OddError(), **handlers)
    assert (await answer(app)).body == b"GET"


async def test_without_one_that_is_meant_the_next_layer_is_asked() -> None:
    app = raised_at(
        "guard",
        OddError(),
        router={OddError: for_sockets},
        application={OddError: for_requests},
    )
    assert (await answer(app)).body == b"GET"
    assert told(await socket_sent(app)) == ("close", 4999, "")


async def test_a_handler_of_any_connection_is_asked_for_both() -> None:
    app = raised_at("guard", OddError(), application={OddError: for_both})
    assert (await answer(app)).body == b"http"
    assert told(await socket_sent(app)) == ("denied", 418, b"websocket")


async def test_asgi_apps_have_the_handlers_of_both() -> None:
    def refuse(connection: Any, handler: Any) -> None:
        raise OddError

    handlers: Any = {OddError: for_sockets, Exception: for_requests}

    @asgi("/socket", guards=[refuse], exception_handlers=handlers)
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    assert (await answer(Hesper([app]), path="/socket")).body == b"GET"
    assert told(await socket_sent(Hesper([app]))) == ("close", 4999, "")


async def test_what_a_handler_of_requests_takes_besides_is_no_matter_to_websockets() -> None:
    def handler(request: Request, error: Exception, body: bytes) -> Response[bytes]:
        return Response(body, status_code=418)

    app = raised_at("guard", OddError(), application={OddError: handler})
    assert told(await socket_sent(app))[:2] == ("denied", 500)


@pytest.mark.parametrize("place", ["handler", "middleware"])
async def test_the_exception_of_a_websocket_leaves_no_garbage(place: str) -> None:
    class WitnessError(Exception):
        pass

    raised: list[weakref.ref[Exception]] = []

    def fail(here: str) -> None:
        if here == place:
            error = WitnessError()
            raised.append(weakref.ref(error))
            try:
                raise error
            finally:
                del error

    def wrap(app: ASGIApp) -> ASGIApp:
        async def around(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)
            fail("middleware")

        return around

    def again(socket: WebSocket, error: Exception) -> None:
        raise NotFoundException  # which is not logged, as the log is kept

    @websocket("/socket", middleware=[wrap], exception_handlers={WitnessError: again})
    async def handler(socket: WebSocket) -> None:
        await socket.accept()
        fail("handler")

    gc.collect()
    gc.disable()
    try:
        sent = await asyncio.create_task(socket_sent(Hesper([handler])))
        assert told(sent)[1] == (4404 if place == "handler" else 1000)
        assert [reference() for reference in raised] == [None]
    finally:
        gc.enable()
