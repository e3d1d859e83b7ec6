"""Which fields of which models a DTO lets through."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Annotated, Any, ClassVar, Generic, NewType, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest
from typing_extensions import TypedDict as ExtendedTypedDict

from hesper import Hesper, get, post
from hesper.dto import (
    AbstractDTO,
    AttrsDTO,
    DataclassDTO,
    DTOConfig,
    DTOData,
    DTOFieldDefinition,
    Mark,
    MsgspecDTO,
    TypedDictDTO,
    dto_field,
    type_on_wire,
)
from hesper.exceptions import ImproperlyConfiguredException
from hesper.pagination import OffsetPagination
from tests.architecture.test_nothing_is_left import left_by
from tests.asgi_driver import answer

T = TypeVar("T")


@dataclass
class Street:
    name: str = ""
    number: int = 0


@dataclass
class Address:
    city: str = ""
    street: Street = field(default_factory=Street)


@dataclass
class Person:
    name: str = ""
    address: Address | None = None
    others: list[Address] = field(default_factory=list)
    by_name: dict[str, Address] = field(default_factory=dict)
    pair: tuple[Street, Address] | None = None
    _hidden: int = 0


ADDRESS = Address("Ulm", Street("Gasse", 3))
PERSON = Person("Ann", ADDRESS, [ADDRESS], {"x": ADDRESS}, (Street("Weg"), ADDRESS), 7)


def dto(model: Any = Person, of: Any = DataclassDTO, **settings: Any) -> type[AbstractDTO[Any]]:
    made: type[AbstractDTO[Any]] = of[Annotated[model, DTOConfig(**settings)]]
    return made


def sent(value: Any, dto: type[AbstractDTO[Any]], annotation: Any = None) -> Any:
    outbound = dto.outbound_of(annotation or type(value), own=True)
    assert outbound is not None
    transfer = outbound.transfer
    return msgspec.json.decode(msgspec.json.encode(value if transfer is None else transfer(value)))


def read(value: Any, dto: type[AbstractDTO[Any]], annotation: Any = None) -> Any:
    inbound = dto.inbound_of(annotation or dto.model_type, own=True)
    assert inbound is not None
    wire = msgspec.json.decode(msgspec.json.encode(value), type=inbound.wire)
    return wire if inbound.finish is None else inbound.finish(wire)


def test_nested_models_are_sent_to_the_depth_that_is_allowed() -> None:
    assert sent(PERSON, dto(max_nested_depth=0)) == {"name": "Ann"}
    shallow = {"city": "Ulm"}
    assert sent(PERSON, dto()) == {
        "name": "Ann",
        "address": shallow,
        "others": [shallow],
        "by_name": {"x": shallow},
        "pair": [{"name": "Weg", "number": 0}, shallow],
    }
    deep = {"city": "Ulm", "street": {"name": "Gasse", "number": 3}}
    assert sent(PERSON, dto(max_nested_depth=2))["others"] == [deep]


def test_fields_with_an_underscore_are_private_unless_the_configuration_says_otherwise() -> None:
    assert "_hidden" not in sent(PERSON, dto())
    assert sent(PERSON, dto(underscore_fields_private=False))["_hidden"] == 7
    assert read({"_hidden": 5}, dto())._hidden == 0
    assert read({"_hidden": 5}, dto(underscore_fields_private=False))._hidden == 5


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ({"name"}, {"name": "Ann"}),
        ({"address"}, {"address": {"city": "Ulm", "street": {"name": "Gasse", "number": 3}}}),
        ({"address.city", "name"}, {"name": "Ann", "address": {"city": "Ulm"}}),
        ({"others.0.city"}, {"others": [{"city": "Ulm"}]}),
        ({"by_name.1.city"}, {"by_name": {"x": {"city": "Ulm"}}}),
        ({"pair.0", "pair.1.city"}, {"pair": [{"name": "Weg", "number": 0}, {"city": "Ulm"}]}),
        ({"address.street.number"}, {"address": {"street": {"number": 3}}}),
    ],
)
def test_what_is_not_included_is_left_out(paths: set[str], expected: Any) -> None:
    assert sent(PERSON, dto(include=paths, max_nested_depth=2)) == expected


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("name", []),
        ("address.city", ["address"]),
        ("others.0.city", ["others", 0]),
        ("by_name.1.city", ["by_name", "x"]),
        ("pair.0.name", ["pair", 0]),
        ("pair.1.city", ["pair", 1]),
        ("address.street.name", ["address", "street"]),
    ],
)
def test_what_is_excluded_is_left_out_and_nothing_else(path: str, place: list[Any]) -> None:
    expected = sent(PERSON, dto(max_nested_depth=2))
    part = expected
    for key in place:
        part = part[key]
    del part[path.rpartition(".")[2]]
    assert sent(PERSON, dto(max_nested_depth=2, exclude={path})) == expected


def test_a_subclass_of_a_dto_has_the_model_and_a_configuration_of_its_own() -> None:
    class NameDTO(DataclassDTO[Person]):
        config = DTOConfig(include={"name"})

    class Upper(NameDTO):
        config = DTOConfig(include={"name"}, rename_strategy="upper")

    assert sent(PERSON, NameDTO) == {"name": "Ann"}
    assert sent(PERSON, Upper) == {"NAME": "Ann"}
    assert sent(PERSON, DataclassDTO[Person]) != {"name": "Ann"}


def test_a_generic_dto_shares_its_configuration() -> None:
    class Upper(DataclassDTO[T]):
        config = DTOConfig(rename_strategy="upper")

    assert sent(Street("a", 1), Upper[Street]) == {"NAME": "a", "NUMBER": 1}
    assert read({"NUMBER": 1}, Upper[Street]) == Street("", 1)


def test_a_dto_is_one_class_as_long_as_it_lives() -> None:
    first: Any = DataclassDTO[Street]
    assert first is DataclassDTO[Street]
    assert first is not dto(Street)
    assert DataclassDTO[list[Street]] is first


def test_the_names_of_nested_fields_are_changed_too() -> None:
    found = sent(PERSON, dto(include={"address"}, rename_strategy="upper"))
    assert found == {"ADDRESS": {"CITY": "Ulm"}}
    found = sent(PERSON, dto(include={"address"}, rename_fields={"address.city": "town"}))
    assert found == {"address": {"town": "Ulm"}}
    found = read({"ADDRESS": {"CITY": "Ulm"}}, dto(rename_strategy="upper"))
    assert found == Person(address=Address("Ulm"))


@dataclass
class Node:
    name: str
    children: list[Node] = field(default_factory=list)


class Envelope(msgspec.Struct, Generic[T], tag_field="kind", tag="letter", rename="upper"):
    content: T
    second: T | None = None


def test_a_struct_around_the_model_keeps_its_tag_and_names() -> None:
    value = Envelope(Street("a", 1))
    found = sent(value, dto(Street, exclude={"number"}), Envelope[Street])
    assert found == {"kind": "letter", "CONTENT": {"name": "a"}, "SECOND": None}
    outbound = dto(Street, exclude={"number"}).outbound_of(Envelope[int] | Street, own=True)
    assert outbound is not None
    assert outbound.loosely(Street("a", 1)).name == "a"
    outbound = DataclassDTO[Street].outbound_of(Street, own=True)
    assert outbound is not None
    assert outbound.loosely({"any": "thing"}) == {"any": "thing"}


def test_a_model_may_hold_itself() -> None:
    tree = Node("a", [Node("b", [Node("c", [Node("d")])])])
    assert sent(tree, dto(Node)) == {"name": "a", "children": [{"name": "b"}]}
    found = read(
        {"name": "a", "children": [{"name": "b", "children": [{"name": "c", "children": []}]}]},
        dto(Node, max_nested_depth=2),
    )
    assert found == Node("a", [Node("b", [Node("c")])])


@dataclass
class Page(Generic[T]):
    items: list[T]
    first: T | None = None
    secret: Annotated[str, dto_field("private")] = "hidden"


@dataclass
class Holder:
    page: Page[Street]
    name: str = ""


def test_a_generic_model_may_be_nested() -> None:
    holder = Holder(Page([Street("a", 1)], Street("b", 2)))
    expected = {
        "page": {
            "items": [{"name": "a", "number": 1}],
            "first": {"name": "b", "number": 2},
        },
        "name": "",
    }
    assert sent(holder, dto(Holder, max_nested_depth=2)) == expected
    found = read(expected, dto(Holder, max_nested_depth=2))
    assert found == holder


class Cat(msgspec.Struct, tag=True):
    name: str
    secret: Annotated[str, dto_field("private")] = "hidden"


class Dog(msgspec.Struct, tag=True):
    name: str
    age: int = 0


class Snake(msgspec.Struct, tag="serpent", tag_field="kind", rename="camel"):
    body_length: int
    secret: Annotated[str, dto_field("private")] = "hidden"


class Owner(msgspec.Struct):
    pet: Cat | Dog | None = None
    pets: list[Cat | Dog] | str = ""
    snake: Snake | None = None


def test_members_of_a_union_are_told_by_their_tags() -> None:
    owner = Owner(Cat("Tom"), [Cat("Tim"), Dog("Rex", 3)], Snake(4))
    expected = {
        "pet": {"type": "Cat", "name": "Tom"},
        "pets": [{"type": "Cat", "name": "Tim"}, {"type": "Dog", "name": "Rex", "age": 3}],
        "snake": {"kind": "serpent", "bodyLength": 4},
    }
    assert sent(owner, MsgspecDTO[Owner]) == expected
    evil = {**expected, "pet": {"type": "Cat", "name": "Tom", "secret": "evil"}}
    assert read(evil, MsgspecDTO[Owner]) == owner
    assert read({"pets": "none"}, MsgspecDTO[Owner]) == Owner(pets="none")
    assert sent(Owner(pets="none"), MsgspecDTO[Owner])["pets"] == "none"


@attrs.define(frozen=True)
class Tag:
    name: str
    _weight: int = 3
    secret: str = attrs.field(default="hidden", metadata=dto_field("private"))
    double: str = attrs.field(init=False, default="")


class Entry(ExtendedTypedDict, total=False):
    tag: Tag
    secret: Annotated[str, dto_field("private")]


class Model(pydantic.BaseModel):
    entry: Entry | None = None
    tags: set[Tag] | None = None
    secret: Annotated[str, dto_field("private")] = "hidden"
    model_config = {"arbitrary_types_allowed": True}


class Mixed(msgspec.Struct):
    model: Model
    tags: frozenset[Tag] = frozenset()
    rows: Sequence[Mapping[str, tuple[Tag, ...]]] = ()


def test_models_of_all_kinds_may_be_nested_in_each_other() -> None:
    tag = Tag("a")
    mixed = Mixed(
        Model(entry={"tag": tag, "secret": "x"}, tags={tag}), frozenset({tag}), [{"x": (tag,)}]
    )
    expected = {
        "model": {
            "entry": {"tag": {"name": "a", "double": ""}},
            "tags": [{"name": "a", "double": ""}],
        },
        "tags": [{"name": "a", "double": ""}],
        "rows": [{"x": [{"name": "a", "double": ""}]}],
    }
    assert sent(mixed, dto(Mixed, MsgspecDTO, max_nested_depth=4)) == expected
    found = read(expected, dto(Mixed, MsgspecDTO, max_nested_depth=4))
    assert found == Mixed(Model(entry={"tag": tag}, tags={tag}), frozenset({tag}), [{"x": (tag,)}])


def test_one_of_several_models_is_made_at_once() -> None:
    found = read({"pet": {"type": "Dog", "name": "Rex"}}, MsgspecDTO[Owner], DTOData[Owner])
    assert found.as_builtins() == {"pet": Dog("Rex")}
    assert found.create_instance() == Owner(Dog("Rex"))


class Bird(msgspec.Struct, tag=True):
    ring: Annotated[int, dto_field("read-only")]


class Fish(msgspec.Struct, tag=True):
    name: str

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise TypeError("Expected a good name")


class Tank(msgspec.Struct):
    pet: Annotated[Fish | Cat, "a comment"]


def test_one_of_several_models_must_be_complete() -> None:
    class Cage(msgspec.Struct):
        pet: Bird | Cat

    cage: Any = Cage
    with pytest.raises(ImproperlyConfiguredException, match="Bird needs 'ring'"):
        AbstractDTO[cage].inbound_of(DTOData[cage], own=True)


@pytest.mark.parametrize("annotation", [Tank, DTOData[Tank]])
def test_what_one_of_several_models_refuses_is_a_fault(annotation: Any) -> None:
    async def add(data: Any) -> None:
        pass

    add.__annotations__ = {"data": annotation, "return": None}
    app = Hesper([post("/", dto=MsgspecDTO[Tank])(add)])
    headers = [("content-type", "application/json")]
    body = b'{"pet": {"type": "Fish", "name": "bad"}}'
    found = answer(app, "POST", "/", headers=headers, body=body)
    assert found.json()["extra"][0]["message"] == "Expected a good name"


def test_a_field_that_the_constructor_does_not_take_is_sent_alone() -> None:
    @dataclass
    class Circle:
        radius: int
        area: int = field(init=False, default=0)
        unit: ClassVar[str] = "m"

        def __post_init__(self) -> None:
            self.area = self.radius**2

    circle = read({"radius": 2, "area": 9}, DataclassDTO[Circle])
    assert sent(circle, DataclassDTO[Circle]) == {"radius": 2, "area": 4}


@dataclass
class Seeded:
    seed: InitVar[int]
    grown: int = 0

    def __post_init__(self, seed: int) -> None:
        self.grown = seed


def test_what_the_constructor_takes_alone_is_read_alone() -> None:
    seeded = read({"seed": 3}, DataclassDTO[Seeded])
    assert seeded.grown == 3
    assert sent(seeded, DataclassDTO[Seeded]) == {"grown": 3}


def test_private_names_of_attrs_are_given_to_the_constructor_without_underscores() -> None:
    assert read({"name": "a", "_weight": 5}, AttrsDTO[Tag])._weight == 3
    found = read({"name": "a", "_weight": 5}, dto(Tag, AttrsDTO, underscore_fields_private=False))
    assert found._weight == 5


Odd = TypedDict("Odd", {"in": int, "two words": int, "ünï": int, "key_1": int, "plain": int})


def test_keys_may_be_any_text() -> None:
    odd: Odd = {"in": 1, "two words": 2, "ünï": 3, "key_1": 4, "plain": 5}
    assert sent(odd, dto(Odd, TypedDictDTO, rename_fields={"in": "out"}), Odd) == {
        "out": 1,
        **{key: value for key, value in odd.items() if key != "in"},
    }
    assert read(odd, dto(Odd, TypedDictDTO, forbid_unknown_fields=True)) == odd


def test_a_custom_dto_says_more_of_fields() -> None:
    class Careful(DataclassDTO[T]):
        @classmethod
        def generate_field_definitions(cls, model_type: Any) -> Iterable[DTOFieldDefinition]:
            for definition in super().generate_field_definitions(model_type):
                mark = Mark.PRIVATE if definition.name == "number" else definition.dto_field.mark
                yield msgspec_replace(definition, mark)

        @classmethod
        def detect_nested_field(cls, field_definition: DTOFieldDefinition) -> bool:
            return field_definition.name != "address" and super().detect_nested_field(
                field_definition
            )

    def msgspec_replace(definition: DTOFieldDefinition, mark: Any) -> DTOFieldDefinition:
        import dataclasses

        return dataclasses.replace(definition, dto_field=dto_field(mark)["__dto__"])

    assert sent(Street("a", 4), Careful[Street]) == {"name": "a"}
    found = sent(PERSON, Careful[Person])
    assert found["address"]["street"] == {"name": "Gasse", "number": 3}
    assert found["pair"][0] == {"name": "Weg"}


def test_an_abstract_dto_takes_any_kind() -> None:
    assert sent(Street("a"), AbstractDTO[Street]) == {"name": "a", "number": 0}
    assert sent(Dog("Rex"), dto(Dog, AbstractDTO, exclude={"age"})) == {
        "type": "Dog",
        "name": "Rex",
    }


Name = NewType("Name", str)


@dataclass
class Constrained:
    name: Annotated[Name, msgspec.Meta(max_length=3)]
    tags: Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(max_length=2)]
    streets: Annotated[list[Street], msgspec.Meta(min_length=1)]
    secret: Annotated[str, dto_field("private")] = ""


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "long"}, "name"),
        ({"tags": [1, -1]}, "tags[1]"),
        ({"tags": [1, 1, 1]}, "tags"),
        ({"streets": []}, "streets"),
    ],
)
def test_constraints_of_fields_are_kept(change: dict[str, Any], path: str) -> None:
    async def add(data: Constrained) -> None:
        pass

    app = Hesper([post("/", dto=DataclassDTO[Constrained])(add)])
    value = {"name": "abc", "tags": [1], "streets": [{}], **change}
    headers = [("content-type", "application/json")]
    found = answer(app, "POST", "/", headers=headers, body=msgspec.json.encode(value))
    assert found.faults == {("body", path)}


@dataclass
class Named:
    name: str
    secret: str = field(default="", metadata=dto_field("private"))

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("Expected a good name")


def test_a_dto_and_what_is_made_for_it_go_with_its_class() -> None:
    @dataclass
    class Local:
        name: str
        secret: str = field(default="", metadata=dto_field("private"))

    local: Any = DataclassDTO[Local]
    inbound = local.inbound_of(Local, own=True)
    kept = [weakref.ref(thing) for thing in (Local, local, inbound.wire)]
    del local, inbound, Local
    gc.collect()
    assert [reference() for reference in kept] == [None, None, None]


def test_an_app_is_freed_without_the_collector_though_its_dto_lives() -> None:
    class Hidden(DataclassDTO[Street]):
        config = DTOConfig(exclude={"number"})

    def make() -> weakref.ref[Hesper]:
        @post("/", dto=Hidden)
        async def add(data: list[Street]) -> list[Street]:
            return data

        app = Hesper([add])
        headers = [("content-type", "application/json")]
        assert answer(app, "POST", "/", headers=headers, body=b'[{"name": "a"}]').status == 201
        assert answer(app, "POST", "/", headers=headers, body=b"[1]").status == 400
        return weakref.ref(app)

    make()
    gc.collect()
    gc.disable()
    try:
        assert make()() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("body", [b'[{"name": "a"}]', b"[1]", b'[{"name": "bad"}]', b"{"])
@pytest.mark.parametrize("read", [Named, DTOData[Named]], ids=["an instance", "data"])
def test_a_request_leaves_nothing(read: Any, body: bytes) -> None:
    def work() -> None:
        async def add(data: Any) -> Any:
            made = data if read is Named else [one.create_instance() for one in data]
            return OffsetPagination(made, 1, 1, 1)

        many: Any = list[Named] if read is Named else DTOData[list[Named]]
        add.__annotations__ = {"data": many, "return": OffsetPagination[Named]}
        app = Hesper([post("/", dto=DataclassDTO[Named])(add)])
        headers = [("content-type", "application/json")]
        answer(app, "POST", "/", headers=headers, body=body)

    logging.disable(logging.CRITICAL)
    try:
        assert left_by(work) == []
    finally:
        logging.disable(logging.NOTSET)


NAMED_DTO: Any = DataclassDTO[Named]  # which keeps the classes that are made for it


def schema(dto: Any, annotation: Any, direction: Any) -> Any:
    return msgspec.json.schema(type_on_wire(dto, annotation, direction))


def test_the_type_on_the_wire_is_for_documentation() -> None:
    upper = dto(Street, rename_strategy="upper", exclude={"name"})
    (component,) = schema(upper, list[Street], "in")["$defs"].values()
    assert component["properties"] == {"NUMBER": {"type": "integer", "default": 0}}
    assert component["required"] == []
    (component,) = (
        schema(upper, Page[Street] | None, "out")["$defs"]["Page_DataclassDTO.Street.Output_"],
    )
    assert component["properties"]["items"]["items"]["$ref"].endswith("Street.Output")


def test_the_type_on_the_wire_is_the_same_each_time() -> None:
    one = dto(Street, exclude={"name"})
    assert type_on_wire(one, Street, "in") is type_on_wire(one, Street, "in")
    assert type_on_wire(one, int, "out") is int
    plain = DataclassDTO[Street]
    assert type_on_wire(plain, list[Street], "in") == list[Street]
    with pytest.raises(ImproperlyConfiguredException):
        type_on_wire(one, Address, "out")


def test_several_shapes_of_one_model_have_names_of_their_own() -> None:
    @get("/", return_dto=dto(exclude={"address.city"}))
    async def one() -> Person:
        return PERSON

    Hesper([one])
    components = schema(dto(exclude={"address.city"}), Person, "out")["$defs"]
    assert {name for name in components if "Address" in name} == {
        "DataclassDTO.Address.Output",
        "DataclassDTO.Address.Output.2",
    }
