"""Controllers: options as class attributes, inheritance, instances, and misspelt attributes."""

from __future__ import annotations

import weakref
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from hypothesis import assume, given

from hesper import Controller, Hesper, Replace, Request, Response, Router, get, post
from hesper.controller import layers_of
from hesper.exceptions import ConfigurationError, PermissionDeniedException
from hesper.layer import RULES, changes_of
from tests.asgi_driver import answer
from tests.test_layer import typos

T = TypeVar("T")


def refuse(_connection: object, _handler: object) -> None:
    raise PermissionDeniedException


def controller(**attributes: object) -> type[Controller]:
    return type("Books", (Controller,), attributes)


# Attributes.


@given(typos())
def test_a_misspelt_attribute_is_refused_when_the_class_is_made(typo: tuple[str, str]) -> None:
    option, misspelt = typo
    assume(misspelt not in RULES and not misspelt.startswith("_"))
    with pytest.raises(TypeError, match=rf"Books\.{misspelt} is not an option; did you mean"):
        controller(**{misspelt: []})
    with pytest.raises(TypeError, match=option):
        controller(**{misspelt: []})


@pytest.mark.parametrize(
    "misspelt", ["guard", "gaurds", "gurads", "guars", "gards", "guards_", "auards", "guarda"]
)
def test_a_typo_in_guards_never_serves_an_unguarded_route(misspelt: str) -> None:
    with pytest.raises(TypeError, match="did you mean 'guards'"):
        controller(**{misspelt: [refuse]})


@pytest.mark.parametrize(
    "name",
    [
        "tag", "header", "headers", "cookie", "model", "option", "name", "title", "repository",
        "guarded", "response", "request", "before", "after", "handler", "etag_of", "pat", "cache",
    ],
)  # fmt: skip
def test_an_ordinary_attribute_passes(name: str) -> None:
    assert getattr(controller(**{name: 5}), name) == 5


def test_ordinary_methods_pass_and_work() -> None:
    class Books(Controller):
        prefix: ClassVar[str] = ">"

        @get("/")
        async def show(self) -> str:
            return self.tag("x") + self.title + self.made("y")

        def tag(self, text: str) -> str:
            return self.prefix + text

        @property
        def title(self) -> str:
            return "T"

        @classmethod
        def made(cls, text: str) -> str:
            return cls.__name__ + text

    assert answer(Hesper([Books]), "GET", "/").text == ">xTBooksy"


def test_a_private_attribute_may_be_called_as_it_likes() -> None:
    assert vars(controller(_guards=[1]))["_guards"] == [1]


def test_an_annotation_without_value_sets_nothing() -> None:
    assert [
        changes_of(layer)
        for layer in layers_of(
            type("Books", (Controller,), {"__annotations__": {"guards": list, "guard": list}})
        )
    ] == [{}]


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"guards": refuse}, r"Books: guards: takes a list, not refuse .*; write \[refuse\]"),
        ({"guards": None}, r"Books: guards=None .* guards=Replace\(\[\]\)"),
        ({"path": ["/a"]}, r"Books\.path is the prefix of all paths, a string, not \['/a'\]"),
        ({"path": None}, r"Books\.path is the prefix"),
        ({"response_headers": {"x-a": "1\n2"}}, "Books: response_headers: "),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_the_class(
    attributes: dict[str, object], says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        controller(**attributes)


def test_a_handler_with_the_name_of_an_option_is_refused() -> None:
    async def handle() -> str:
        return ""

    with pytest.raises(TypeError, match=r"Books\.tags is a handler with the name of an option"):
        controller(tags=get("/tags")(handle))


def test_a_method_in_place_of_a_hook_is_refused() -> None:
    def before_request(self: object, request: Request) -> None: ...

    with pytest.raises(TypeError, match=r"Books\.before_request is a method.*@staticmethod"):
        controller(before_request=before_request)


def test_a_static_method_is_a_hook() -> None:
    class Books(Controller):
        @staticmethod
        def before_request(request: Request) -> str:
            return f"hook for {request.url.path}"

        @get("/")
        async def handle(self) -> str:
            return "handler"

    assert answer(Hesper([Books]), "GET", "/").text == "hook for /"


def test_a_function_set_as_attribute_is_a_hook_and_not_bound() -> None:
    async def hook(request: Request) -> str:
        return f"hook for {request.url.path}"

    class Books(Controller):
        before_request = hook

        @get("/")
        async def handle(self) -> str:
            return "handler"

    assert answer(Hesper([Books]), "GET", "/").text == "hook for /"


def test_an_option_set_after_the_class_was_made_counts() -> None:
    class Books(Controller):
        @get("/")
        async def handle(self) -> str:
            return "open"

    before = Hesper([Books])
    Books.guards = [refuse]
    assert answer(Hesper([Books]), "GET", "/").status == 403
    assert answer(before, "GET", "/").status == 200


# Inheritance.


def test_the_path_of_a_base_is_replaced() -> None:
    class Base(Controller):
        path = "/base"

        @get("/")
        async def handle(self) -> str:
            return type(self).__name__

    class Derived(Base):
        path = "/derived"

    app = Hesper([Derived])
    assert answer(app, "GET", "/derived").text == "Derived"
    assert answer(app, "GET", "/base/derived").status == 404
    assert answer(app, "GET", "/base").status == 404


def test_the_path_of_a_base_is_inherited() -> None:
    class Base(Controller):
        path = "/base"

    class Derived(Base):
        @get("/")
        async def handle(self) -> str:
            return "here"

    assert answer(Hesper([Derived]), "GET", "/base").text == "here"


def test_a_handler_is_overridden_by_name() -> None:
    class Base(Controller):
        @get("/old")
        async def handle(self) -> str:
            return "base"

        @get("/kept")
        async def kept(self) -> str:
            return "kept"

    class Derived(Base):
        @get("/new")
        async def handle(self) -> str:
            return "derived"

    app = Hesper([Derived])
    assert answer(app, "GET", "/new").text == "derived"
    assert answer(app, "GET", "/kept").text == "kept"
    assert answer(app, "GET", "/old").status == 404


def test_a_handler_overridden_without_decorator_is_gone() -> None:
    class Base(Controller):
        @get("/")
        async def handle(self) -> str:
            return "base"

    class Derived(Base):
        async def handle(self) -> str:
            return "derived"

    assert answer(Hesper([Derived]), "GET", "/").status == 404


def test_bases_are_layers_in_the_order_of_inheritance() -> None:
    class Left(Controller):
        opt = {"who": "left", "left": 1}

    class Right(Controller):
        opt = {"who": "right", "right": 1}

    class Both(Left, Right):
        pass

    assert [layer.label.rpartition(".")[2] for layer in layers_of(Both)] == [
        "Right",
        "Left",
        "Both",
    ]


def test_a_mixin_that_is_no_controller_is_a_layer() -> None:
    class Mixin:
        guards = [refuse]

    class Books(Mixin, Controller):
        pass

    assert [
        changes_of(layer)["guards"].value for layer in layers_of(Books) if changes_of(layer)
    ] == [(refuse,)]


def test_a_misspelt_attribute_of_a_mixin_is_refused() -> None:
    class Mixin:
        gaurds = [refuse]

    with pytest.raises(TypeError, match=r"Mixin\.gaurds is not an option; did you mean 'guards'"):
        type("Books", (Mixin, Controller), {})


def test_a_generic_controller_works() -> None:
    class Crud(Controller, Generic[T]):
        opt = {"crud": True}

        @get("/")
        async def handle(self, request: Request) -> Any:
            return dict(request.route_handler.opt)

    class Books(Crud[int]):
        path = "/books"

    assert answer(Hesper([Books]), "GET", "/books").json() == {"crud": True}


def test_replace_on_a_subclass_drops_the_guards_of_its_base() -> None:
    class Closed(Controller):
        guards: Any = [refuse]

        @get("/")
        async def handle(self) -> str:
            return "open"

    class Open(Closed):
        path = "/open"
        guards: Any = Replace([])

    app = Hesper([Closed, Open])
    assert answer(app, "GET", "/").status == 403
    assert answer(app, "GET", "/open").text == "open"


# Instances.


class Counting(Controller):
    path = "/counting"

    def __init__(self, start: int = 10, *, step: int = 1) -> None:
        super().__init__()
        self.count = start
        self.step = step

    @post("/")
    async def up(self) -> Any:
        self.count += self.step
        return self.count


def test_a_class_is_made_once_for_each_app() -> None:
    one, other = Hesper([Counting]), Hesper([Counting])
    assert [answer(app, "POST", "/counting").json() for app in (one, one, other)] == [11, 12, 11]


def test_an_instance_with_arguments_may_stand_in_place_of_the_class() -> None:
    app = Hesper([Counting(100, step=5)])
    assert answer(app, "POST", "/counting").json() == 105


def test_a_class_that_needs_arguments_is_a_configuration_error() -> None:
    class Needy(Controller):
        def __init__(self, database: object) -> None:
            self.database = database

    with pytest.raises(
        ConfigurationError, match=r"Needy cannot be made without arguments.*instance"
    ):
        Hesper([Needy])


def test_a_misspelt_argument_of_an_instance_is_the_constructors_business() -> None:
    make: Any = Counting
    with pytest.raises(TypeError, match="unexpected keyword argument 'stepp'"):
        make(stepp=1)


def test_an_instance_cannot_set_an_option() -> None:
    class Books(Controller):
        def __init__(self) -> None:
            setattr(self, "guards", [refuse])  # noqa: B010 - checkers refuse the plain form

    with pytest.raises(AttributeError, match="guards"):
        Books()


def test_instances_can_be_weakly_referenced_and_are_shown_by_class() -> None:
    instance = Counting()
    assert weakref.ref(instance)() is instance
    assert repr(instance) == "<controller Counting>"


def test_static_and_class_methods_are_handlers_too() -> None:
    class Books(Controller):
        @staticmethod
        @get("/static")
        async def static() -> str:
            return "static"

        @classmethod
        @get("/class")
        async def of_class(cls) -> str:
            return cls.__name__

    app = Hesper([Books])
    assert answer(app, "GET", "/static").text == "static"
    assert answer(app, "GET", "/class").text == "Books"


def test_a_handler_stays_callable_as_it_was() -> None:
    class Books(Controller):
        @get("/")
        def add(self, left: int, right: int) -> Any:
            return left + right

    assert Books().add(1, 2) == 3


def test_a_controller_may_stand_under_several_routers() -> None:
    class Books(Controller):
        path = "/books"

        @get("/")
        async def where(self, request: Request) -> str:
            return request.url.path

    app = Hesper([Router("/one", [Books]), Router("/two", [Books])])
    assert answer(app, "GET", "/one/books").text == "/one/books"
    assert answer(app, "GET", "/two/books").text == "/two/books"


def test_an_exception_handler_of_a_controller_is_for_its_routes_alone() -> None:
    def answered(_request: Request, error: Exception) -> Response[str]:
        return Response(str(error), media_type="text/plain")

    class Books(Controller):
        exception_handlers = {ValueError: answered}

        @get("/in")
        async def inside(self) -> str:
            raise ValueError("inside")

    @get("/out")
    async def outside() -> str:
        raise ValueError("outside")

    app = Hesper([Books, outside])
    assert answer(app, "GET", "/in").text == "inside"
    assert answer(app, "GET", "/out").status == 500
