"""Middleware in all its forms, on all layers, through requests."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.middleware import Middleware as StarletteMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from hesper import Controller, Hesper, Replace, Request, Response, Router, get
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.middleware import (
    AbstractMiddleware,
    ASGIMiddleware,
    DefineMiddleware,
    MiddlewareProtocol,
)
from tests.compile.driver import Sent, request, sent_by

Events = list[str]


@get("/")
async def index() -> str:
    return "served"


class Noting(ASGIMiddleware):
    def __init__(self, events: Events, name: str = "noting") -> None:
        self.events = events
        self.name = name

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        self.events.append(self.name)
        await next_app(scope, receive, send)


class Plain:
    """A class as any ASGI library has it."""

    def __init__(self, app: ASGIApp, events: Events, name: str = "plain") -> None:
        self.app = app
        self.events = events
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.events.append(self.name)
        await self.app(scope, receive, send)


class AppLast:
    """A class that takes the app by keyword, behind its own arguments."""

    def __init__(self, events: Events, name: str = "app last", *, app: ASGIApp) -> None:
        self.app = app
        self.events = events
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.events.append(self.name)
        await self.app(scope, receive, send)


class Abstract(AbstractMiddleware):
    def __init__(self, app: ASGIApp, events: Events, **options: Any) -> None:
        super().__init__(app, **options)
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.events.append("abstract")
        await self.app(scope, receive, send)


def factory(app: ASGIApp, events: Events, name: str = "factory") -> ASGIApp:
    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        events.append(name)
        await app(scope, receive, send)

    return around


FORMS: dict[str, Callable[[Events], Any]] = {
    "a function": lambda events: lambda app: factory(app, events),
    "a class by a function": lambda events: lambda app: Plain(app, events),
    "ASGIMiddleware": Noting,
    "DefineMiddleware by position": lambda events: DefineMiddleware(Plain, events),
    "DefineMiddleware by keyword": lambda events: DefineMiddleware(Plain, events=events),
    "DefineMiddleware of a function": lambda events: DefineMiddleware(factory, events),
    "DefineMiddleware with the app last": lambda events: DefineMiddleware(AppLast, events),
    "DefineMiddleware of AbstractMiddleware": lambda events: DefineMiddleware(Abstract, events),
    "Starlette's Middleware": lambda events: StarletteMiddleware(Plain, events),
    "Starlette's Middleware by keyword": lambda events: StarletteMiddleware(Plain, events=events),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("layer", ["application", "router", "controller", "handler"])
def test_every_form_stands_on_every_layer(form: Callable[[Events], Any], layer: str) -> None:
    events: Events = []
    options: dict[str, dict[str, Any]] = {layer: {"middleware": [form(events)]}}

    class Inside(Controller):
        middleware = options.get("controller", {}).get("middleware", [])

        @get("/", **options.get("handler", {}))
        async def handler(self) -> str:
            events.append("handler")
            return "served"

    app = Hesper(
        [Router("/", [Inside], **options.get("router", {}))], **options.get("application", {})
    )
    assert sent_by(app, "GET", "/").body == b"served"
    assert len(events) == 2
    assert events[-1] == "handler"


def test_the_first_is_outermost_and_outer_layers_come_first() -> None:
    events: Events = []

    def named(name: str) -> Noting:
        return Noting(events, name)

    @get("/", middleware=[named("handler 1"), named("handler 2")])
    async def handler() -> str:
        return "served"

    router = Router("/", [handler], middleware=[named("router")])
    app = Hesper(
        [router], middleware=[DefineMiddleware(factory, events, name="app 1"), named("app 2")]
    )
    assert sent_by(app, "GET", "/").status == 200
    assert events == ["app 1", "app 2", "router", "handler 1", "handler 2"]


def test_replace_drops_what_the_layers_outside_have_but_not_the_applications() -> None:
    events: Events = []

    @get("/", middleware=Replace([Noting(events, "handler")]))
    async def handler() -> str:
        return "served"

    router = Router("/", [handler], middleware=[Noting(events, "router")])
    assert sent_by(Hesper([router], middleware=[Noting(events, "app")]), "GET", "/").status == 200
    assert events == ["app", "handler"]


def test_a_factory_is_called_once_and_not_for_each_request() -> None:
    made: list[ASGIApp] = []

    def counted(app: ASGIApp) -> ASGIApp:
        made.append(app)
        return app

    app = Hesper([Router("/", [index], middleware=[counted])], middleware=[counted])
    for _ in range(3):
        assert sent_by(app, "GET", "/").status == 200
    assert len(made) == 2


def test_one_instance_stands_around_several_routes() -> None:
    events: Events = []

    @get("/other")
    async def other() -> str:
        return "other"

    app = Hesper([Router("/", [index, other], middleware=[Noting(events)])])
    assert sent_by(app, "GET", "/").body == b"served"
    assert sent_by(app, "GET", "/other").body == b"other"
    assert events == ["noting", "noting"]


def test_middleware_of_the_application_sees_what_no_route_answers() -> None:
    events: Events = []
    app = Hesper([index], middleware=[Noting(events)])
    assert sent_by(app, "GET", "/missing").status == 404
    assert sent_by(app, "POST", "/").status == 405
    assert events == ["noting", "noting"]


def test_middleware_of_a_route_sees_the_handler_in_the_scope() -> None:
    seen: list[Any] = []

    class Looking(ASGIMiddleware):
        async def handle(
            self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp
        ) -> None:
            seen.append(scope["route_handler"].opt)
            await next_app(scope, receive, send)

    @get("/", opt={"colour": "red"}, middleware=[Looking()])
    async def handler() -> str:
        return "served"

    assert sent_by(Hesper([handler]), "GET", "/").status == 200
    assert seen == [{"colour": "red"}]


def test_middleware_of_another_library_works() -> None:
    declared = StarletteMiddleware(TrustedHostMiddleware, allowed_hosts=["good"])
    app = Hesper([index], middleware=[declared])
    assert asyncio.run(request(app, "GET", "/", headers=[("host", "good")])).status == 200
    assert asyncio.run(request(app, "GET", "/", headers=[("host", "bad")])).status == 400


def test_middleware_may_answer_itself_and_change_what_is_sent() -> None:
    class Answering(ASGIMiddleware):
        async def handle(
            self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp
        ) -> None:
            if scope["path"] == "/teapot":
                await Response("short", status_code=418)(scope, receive, send)
                return

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"].append((b"x-added", b"yes"))
                await send(message)

            await next_app(scope, receive, sending)

    app = Hesper([index], middleware=[Answering()])
    assert sent_by(app, "GET", "/teapot").status == 418
    for _ in range(2):
        assert sent_by(app, "GET", "/").header(b"x-added") == b"yes"
        assert sent_by(app, "GET", "/missing").header(b"x-added") == b"yes"


# What leaves out some connections.


def served(middleware: Any, layer: str, path: str = "/", **options: Any) -> Sent:
    """Return the answer of an app with a route at *path* and middleware on *layer*."""
    stated: dict[str, Any] = {"middleware": [middleware]}
    inner, outer = (stated, {}) if layer == "handler" else ({}, stated)

    @get(path, **inner, **options)
    async def handler() -> str:
        return "served"

    return sent_by(Hesper([handler], **outer), "GET", path.replace("{name:str}", "x"))


layers = pytest.mark.parametrize("layer", ["application", "handler"])


def leaving_out(kind: str, events: Events, **how: Any) -> Any:
    """Return middleware of a kind that leaves out something."""
    if kind == "AbstractMiddleware":
        if "exclude_path_pattern" in how:
            how["exclude"] = how.pop("exclude_path_pattern")
        return DefineMiddleware(Abstract, events, **how)
    return type("Leaving", (Noting,), how)(events)


kinds = pytest.mark.parametrize("kind", ["ASGIMiddleware", "AbstractMiddleware"])


@kinds
@layers
@pytest.mark.parametrize("path", ["/public", "/public/{name:str}"])
def test_a_path_is_left_out(kind: str, layer: str, path: str) -> None:
    events: Events = []
    middleware = leaving_out(kind, events, exclude_path_pattern="/public")
    assert served(middleware, layer, path).body == b"served"
    assert events == []


@kinds
@layers
@pytest.mark.parametrize("path", ["/publicity", "/api/public", "/", "/{name:str}/public"])
def test_a_path_of_which_the_pattern_is_a_part_is_not_left_out(
    kind: str, layer: str, path: str
) -> None:
    events: Events = []
    middleware = leaving_out(kind, events, exclude_path_pattern=["/public"])
    assert served(middleware, layer, path).body == b"served"
    assert len(events) == 1


@kinds
@layers
@pytest.mark.parametrize(("value", "times"), [(True, 0), (False, 1), (None, 1)])
def test_a_route_is_left_out_by_its_opt(kind: str, layer: str, value: Any, times: int) -> None:
    events: Events = []
    middleware = leaving_out(kind, events, exclude_opt_key="open")
    opt = {} if value is None else {"open": value}
    assert served(middleware, layer, opt=opt).body == b"served"
    assert len(events) == times


@kinds
def test_on_the_application_the_opt_is_that_of_the_route_to_come(kind: str) -> None:
    events: Events = []
    middleware = leaving_out(kind, events, exclude_opt_key="open")

    @get("/{name:str}", opt={"open": True})
    async def opened() -> str:
        return "open"

    @get("/{number:int}")
    async def closed() -> str:
        return "closed"

    app = Hesper([opened, closed], middleware=[middleware])
    for method, path, status, times in [
        ("GET", "/name", 200, 0),
        ("HEAD", "/name", 200, 0),
        ("GET", "/name/", 200, 0),
        ("GET", "/5", 200, 1),
        ("POST", "/name", 405, 1),
        ("GET", "/a/b", 404, 1),
    ]:
        events.clear()
        assert sent_by(app, method, path).status == status
        assert len(events) == times, (method, path)


@layers
def test_a_type_of_connection_is_left_out(layer: str) -> None:
    events: Events = []
    middleware = leaving_out("ASGIMiddleware", events, scopes=("websocket",))
    assert served(middleware, layer).body == b"served"
    assert events == []


def by_lambda() -> Any:
    return lambda scope: scope["path"] == "/"


def by_method() -> Any:
    def should_bypass_for_scope(self: Any, scope: Scope) -> bool:
        return bool(scope["path"] == "/")

    return should_bypass_for_scope


@layers
@pytest.mark.parametrize("form", [by_lambda, by_method, lambda: staticmethod(by_lambda())])
def test_a_scope_is_left_out(layer: str, form: Callable[[], Any]) -> None:
    events: Events = []
    middleware = leaving_out("ASGIMiddleware", events, should_bypass_for_scope=form())
    assert served(middleware, layer).body == b"served"
    assert served(middleware, layer, "/other").body == b"served"
    assert events == ["noting"]


def test_an_instance_may_say_what_it_leaves_out() -> None:
    events: Events = []
    middleware = Noting(events)
    middleware.exclude_path_pattern = "/a"
    middleware.should_bypass_for_scope = lambda scope: scope["path"] == "/b"
    for path in ("/a", "/b", "/c"):
        assert served(middleware, "handler", path).body == b"served"
    assert events == ["noting"]


def test_asgi_middleware_leaves_out_the_same_around_a_whole_app() -> None:
    events: Events = []
    app = leaving_out("ASGIMiddleware", events, exclude_path_pattern="/")(Hesper([index]))
    assert sent_by(app, "GET", "/").body == b"served"
    assert sent_by(app, "GET", "/missing").status == 404
    assert events == ["noting"]


def test_asgi_middleware_inside_of_other_middleware_leaves_out_the_same() -> None:
    events: Events = []
    inner = leaving_out("ASGIMiddleware", events, exclude_opt_key="open")

    def wrap(app: ASGIApp) -> ASGIApp:
        return Plain(inner(app), events)

    assert served(wrap, "handler", opt={"open": True}).status == 200
    assert served(wrap, "handler").status == 200
    assert events == ["plain", "plain", "noting"]


@kinds
def test_where_start_up_can_decide_nothing_is_asked_in_a_request(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise AssertionError("asked in a request")

    monkeypatch.setattr("hesper._compile.exclusion.Exclusion.leaves_out", fail)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"exclude_opt_key": "open"}, "/{name:str}"),
        ({"exclude_path_pattern": "/a"}, "/a"),
        ({"exclude_path_pattern": "/a"}, "/b"),
        ({"scopes": ("http",)}, "/{name:str}"),
        ({"scopes": ("websocket",)}, "/{name:str}"),
    ]
    for how, path in cases:
        middleware = leaving_out(kind, [], **how)
        assert served(middleware, "handler", path).body == b"served"


# What is refused.


def refuse(match: str, *middleware: Any) -> None:
    with pytest.raises(TypeError, match=match):
        Router("/", [], middleware=list(middleware))


def test_what_is_no_middleware_is_refused() -> None:
    refuse("middleware: takes a callable", 5)
    refuse("middleware: takes a callable", object())


def test_a_class_is_refused_where_an_instance_is_meant() -> None:
    refuse(r"middleware: takes instances of Noting; write Noting\(\.\.\.\)", Noting)
    with pytest.raises(TypeError, match=r"takes instances of Noting; write Noting\(\.\.\.\)"):
        DefineMiddleware(cast("Any", Noting), [])


def test_an_abstract_class_is_refused() -> None:
    class Unfinished(AbstractMiddleware):
        pass

    refuse("middleware: takes Unfinished only when it is complete; define __call__", Unfinished)


def test_arguments_that_do_not_fit_are_refused_where_they_are_given() -> None:
    with pytest.raises(TypeError, match=r"do not fit .*Plain.*missing a required argument"):
        DefineMiddleware(Plain)
    with pytest.raises(TypeError, match="unexpected keyword argument 'evnts'"):
        DefineMiddleware(Plain, [], evnts=[])
    DefineMiddleware(cast("Any", dict))  # of which nobody can tell
    with pytest.raises(TypeError, match="takes a callable"):
        DefineMiddleware(cast("Any", "Plain"))


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"scopes": ()}, "scopes takes ScopeType.HTTP, ScopeType.WEBSOCKET or both"),
        ({"scopes": ("lifespan",)}, "scopes takes ScopeType.HTTP"),
        ({"exclude_path_pattern": "public"}, "takes no path.*write '/public'"),
        ({"exclude_path_pattern": "^public"}, "takes no path"),
        ({"exclude_path_pattern": ""}, "takes no path"),
        ({"exclude_path_pattern": "/("}, "no regular expression: missing \\), unterminated"),
        ({"exclude_path_pattern": "/a)|(?:/b"}, "no regular expression: unbalanced"),
        ({"exclude_path_pattern": [5]}, "takes regular expressions of paths as text"),
    ],
)
def test_an_exclusion_that_cannot_be_is_refused_with_the_class(
    how: dict[str, Any], match: str
) -> None:
    with pytest.raises(TypeError, match=match):
        type("Wrong", (Noting,), how)
    if "exclude_path_pattern" in how:
        how = {"exclude": how["exclude_path_pattern"]}
    with pytest.raises(TypeError, match=match):
        type("Wrong", (Abstract,), how)


def test_a_factory_that_returns_no_app_is_named() -> None:
    def forgetful(app: ASGIApp) -> None:
        return None

    async def eager(app: ASGIApp) -> ASGIApp:
        return app

    wrong: Any
    for wrong in (forgetful, eager):
        with pytest.raises(TypeError, match=f"the middleware .*{wrong.__name__} returned"):
            Hesper([index], middleware=[wrong])


# What it looks like, and what is left of it.


def test_a_definition_shows_what_it_defines() -> None:
    shown = repr(DefineMiddleware(Plain, [], name="x"))
    assert shown.endswith("test_middleware.Plain, [], name='x')")
    assert shown.startswith("DefineMiddleware(")


def test_instances_of_the_protocol_are_told() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    assert isinstance(Plain(app, []), MiddlewareProtocol)
    assert isinstance(Abstract(app, []), MiddlewareProtocol)
    assert not isinstance(app, MiddlewareProtocol)


def test_an_app_with_middleware_is_freed_at_once() -> None:
    class Witness:
        pass

    async def use() -> list[weakref.ref[Any]]:
        witness = Witness()
        events: Events = []

        async def before_request(request: Request) -> None:
            _ = witness

        layered = [
            leaving_out("ASGIMiddleware", events, exclude_opt_key="open"),
            leaving_out("AbstractMiddleware", events, exclude_path_pattern="/x"),
            StarletteMiddleware(Plain, events),
        ]
        handler = get("/{name:str}", before_request=before_request, middleware=layered)
        app = Hesper([handler(local())], middleware=layered)
        assert (await request(app, "GET", "/a")).body == b"served"
        assert len(events) == 6
        return [weakref.ref(app), weakref.ref(witness), weakref.ref(layered[1])]

    def local() -> Any:
        async def index() -> str:
            return "served"

        return index

    gc.collect()
    gc.disable()
    try:
        references = asyncio.run(use())
        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()
