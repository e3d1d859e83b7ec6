"""DTOs on the layers of an app: what they do to requests and responses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from hesper import Controller, Hesper, MediaType, Request, Response, Router, get, patch, post
from hesper.datastructures import State
from hesper.dto import DataclassDTO, DTOConfig, DTOData, MsgspecDTO, dto_field
from hesper.enums import RequestEncodingType
from hesper.pagination import ClassicPagination, CursorPagination, OffsetPagination
from hesper.params import Body, JSONBody, MsgPackBody, URLEncodedBody
from hesper.response import File, Redirect, Stream
from hesper.testing import TestClient
from hesper.types import ASGIApp, Receive, Scope, Send
from tests.asgi_driver import Answer, answer


@dataclass
class Author:
    name: str
    email: str = field(default="hidden", metadata=dto_field("private"))

    def __post_init__(self) -> None:
        if self.name == "nobody":
            raise ValueError("Expected somebody")


@dataclass
class Book:
    title: str
    author: Author
    isbn: str = field(default="0", metadata=dto_field("read-only"))


class Colour:
    def __init__(self, name: str) -> None:
        self.name = name


@dataclass
class Car:
    colour: Colour
    secret: str = field(default="", metadata=dto_field("private"))


class Point(msgspec.Struct):
    x: int
    y: int = 0


BookDTO = DataclassDTO[Book]
BOOK = Book("Emma", Author("Jane", "jane@example.com"), "42")
SHOWN = {"title": "Emma", "author": {"name": "Jane"}, "isbn": "42"}


def send(app: Any, body: Any, target: str = "/", method: str = "POST") -> Answer:
    headers = [("content-type", "application/json")]
    return answer(app, method, target, headers=headers, body=msgspec.json.encode(body))


def shown(handler: Any, **options: Any) -> Any:
    """Return what a client sees of a handler's result."""
    found = answer(Hesper([handler], **options), "GET", "/")
    assert found.status == 200, found.text
    return found.json()


def test_a_dto_serves_both_directions() -> None:
    @post("/", dto=BookDTO)
    async def add(data: Book) -> Book:
        assert data == Book("Emma", Author("Jane", "hidden"), "0")
        return BOOK

    body = {**SHOWN, "isbn": "evil", "author": {"name": "Jane", "email": "evil"}}
    assert send(Hesper([add]), body).json() == SHOWN


def test_a_return_dto_says_what_is_sent_alone() -> None:
    class TitleDTO(DataclassDTO[Book]):
        config = DTOConfig(include={"title"})

    @post("/", dto=BookDTO, return_dto=TitleDTO)
    async def add(data: Book) -> Book:
        return data

    assert send(Hesper([add]), SHOWN).json() == {"title": "Emma"}


def test_a_return_dto_of_an_outer_layer_wins_over_the_dto_for_results() -> None:
    class TitleDTO(DataclassDTO[Book]):
        config = DTOConfig(include={"title"})

    @post("/", dto=BookDTO)
    async def add(data: Book) -> Book:
        return data

    router = Router("/", route_handlers=[add], return_dto=TitleDTO)
    assert send(Hesper([router]), SHOWN).json() == {"title": "Emma"}


@pytest.mark.parametrize("layer", ["application", "router", "controller", "handler"])
def test_a_dto_works_on_every_layer(layer: str) -> None:
    def at(place: str) -> dict[str, Any]:
        return {"dto": BookDTO} if place == layer else {}

    class Books(Controller):
        path = "/"

        @get(**at("handler"))
        async def one(self) -> Book:
            return BOOK

    controller = type("Chosen", (Books,), at("controller"))
    router = Router("/", route_handlers=[controller], **at("router"))
    assert answer(Hesper([router], **at("application")), "GET", "/").json() == SHOWN


@pytest.mark.parametrize("option", ["dto", "return_dto"])
def test_none_switches_a_dto_of_an_outer_layer_off(option: str) -> None:
    off: dict[str, Any] = {option: None}
    on: dict[str, Any] = {option: BookDTO}

    @get("/", **off)
    async def one() -> Book:
        return BOOK

    app = Hesper([Router("/", route_handlers=[one], **on)])
    assert answer(app, "GET", "/").json()["author"]["email"] == "jane@example.com"


def test_handlers_of_other_things_are_let_be_by_an_outer_dto() -> None:
    class Books(Controller):
        path = "/"
        dto = BookDTO

        @get("/number")
        async def number(self) -> int:
            return 1

        @get("/text")
        async def text(self) -> str:
            return "text"

        @get("/away")
        async def away(self) -> Redirect:
            return Redirect("/")

        @post("/raw")
        async def raw(self, data: bytes) -> bytes:
            return data

        @post("/numbers")
        async def numbers(self, data: list[int]) -> None:
            pass

    app = Hesper([Books])
    assert answer(app, "GET", "/number").json() == 1
    assert answer(app, "GET", "/text").text == "text"
    assert answer(app, "GET", "/away").status == 302
    assert answer(app, "POST", "/raw", body=b"raw").text == "raw"
    assert send(app, [1], "/numbers").status == 201


RESULTS: dict[str, tuple[Any, Any, Any]] = {
    "one": (Book, BOOK, SHOWN),
    "a list": (list[Book], [BOOK, BOOK], [SHOWN, SHOWN]),
    "an empty list": (list[Book], [], []),
    "a tuple": (tuple[Book, ...], (BOOK,), [SHOWN]),
    "a row": (tuple[int, Book], (1, BOOK), [1, SHOWN]),
    "a mapping": (dict[str, Book], {"a": BOOK}, {"a": SHOWN}),
    "lists in a mapping": (dict[str, list[Book]], {"a": [BOOK]}, {"a": [SHOWN]}),
    "none": (Book | None, None, None),
    "one or none": (Book | None, BOOK, SHOWN),
    "one or many": (Book | list[Book], [BOOK], [SHOWN]),
    "something else": (Book | Point, Point(1), {"x": 1, "y": 0}),
    "a list of something else": (Book | list[Point], [Point(1)], [{"x": 1, "y": 0}]),
    "text": (Book | str, "text", "text"),
    "a response": (Response[Book], Response(BOOK), SHOWN),
    "a response of many": (Response[list[Book]], Response([BOOK]), [SHOWN]),
    "one or a response": (Book | Response[Book], Response(BOOK), SHOWN),
    "a numbered page": (
        ClassicPagination[Book],
        ClassicPagination([BOOK], 10, 1, 1),
        {"items": [SHOWN], "page_size": 10, "current_page": 1, "total_pages": 1},
    ),
    "a part": (
        OffsetPagination[Book],
        OffsetPagination([BOOK], 10, 0, 1),
        {"items": [SHOWN], "limit": 10, "offset": 0, "total": 1},
    ),
    "what is behind a cursor": (
        CursorPagination[str, Book],
        CursorPagination([BOOK], 10, "42"),
        {"items": [SHOWN], "results_per_page": 10, "cursor": "42"},
    ),
    "a page in a response": (
        Response[ClassicPagination[Book]],
        Response(ClassicPagination([BOOK], 10, 1, 1)),
        {"items": [SHOWN], "page_size": 10, "current_page": 1, "total_pages": 1},
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_transformed_wherever_the_model_stands(name: str) -> None:
    annotation, result, expected = RESULTS[name]

    async def handler() -> Any:
        return result

    handler.__annotations__ = {"return": annotation}
    assert shown(get("/", return_dto=BookDTO, media_type=MediaType.JSON)(handler)) == expected


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_transformed_where_hooks_see_it(name: str) -> None:
    annotation, result, expected = RESULTS[name]
    seen: list[Any] = []

    async def handler() -> Any:
        return result

    def look(response: Response[Any]) -> Response[Any]:
        seen.append(response)
        return response

    handler.__annotations__ = {"return": annotation}
    route = get("/", return_dto=BookDTO, media_type=MediaType.JSON, after_request=look)(handler)
    assert shown(route) == expected
    assert len(seen) == 1
    assert not isinstance(seen[0].content, Book)


def test_a_hook_that_answers_in_the_handlers_place_may_send_plain_data() -> None:
    async def busy(request: Request) -> Any:
        answers = {"plain": {"detail": "busy"}, "model": BOOK, "response": Response({"a": 1})}
        return answers.get(request.query_params.get("as", ""))

    @get("/", return_dto=BookDTO, before_request=busy)
    async def one() -> Book:
        return BOOK

    app = Hesper([one])
    assert answer(app, "GET", "/?as=plain").json() == {"detail": "busy"}
    assert answer(app, "GET", "/?as=model").json() == SHOWN
    assert answer(app, "GET", "/?as=response").json() == {"a": 1}
    assert answer(app, "GET", "/").json() == SHOWN


def test_a_response_may_hold_plain_data_in_the_models_place() -> None:
    @get("/", return_dto=BookDTO)
    async def one() -> Response[Book | dict[str, str]]:
        return Response({"detail": "gone"}, status_code=410)

    found = answer(Hesper([one]), "GET", "/")
    assert (found.status, found.json()) == (410, {"detail": "gone"})


def test_a_response_is_not_changed_by_sending_it() -> None:
    kept = Response(BOOK)

    @get("/", return_dto=BookDTO)
    async def one() -> Response[Book]:
        return kept

    app = Hesper([one])
    assert answer(app, "GET", "/").json() == answer(app, "GET", "/").json() == SHOWN
    assert kept.content is BOOK


@dataclass
class SecretBook(Book):
    password: str = "hidden"


@pytest.mark.parametrize(
    "result",
    [{"title": "Emma", "email": "x"}, [BOOK], Author("Jane"), Point(1), Response([Point(1)])],
    ids=["a dict", "a list", "a dataclass", "a struct", "a response"],
)
def test_a_result_of_another_type_is_never_sent(result: Any) -> None:
    @get("/", return_dto=BookDTO)
    async def one() -> Book | Response[Book]:
        found: Book = result
        return found

    found = answer(Hesper([one]), "GET", "/")
    assert found.status == 500
    assert "Jane" not in found.text


def test_fields_of_a_subclass_are_not_sent() -> None:
    @get("/", return_dto=DataclassDTO[Author])
    async def one() -> Author:
        @dataclass
        class Spy(Author):
            password: str = "hidden"

        return Spy("Jane")

    assert shown(one) == {"name": "Jane"}


def test_where_a_model_has_subclasses_nothing_else_of_them_is_sent() -> None:
    @dataclass
    class Plain:
        name: str

    @dataclass
    class Secretive(Plain):
        password: str = field(default="hidden", metadata=dto_field("private"))

    async def one() -> Any:
        return Secretive("a")

    one.__annotations__ = {"return": Plain}
    assert shown(get("/", return_dto=DataclassDTO[Plain])(one)) == {"name": "a"}


def test_faults_of_a_request_are_reported_together_by_their_names_on_the_wire() -> None:
    class Upper(DataclassDTO[Book]):
        config = DTOConfig(rename_strategy="upper")

    @post("/{number:int}", dto=Upper)
    async def add(data: list[Book], page: int) -> None:
        pass

    body = [{"TITLE": 1, "AUTHOR": {"NAME": "x"}}, {"TITLE": "x", "AUTHOR": {}}]
    assert send(Hesper([add]), body, "/1?page=x").faults == {
        ("query", "page"),
        ("body", "[0].TITLE"),
        ("body", "[1].AUTHOR.NAME"),
    }


def test_what_a_model_refuses_itself_is_a_fault_at_its_place() -> None:
    @post("/", dto=BookDTO)
    async def add(data: dict[str, list[Book]]) -> None:
        pass

    body = {
        "x": [{"title": "a", "author": {"name": "b"}}, {"title": "a", "author": {"name": "nobody"}}]
    }
    found = send(Hesper([add]), body)
    assert found.faults == {("body", "x[1].author")}
    assert found.json()["extra"][0]["message"] == "Expected somebody"


BODIES = {
    "JSON": (JSONBody[Point], "application/json", b'{"X": 1, "Y": 2}'),
    "MessagePack": (
        MsgPackBody[Point],
        RequestEncodingType.MESSAGEPACK,
        msgspec.msgpack.encode({"X": 1, "Y": 2}),
    ),
    "a form": (URLEncodedBody[Point], RequestEncodingType.URL_ENCODED, b"X=1&Y=2"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_may_come_in_any_encoding(name: str) -> None:
    annotation, media_type, body = BODIES[name]

    async def add(data: Any) -> Any:
        assert data == Point(1, 2)
        return data

    add.__annotations__ = {"data": annotation, "return": Point}

    class Upper(MsgspecDTO[Point]):
        config = DTOConfig(rename_strategy="upper")

    app = Hesper([post("/", dto=Upper)(add)])
    found = answer(app, "POST", "/", headers=[("content-type", media_type)], body=body)
    assert found.json() == {"X": 1, "Y": 2}
    broken = body.replace(b"X", b"Z")
    found = answer(app, "POST", "/", headers=[("content-type", media_type)], body=broken)
    assert found.faults == {("body", "X")}


def test_results_may_leave_as_message_pack() -> None:
    @get("/", return_dto=BookDTO, media_type=MediaType.MESSAGEPACK)
    async def one() -> list[Book]:
        return [BOOK]

    assert msgspec.msgpack.decode(answer(Hesper([one]), "GET", "/").body) == [SHOWN]


def test_encoders_and_decoders_of_the_route_are_for_fields_too() -> None:
    async def add(data: Any) -> Any:
        assert data.colour.name == "red"
        return data

    add.__annotations__ = {"data": Car, "return": Car}
    app = Hesper(
        [post("/", dto=DataclassDTO[Car])(add)],
        type_encoders={Colour: lambda colour: colour.name.upper()},
        type_decoders=[(lambda kind: kind is Colour, lambda _kind, value: Colour(value))],
    )
    assert send(app, {"colour": "red"}).json() == {"colour": "RED"}


def test_constraints_of_the_body_hold_for_lists_of_models() -> None:
    @post("/", dto=BookDTO)
    async def add(data: Annotated[list[Book], Body(max_items=1)]) -> None:
        pass

    book = {"title": "a", "author": {"name": "b"}}
    assert send(Hesper([add]), [book]).status == 201
    assert send(Hesper([add]), [book, book]).faults == {("body", "data")}


def test_a_body_may_be_left_out_where_there_is_a_default() -> None:
    @post("/", dto=BookDTO)
    async def add(data: Book | None = None, data_was: int = 0) -> str:
        return str(data)

    assert answer(Hesper([add]), "POST", "/").text == "None"
    assert send(Hesper([add]), None).text == "None"


def test_guards_and_dependencies_take_the_same_body() -> None:
    seen: list[Any] = []

    async def check(_connection: Any, _handler: Any, data: Book) -> None:
        seen.append(data)

    async def provide(data: DTOData[Book]) -> Any:
        return data.as_builtins()

    @post("/", dto=BookDTO, guards=[check], dependencies={"plain": provide})
    async def add(data: Book, plain: Any) -> None:
        seen.extend([data, plain])

    assert send(Hesper([add]), SHOWN).status == 201
    assert seen[0] is seen[1]
    assert seen[2] == {"title": "Emma", "author": {"name": "Jane"}}


def test_a_patch_keeps_what_is_not_sent() -> None:
    class PatchDTO(DataclassDTO[Book]):
        config = DTOConfig(partial=True)

    @patch("/", dto=PatchDTO)
    async def change(data: DTOData[Book], state: State) -> Book:
        book = Book("Emma", Author("Jane", "jane@example.com"), "42")
        author = book.author
        assert data.update_instance(book) is book
        assert book.author is author
        assert author.email == "jane@example.com"
        return book

    found = send(Hesper([change]), {"author": {"name": "Anne"}}, method="PATCH")
    assert found.json() == {"title": "Emma", "author": {"name": "Anne"}, "isbn": "42"}


def test_where_nothing_is_transformed_nothing_is_done() -> None:
    @post("/", dto=MsgspecDTO[Point])
    async def one(data: Point) -> Point:
        return data

    @post("/", dto=MsgspecDTO[Point])
    async def many(data: list[Point]) -> dict[str, ClassicPagination[Point]]:
        return {}

    for handler in (one, many):
        plans = Hesper([handler])._wiring.plans
        (plan,) = (plan for plan in plans if plan.methods == ("POST",))
        (argument,) = plan.call.arguments
        assert argument.inbound is not None
        assert argument.inbound.finish is None
        assert argument.annotation == argument.inbound.annotation
        assert plan.outbound is not None
        assert plan.outbound.transfer is None


def test_other_kinds_of_responses_are_let_be(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")

    @get("/{number:int}", return_dto=BookDTO)
    async def one(number: int) -> Book | Redirect | File | ASGIApp:
        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await Response("asgi")(scope, receive, send)

        answers: list[Any] = [Redirect("/x"), File(tmp_path / "a.txt"), asgi, BOOK]
        chosen: Book = answers[number]
        return chosen

    with TestClient(Hesper([one]), follow_redirects=False) as client:
        assert client.get("/0").headers["location"] == "/x"
        assert client.get("/1").text == "content"
        assert client.get("/2").text == "asgi"
        assert client.get("/3").json() == SHOWN


def test_a_stream_is_let_be() -> None:
    @get("/", return_dto=BookDTO)
    async def one() -> Book | Stream:
        return Stream(iter([b"a", b"b"]))

    with TestClient(Hesper([one])) as client:
        assert client.get("/").text == "ab"
