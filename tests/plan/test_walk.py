"""The walk through an app's tree: the routes it finds, with their layers."""

from __future__ import annotations

from typing import Any

from hesper import Controller, Router, get, post, route, websocket
from hesper._plan.walk import Walk
from hesper.connection import WebSocket


@get("/leaf")
async def leaf() -> None: ...


class Base(Controller):
    @post("/base")
    async def of_base(self) -> None: ...


class Books(Base):
    path = "/books"

    @get(["/", "/{page:int}"])
    async def pages(self) -> None: ...


def walked(*handlers: Any, path: str = "/") -> tuple[list[Any], list[str]]:
    walk = Walk(Router("/app"), path)
    return list(walk.routes(handlers)), walk.problems


def test_each_handler_and_path_is_a_route_in_the_order_of_declaration() -> None:
    routes, problems = walked(leaf, Router("/r", [Books]), leaf, path="/api")
    assert problems == []
    assert [str(declared.path) for declared in routes] == [
        "/api/leaf",
        "/api/r/books/base",
        "/api/r/books",
        "/api/r/books/{page:int}",
        "/api/leaf",
    ]


def test_the_chain_holds_the_layers_from_the_application_in() -> None:
    routes, _ = walked(Router("/r", [Books]))
    chain = routes[0].chain
    assert [layer.label for layer in chain] == [
        "router /app",
        "router /r",
        "controller Base",
        "controller Books",
        "post('/base')",
    ]
    assert chain[-1] is routes[0].handler


def test_routes_are_shown_by_methods_path_and_function() -> None:
    @route("/", http_method=["GET", "PUT"])
    async def several() -> None: ...

    @websocket("/ws")
    async def talk(socket: WebSocket) -> None: ...

    routes, _ = walked(several, talk)
    assert [declared.label for declared in routes] == [
        f"GET/PUT / ({several.__module__}.{several.__qualname__})",
        f"websocket /ws ({talk.__module__}.{talk.__qualname__})",
    ]


def test_problems_are_collected_and_the_rest_is_walked() -> None:
    @get(["/{bad}", "/good"])
    async def half() -> None: ...

    routes, problems = walked(half, 5, leaf)
    assert [str(declared.path) for declared in routes] == ["/good", "/leaf"]
    assert len(problems) == 2


def test_handlers_that_are_no_list_are_a_problem() -> None:
    walk = Walk(Router("/app"))
    not_a_list: Any = leaf
    assert list(walk.routes(not_a_list)) == []
    assert walk.problems == [
        "router /app: route_handlers takes a list, not leaf (function); write [leaf]"
    ]


def test_a_controller_that_answers_any_attribute_keeps_its_routes() -> None:
    class Permissive(Books):
        def __getattr__(self, _name: str) -> Any:
            return lambda: None

    class Prefixed(Router):
        def __getattr__(self, _name: str) -> Any:
            return lambda: None

    routes, problems = walked(Permissive(), Prefixed("/r", [leaf]))
    assert problems == []
    assert [str(declared.path) for declared in routes] == [
        "/books/base",
        "/books",
        "/books/{page:int}",
        "/r/leaf",
    ]


def test_a_handler_has_the_paths_of_the_app_it_is_in() -> None:
    places = [walked(leaf, Books, path=path)[0] for path in ("/one", "/two", "/one")]
    assert [[str(declared.path) for declared in routes] for routes in places] == [
        [f"{path}/leaf", f"{path}/books/base", f"{path}/books", f"{path}/books/{{page:int}}"]
        for path in ("/one", "/two", "/one")
    ]


def test_the_path_of_a_handler_is_parsed_once_for_apps_with_the_same_layers() -> None:
    @get("/own")
    async def own() -> None: ...

    (one,), (other,) = (walked(Router("/r", [own]))[0] for _ in range(2))
    assert one.path is other.path
