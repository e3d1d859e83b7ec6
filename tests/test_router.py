"""Routers: prefixes, nesting, and what may stand in them."""

from __future__ import annotations

from typing import Any

import pytest

from hesper import Controller, Hesper, Request, Router, get
from hesper.exceptions import ConfigurationError
from tests.asgi_driver import answer


@get("/leaf")
async def leaf(request: Request) -> str:
    return request.url.path


def test_prefixes_join_from_the_outside_in() -> None:
    app = Hesper([Router("/a", [Router("/b", [leaf])])], path="/api")
    assert answer(app, "GET", "/api/a/b/leaf").text == "/api/a/b/leaf"
    assert answer(app, "GET", "/a/b/leaf").status == 404


@pytest.mark.parametrize("prefix", ["a", "/a", "a/", "/a/", "//a//"])
def test_slashes_around_a_prefix_make_no_difference(prefix: str) -> None:
    assert answer(Hesper([Router(prefix, [leaf])]), "GET", "/a/leaf").status == 200


def test_a_prefix_may_have_parameters() -> None:
    @get("/{page:int}")
    async def show(book: str, page: int) -> Any:
        return [book, page]

    app = Hesper([Router("/{book:str}", [show])])
    assert answer(app, "GET", "/emma/7").json() == ["emma", 7]


def test_a_router_has_the_root_as_its_path_by_default() -> None:
    assert answer(Hesper([Router(route_handlers=[leaf])]), "GET", "/leaf").status == 200


def test_one_router_may_be_mounted_in_two_places() -> None:
    router = Router("/r", [leaf])
    app = Hesper([Router("/one", [router]), Router("/two", [router])])
    assert answer(app, "GET", "/one/r/leaf").text == "/one/r/leaf"
    assert answer(app, "GET", "/two/r/leaf").text == "/two/r/leaf"


def test_a_router_keeps_its_handlers_as_they_were_given() -> None:
    handlers: list[Any] = [leaf]
    router = Router("/r", handlers)
    handlers.clear()
    assert answer(Hesper([router]), "GET", "/r/leaf").status == 200


def test_a_router_takes_any_iterable_of_handlers() -> None:
    handlers: Any = (handler for handler in [leaf])
    router = Router("/r", handlers)
    for _ in range(2):
        assert answer(Hesper([router]), "GET", "/r/leaf").status == 200


def test_handlers_in_place_of_the_path_are_refused() -> None:
    handlers: Any = [leaf]
    with pytest.raises(TypeError, match="Router takes a path first"):
        Router(handlers)


def test_a_single_handler_is_refused_with_the_list_to_write() -> None:
    handler: Any = leaf
    with pytest.raises(TypeError, match=r"Router: route_handlers takes a list.*\[leaf\]"):
        Router("/", handler)


def test_a_bad_prefix_is_reported_with_each_handler_below() -> None:
    with pytest.raises(ConfigurationError, match=r"'\{id\}' has no type; write \{id:str\}"):
        Hesper([Router("/{id}", [leaf])])


def test_what_cannot_be_routed_is_named_with_its_layer() -> None:
    async def bare() -> str:
        return ""

    class Plain:
        pass

    handlers: list[Any] = [bare, Plain, 5]
    with pytest.raises(ConfigurationError) as raised:
        Hesper([Router("/r", handlers)])
    undecorated, not_a_controller, nothing = raised.value.problems
    assert undecorated.startswith("router /r: ")
    assert "bare is not decorated; write @get()" in undecorated
    assert "Plain is not a Controller; derive it from hesper.Controller" in not_a_controller
    assert "5 is neither a decorated function nor a controller nor a router" in nothing


def test_a_router_inside_itself_is_reported() -> None:
    router = Router("/r", [leaf])
    object.__setattr__(router, "route_handlers", (leaf, router))
    with pytest.raises(ConfigurationError, match="router /r contains itself"):
        Hesper([router])


def test_controllers_nest_in_routers() -> None:
    class Books(Controller):
        path = "/books"

        @get("/{isbn:str}")
        async def one(self, shop: str, isbn: str) -> Any:
            return [shop, isbn]

    app = Hesper([Router("/{shop:str}", [Books])])
    assert answer(app, "GET", "/corner/books/123").json() == ["corner", "123"]


def test_a_router_never_changes_with_its_class() -> None:
    class Versioned(Router): ...

    router = Versioned(route_handlers=[leaf])
    Versioned.path = "/v2"
    assert router.path == Versioned().path == "/"


def test_a_path_goes_through_the_setter_of_a_subclass() -> None:
    class Versioned(Router):
        @property
        def path(self) -> str:
            return f"/v1{vars(self)['_path']}"

        @path.setter
        def path(self, given: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
            vars(self)["_path"] = given

    assert answer(Hesper([Versioned("/books", [leaf])]), "GET", "/v1/books/leaf").status == 200


def test_a_path_that_can_only_be_read_is_not_passed() -> None:
    class Fixed(Router):
        path: Any = property(lambda _: "/fixed")

    assert answer(Hesper([Fixed(route_handlers=[leaf])]), "GET", "/fixed/leaf").status == 200
    with pytest.raises(AttributeError, match="no setter"):
        Fixed("/other")
