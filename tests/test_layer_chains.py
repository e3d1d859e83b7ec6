"""What the rules come to in a request: options on application, router, controllers and handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hesper import (
    Controller,
    Extend,
    Hesper,
    Replace,
    Request,
    Response,
    Router,
    WebSocket,
    get,
    post,
    websocket,
)
from hesper._merge import UNSET
from hesper._types import ASGIApp, Receive, Scope, Send
from hesper.datastructures import Cookie, ResponseHeader
from hesper.exceptions import ConfigurationError, PermissionDeniedException
from hesper.params import Dependency, Parameter
from hesper.testing import TestClient
from tests.asgi_driver import answer
from tests.merge_oracle import naive

PLACES: Final = ("app", "router", "base", "controller", "handler")
"""The layers of `built`, the outermost first."""

Says = Mapping[str, Any]
"""What some of the places say about an option."""


def built(option: str, says: Says, handle: Callable[..., Any], decorate: Any = get) -> Hesper:
    """Return an app whose only route, `/r/c/h`, has five layers that say *says* about *option*."""

    def at(place: str) -> dict[str, Any]:
        return {option: says[place]} if place in says else {}

    declared = decorate("/h", **at("handler"))(handle)
    base = type("Base", (Controller,), {"path": "/elsewhere", **at("base")})
    controller = type(
        "Books", (base,), {"path": "/c", "handle": staticmethod(declared), **at("controller")}
    )
    return Hesper([Router("/r", [controller], **at("router"))], **at("app"))


def recorder(events: list[str], name: str) -> Callable[..., Any]:
    """Return a guard or hook that records being called and hands back what it was given first."""

    def record(given: object, _handler: object = None) -> object:
        events.append(name)
        return given if isinstance(given, Response) else None

    return record


def middleware(events: list[str], name: str) -> Callable[[ASGIApp], ASGIApp]:
    def wrap(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            events.append(name)
            await app(scope, receive, send)

        return wrapped

    return wrap


def plain() -> Callable[[], Awaitable[str]]:
    """Return a new handler: decorators leave their mark on what they are given."""

    async def handle() -> str:
        return "plain"

    return handle


def called(option: str, says: Says) -> list[str]:
    """Return the names of the hooks, guards or middleware that were called in a request."""
    events: list[str] = []
    make = middleware if option == "middleware" else recorder

    def function(name: str) -> Callable[..., Any]:
        return make(events, name)

    def functions(said: Any) -> Any:
        if isinstance(said, (Extend, Replace)):
            return type(said)(functions(said.value))
        if isinstance(said, list):
            return [function(name) for name in said]
        return None if said is None else function(said)

    app = built(option, {place: functions(said) for place, said in says.items()}, plain())
    assert answer(app, "GET", "/r/c/h").text == "plain"
    return events


NAME: Final = st.text("abcdef", min_size=1, max_size=2)
NAMES: Final = st.lists(NAME, max_size=3)


def said(values: st.SearchStrategy[Any], *wrappers: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Draw what some places say: values as they are, or in one of *wrappers*."""
    value = st.one_of(values, *(values.map(wrapper) for wrapper in wrappers))
    return st.dictionaries(st.sampled_from(PLACES), value)


def chain(says: Says) -> list[Any]:
    return [says.get(place, UNSET) for place in PLACES]


HOOKS: Final = st.one_of(NAME, NAMES, st.none())
quickly = settings(max_examples=60)


@quickly
@given(said(NAMES, Extend, Replace))
def test_guards_are_called_as_the_rules_say(says: Says) -> None:
    assert called("guards", says) == list(naive("guards", chain(says)))


@quickly
@given(said(HOOKS, Extend, Replace))
def test_before_request_is_called_as_the_rules_say(says: Says) -> None:
    assert called("before_request", says) == list(naive("before_request", chain(says)))


@quickly
@given(said(HOOKS, Extend, Replace))
def test_after_request_is_called_as_the_rules_say(says: Says) -> None:
    assert called("after_request", says) == list(naive("after_request", chain(says)))


@quickly
@given(said(HOOKS, Extend, Replace))
def test_after_response_is_called_as_the_rules_say(says: Says) -> None:
    assert called("after_response", says) == list(naive("after_response", chain(says)))


@quickly
@given(said(NAMES, Extend, Replace))
def test_middleware_is_called_as_the_rules_say_inside_that_around_routing(says: Says) -> None:
    outermost = says.get("app", [])
    around = outermost if isinstance(outermost, list) else outermost.value
    assert called("middleware", says) == [*around, *naive("middleware", chain(says)[1:])]


def mappings(keys: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(list(keys)), values, max_size=3)


@quickly
@given(said(mappings("abc", st.integers(0, 99)), Extend, Replace))
def test_opt_is_overlaid(says: Says) -> None:
    async def handle(request: Request) -> Any:
        return dict(request.route_handler.opt)

    app = built("opt", says, handle)
    assert answer(app, "GET", "/r/c/h").json() == naive("opt", chain(says))


@quickly
@given(said(mappings("abc", NAME), Extend, Replace))
def test_dependencies_are_overlaid(says: Says) -> None:
    def provide(name: str) -> Callable[[], object]:
        async def make() -> str:
            return name

        return make

    def providers(given: Any) -> Any:
        if isinstance(given, (Extend, Replace)):
            return type(given)(providers(given.value))
        return {key: provide(name) for key, name in given.items()}

    optional = Dependency(default=None)

    async def handle(
        a: Annotated[str | None, optional],
        b: Annotated[str | None, optional],
        c: Annotated[str | None, optional],
    ) -> Any:
        return {"a": a, "b": b, "c": c}

    app = built("dependencies", {p: providers(given) for p, given in says.items()}, handle)
    expected = {"a": None, "b": None, "c": None, **naive("opt", chain(says))}
    assert answer(app, "GET", "/r/c/h").json() == expected


@quickly
@given(said(mappings("abc", NAME), Extend, Replace))
def test_response_headers_are_overlaid(says: Says) -> None:
    def headers(given: Any) -> Any:
        if isinstance(given, (Extend, Replace)):
            return type(given)(headers(given.value))
        return {f"X-{key}": value for key, value in given.items()}

    app = built("response_headers", {p: headers(given) for p, given in says.items()}, plain())
    sent = {k[2:]: v for k, v in answer(app, "GET", "/r/c/h").headers if k.startswith("x-")}
    assert sent == naive("opt", chain(says))


@quickly
@given(said(mappings("abc", NAME), Extend, Replace))
def test_response_cookies_are_overlaid(says: Says) -> None:
    app = built("response_cookies", says, plain())
    sent = [line.partition(";")[0] for line in answer(app, "GET", "/r/c/h").all("set-cookie")]
    expected = naive("opt", chain(says))
    assert sorted(sent) == sorted(f"{key}={value}" for key, value in expected.items())


@quickly
@given(said(mappings("v", st.sampled_from("pq")), Extend, Replace))
def test_parameters_are_overlaid(says: Says) -> None:
    async def handle(v: str) -> str:
        return v

    def declared(given: Any) -> Any:
        if isinstance(given, (Extend, Replace)):
            return type(given)(declared(given.value))
        return {key: Parameter(query=name) for key, name in given.items()}

    app = built("parameters", {p: declared(given) for p, given in says.items()}, handle)
    read = naive("opt", chain(says)).get("v", "v")
    assert answer(app, "GET", "/r/c/h?v=v&p=p&q=q").text == read


class Thing:
    pass


@quickly
@given(said(st.dictionaries(st.just(Thing), NAME), Extend, Replace))
def test_type_encoders_are_overlaid(says: Says) -> None:
    async def handle() -> Any:
        return [Thing()]

    def encoders(given: Any) -> Any:
        if isinstance(given, (Extend, Replace)):
            return type(given)(encoders(given.value))
        return {kind: lambda _thing, name=name: name for kind, name in given.items()}

    app = built("type_encoders", {p: encoders(given) for p, given in says.items()}, handle)
    found = answer(app, "GET", "/r/c/h")
    expected = naive("opt", chain(says)).get(Thing)
    assert found.json() == [expected] if expected else found.status == 500


@quickly
@given(said(NAMES, Extend, Replace))
def test_the_first_type_decoder_that_accepts_is_used_the_nearest_first(says: Says) -> None:
    async def handle(v: Any) -> Any:
        return v

    handle.__annotations__["v"] = Thing

    def decoders(given: Any) -> Any:
        if isinstance(given, (Extend, Replace)):
            return type(given)(decoders(given.value))
        return [
            (lambda kind: kind is Thing, lambda _kind, value, name=name: name + value)
            for name in given
        ]

    names = naive("type_decoders", chain(says))
    arguments = {p: decoders(given) for p, given in says.items()}
    if names:
        app = built("type_decoders", arguments, handle)
        assert answer(app, "GET", "/r/c/h?v=!").text == f"{names[0]}!"
    else:
        with pytest.raises(ConfigurationError, match="'v' of type Thing"):
            built("type_decoders", arguments, handle)


@quickly
@given(said(st.sampled_from([0, 4, 5, 100, None]), Replace))
def test_the_nearest_body_limit_is_in_force(says: Says) -> None:
    async def handle(body: bytes) -> str:
        return body.decode()

    limit = naive("request_max_body_size", chain(says))
    found = answer(
        built("request_max_body_size", says, handle, post), "POST", "/r/c/h", body=b"12345"
    )
    assert found.status == (201 if limit is None or limit >= 5 else 413)


class AppRequest(Request): ...


class OwnRequest(Request): ...


@quickly
@given(said(st.sampled_from([AppRequest, OwnRequest, None]), Replace))
def test_the_nearest_request_class_is_used(says: Says) -> None:
    async def handle(request: Request) -> str:
        return type(request).__name__

    expected = naive("request_class", chain(says))
    assert answer(built("request_class", says, handle), "GET", "/r/c/h").text == expected.__name__


class AppResponse(Response[Any]): ...


class OwnResponse(Response[Any]): ...


@quickly
@given(said(st.sampled_from([AppResponse, OwnResponse, None]), Replace))
def test_the_nearest_response_class_is_used(says: Says) -> None:
    seen: list[type] = []

    def after_request(response: Response[Any]) -> Response[Any]:
        seen.append(type(response))
        return response

    def decorate(path: str, **options: Any) -> Any:
        return get(path, after_request=after_request, **options)

    app = built("response_class", says, plain(), decorate)
    assert answer(app, "GET", "/r/c/h").text == "plain"
    assert seen == [naive("response_class", chain(says))]


class AppWebSocket(WebSocket): ...


class OwnWebSocket(WebSocket): ...


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({}, WebSocket),
        ({"app": AppWebSocket}, AppWebSocket),
        ({"app": AppWebSocket, "base": OwnWebSocket}, OwnWebSocket),
        ({"app": AppWebSocket, "base": OwnWebSocket, "handler": None}, WebSocket),
        ({"router": Replace(OwnWebSocket)}, OwnWebSocket),
    ],
)
def test_the_nearest_websocket_class_is_used(says: Says, expected: type) -> None:
    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(type(socket).__name__)

    app = built("websocket_class", says, handle, websocket)
    with TestClient(app) as client, client.websocket_connect("/r/c/h") as session:
        assert session.receive_text() == expected.__name__


# Exception handlers: the nearest layer that has one that fits.


def refusals(says: Says) -> dict[str, Any]:
    """Return exception handlers by place: names become handlers that answer them."""

    def handlers(given: Any) -> Any:
        if isinstance(given, (Extend, Replace)):
            return type(given)(handlers(given.value))
        return {
            key: lambda _request, _error, name=name: Response(name, media_type="text/plain")
            for key, name in given.items()
        }

    return {place: handlers(given) for place, given in says.items()}


@quickly
@given(said(st.dictionaries(st.just(ValueError), NAME, max_size=1), Extend, Replace))
def test_the_nearest_exception_handler_answers(says: Says) -> None:
    async def handle() -> str:
        raise ValueError("unheard")

    expected = naive("exception_handlers", chain(says)).get(ValueError)
    found = answer(built("exception_handlers", refusals(says), handle), "GET", "/r/c/h")
    assert found.text == expected if expected else found.status == 500


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({"app": {ValueError: "app"}, "router": {Exception: "router"}}, "router"),
        ({"app": {ValueError: "app"}, "router": {403: "router"}}, "app"),
        ({"base": {500: "base"}, "app": {ValueError: "app"}}, "base"),
        ({"handler": {LookupError: "handler"}, "base": {Exception: "base"}}, "base"),
        ({"app": {ValueError: "app"}, "controller": Replace({})}, None),
        ({"app": {ValueError: "app"}, "base": Replace({KeyError: "base"})}, None),
    ],
)
def test_a_nearer_layer_wins_over_a_closer_class(says: Says, expected: str | None) -> None:
    async def handle() -> str:
        raise ValueError("unheard")

    found = answer(built("exception_handlers", refusals(says), handle), "GET", "/r/c/h")
    assert found.text == expected if expected else found.status == 500


def test_an_exception_handler_that_raises_hands_on_to_the_next_layer_out() -> None:
    def give_up(_request: Request, error: Exception) -> Response[Any]:
        raise LookupError("second") from error

    def at_last(_request: Request, error: Exception) -> Response[Any]:
        return Response(str(error), media_type="text/plain")

    async def handle() -> str:
        raise ValueError("first")

    says = {
        "app": {LookupError: at_last},
        "router": {ValueError: at_last},
        "base": {ValueError: give_up},
        "handler": {KeyError: at_last},
    }
    found = answer(built("exception_handlers", says, handle), "GET", "/r/c/h")
    assert found.text == "second"


# What no generator above covers.


def test_a_guard_sees_the_resolved_options_of_its_route() -> None:
    seen: list[dict[str, object]] = []

    def guard(_connection: object, route_handler: Any) -> None:
        seen.append(dict(route_handler.opt))

    @get("/", opt={"c": 3, "b": 2})
    async def handle() -> str:
        return ""

    app = Hesper([Router("/r", [handle], opt={"b": 1})], guards=[guard], opt={"a": 1, "c": 1})
    answer(app, "GET", "/r")
    assert seen == [{"a": 1, "b": 2, "c": 3}]


def test_a_guard_dropped_by_replace_no_longer_refuses() -> None:
    def nobody(_connection: object, _handler: object) -> None:
        raise PermissionDeniedException

    @get("/closed")
    async def closed() -> str:
        return "closed"

    @get("/open", guards=Replace([]))
    async def open_() -> str:
        return "open"

    app = Hesper([closed, open_], guards=[nobody])
    assert answer(app, "GET", "/closed").status == 403
    assert answer(app, "GET", "/open").text == "open"


def test_one_router_in_two_apps_is_resolved_for_each() -> None:
    @get("/")
    async def handle(request: Request) -> Any:
        return dict(request.route_handler.opt)

    router = Router("/r", [handle], opt={"own": 1})
    left, right = Hesper([router], opt={"app": "left"}), Hesper([router], opt={"app": "right"})
    assert answer(left, "GET", "/r").json() == {"app": "left", "own": 1}
    assert answer(right, "GET", "/r").json() == {"app": "right", "own": 1}


def test_a_header_and_a_cookie_that_the_response_sets_itself_win() -> None:
    async def handle() -> Response[str]:
        return Response(
            "text",
            headers={"X-Place": "own"},
            cookies=[Cookie(key="place", value="own")],
            media_type="text/plain",
        )

    @get("/", response_headers={"x-place": "layer"}, response_cookies={"place": "layer"})
    async def layered() -> Response[str]:
        return await handle()

    found = answer(Hesper([layered]), "GET", "/")
    assert found.header("x-place") == "own"
    assert [line.partition(";")[0] for line in found.all("set-cookie")] == ["place=own"]


def test_header_names_are_one_in_any_case() -> None:
    @get("/", response_headers=[ResponseHeader(name="x-PLACE", value="handler")])
    async def handle() -> str:
        return ""

    app = Hesper([handle], response_headers={"X-Place": "app"})
    assert answer(app, "GET", "/").header("x-place") == "handler"


def test_cookies_of_one_name_and_two_paths_are_two() -> None:
    @get("/", response_cookies=[Cookie(key="a", value="1", path="/one")])
    async def handle() -> str:
        return ""

    app = Hesper([handle], response_cookies=[Cookie(key="a", value="2", path="/two")])
    assert len(answer(app, "GET", "/").all("set-cookie")) == 2


def test_base_controllers_are_layers_from_the_outermost_on() -> None:
    class Root(Controller):
        opt = {"a": 1, "b": 1, "c": 1}

    class Middle(Root):
        opt = {"b": 2, "c": 2}

    class Leaf(Middle):
        opt = {"c": 3}

        @get("/")
        async def handle(self, request: Request) -> Any:
            return dict(request.route_handler.opt)

    assert answer(Hesper([Leaf]), "GET", "/").json() == {"a": 1, "b": 2, "c": 3}


def test_an_option_of_a_mixin_that_is_no_controller_counts() -> None:
    def nobody(_connection: object, _handler: object) -> None:
        raise PermissionDeniedException

    class Guarded:
        guards = [nobody]

    class Books(Guarded, Controller):
        @get("/")
        async def handle(self) -> str:
            return "open"

    assert answer(Hesper([Books]), "GET", "/").status == 403


def test_a_subclass_leaves_its_base_as_it_was() -> None:
    class Base(Controller):
        opt = {"a": 1}

        @get("/")
        async def handle(self, request: Request) -> Any:
            return dict(request.route_handler.opt)

    class Derived(Base):
        path = "/derived"
        opt = {"b": 2}

    app = Hesper([Base, Derived])
    assert answer(app, "GET", "/").json() == {"a": 1}
    assert answer(app, "GET", "/derived").json() == {"a": 1, "b": 2}
