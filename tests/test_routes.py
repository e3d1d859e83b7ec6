"""`app.iter_routes()`: what tools may know of each route."""

from __future__ import annotations

import gc
import inspect
import weakref
from typing import Annotated, Any

import msgspec
import pytest

from hesper import (
    Controller,
    Hesper,
    MediaType,
    Provide,
    Request,
    Router,
    asgi,
    delete,
    get,
    mount,
    post,
    route,
    websocket,
)
from hesper._types import Empty, Receive, Scope, Send
from hesper.datastructures import ResponseHeader
from hesper.enums import ParamType, RequestEncodingType
from hesper.exceptions import PermissionDeniedException
from hesper.lifetime import Lifetime
from hesper.params import Body, FromHeader, Parameter, QueryParameter, SkipValidation
from hesper.routes import Route, RouteArgument, RouteCall, routes_data, routes_text


def only(app: Hesper) -> Route:
    (found,) = app.iter_routes()
    return found


def argument(found: Route, name: str) -> RouteArgument:
    (wanted,) = [a for a in found.read_from_request if a.name == name]
    return wanted


def calls(found: Route, role: str) -> list[RouteCall]:
    return [call for call in found.calls if call.role == role]


class Book(msgspec.Struct):
    title: str


class Books(Controller):
    path = "/books"

    @get("/{isbn:str}", name="book")
    async def one(self, isbn: str) -> Book:
        return Book(isbn)

    @route(["/all", "/every"], http_method=["GET", "POST"])
    async def every(self) -> list[Book]:
        return []


def test_a_route_for_each_path_in_the_order_of_declaration() -> None:
    first, second, third = Hesper([Router("/v1", [Books])], path="/api").iter_routes()
    assert [found.path for found in (first, second, third)] == [
        "/api/v1/books/{isbn:str}",
        "/api/v1/books/all",
        "/api/v1/books/every",
    ]
    assert (first.methods, second.methods) == (("GET",), ("GET", "POST"))
    assert (first.name, second.name) == ("book", None)
    assert first.function.__qualname__ == "Books.one"
    assert second.function == third.function
    assert first.layers[:3] == ("application", "router /v1", "controller Books")
    assert first.label == "GET /api/v1/books/{isbn:str}"


def test_the_kinds_of_routes() -> None:
    @websocket("/socket")
    async def on_socket(socket: Any) -> None: ...

    @asgi("/raw")
    async def raw(scope: Scope, receive: Receive, send: Send) -> None: ...

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None: ...

    @get()
    async def index() -> None: ...

    routes = list(Hesper([on_socket, raw, mount("/app", mounted), index]).iter_routes())
    assert [found.kind for found in routes] == ["websocket", "asgi", "mount", "http"]
    assert [found.methods for found in routes] == [(), (), (), ("GET",)]
    assert [found.status_code for found in routes] == [None, None, None, 200]
    assert routes[2].target is mounted
    assert routes[3].target is index


def test_what_a_response_is_known_to_be() -> None:
    @post()
    async def text() -> str:
        return ""

    @delete()
    async def nothing() -> None: ...

    @get("/data", status_code=202)
    async def data() -> list[Book]:
        return []

    @get("/page", media_type=MediaType.HTML)
    async def page() -> str:
        return ""

    @get("/unknown")
    async def unknown():  # type: ignore[no-untyped-def]
        ...

    found = {r.path: r for r in Hesper([text, data, page, unknown]).iter_routes()}
    assert (found["/"].status_code, found["/"].media_type) == (201, "text/plain")
    assert found["/"].returns is str
    assert (found["/data"].status_code, found["/data"].returns) == (202, list[Book])
    assert found["/data"].media_type == "application/json"
    assert found["/page"].media_type == "text/html"
    assert found["/unknown"].media_type is None
    assert found["/unknown"].returns is Empty
    assert only(Hesper([nothing])).status_code == 204


def test_path_parameters_are_there_whether_the_handler_takes_them_or_not() -> None:
    @get("/{number:int}/{name:str}")
    async def handler(name: str) -> None: ...

    found = only(Hesper([handler]))
    assert dict(found.path_parameters) == {"number": int, "name": str}
    assert [a.name for a in found.read_from_request] == ["name"]


def test_parameters_with_their_places_names_defaults_and_declarations() -> None:
    @get("/{number:int}")
    async def handler(
        number: int,
        page: Annotated[int, Parameter(query="p", ge=1, description="which page")] = 1,
        user_agent: FromHeader[str | None] = None,
        token: Annotated[str, Parameter(cookie="session")] = "",
        raw: SkipValidation[str] = "",
        tenant: str = "",
    ) -> None: ...

    tenant_is = Parameter(header="x-tenant", title="Tenant", max_length=10)
    found = only(Hesper([handler], parameters={"tenant": tenant_is}))
    seen = {a.name: (a.param_type, a.key, a.default) for a in found.read_from_request}
    assert seen == {
        "number": (ParamType.PATH, "number", Empty),
        "page": (ParamType.QUERY, "p", 1),
        "user_agent": (ParamType.HEADER, "user-agent", None),
        "token": (ParamType.COOKIE, "session", ""),
        "raw": (ParamType.QUERY, "raw", ""),
        "tenant": (ParamType.HEADER, "x-tenant", ""),
    }
    page = argument(found, "page")
    assert page.source == "query parameter"
    assert page.declaration is not None
    assert page.declaration.description == "which page"
    assert msgspec.inspect.type_info(page.annotation) == msgspec.inspect.IntType(ge=1)
    assert argument(found, "tenant").declaration == tenant_is
    assert argument(found, "number").declaration is None
    assert (page.validated, argument(found, "raw").validated) == (True, False)


def test_what_a_layer_and_an_annotation_declare_is_one_declaration() -> None:
    @get()
    async def handler(page: Annotated[int, QueryParameter(ge=1)]) -> None: ...

    app = Hesper([handler], parameters={"page": Parameter(query="p", title="Page", default=3)})
    page = argument(only(app), "page")
    assert isinstance(page.declaration, QueryParameter)
    assert (page.declaration.title, page.declaration.ge, page.declaration.name) == ("Page", 1, "p")
    assert (page.key, page.default) == ("p", 3)


def test_bodies_with_their_encoding() -> None:
    @post()
    async def json(data: Book) -> None: ...

    encoded = Body(media_type=RequestEncodingType.URL_ENCODED, title="A form")

    @post("/form")
    async def form(data: Annotated[Book, encoded]) -> None: ...

    @post("/raw")
    async def raw(body: bytes) -> None: ...

    first, second, third = Hesper([json, form, raw]).iter_routes()
    assert argument(first, "data").annotation is Book
    assert argument(first, "data").declaration == Body()
    assert argument(second, "data").declaration == encoded
    assert (argument(third, "body").source, argument(third, "body").param_type) == ("body", None)


async def session(page: int = 1) -> str:
    return "session"


def guard(connection: Any, handler: Any, session: str, key: str = "") -> None:
    raise PermissionDeniedException


def before(request: Request) -> None: ...


def recover(request: Request, error: Exception) -> None: ...


def test_everything_that_a_route_calls_is_there_in_order() -> None:
    @get(
        dependencies={
            "session": Provide(session),
            str: Provide(lambda: "x", sync_to_thread=False, lifetime=Lifetime.CONNECTION),
        },
        guards=[guard],
        before_request=before,
        after_request=lambda response: response,
        after_response=before,
        exception_handlers={ValueError: recover},
    )
    def handler(session: str, text: str, page: int = 2) -> None: ...

    found = only(Hesper([handler]))
    assert [call.role for call in found.calls] == [
        "guard",
        "before_request",
        "dependency",
        "dependency",
        "handler",
        "after_request",
        "after_response",
        "exception_handler",
    ]
    assert [call.key for call in calls(found, "dependency")] == ["session", str]
    assert [call.lifetime for call in calls(found, "dependency")] == [
        Lifetime.CALL,
        Lifetime.CONNECTION,
    ]
    assert calls(found, "exception_handler")[0].key is ValueError
    assert [call.in_thread for call in calls(found, "handler")] == [True]
    assert [a.source for a in calls(found, "guard")[0].arguments] == [
        "given",
        "given",
        "dependency",
        "dependency",
    ]


def test_what_is_read_from_the_request_counts_the_handler_s_first() -> None:
    @get(dependencies={"session": Provide(session)})
    async def handler(session: str, size: int, page: int = 2) -> None: ...

    taken = [(a.name, a.default) for a in only(Hesper([handler])).read_from_request]
    assert taken == [("size", Empty), ("page", 2), ("page", 1)]


def test_options_are_resolved_and_changing_them_changes_nothing() -> None:
    @get(opt={"b": 2}, tags=["b"])
    async def handler(request: Request) -> None: ...

    app = Hesper([handler], opt={"a": 1}, tags=["a"], response_headers={"x-a": "1"})
    found = only(app)
    assert found.options["opt"] == {"a": 1, "b": 2}
    assert found.options["tags"] == ("a", "b")
    assert found.options["response_headers"] == {"x-a": ResponseHeader(name="x-a", value="1")}
    found.options["opt"]["c"] = 3
    assert only(app).options["opt"] == {"a": 1, "b": 2}
    options: Any = found.options
    with pytest.raises(TypeError):
        options["opt"] = {}


def test_a_record_does_not_keep_the_app_alive() -> None:
    @get()
    async def handler() -> None: ...

    gc.disable()
    try:
        app = Hesper([handler])
        reference, found = weakref.ref(app), only(app)
        del app
        assert reference() is None
        assert found.path == "/"
    finally:
        gc.enable()


def test_the_generated_source_is_that_of_the_endpoint() -> None:
    @get("/{number:int}")
    async def handler(number: int) -> None: ...

    @websocket("/socket")
    async def on_socket(socket: Any) -> None: ...

    @asgi("/raw")
    async def raw(scope: Scope, receive: Receive, send: Send) -> None: ...

    for found in Hesper([handler, on_socket, raw]).iter_routes():
        source = found.source()
        assert source.startswith("async def endpoint(scope, receive, send):")
        assert found.function.__name__ in source
        compile(source, "source", "exec")


def test_a_route_knows_the_line_of_its_function() -> None:
    @get()
    async def handler() -> None: ...

    place = only(Hesper([handler])).place
    assert place is not None
    assert place == (__file__, inspect.getsourcelines(handler)[1])


# The table.


def test_the_table_shows_methods_path_and_handler() -> None:
    @websocket("/socket")
    async def on_socket(socket: Any) -> None: ...

    table = routes_text(Hesper([Books, on_socket]).iter_routes())
    assert [line.split() for line in table.splitlines()] == [
        ["GET", "/books/{isbn:str}", "tests.test_routes.Books.one"],
        ["GET/POST", "/books/all", "tests.test_routes.Books.every"],
        ["GET/POST", "/books/every", "tests.test_routes.Books.every"],
        ["WEBSOCKET", "/socket"],
        [f"{__name__}.test_the_table_shows_methods_path_and_handler.<locals>.on_socket"],
    ]


def test_the_table_fits_into_the_terminal() -> None:
    @get("/" + "long/" * 12)
    async def deep() -> None: ...

    for width in (60, 80, 120):
        lines = routes_text(Hesper([Books, deep]).iter_routes(), width=width).splitlines()
        # What cannot be broken stands alone.
        assert all(len(line) <= width or len(line.split()) <= 2 for line in lines)


def test_the_table_with_sources() -> None:
    table = routes_text(Hesper([Books]).iter_routes(), source=True)
    assert table.count("    async def endpoint(scope, receive, send):\n") == 3


def test_the_table_of_no_routes() -> None:
    assert routes_text([]) == "no routes\n"


def test_the_data_is_plain() -> None:
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None: ...

    app = Hesper([Books, mount("/app", mounted)], tags=["a"])
    data = routes_data(app.iter_routes())
    assert msgspec.json.decode(msgspec.json.encode(data)) == data
    assert data[0]["path"] == "/books/{isbn:str}"
    assert (data[0]["methods"], data[0]["status_code"]) == (["GET"], 200)
    assert (data[0]["media_type"], data[0]["tags"]) == ("application/json", ["a"])
    assert (data[3]["kind"], data[3]["line"]) == ("mount", inspect_line(mounted) + 2)


def inspect_line(function: Any) -> int:
    return inspect.getsourcelines(function)[1]
