"""`app.explain()`: what an app does with a method and a path, and which layer said so."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import linecache
import weakref
from abc import ABCMeta
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper import (
    Controller,
    Extend,
    Hesper,
    Provide,
    Replace,
    Router,
    asgi,
    get,
    mount,
    post,
    websocket,
)
from hesper._types import ASGIApp, Guard, Receive, Scope, Send
from hesper.config.app import AppConfig
from hesper.datastructures import Cookie, ResponseHeader
from hesper.enums import ScopeType
from hesper.explanation import Contribution, Explanation
from hesper.layer import RULES, Collected, Hooked
from hesper.middleware import AbstractMiddleware, ASGIMiddleware, DefineMiddleware
from hesper.testing import create_test_client
from tests.asgi_driver import answer


def outer_guard(connection: Any, handler: Any) -> None: ...


def inner_guard(connection: Any, handler: Any) -> None: ...


def hook(request: Any) -> None: ...


def other_hook(request: Any) -> None: ...


def around(app: ASGIApp) -> ASGIApp:
    return app


class Mixin:
    tags = ["mixed"]


class Base(Controller):
    before_request: Hooked = hook
    guards: Collected[Guard] = [outer_guard]


class Books(Mixin, Base):
    path = "/books"
    before_request = Extend(other_hook)
    guards = Replace([inner_guard])

    @get("/{number:int}", opt={"level": 2}, middleware=Replace([around]))
    async def one(self, number: int) -> int:
        return number

    @post()
    async def add(self, data: dict[str, int]) -> None: ...


router = Router(
    "/v1",
    [Books],
    opt={"level": 1},
)
app = Hesper(
    [router],
    middleware=[around],
    request_max_body_size=5,
)


def line_of(contribution: Contribution) -> str:
    """Return the line of source that a contribution points at."""
    assert contribution.file is not None
    assert contribution.line is not None
    return linecache.getline(contribution.file, contribution.line).strip()


def said(explanation: Explanation, option: str) -> list[tuple[str, str, bool]]:
    """Return what each layer says of an option: its name, its word, and whether it counts."""
    return [(c.layer, c.wrapper, c.in_force) for c in explanation.options[option].contributions]


# Where each layer is declared.


def test_each_layer_knows_the_line_where_it_is_declared() -> None:
    layers = app.explain("GET", "/v1/books/1").layers
    found = {name: linecache.getline(*place).strip() for name, place in layers if place is not None}
    assert found == {
        "application": "app = Hesper(",
        "router /v1": "router = Router(",
        "controller Base": "class Base(Controller):",
        "controller Mixin": "class Mixin:",
        "controller Books": "class Books(Mixin, Base):",
        "get('/{number:int}')": '@get("/{number:int}", opt={"level": 2}, '
        "middleware=Replace([around]))",
    }


def test_a_place_is_that_of_the_user_s_code_however_a_layer_is_made() -> None:
    class Own(Router):
        def __new__(cls, *arguments: Any, **options: Any) -> Own:
            return super().__new__(cls, *arguments, **options)

    @get()
    async def index() -> None: ...

    class Abstract(Controller, metaclass=ABCMeta):
        handler = staticmethod(index)

    derived = dataclasses.replace(Own("/a", [Abstract]), path="/b")
    places = dict(Hesper([derived]).explain("GET", "/b").layers)
    lines = [linecache.getline(*place).strip() for place in places.values() if place]
    assert lines == [
        'places = dict(Hesper([derived]).explain("GET", "/b").layers)',
        'derived = dataclasses.replace(Own("/a", [Abstract]), path="/b")',
        "class Abstract(Controller, metaclass=ABCMeta):",
        "@get()",
    ]


def test_an_app_that_a_test_client_makes_is_declared_where_the_client_is() -> None:
    @get()
    async def index() -> None: ...

    with create_test_client([index], tags=["a"]) as client:
        made: Any = client.app
        (contribution,) = made.explain("GET", "/").options["tags"].contributions
    assert line_of(contribution).startswith("with create_test_client(")


def test_a_layer_keeps_nothing_of_the_function_that_declares_it() -> None:
    class Big: ...

    def declare() -> tuple[Hesper, weakref.ref[Big]]:
        big = Big()

        @get()
        async def index() -> None: ...

        return Hesper([Router("/", [index])]), weakref.ref(big)

    gc.disable()
    try:
        made, big = declare()
        assert big() is None
        assert made.explain("GET", "/").route is not None
    finally:
        gc.enable()


# What the layers say.


def test_every_option_is_explained_with_its_value_and_its_rule() -> None:
    explanation = app.explain("GET", "/v1/books/1")
    assert list(explanation.options) == list(RULES)
    for name, option in explanation.options.items():
        assert (option.name, option.rule) == (name, RULES[name].name)
    assert explanation.options["request_max_body_size"].value == 5
    assert explanation.options["opt"].value == {"level": 2}
    assert explanation.options["when_disconnected"].value == "finish"
    assert explanation.options["when_disconnected"].contributions == ()


def test_extend_is_marked_and_what_it_adds_to_counts() -> None:
    explanation = app.explain("GET", "/v1/books/1")
    assert explanation.options["before_request"].value == (hook, other_hook)
    assert said(explanation, "before_request") == [
        ("controller Base", "", True),
        ("controller Books", "Extend", True),
    ]


def test_replace_is_marked_and_what_it_drops_does_not_count() -> None:
    explanation = app.explain("GET", "/v1/books/1")
    assert explanation.options["guards"].value == (inner_guard,)
    assert said(explanation, "guards") == [
        ("controller Base", "", False),
        ("controller Books", "Replace", True),
    ]
    dropped, replacing = explanation.options["guards"].contributions
    assert (dropped.value, replacing.value) == ((outer_guard,), (inner_guard,))


def test_a_plain_value_drops_the_outer_one_of_an_option_that_replaces() -> None:
    @get(cache_control=None, request_max_body_size=1)
    async def index() -> None: ...

    explanation = Hesper([index], request_max_body_size=2).explain("GET", "/")
    assert said(explanation, "request_max_body_size") == [
        ("application", "", False),
        ("get('/')", "", True),
    ]


def test_no_layer_drops_the_application_s_middleware() -> None:
    explanation = app.explain("GET", "/v1/books/1")
    assert explanation.options["middleware"].value == (around, around)
    assert said(explanation, "middleware") == [
        ("application", "", True),
        ("get('/{number:int}')", "Replace", True),
    ]
    assert str(explanation).count("middleware  ") == 2
    assert "around, around routing" in str(explanation)


# What hooks and plugins say.


class Guarding:
    """A plugin that adds a guard."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.guards.append(inner_guard)
        return app_config


def tagging(config: AppConfig) -> AppConfig:
    config.tags.append("tagged")
    return config


def forgetting(config: AppConfig) -> AppConfig:
    config.guards.clear()
    return config


def other_config(config: AppConfig) -> AppConfig:
    return AppConfig(route_handlers=config.route_handlers, opt={"from": "another"})


@get()
async def start() -> None: ...


def test_a_plugin_is_named_with_its_place_and_what_it_made_of_the_option() -> None:
    amended = Hesper([start], guards=[outer_guard], plugins=[Guarding()], on_app_init=tagging)
    explanation = amended.explain("GET", "/")
    plugin = f"application, by {__name__}.Guarding.on_app_init"
    assert said(explanation, "guards") == [("application", "", True), (plugin, "Extend", True)]
    own, added = explanation.options["guards"].contributions
    assert own.value == [outer_guard]
    assert added.value == [inner_guard]
    assert line_of(added) == "def on_app_init(self, app_config: AppConfig) -> AppConfig:"
    assert said(explanation, "tags") == [(f"application, by {__name__}.tagging", "Extend", True)]


def test_what_a_hook_has_dropped_is_not_forgotten() -> None:
    explanation = Hesper([start], guards=[outer_guard], on_app_init=forgetting).explain("GET", "/")
    assert explanation.options["guards"].value == ()
    assert said(explanation, "guards") == [
        ("application", "", False),
        (f"application, by {__name__}.forgetting", "Replace", True),
    ]
    amended = Hesper([start], guards=[outer_guard], on_app_init=other_config)
    assert amended.explain("GET", "/").options["guards"].value == ()
    by = f"application, by {__name__}.other_config"
    assert said(amended.explain("GET", "/"), "opt") == [(by, "Extend", True)]
    assert said(amended.explain("GET", "/"), "guards")[-1] == (by, "Replace", True)


def limiting(config: AppConfig) -> AppConfig:
    config.request_max_body_size = 5
    return config


def swapping(config: AppConfig) -> AppConfig:
    config.guards.reverse()
    config.opt["a"] = 2
    return config


def test_a_hook_that_changes_what_it_found_replaces_it() -> None:
    guards = [outer_guard, inner_guard]
    amended = Hesper([start], guards=guards, opt={"a": 1, "b": 1}, on_app_init=[swapping, limiting])
    explanation = amended.explain("GET", "/")
    by = f"application, by {__name__}.swapping"
    assert said(explanation, "guards") == [("application", "", False), (by, "Replace", True)]
    assert explanation.options["guards"].contributions[1].value == [inner_guard, outer_guard]
    assert said(explanation, "opt") == [("application", "", False), (by, "Replace", True)]
    by = f"application, by {__name__}.limiting"
    assert said(explanation, "request_max_body_size") == [(by, "", True)]


def naming(config: Any) -> Any:
    config.response_headers = {"x-by": "hook"}
    config.response_cookies = {"by": "hook"}
    return config


def test_a_hook_may_write_an_option_in_another_form_than_it_found() -> None:
    explanation = Hesper([start], on_app_init=naming).explain("GET", "/")
    by = (f"application, by {__name__}.naming", "Replace", True)
    assert said(explanation, "response_headers") == [by]
    assert said(explanation, "response_cookies") == [by]


def test_an_override_is_named() -> None:
    @get("/", dependencies={"session": Provide(session)})
    async def index(session: int, other: int) -> None: ...

    other = Provide(session)
    given = Hesper([index], dependencies={"other": other})
    overridden = given.override({"session": 5})
    assert said(given.explain("GET", "/"), "dependencies") == [
        ("application", "", True),
        ("get('/')", "", True),
    ]
    option = overridden.explain("GET", "/").options["dependencies"]
    assert said(overridden.explain("GET", "/"), "dependencies")[-1] == ("app.override", "", True)
    assert option.contributions[-1].value.keys() == {"session"}
    assert option.value["session"] is option.contributions[-1].value["session"]
    assert option.value["other"] is other


def test_what_a_hook_leaves_alone_is_the_application_s() -> None:
    explanation = Hesper([start], tags=["a"], on_app_init=forgetting).explain("GET", "/")
    assert said(explanation, "tags") == [("application", "", True)]
    (contribution,) = explanation.options["tags"].contributions
    assert "Hesper([start]" in line_of(contribution)


# Which route it is.

HTTP: Final = ["GET", "POST", "HEAD", "OPTIONS", "DELETE"]
PATHS: Final = st.lists(
    st.sampled_from(["", "a", "b", "1", "2.5", "v1", "in", "rest", "%20", "A"]), max_size=4
).map(lambda parts: "/" + "/".join(parts))


def crowded() -> Hesper:
    """Return an app with paths that are near to each other; each answers with its name."""

    def answering(name: str, path: str, decorator: Any = get) -> Any:
        async def handler() -> str:
            return name

        handler.__qualname__ = name
        return decorator(path)(handler)

    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        text = b"raw" if scope["type"] == "http" else b""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text})

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"mounted"})

    return Hesper(
        [
            answering("root", "/"),
            answering("a", "/a"),
            answering("post a", "/a", post),
            answering("int", "/a/{n:int}"),
            answering("float", "/a/{x:float}"),
            answering("str", "/a/{s:str}"),
            answering("deep", "/a/{n:int}/b"),
            answering("posted", "/b/{s:str}", post),
            answering("rest", "/rest/{p:path}"),
            asgi("/v1")(raw),
            mount("/in", mounted),
        ]
    )


CROWDED: Final = crowded()
NAMES: Final = {"crowded.<locals>.raw": "raw", "mount.serve": "mounted"}


@given(st.sampled_from(HTTP), PATHS)
def test_an_explanation_names_what_serves(method: str, path: str) -> None:
    explanation = CROWDED.explain(method, path)
    sent = answer(CROWDED, method, path)
    if explanation.route is None:
        assert sent.status == explanation.status
        assert (sent.header("allow") or "") == ", ".join(explanation.allowed)
    else:
        assert sent.status in {200, 201}
        name = explanation.route.function.__qualname__
        assert method == "HEAD" or sent.text == NAMES.get(name, name)


def test_parameters_of_the_path_are_given_with_their_values() -> None:
    explanation = app.explain("get", "/v1/books/12?page=3")
    assert explanation.path == "/v1/books/12"
    assert dict(explanation.path_parameters) == {"number": 12}
    assert "12, from the path" in str(explanation)


def test_a_path_may_be_given_without_its_slash() -> None:
    assert app.explain("GET", "v1/books/12").route is not None
    assert app.explain("GET", "").path == "/"


class Passing(ASGIMiddleware):
    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        await next_app(scope, receive, send)


class ByPath(Passing):
    exclude_path_pattern = "/public"


class ByOption(Passing):
    exclude_opt_key = "open"


class ForSockets(AbstractMiddleware):
    scopes = (ScopeType.WEBSOCKET,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def test_middleware_that_leaves_a_connection_out_is_told() -> None:
    @get("/public/{name:str}")
    async def public(name: str) -> None: ...

    @get("/", opt={"open": True})
    async def opened() -> None: ...

    @websocket("/talk")
    async def talk(socket: Any) -> None: ...

    by_path, by_option, by_type = ByPath(), ByOption(), DefineMiddleware(ForSockets)
    router = Router("/", [public, opened, talk], middleware=[by_option, by_type])
    app = Hesper([router], middleware=[by_path, around])
    assert app.explain("GET", "/public/a/").left_out_by == (by_path, by_type)
    assert app.explain("GET", "/").left_out_by == (by_option, by_type)
    assert app.explain("WEBSOCKET", "/talk").left_out_by == ()
    text = str(app.explain("GET", "/public/a"))
    assert "  middleware  ByPath, around routing, leaves this out\n" in text
    assert "  middleware  around, around routing\n" in text
    assert "  middleware  ByOption\n" in text
    assert "  middleware  ForSockets, leaves this out\n" in text


def test_a_404_names_the_paths_that_are_near() -> None:
    for path in ("/v1/boks/1", "/v1/books/one", "/books/1", "/V1/books/1"):
        explanation = app.explain("GET", path)
        assert (explanation.status, explanation.route) == (404, None)
        assert explanation.near[0].path == "/v1/books/{number:int}", path
        assert "404, no route has this path" in str(explanation)
    assert app.explain("GET", "/nothing/like/that").near == ()


def test_a_405_names_the_methods_and_the_routes_of_the_path() -> None:
    explanation = app.explain("DELETE", "/v1/books")
    assert (explanation.status, explanation.allowed) == (405, ("OPTIONS", "POST"))
    assert [route.label for route in explanation.near] == ["POST /v1/books"]
    assert "DELETE /v1/books: 405" in str(explanation)


def test_without_a_route_the_application_is_explained() -> None:
    explanation = app.explain("GET", "/missing")
    assert [name for name, _ in explanation.layers] == ["application"]
    assert explanation.options["request_max_body_size"].value == 5
    assert explanation.options["guards"].value == ()


def test_an_app_without_routes_explains_itself() -> None:
    explanation = Hesper(tags=["a"]).explain("GET", "/")
    assert (explanation.status, explanation.near) == (404, ())
    assert said(explanation, "tags") == [("application", "", True)]


def test_a_websocket_is_explained() -> None:
    @websocket("/socket")
    async def on_socket(socket: Any) -> None: ...

    sockets = Hesper([on_socket], guards=[outer_guard])
    for method in ("WEBSOCKET", "ws"):
        explanation = sockets.explain(method, "/socket")
        assert explanation.route is not None
        assert explanation.route.function is on_socket
    assert sockets.explain("GET", "/socket").status == 404
    assert "on_socket(socket)" in explanation.source() or "on_socket" in explanation.source()


def test_a_mounted_app_of_hesper_explains_the_rest_of_the_path() -> None:
    outer = Hesper([mount("/api", app)])
    explanation = outer.explain("GET", "/api/v1/books/3")
    assert explanation.route is not None
    assert explanation.route.kind == "mount"
    assert explanation.inner is not None
    assert explanation.inner.route is not None
    assert explanation.inner.route.function.__name__ == "one"
    assert "The mounted app:" in str(explanation)
    missing = outer.explain("GET", "/api/v1/boks/3").inner
    assert missing is not None
    assert missing.status == 404


def test_a_mounted_app_of_others_is_named() -> None:
    async def foreign(scope: Scope, receive: Receive, send: Send) -> None: ...

    explanation = Hesper([mount("/other", foreign)]).explain("GET", "/other/deep/down")
    assert explanation.inner is None
    assert explanation.route is not None
    assert explanation.route.target is foreign
    assert "tests/test_explain.py:" in str(explanation)


# The text.


async def session() -> Any:
    yield 1


def recover(request: Any, error: Exception) -> None: ...


def needing(connection: Any, handler: Any, session: int) -> None: ...


def a_function_whose_name_is_so_very_long_that_no_line_of_the_page_could_hold_it_all_at_once(
    request: Any,
) -> None: ...


LONG: Final = "/a/very/long/path" + "/with/many/segments" * 5


@get(
    LONG,
    dependencies={"session": Provide(session)},
    guards=[needing],
    before_request=a_function_whose_name_is_so_very_long_that_no_line_of_the_page_could_hold_it_all_at_once,
    response_cookies=[Cookie(key="a", value="1"), Cookie(key="a", value="2", path="/b")],
    response_headers=[ResponseHeader(name="x-a", value="v" * 100)],
    opt={"text": "word " * 100},
    exception_handlers={404: recover, ValueError: recover},
)
async def long(session: int, page: int = 1) -> int:
    return session


@pytest.mark.parametrize(
    "page",
    [
        app.explain("GET", "/v1/books/1"),
        app.explain("GET", "/v1/boks"),
        app.explain("PATCH", "/v1/books/1"),
        app.explain("GET", "/" + "x" * 200),
        Hesper([long], plugins=[Guarding()]).explain("GET", LONG),
    ],
)
def test_a_page_fits_into_80_columns(page: Explanation) -> None:
    text = str(page)
    assert text.endswith("\n")
    for line in text.splitlines():
        assert len(line) <= 80, line
        assert line == line.rstrip()


def test_nothing_that_a_page_shows_reaches_the_terminal_as_a_command() -> None:
    assert "\x1b" not in str(app.explain("GET", "/%1b[31mred"))
    assert "\\x1b[31mred" in str(app.explain("GET", "/%1b[31mred"))


def test_a_value_that_contains_itself_is_shown() -> None:
    endless: list[Any] = []
    endless.append(endless)

    @get("/", opt={"endless": endless})
    async def index() -> None: ...

    assert "opt = {endless: [[[" in str(Hesper([index]).explain("GET", "/"))


class Shy:
    def __repr__(self) -> str:
        raise ValueError


def test_a_value_that_cannot_be_shown_is_named() -> None:
    text = str(Hesper([start], opt={"shy": Shy()}).explain("GET", "/"))
    assert "opt = {shy: <Shy, whose repr raises ValueError>}" in text


def test_functions_are_shown_by_their_names() -> None:
    class Stamping:
        def __init__(self, app: ASGIApp, text: str) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    class Permit:
        def __call__(self, connection: Any, handler: Any) -> None: ...

    @get("/", guards=[Permit()], before_request=partial(hook), dependencies={"n": lambda: 1})
    async def index(n: int) -> None: ...

    stamping = DefineMiddleware(Stamping, text="secret")
    text = str(Hesper([index], middleware=[stamping]).explain("GET", "/"))
    assert "middleware      Stamping, around routing" in text
    assert "guard           Permit(connection, handler)" in text
    assert "before_request  hook(request)" in text
    assert "n = <lambda>(), lives for the call, in a thread" in text
    assert "secret" not in text


def test_the_calls_are_told_with_their_arguments_and_lifetimes() -> None:
    text = str(Hesper([long]).explain("GET", LONG))
    assert "session = session(), lives for the call" in text
    assert "needing(connection, handler, session (dependency))" in text
    assert "long(session (dependency), page (query parameter))" in text


def test_the_page_of_a_route_is_as_in_the_documentation() -> None:
    text = str(app.explain("GET", "/v1/books/1"))
    here = "tests/test_explain.py:"
    assert text.startswith("GET /v1/books/1: GET /v1/books/{number:int}\n\n  handler  ")
    assert "Layers, outermost first:\n" in text
    assert f"controller Books      {here}" in text
    assert "  guards = [inner_guard]\n" in text
    assert ": [outer_guard] (dropped)\n" in text
    assert ": Replace([inner_guard])\n" in text
    assert "Options that no layer sets:\n" in text


def test_explaining_changes_nothing() -> None:
    before = str(CROWDED.explain("GET", "/a/1"))
    asyncio.run(asyncio.sleep(0))
    assert answer(CROWDED, "GET", "/a/1").text == "int"
    assert str(CROWDED.explain("GET", "/a/1")) == before
