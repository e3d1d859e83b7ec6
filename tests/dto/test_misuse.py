"""What cannot be with DTOs is an error when the app is built, or before."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field, make_dataclass
from typing import Annotated, Any, Generic, TypedDict, TypeVar, cast

import msgspec
import pytest

from hesper import Hesper, Response, Router, get, post, websocket
from hesper.dto import (
    AbstractDTO,
    AttrsDTO,
    DataclassDTO,
    DTOConfig,
    DTOData,
    MsgspecDTO,
    TypedDictDTO,
    dto_field,
)
from hesper.exceptions import ConfigurationError, ImproperlyConfiguredException
from hesper.plugins.pydantic import PydanticDTO

T = TypeVar("T")


@dataclass
class Author:
    name: str
    identity: int


@dataclass
class Book:
    title: str
    author: Author
    number: int = 0


@dataclass
class Other:
    name: str


@dataclass
class Envelope(Generic[T]):
    content: T


class Row(msgspec.Struct, array_like=True):
    x: int
    y: int = 0


class Entry(TypedDict):
    name: str
    number: int


Lost: Any = make_dataclass("Lost", [("name", "Missing")])
LostStruct: Any = msgspec.defstruct("LostStruct", [("name", cast("Any", "Missing"))])


class Tagged(msgspec.Struct, tag=True):
    x: int


@dataclass
class Seeded:
    seed: InitVar[int]
    name: str = ""


def excluding(*names: str, of: Any = Book) -> type[AbstractDTO[Any]]:
    dto: type[AbstractDTO[Any]] = DataclassDTO[Annotated[of, DTOConfig(exclude=set(names))]]
    return dto


def problems(handler: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Hesper([handler])
    return str(caught.value)


def reads(annotation: Any, dto: Any) -> Any:
    async def add(data: Any) -> None:
        pass

    add.__annotations__ = {"data": annotation, "return": None}
    return post("/", dto=dto)(add)


def sends(annotation: Any, **options: Any) -> Any:
    async def one() -> Any:
        pass

    one.__annotations__ = {} if annotation is ... else {"return": annotation}
    return get("/", **options)(one)


READING: dict[str, tuple[Any, Any, str]] = {
    "another model": (Other, DataclassDTO[Book], "DataclassDTO[Book] is for Book; annotate it"),
    "no model": (int, DataclassDTO[Book], "it is <class 'int'>, but DataclassDTO[Book] is for"),
    "nothing said": (Any, DataclassDTO[Book], "is for Book; annotate it with Book"),
    "data of another model": (DTOData[Other], DataclassDTO[Book], "is for Book"),
    "data of nothing": (DTOData, DataclassDTO[Book], "write DTOData[...]"),
    "a wrapper": (Envelope[Book], DataclassDTO[Book], "make that the DTO's model"),
    "a required field that is left out": (
        Book,
        excluding("title"),
        "Book needs 'title', which DataclassDTO[Book] does not take from every request; give a d",
    ),
    "a nested required field": (Book, excluding("author.identity"), "Author needs 'identity'"),
    "a nested model that is too deep": (
        Book,
        DataclassDTO[Annotated[Book, DTOConfig(max_nested_depth=0)]],
        "Book needs 'author'",
    ),
    "a part": (
        Other,
        DataclassDTO[Annotated[Other, DTOConfig(partial=True)]],
        "Other needs 'name'",
    ),
    "a key of a dictionary": (
        Entry,
        TypedDictDTO[Annotated[Entry, DTOConfig(exclude={"number"})]],
        "Entry needs 'number'",
    ),
    "what the constructor takes alone": (Seeded, excluding("seed", of=Seeded), "needs 'seed'"),
    "a field that is not there": (
        Book,
        excluding("tilte"),
        "exclude names 'tilte', which the model does not have; did you mean 'title'?",
    ),
    "a nested field that is not there": (Book, excluding("author.nmae"), "'author.name'?"),
    "a path without its number": (
        Envelope,
        excluding("content.x", of=Envelope),
        "exclude names 'content.x'",
    ),
    "a renamed field that is not there": (
        Book,
        DataclassDTO[Annotated[Book, DTOConfig(rename_fields={"titel": "t"})]],
        "rename_fields names 'titel'",
    ),
    "two fields of one name": (
        Book,
        DataclassDTO[Annotated[Book, DTOConfig(rename_fields={"title": "number"})]],
        "has 'title' and 'number', and both would be 'number' on the wire",
    ),
    "an array": (
        Row,
        MsgspecDTO[Annotated[Row, DTOConfig(exclude={"y"})]],
        "is written as an array, which has no fields to leave out",
    ),
    "a model or anything": (
        Other | Any,
        DataclassDTO[Annotated[Other, DTOConfig(rename_strategy="upper")]],
        "nobody can tell in a request which member of",
    ),
    "a set of what has no hash": (
        set[Other],
        DataclassDTO[Annotated[Other, DTOConfig(rename_strategy="upper")]],
        "a set can never hold Other",
    ),
    "a struct's annotation that cannot be resolved": (
        LostStruct,
        MsgspecDTO[LostStruct],
        "name 'Missing' is not",
    ),
    "a name on the wire that is its tag": (
        Tagged,
        MsgspecDTO[Annotated[Tagged, DTOConfig(rename_fields={"x": "type"})]],
        "cannot be written down",
    ),
    "an annotation that cannot be resolved": (Lost, DataclassDTO[Lost], "name 'Missing' is not"),
}


@pytest.mark.parametrize("name", READING)
def test_a_dto_that_cannot_read_the_body_is_an_error(name: str) -> None:
    annotation, dto, message = READING[name]
    assert message in problems(reads(annotation, dto))


SENDING: dict[str, tuple[Any, str]] = {
    "another model": (Other, "DataclassDTO[Book] is for Book"),
    "no model": (int, "write return_dto=None"),
    "anything": (Any, "annotate it with Book"),
    "a response with anything": (Response, "annotate it with Book"),
    "a response with another model": (Response[Other], "is for Book"),
    "not annotated": (..., "it is not annotated"),
    "nothing": (None, "is for Book"),
}


@pytest.mark.parametrize("name", SENDING)
def test_a_return_dto_that_cannot_send_the_result_is_an_error(name: str) -> None:
    annotation, message = SENDING[name]
    assert message in problems(sends(annotation, return_dto=DataclassDTO[Book]))


@pytest.mark.parametrize("annotation", [Other, list[Other], Any, Response[Any], Response, ...])
@pytest.mark.parametrize("option", ["dto", "return_dto"])
def test_no_model_passes_by_a_dto_of_an_outer_layer(annotation: Any, option: str) -> None:
    options: dict[str, Any] = {option: DataclassDTO[Book]}
    router = Router("/", route_handlers=[sends(annotation)], **options)
    assert "DataclassDTO[Book] is for Book" in problems(router)


def test_data_of_any_kind_passes_by_a_dto_of_an_outer_layer() -> None:
    async def add(data: dict[str, Any]) -> None:
        pass

    Hesper([Router("/", route_handlers=[post("/")(add)], dto=DataclassDTO[Book])])


def test_a_body_of_another_model_does_not_pass_by_a_dto_of_an_outer_layer() -> None:
    async def add(data: Other) -> None:
        pass

    router = Router("/", route_handlers=[post("/")(add)], dto=DataclassDTO[Book])
    assert "DataclassDTO[Book] is for Book" in problems(router)


def test_a_dto_that_has_nothing_to_do_is_an_error() -> None:
    message = "dto=DataclassDTO[Book] has nothing to do"
    assert message in problems(sends(int, dto=DataclassDTO[Book]))
    assert message in problems(
        sends(Book, dto=DataclassDTO[Book], return_dto=excluding("author.identity"))
    )


def test_a_dto_on_a_websocket_is_an_error() -> None:
    async def talk(socket: Any) -> None:
        pass

    for option in ("dto", "return_dto"):
        options: dict[str, Any] = {option: DataclassDTO[Book]}
        handler = websocket("/", **options)(talk)
        assert f"{option} has no effect" in problems(handler)


def test_all_problems_are_reported_together() -> None:
    async def add(data: Other) -> Other:
        return data

    found = problems(post("/", dto=DataclassDTO[Book], return_dto=excluding("x"))(add))
    assert "'data' of" in found
    assert "the result: " in found


@pytest.mark.parametrize(
    ("dto", "model", "message"),
    [
        (DataclassDTO, Row, "takes one dataclass, not the msgspec.Struct Row"),
        (MsgspecDTO, Book, "takes one msgspec.Struct, not the dataclass Book"),
        (AttrsDTO, Book, "takes one attrs class, not the dataclass Book"),
        (TypedDictDTO, dict, "takes one TypedDict, not <class 'dict'>"),
        (PydanticDTO, int, "takes one pydantic model, not <class 'int'>"),
        (DataclassDTO, Envelope[int], "takes one dataclass"),
        (DataclassDTO, "Book", "takes one dataclass, not 'Book'"),
        (AbstractDTO, int, "takes one model, not <class 'int'>"),
    ],
)
def test_a_dto_takes_models_of_its_kind(dto: Any, model: Any, message: str) -> None:
    with pytest.raises(ImproperlyConfiguredException, match=message):
        dto[model]


def test_a_dto_takes_one_model() -> None:
    dto: Any = DataclassDTO[Book]
    with pytest.raises(ImproperlyConfiguredException, match="is for Book already"):
        dto[Other]


def test_a_configuration_is_one() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="config is a DTOConfig"):
        type("Wrong", (DataclassDTO[Book],), {"config": {"exclude": {"title"}}})


@pytest.mark.parametrize("option", ["dto", "return_dto"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Book, "takes a DTO, such as DataclassDTO"),
        (DTOConfig(), "takes a DTO, such as"),
        (DataclassDTO, "takes a DTO with its model; write DataclassDTO"),
    ],
)
def test_the_option_takes_a_dto_with_a_model(option: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        get("/", **{option: value})


def test_a_mark_alone_hides_a_required_field() -> None:
    @dataclass
    class Marked:
        name: str = field(metadata=dto_field("read-only"))

    assert "Marked needs 'name'" in problems(reads(Marked, DataclassDTO[Marked]))
