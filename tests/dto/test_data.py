"""What a client sent, before an instance is made of it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from hesper import Hesper, post
from hesper.dto import (
    AbstractDTO,
    AttrsDTO,
    DataclassDTO,
    DTOConfig,
    DTOData,
    TypedDictDTO,
    dto_field,
)
from hesper.exceptions import ValidationException
from hesper.plugins.pydantic import PydanticDTO
from tests.asgi_driver import answer
from tests.dto.kinds import KINDS, Kind


@dataclass
class Address:
    street: str
    identity: int = field(metadata=dto_field("read-only"))
    floor: int = 0

    def __post_init__(self) -> None:
        if self.floor > 100:
            raise ValueError("Expected a floor that there is")


@dataclass
class Person:
    name: str
    address: Address | None = None
    homes: list[Address] = field(default_factory=list)
    identity: int = field(default=-1, metadata=dto_field("read-only"))


def data(
    value: Any, dto: type[AbstractDTO[Any]] = DataclassDTO[Person], annotation: Any = None
) -> DTOData[Any]:
    """Return what a handler gets for a body."""
    model: Any = dto.model_type
    inbound = dto.inbound_of(annotation or DTOData[model], own=True)
    assert inbound is not None
    assert inbound.finish is not None
    found: DTOData[Any] = inbound.finish(
        msgspec.json.decode(msgspec.json.encode(value), type=inbound.wire)
    )
    return found


def keys(caught: pytest.ExceptionInfo[ValidationException]) -> list[str]:
    """Return the places of the faults."""
    faults: Any = caught.value.extra
    return [fault["key"] for fault in faults]


def partial(model: Any, of: Any = DataclassDTO, **settings: Any) -> type[AbstractDTO[Any]]:
    dto: type[AbstractDTO[Any]] = of[Annotated[model, DTOConfig(partial=True, **settings)]]
    return dto


def test_it_shows_what_was_sent_by_the_names_of_the_fields() -> None:
    dto: Any = DataclassDTO[Annotated[Person, DTOConfig(rename_strategy="upper")]]
    sent = {"NAME": "Ann", "ADDRESS": {"STREET": "a", "IDENTITY": 3}, "IDENTITY": 5}
    found = data(sent, dto)
    assert found.as_builtins() == {"name": "Ann", "address": {"street": "a"}}
    assert repr(found) == "<DTOData {'name': 'Ann', 'address': {'street': 'a'}}>"


def test_what_it_shows_may_be_changed() -> None:
    found = data({"name": "Ann", "homes": [{"street": "a"}]})
    found.as_builtins()["homes"].clear()
    assert found.as_builtins()["homes"] == [{"street": "a"}]


def test_an_instance_is_made_with_what_the_client_cannot_say() -> None:
    found = data({"name": "Ann", "address": {"street": "a"}})
    person = found.create_instance(identity=7, address__identity=8)
    assert person == Person("Ann", Address("a", 8), [], 7)
    assert found.as_builtins() == {"name": "Ann", "address": {"street": "a"}}


def test_values_of_the_handler_win_over_those_that_were_sent() -> None:
    found = data({"name": "Ann", "address": {"street": "a"}})
    assert found.create_instance(name="Eve", address=None) == Person("Eve")
    address = Address("b", 1)
    assert found.create_instance(address=address).address is address
    made = found.create_instance(address={"street": "c", "identity": 2})
    assert made.address == Address("c", 2)


def test_a_nested_model_may_be_made_of_what_the_handler_says_alone() -> None:
    made = data({"name": "Ann"}).create_instance(address__street="a", address__identity=1)
    assert made.address == Address("a", 1)


def test_each_instance_of_a_list_gets_what_the_handler_says() -> None:
    found = data([{"name": "a"}, {"name": "b"}], annotation=DTOData[list[Person]])
    assert found.create_instance(identity=1) == [
        Person("a", identity=1),
        Person("b", identity=1),
    ]


def test_a_field_that_the_handler_forgets_is_its_mistake() -> None:
    found = data({"name": "Ann", "address": {"street": "a"}})
    with pytest.raises(TypeError, match="the Address at 'address' needs 'identity', which Datacl"):
        found.create_instance()


def test_a_field_that_the_client_forgets_is_the_clients() -> None:
    found = data({"address": {}}, partial(Person, rename_strategy="upper"))
    with pytest.raises(ValidationException) as caught:
        found.create_instance()
    assert caught.value.extra == [
        {"key": "NAME", "message": "Object missing required field `NAME`", "source": "body"},
    ]


def test_what_a_model_refuses_is_a_fault_at_its_place() -> None:
    @post("/", dto=DataclassDTO[Person])
    async def add(data: DTOData[Person]) -> None:
        data.create_instance(address__identity=1)

    body = b'{"name": "a", "address": {"street": "a", "floor": 101}}'
    headers = [("content-type", "application/json")]
    found = answer(Hesper([add]), "POST", "/", headers=headers, body=body)
    assert found.faults == {("body", "address")}
    assert found.json()["extra"][0]["message"] == "Expected a floor that there is"


def test_an_instance_keeps_what_was_not_sent() -> None:
    address = Address("a", 1, 2)
    person = Person("Ann", address, [address], 3)
    found = data({"address": {"floor": 9}, "identity": 4}, partial(Person))
    assert found.update_instance(person) is person
    assert person == Person("Ann", Address("a", 1, 9), [address], 3)
    assert person.address is address


def test_an_instance_gets_what_the_handler_says_too() -> None:
    person = Person("Ann", Address("a", 1))
    data({}, partial(Person)).update_instance(person, name="Eve", identity=5, address__floor=6)
    assert person == Person("Eve", Address("a", 1, 6), [], 5)


def test_a_nested_model_that_is_not_there_is_made() -> None:
    dto = partial(Person)
    person = Person("Ann")
    data({"address": {"street": "a"}}, dto).update_instance(person, address__identity=1)
    assert person.address == Address("a", 1)
    data({"address": None}, dto).update_instance(person)
    assert person.address is None
    with pytest.raises(ValidationException):
        data({"address": {"floor": 1}}, dto).update_instance(person, address__identity=1)
    assert person.address is None


def test_nothing_is_changed_if_something_is_refused() -> None:
    person = Person("Ann")
    found = data({"name": "Eve", "address": {"street": "a", "floor": 101}}, partial(Person))
    with pytest.raises(ValidationException):
        found.update_instance(person, address__identity=1)
    assert person == Person("Ann")


def test_a_list_updates_no_instance() -> None:
    found = data([{"name": "a"}], annotation=DTOData[list[Person]])
    with pytest.raises(TypeError, match="takes data of one model"):
        found.update_instance([Person("a")])


def test_no_data_is_none() -> None:
    inbound = DataclassDTO[Person].inbound_of(DTOData[Person] | None, own=True)
    assert inbound is not None
    assert inbound.finish is not None
    assert inbound.finish(msgspec.json.decode(b"null", type=inbound.wire)) is None
    wire = msgspec.json.decode(b'{"name": "a"}', type=inbound.wire)
    assert inbound.finish(wire).create_instance() == Person("a")
    assert inbound.finish(wire).update_instance(Person("b")) == Person("a")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_instances_of_every_kind_are_made(kind: Kind) -> None:
    dto = kind.narrowed(DTOConfig(exclude={"name"}))
    found = data({"age": 3, "address": {"street": "a", "key": "evil"}, "name": "evil"}, dto)
    made = found.create_instance(name="Ann", identity=4, address__code=5)
    assert kind.get(made, "name") == "Ann"
    assert kind.get(made, "age") == 3
    assert kind.get(made, "identity") == 4
    address = kind.get(made, "address")
    assert (kind.get(address, "street"), kind.get(address, "code")) == ("a", 5)
    assert kind.get(address, "key") != "evil"


class Entry(TypedDict):
    name: str
    parts: list[int]


def test_a_dictionary_is_updated_in_place() -> None:
    entry: Entry = {"name": "a", "parts": []}
    found = data({"parts": [1]}, partial(Entry, TypedDictDTO))
    assert found.update_instance(entry) is entry
    assert entry == {"name": "a", "parts": [1]}


@attrs.define
class Box:
    _size: int
    tags: set[str] = attrs.field(factory=set, validator=attrs.validators.max_len(1))


def test_names_of_constructors_are_known() -> None:
    dto = partial(Box, AttrsDTO, underscore_fields_private=False)
    found = data({"_size": 3, "tags": ["a"]}, dto)
    assert found.create_instance() == Box(3, {"a"})
    assert found.update_instance(Box(1)) == Box(3, {"a"})
    with pytest.raises(ValidationException):
        data({"_size": 3, "tags": ["a", "b"]}, dto).create_instance()


def test_it_may_be_weakly_referenced() -> None:
    found = data({"name": "Ann"})
    assert weakref.ref(found)() is found


class Friend(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(default=0, ge=0)
    born: str = ""

    @pydantic.field_validator("name")
    @classmethod
    def capital(cls, name: str) -> str:
        if name == "nobody":
            raise ValueError("must be somebody")
        return name.capitalize()

    @pydantic.model_validator(mode="after")
    def plausible(self) -> Friend:
        if self.born == "today" and self.age > 0:
            raise ValueError("must not be older than today")
        return self


class Circle(pydantic.BaseModel):
    best: Friend
    friends: list[Friend] = []
    by_name: dict[str, Friend] = {}
    pair: tuple[int, Friend] | None = None
    number: Annotated[int, dto_field("read-only")]


def test_pydantic_judges_what_was_sent_at_once_and_asks_for_nothing_else() -> None:
    dto = partial(Circle, PydanticDTO, rename_strategy="upper")
    data({"BEST": {"AGE": 3}}, dto)
    data({"FRIENDS": [{"AGE": 3}, {"NAME": "a"}]}, dto)
    body = {
        "BEST": {"AGE": -1},
        "FRIENDS": [{"NAME": "nobody"}],
        "BY_NAME": {"x": {"AGE": "y"}},
        "PAIR": [1, {"AGE": -1}],
    }

    @post("/", dto=dto)
    async def add(data: DTOData[Circle]) -> None:
        pass

    headers = [("content-type", "application/json")]
    found = answer(Hesper([add]), "POST", "/", headers=headers, body=msgspec.json.encode(body))
    assert found.faults == {
        ("body", "BEST.AGE"),
        ("body", "FRIENDS[0].NAME"),
        ("body", "BY_NAME.x.AGE"),
        ("body", "PAIR[1].AGE"),
    }


@dataclass
class Party:
    guests: list[Friend] = field(default_factory=list)
    pair: tuple[Friend, int] | None = None
    by_name: dict[str, Friend] = field(default_factory=dict)
    either: Friend | list[Friend] | str = ""
    tables: dict[str, list[Address]] | list[Address] | None = None


def test_models_of_pydantic_inside_others_are_judged_at_once() -> None:
    body = {
        "GUESTS": [{"NAME": "a"}, {"NAME": 1}],
        "PAIR": [{"AGE": -1}, 1],
        "BY_NAME": {"x": {"NAME": "nobody"}},
        "EITHER": [{"AGE": "x"}],
    }
    dto = partial(Party, rename_strategy="upper")

    @post("/", dto=dto)
    async def add(data: DTOData[Party]) -> None:
        pass

    headers = [("content-type", "application/json")]
    found = answer(Hesper([add]), "POST", "/", headers=headers, body=msgspec.json.encode(body))
    assert found.faults == {
        ("body", "GUESTS[1].NAME"),
        ("body", "PAIR[0].AGE"),
        ("body", "BY_NAME.x.NAME"),
        ("body", "EITHER[0].AGE"),
    }


def test_members_of_a_union_are_made() -> None:
    address = {"street": "a", "identity": 1}
    found = data({"either": {"name": "ann"}, "tables": {}}, partial(Party))
    made = found.create_instance(tables={"x": [address]})
    assert made == Party(either=Friend(name="Ann"), tables={"x": [Address("a", 1)]})
    found = data({"either": [{"name": "ann"}], "tables": []}, partial(Party))
    made = found.create_instance(tables=[address])
    assert made == Party(either=[Friend(name="Ann")], tables=[Address("a", 1)])
    assert data({"either": "nobody"}, partial(Party)).create_instance() == Party(either="nobody")


def test_there_is_no_place_for_a_value_below_another() -> None:
    with pytest.raises(TypeError, match="nothing to set 'x' on in 'a'"):
        data({"name": "a"}).create_instance(name="a", name__x=1)


class Home(pydantic.BaseModel):
    address: Address
    others: list[Address] = []
    either: Address | str = ""
    owner: Circle | None = None


def test_what_is_incomplete_inside_a_model_of_pydantic_is_completed_later() -> None:
    dto = PydanticDTO[Annotated[Home, DTOConfig(max_nested_depth=2)]]
    sent = {"address": {"street": "a"}, "others": [{"street": "b"}], "either": {"street": "c"}}
    found = data(sent, dto)
    with pytest.raises(TypeError, match="needs 'identity'"):
        found.create_instance()
    made = found.create_instance(address__identity=1, others=[], either__identity=2)
    assert made == Home(address=Address("a", 1), either=Address("c", 2))
    found = data({"address": {"street": "a"}, "owner": {"best": {"name": "x"}}}, dto)
    with pytest.raises(TypeError, match="the Circle at 'owner' needs 'number'"):
        found.create_instance(address__identity=1)


def test_what_is_refused_inside_a_model_of_pydantic_is_one_fault() -> None:
    found = data({"address": {"street": "a", "floor": 101}}, PydanticDTO[Home])
    with pytest.raises(ValidationException) as caught:
        found.create_instance(address__identity=1)
    assert keys(caught) == ["address"]


def test_a_field_of_pydantic_that_is_missing_is_one_fault() -> None:
    with pytest.raises(ValidationException) as caught:
        data({}, partial(Friend, PydanticDTO)).create_instance()
    assert keys(caught) == ["name"]


def test_validators_of_pydantic_take_part() -> None:
    found = data({"best": {"name": "ann"}}, partial(Circle, PydanticDTO))
    circle = found.create_instance(number=1)
    assert circle == Circle(best=Friend(name="Ann"), number=1)
    with pytest.raises(ValidationException) as caught:
        found.create_instance(number="x")
    assert keys(caught) == ["number"]


def test_a_model_of_pydantic_is_validated_as_it_will_be() -> None:
    friend = Friend(name="ann", age=3)
    dto = partial(Friend, PydanticDTO)
    with pytest.raises(ValidationException) as caught:
        data({"born": "today"}, dto).update_instance(friend)
    assert keys(caught) == ["data"]
    assert friend.born == ""
    data({"born": "today"}, dto).update_instance(friend, age=0)
    assert (friend.born, friend.age) == ("today", 0)


def test_models_of_pydantic_inside_are_overlaid() -> None:
    circle = Circle(best=Friend(name="ann", age=3), number=1)
    dto = partial(Circle, PydanticDTO)
    found = data({"best": {"name": "eve"}, "friends": [{"name": "x"}]}, dto)
    assert found.update_instance(circle) is circle
    assert circle.best == Friend(name="Eve", age=3)
    assert circle.friends == [Friend(name="X")]
    assert circle.number == 1
    assert data({}, dto).update_instance(circle, number=4).number == 4
    with pytest.raises(ValidationException) as caught:
        data({"friends": [{"age": 1}]}, dto).update_instance(circle)
    assert keys(caught) == ["friends[0].name"]


def test_null_for_a_nested_model_is_no_obstacle_to_what_the_handler_says() -> None:
    found = data({"name": "Ann", "address": None})
    made = found.create_instance(address__street="Weg", address__identity=1)
    assert made.address == Address("Weg", 1)


def test_a_name_that_the_model_does_not_have_is_the_handlers_mistake() -> None:
    with pytest.raises(TypeError, match=r"Person has no field 'nam'.*'name'"):
        data({"name": "Ann"}).create_instance(nam="Eve")


def test_a_private_field_of_attrs_is_given_by_its_name_or_its_keyword() -> None:
    @attrs.define
    class Hidden:
        name: str
        _code: int = 0

    found = data({"name": "Ann"}, AttrsDTO[Hidden])
    assert found.create_instance(_code=1) == found.create_instance(code=1) == Hidden("Ann", 1)
