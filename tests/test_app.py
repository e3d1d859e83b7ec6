"""The application: how it is built, what it refuses, and how it is freed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from hesper import (
    Controller,
    Hesper,
    Provide,
    Request,
    Response,
    Router,
    WebSocket,
    get,
    post,
    websocket,
)
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.exceptions import ConfigurationError, ImproperlyConfiguredException, NotFoundException
from hesper.testing import TestClient
from tests.asgi_driver import answer


@get("/", name="root")
async def root() -> str:
    return "root"


# Building.


def test_an_app_needs_no_arguments() -> None:
    assert answer(Hesper(), "GET", "/").status == 404


def test_handlers_are_the_first_argument() -> None:
    assert answer(Hesper([root]), "GET", "/").text == "root"
    assert answer(Hesper(route_handlers=(root,)), "GET", "/").text == "root"


def test_an_app_keeps_its_routes_when_the_list_changes() -> None:
    handlers: list[Any] = [root]
    app = Hesper(handlers)
    handlers.clear()
    assert answer(app, "GET", "/").text == "root"


def test_a_single_handler_is_refused_with_the_list_to_write() -> None:
    handler: Any = root
    with pytest.raises(ConfigurationError, match=r"route_handlers takes a list.*write \[root\]"):
        Hesper(handler)


def test_a_configuration_error_is_known_by_its_older_name() -> None:
    with pytest.raises(ImproperlyConfiguredException):
        Hesper([root, root])


@pytest.mark.parametrize("option", ["guards", "path", "route_handlers", "state", "on_startup"])
def test_an_app_never_changes(option: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Hesper([root]), option, [])


def test_apps_compare_by_identity() -> None:
    assert Hesper() != Hesper()
    assert len({Hesper(), Hesper()}) == 2


def test_an_app_with_problems_reports_all_of_them() -> None:
    @get("/x/{y}")
    async def bad_path() -> None: ...

    @get("/y", name="root")
    async def same_name(z: object = None) -> None: ...

    @get("/z")
    async def no_source(service: Response[str]) -> None: ...

    handlers: list[Any] = [root, root, bad_path, same_name, no_source, object()]
    with pytest.raises(ConfigurationError) as raised:
        Hesper(handlers, dependencies={"app": dict})
    text = str(raised.value)
    for says in [
        "GET / is declared twice",
        "'{y}' has no type",
        "two handlers are called 'root'",
        "takes 'service' of type hesper.response.response.Response[str]",
        "is neither a decorated function nor a controller",
        "the dependency 'app' would never be injected",
    ]:
        assert says in text
    assert len(raised.value.problems) == 6


def test_a_handler_fails_the_build_for_what_its_outer_layers_add() -> None:
    def guard(connection: object, handler: object, database: Request) -> None: ...

    Hesper([root])
    with pytest.raises(ConfigurationError, match="GET /"):
        Hesper([Router("/r", [root])], guards=[guard])


def test_the_connection_knows_its_app() -> None:
    seen: list[object] = []

    @get("/")
    async def handle(request: Request, app: Hesper, scope: Scope) -> None:
        seen.extend([request.app, app, Hesper.from_scope(scope)])

    app = Hesper([handle])
    answer(app, "GET", "/")
    assert [known is app for known in seen] == [True] * 3


def test_a_scope_of_no_app_is_told_so() -> None:
    with pytest.raises(LookupError, match="belongs to no connection of a Hesper app"):
        Hesper.from_scope({"type": "http"})


def test_routing_errors_pass_the_apps_middleware_and_exception_handlers() -> None:
    events: list[str] = []

    def middleware(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            events.append(scope["path"])
            await app(scope, receive, send)

        return wrapped

    def not_found(_request: Request, error: Exception) -> Response[str]:
        assert isinstance(error, NotFoundException)
        return Response("nothing here", status_code=404, media_type="text/plain")

    app = Hesper([root], middleware=[middleware], exception_handlers={404: not_found})
    assert answer(app, "GET", "/nowhere").text == "nothing here"
    assert answer(app, "POST", "/").status == 405
    assert events == ["/nowhere", "/"]


# Weak references.


@contextmanager
def without_collector() -> Iterator[None]:
    """Leave it to reference counts alone to free things."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Service:
    pass


async def session() -> AsyncIterator[Service]:
    yield Service()


def make_number(page: int = 1) -> int:
    return page


async def guarded(connection: object, handler: object, number: int) -> None: ...


def kept(response: Response[Any]) -> Response[Any]:
    return response


async def noticed(request: Request) -> None: ...


def told(_request: Request, error: Exception) -> Response[str]:
    return Response(str(error), media_type="text/plain")


def passing(app: ASGIApp) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return wrapped


class Books(Controller):
    path = "/books"
    guards = [guarded]

    @get("/{number:int}", name="one")
    async def one(self, number: int, session: Service, page: int = 1) -> Any:
        return [number, page]

    @post("/")
    def add(self, data: dict[str, int], request: Request) -> Any:
        return data

    @get("/fail", middleware=[passing])
    async def fail(self) -> str:
        raise LookupError("told")


@websocket("/talk")
async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


def whole_app() -> Hesper:
    return Hesper(
        [Router("/r", [Books, root], opt={"a": 1}), talk],
        dependencies={"session": session, "number": Provide(make_number, sync_to_thread=False)},
        after_request=kept,
        after_response=noticed,
        exception_handlers={LookupError: told},
        middleware=[passing],
        response_headers={"x-a": "1"},
        state={"pool": 1},
    )


def test_an_app_that_is_dropped_after_it_was_built_is_freed_at_once() -> None:
    with without_collector():
        reference = weakref.ref(whole_app())
        assert reference() is None


def test_an_app_that_failed_to_build_leaves_nothing() -> None:
    with without_collector():
        before = len([kept for kept in gc.get_objects() if isinstance(kept, Hesper)])
        with pytest.raises(ConfigurationError):
            Hesper([root, root])
        after = len([kept for kept in gc.get_objects() if isinstance(kept, Hesper)])
        assert after == before


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/r", 200),
        ("HEAD", "/r", 200),
        ("GET", "/r/books/5?page=2", 200),
        ("GET", "/r/books/5?page=x", 400),
        ("POST", "/r/books", 201),
        ("GET", "/r/books/fail", 500),
        ("DELETE", "/r", 405),
        ("OPTIONS", "/r", 204),
        ("GET", "/nowhere", 404),
    ],
)
def test_an_app_that_served_a_request_is_freed_when_it_is_dropped(
    method: str, target: str, status: int
) -> None:
    with without_collector():
        app = whole_app()
        headers = [("content-type", "application/json")]
        for _ in range(2):
            found = answer(app, method, target, headers=headers, body=b'{"a": 1}')
            assert found.status == status
        app.route_reverse("one", number=1)
        reference = weakref.ref(app)
        del app
        assert reference() is None


def test_an_app_that_served_a_client_and_a_websocket_is_freed_when_it_is_dropped() -> None:
    app = whole_app()
    with TestClient(app) as client:
        assert client.get("/r").status_code == 200
        with client.websocket_connect("/talk") as talking:
            talking.send_text("hello")
            assert talking.receive_text() == "hello"
    reference = weakref.ref(app)
    # Loops and threads are not without cycles of their own; the app must not be in one of ours.
    del client, talking, app
    gc.collect()
    assert reference() is None


def test_the_plans_and_endpoints_go_with_the_app() -> None:
    with without_collector():
        app = whole_app()
        answer(app, "GET", "/r/books/5")
        plans = [plan.handler for plan in app._wiring.plans]
        references = [weakref.ref(handler) for handler in plans]
        del plans, app
        assert [reference() for reference in references] == [None] * len(references)


def test_handlers_and_layers_outlive_the_app_and_do_not_hold_it() -> None:
    with without_collector():
        router = Router("/r", [root])
        app = Hesper([router])
        answer(app, "GET", "/r")
        reference = weakref.ref(app)
        del app
        assert reference() is None
        assert answer(Hesper([router]), "GET", "/r").text == "root"


def test_a_local_handler_goes_with_the_app() -> None:
    with without_collector():

        @get("/")
        async def handle(v: int = 1) -> Any:
            return v

        app = Hesper([handle])
        answer(app, "GET", "/?v=2")
        reference = weakref.ref(handle)
        del handle, app
        assert reference() is None


def test_a_controllers_instance_goes_with_the_app() -> None:
    with without_collector():
        instance = Books()
        reference = weakref.ref(instance)
        app = Hesper(
            [instance],
            dependencies={"session": session, "number": Provide(make_number, sync_to_thread=False)},
        )
        answer(app, "GET", "/books/5")
        del instance
        assert reference() is not None
        del app
        assert reference() is None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Levelled(Hesper):
    """An application class of a user's own, with an option more."""

    level: int = 1


def test_an_application_class_of_ones_own_may_have_further_options() -> None:
    app: Any = Levelled(level=2, state={"pool": 1}, debug=True)
    assert (app.level, app.state.pool, app.debug) == (2, 1, True)


def test_an_app_never_changes_with_its_class() -> None:
    class Changing(Hesper): ...

    app = Changing([])
    Changing.debug = True
    Changing.drain_timeout = 0
    assert (app.debug, app.drain_timeout) == (False, 10)
    assert not Changing([]).debug


def test_an_option_goes_through_the_setter_of_a_subclass() -> None:
    class Cautious(Hesper):
        @property
        def debug(self) -> bool:
            return bool(vars(self)["_asked"]) and self.path != "/production"

        @debug.setter
        def debug(self, given: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
            vars(self)["_asked"] = given

    assert not Cautious([]).debug
    assert Cautious([], debug=True).debug
    assert not Cautious([], path="/production", debug=True).debug
