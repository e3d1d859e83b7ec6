"""DTOs for pydantic's models."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
import pydantic
import pytest

from hesper import Hesper, MediaType, get, post
from hesper.dto import DTOConfig, dto_field, type_on_wire
from hesper.exceptions import ConfigurationError
from hesper.params import MsgPackBody, URLEncodedBody
from hesper.plugins.pydantic import PydanticDTO
from tests.asgi_driver import Answer, answer

T = TypeVar("T")
Private = dto_field("private")


class Friend(pydantic.BaseModel):
    name: str
    key: Annotated[str, dto_field("private")] = "hidden"


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(alias="theName", max_length=5)
    born: datetime.date | None = None
    password: pydantic.SecretStr | None = None
    friends: list[Friend] | None = None
    key: Annotated[str, dto_field("private")] = "hidden"

    @pydantic.field_serializer("born")
    def year(self, born: datetime.date | None) -> int | None:
        return None if born is None else born.year

    @pydantic.computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def loud(self) -> str:
        return self.name.upper()


def send(app: Hesper, body: Any, media_type: str = "application/json") -> Answer:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return answer(app, "POST", "/", headers=[("content-type", media_type)], body=raw)


def echo(model: Any, dto: Any, annotation: Any = None) -> Hesper:
    async def handler(data: Any) -> Any:
        return data

    handler.__annotations__ = {"data": annotation or model, "return": model}
    return Hesper([post("/", dto=dto)(handler)])


def test_serializers_and_computed_fields_take_part() -> None:
    body = {
        "theName": "Ann",
        "born": "2000-01-02",
        "password": "secret",
        "friends": [{"name": "Eve", "key": "evil"}],
        "key": "evil",
        "loud": "evil",
    }
    assert send(echo(Person, PydanticDTO[Person]), body).json() == {
        "name": "Ann",
        "born": 2000,
        "password": "**********",
        "friends": [{"name": "Eve"}],
        "loud": "ANN",
    }


def test_a_new_name_holds_for_both_directions() -> None:
    dto = PydanticDTO[Annotated[Person, DTOConfig(rename_fields={"name": "who"})]]
    assert send(echo(Person, dto), {"who": "Ann"}).json()["who"] == "Ann"
    assert send(echo(Person, dto), {"theName": "Ann"}).faults == {("body", "who")}


def test_names_for_responses_are_those_of_the_model_where_it_says_so() -> None:
    class Named(Friend):
        model_config = {"serialize_by_alias": True, "validate_by_name": True}
        other: int = pydantic.Field(0, alias="theOther")

    assert send(echo(Named, PydanticDTO[Named]), {"name": "a", "theOther": 3}).json() == {
        "name": "a",
        "theOther": 3,
    }


def test_faults_are_those_of_pydantic_at_their_place_on_the_wire() -> None:
    found = send(
        echo(Person, PydanticDTO[Person]),
        {"theName": "too long", "born": "never", "friends": [{"name": "a"}, {"name": 1}]},
    )
    assert found.faults == {
        ("body", "theName"),
        ("body", "born"),
        ("body", "friends[1].name"),
    }
    assert "at most 5 characters" in found.text


class Strict(pydantic.BaseModel):
    model_config = {"strict": True}
    day: datetime.date
    count: int
    key: Annotated[str, dto_field("private")] = ""


def test_a_strict_model_reads_json_strictly() -> None:
    app = echo(Strict, PydanticDTO[Strict])
    assert send(app, {"day": "2000-01-02", "count": 1}).json() == {"day": "2000-01-02", "count": 1}
    assert send(app, {"day": "2000-01-02", "count": "1"}).faults == {("body", "count")}


class Number(pydantic.BaseModel):
    value: float
    several: list[int] = []
    key: Annotated[str, dto_field("private")] = ""


def test_a_form_is_read_as_text() -> None:
    app = echo(Number, PydanticDTO[Number], URLEncodedBody[Number])
    form = "application/x-www-form-urlencoded"
    assert send(app, b"value=1.5&several=1&several=2&key=x", form).json() == {
        "value": 1.5,
        "several": [1, 2],
    }
    assert send(app, b"value=nan", form).faults == {("body", "value")}
    assert send(app, b"value=x", form).faults == {("body", "value")}


def test_message_pack_is_read() -> None:
    app = echo(Number, PydanticDTO[Number], MsgPackBody[Number])
    body = msgspec.msgpack.encode({"value": 1})
    assert send(app, body, MediaType.MESSAGEPACK).json() == {"value": 1, "several": []}


def test_a_model_that_takes_anything_takes_its_fields_alone() -> None:
    class Open(pydantic.BaseModel):
        model_config = {"extra": "allow"}
        name: str

    app = echo(Open, PydanticDTO[Open])
    assert send(app, {"name": "a", "is_admin": True}).json() == {"name": "a"}


def test_a_model_that_forbids_others_forbids_what_is_not_let_through() -> None:
    class Closed(pydantic.BaseModel):
        model_config = {"extra": "forbid"}
        name: str
        key: Annotated[str, dto_field("private")] = ""

    app = echo(Closed, PydanticDTO[Closed])
    assert send(app, {"name": "a"}).status == 201
    assert send(app, {"name": "a", "key": "evil", "more": 1}).faults == {
        ("body", "key"),
        ("body", "more"),
    }


def test_a_field_that_the_model_excludes_is_never_sent() -> None:
    class Hiding(pydantic.BaseModel):
        name: str
        hidden: str = pydantic.Field("", exclude=True)
        key: Annotated[str, dto_field("private")] = ""

    app = echo(Hiding, PydanticDTO[Hiding])
    assert send(app, {"name": "a", "hidden": "b"}).json() == {"name": "a"}


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    key: Annotated[str, dto_field("private")] = "hidden"


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    key: Annotated[str, dto_field("private")] = "hidden"


class Owner(pydantic.BaseModel):
    name: str
    pet: Cat | Dog = Cat()
    pets: list[Cat | Dog] = []


def test_one_of_several_models_is_sent_and_cannot_be_read() -> None:
    with pytest.raises(ConfigurationError, match="'pet', of which nobody can tell in a request"):
        echo(Owner, PydanticDTO[Owner])

    @get("/", return_dto=PydanticDTO[Owner])
    async def one() -> Owner:
        return Owner(name="Ann", pet=Dog(), pets=[Cat(), Dog()])

    assert answer(Hesper([one]), "GET", "/").json() == {
        "name": "Ann",
        "pet": {"kind": "dog"},
        "pets": [{"kind": "cat"}, {"kind": "dog"}],
    }


class Wild(pydantic.BaseModel):
    friend: Friend | Any = None


def test_what_may_be_anything_is_not_taken_for_a_model() -> None:
    with pytest.raises(ConfigurationError, match="'friend', of which nobody can tell"):
        echo(Wild, PydanticDTO[Wild])


class Early(pydantic.BaseModel):
    late: Late | None = None
    key: Annotated[str, dto_field("private")] = ""


class Late(pydantic.BaseModel):
    key: Annotated[str, dto_field("private")] = ""
    name: str


def test_a_model_may_name_one_that_comes_after_it() -> None:
    app = echo(Early, PydanticDTO[Early])
    assert send(app, {"late": {"name": "a", "key": "evil"}}).json() == {"late": {"name": "a"}}


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]
    total: int = pydantic.Field(serialization_alias="count")

    model_config = {"serialize_by_alias": True}


def test_a_generic_model_around_the_model_is_sent() -> None:
    @get("/", return_dto=PydanticDTO[Friend])
    async def some() -> Page[Friend]:
        return Page[Friend](items=[Friend(name="a")], total=1)

    assert answer(Hesper([some]), "GET", "/").json() == {"items": [{"name": "a"}], "count": 1}
    wire = type_on_wire(PydanticDTO[Friend], Page[Friend], "out")
    schemas = msgspec.json.schema(wire)["$defs"].values()
    assert {"items", "count"} in [set(schema["properties"]) for schema in schemas]


def test_a_model_that_writes_itself_is_sent_as_it_says() -> None:
    class Odd(pydantic.BaseModel):
        value: int

        @pydantic.model_serializer
        def text(self) -> str:
            return f"<{self.value}>"

    class Holder(pydantic.BaseModel):
        odd: Odd
        key: Annotated[str, dto_field("private")] = ""

    async def one() -> Any:
        return Holder(odd=Odd(value=3))

    one.__annotations__ = {"return": Holder}
    handler = get("/", return_dto=PydanticDTO[Holder])(one)
    assert answer(Hesper([handler]), "GET", "/").json() == {"odd": "<3>"}


def test_documentation_shows_what_decoding_leaves_to_pydantic() -> None:
    schema = msgspec.json.schema(type_on_wire(PydanticDTO[Number], Number, "in"))
    (component,) = schema["$defs"].values()
    assert component["properties"]["value"] == {"type": "number"}
    assert component["required"] == ["value"]


def test_where_nothing_is_transformed_pydantic_reads_and_writes_alone() -> None:
    class Bare(pydantic.BaseModel):
        name: str

    app = echo(Bare, PydanticDTO[Bare])
    (plan,) = (plan for plan in app._wiring.plans if plan.methods == ("POST",))
    assert plan.outbound is not None
    assert plan.outbound.transfer is None
    assert send(app, {"name": "a"}).json() == {"name": "a"}
