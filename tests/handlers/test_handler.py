"""Declarations: what a decorator leaves on a function, and what it refuses."""

from __future__ import annotations

import gc
import weakref
from functools import partial, wraps
from typing import Any, assert_type

import pytest

from hesper import Controller, Hesper, Request, Router, asgi, get, post, websocket
from hesper.handlers import BaseRouteHandler
from hesper.handlers.handler import declarations
from tests.asgi_driver import answer


def test_the_decorated_function_is_the_function_itself() -> None:
    def add(left: int, right: int) -> int:
        return left + right

    decorated = get("/")(add)
    assert decorated is add
    assert_type(decorated(1, 2), int)
    assert decorated(1, 2) == 3


def test_decorators_of_one_function_add_up() -> None:
    @get("/one")
    @post("/two")
    async def handle(request: Request) -> str:
        return request.method

    assert [type(declared) for declared in declarations(handle)] == [post, get]
    app = Hesper([handle])
    assert answer(app, "GET", "/one").text == "GET"
    assert answer(app, "POST", "/two").text == "POST"
    assert answer(app, "GET", "/two").status == 405


def test_a_handler_may_have_several_paths() -> None:
    @get(["/one", "/two/{number:int}"])
    async def handle(number: int = 0) -> Any:
        return number

    app = Hesper([handle])
    assert answer(app, "GET", "/one").json() == 0
    assert answer(app, "GET", "/two/2").json() == 2


def test_a_decorator_around_a_declared_function_keeps_the_declaration() -> None:
    def shouting(function: Any) -> Any:
        @wraps(function)
        async def shout(*args: Any, **kwargs: Any) -> str:
            text: str = await function(*args, **kwargs)
            return text.upper()

        return shout

    @shouting
    @get("/")
    async def handle(name: str) -> str:
        return name

    assert answer(Hesper([handle]), "GET", "/?name=emma").text == "EMMA"


def test_a_callable_object_is_a_handler() -> None:
    class Greeting:
        def __init__(self, word: str) -> None:
            self.word = word

        async def __call__(self, name: str) -> str:
            return f"{self.word} {name}"

    app = Hesper([get("/")(Greeting("Hello"))])
    assert answer(app, "GET", "/?name=Emma").text == "Hello Emma"


def test_a_partial_application_is_a_handler_and_what_it_settles_is_out_of_reach() -> None:
    async def greet(word: str, name: str, *, mark: str) -> str:
        return f"{word} {name}{mark}"

    app = Hesper([get("/")(partial(greet, "Hello", mark="!"))])
    assert answer(app, "GET", "/?name=Emma&mark=.&word=Bye").text == "Hello Emma!"


def test_a_bound_method_carries_no_declaration() -> None:
    class Plain:
        async def handle(self) -> str:
            return ""

    with pytest.raises(TypeError, match="cannot carry a declaration; wrap it in a function"):
        get("/")(Plain().handle)


def test_what_is_not_callable_is_refused() -> None:
    not_a_function: Any = "handler"
    with pytest.raises(TypeError, match="a route handler is a function, not 'handler'"):
        get("/")(not_a_function)


@pytest.mark.parametrize("decorator", [get, post, websocket, asgi])
def test_a_decorator_without_parentheses_is_refused(decorator: Any) -> None:
    async def handle() -> None: ...

    with pytest.raises(TypeError, match=rf"@{decorator.__name__} stands without parentheses"):
        decorator(handle)


@pytest.mark.parametrize("path", [5, None, [], (), ["/a", 5], [None], {}])
def test_a_path_is_a_string_or_several(path: Any) -> None:
    with pytest.raises(TypeError, match="get takes a path or a list of paths, not"):
        get(path)


def test_paths_are_kept_as_they_were_given() -> None:
    paths = ["/one", "/two"]
    declared = get(paths)
    paths.append("/three")
    assert declared.paths == ("/one", "/two")
    assert get("/one").paths == ("/one",)
    assert get().paths == ("/",)


def test_a_declaration_belongs_to_no_function() -> None:
    with pytest.raises(AttributeError, match="is a declaration; only the handler that guards"):
        _ = get("/").fn


def test_the_resolved_handler_knows_its_function_name_and_options() -> None:
    seen: list[Any] = []

    @get("/", name="root", opt={"a": 1})
    async def handle(request: Request) -> str:
        seen.append(request.route_handler)
        return ""

    answer(Hesper([handle], opt={"b": 2}), "GET", "/")
    (resolved,) = seen
    assert isinstance(resolved, BaseRouteHandler)
    assert resolved.fn is handle
    assert resolved.name == "root"
    assert resolved.opt == {"a": 1, "b": 2}
    assert resolved.label.startswith("get test_the_resolved_handler")
    assert weakref.ref(resolved)() is resolved


def test_the_function_of_a_controllers_handler_is_bound() -> None:
    seen: list[Any] = []

    class Books(Controller):
        @get("/")
        async def handle(self, request: Request) -> str:
            seen.append(request.route_handler.fn)
            return ""

    answer(Hesper([Books]), "GET", "/")
    assert isinstance(seen[0].__self__, Books)


def test_declaring_makes_no_cycle() -> None:
    gc.disable()
    try:

        async def handle() -> str:
            return ""

        reference = weakref.ref(get("/")(handle))
        del handle
        assert reference() is None
    finally:
        gc.enable()


def test_one_function_serves_in_many_apps() -> None:
    @get("/")
    async def handle(request: Request) -> Any:
        return request.route_handler.opt["app"]

    apps = [Hesper([Router("/r", [handle])], opt={"app": number}) for number in range(3)]
    assert [answer(app, "GET", "/r").json() for app in apps] == [0, 1, 2]
