"""What is private does not leave, wherever in an annotation the model stands."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Generic, NamedTuple, NewType, TypedDict, TypeVar

import attrs
import pydantic
import pytest

from hesper import Hesper, Response, get, post
from hesper.dto import (
    AbstractDTO,
    AttrsDTO,
    DataclassDTO,
    DTOConfig,
    TypedDictDTO,
    dto_field,
)
from hesper.exceptions import ConfigurationError
from hesper.plugins.pydantic import PydanticDTO
from tests.asgi_driver import answer

T = TypeVar("T")


@dataclass
class User:
    name: str
    password: str = field(default="SECRET", metadata=dto_field("private"))


BoundUser = TypeVar("BoundUser", bound=User)
Admin = NewType("Admin", User)


@dataclass
class Box(Generic[T]):
    item: T


@dataclass
class Pair(Box[list[T]], Generic[T]):
    second: T


@dataclass
class UserPair(Pair[User]):
    pass


@attrs.define
class AttrsBox(Generic[T]):
    item: T


@attrs.define
class AttrsUserBox(AttrsBox[User]):
    pass


class DictBox(TypedDict, Generic[T]):
    item: T


class DictUserBox(DictBox[User]):
    number: int


@dataclass
class Named:
    item: Admin


@dataclass
class Fixed:
    item: Final[User]


@dataclass
class Bounded(Generic[BoundUser]):
    item: BoundUser


AnyDataclassDTO: Any = DataclassDTO


class Row(NamedTuple):
    user: User


@dataclass
class HoldsDeque:
    item: deque[User]


@dataclass
class HoldsDefaultDict:
    item: defaultdict[str, User]


@dataclass
class HoldsOrderedDict:
    item: OrderedDict[str, User]


@dataclass
class HoldsRow:
    item: Row | None
    number: int = 0


class Account(pydantic.BaseModel):
    name: str
    password: Annotated[str, dto_field("private")] = "SECRET"


class Accounts(pydantic.RootModel[list[Account]]):
    pass


class Writing(pydantic.BaseModel):
    name: str
    password: Annotated[str, dto_field("private")] = "SECRET"

    @pydantic.model_serializer
    def all(self) -> dict[str, Any]:
        return {"name": self.name, "password": self.password}


class HoldsAccounts(pydantic.BaseModel):
    item: Accounts


class HoldsWriting(pydantic.BaseModel):
    item: Writing


class UserResponse(Response[User]):
    pass


class Wrapping(Response[T]):
    pass


class Unclear(Response):
    pass


def sent(annotation: Any, value: Any, dto: type[AbstractDTO[Any]]) -> Any:
    """Return what a client sees of a result, the DTO being one of the app."""

    async def handler() -> Any:
        return value

    handler.__annotations__["return"] = annotation
    found = answer(Hesper([get("/")(handler)], return_dto=dto), "GET", "/")
    assert found.status == 200, found.text
    return found.json()


def refused(annotation: Any, dto: type[AbstractDTO[Any]]) -> str:
    """Return why an app cannot be built whose DTO is for a handler's result."""
    with pytest.raises(ConfigurationError) as caught:
        sent(annotation, None, dto)
    return str(caught.value)


USER = User("Ann")
SHOWN = {"name": "Ann"}


@pytest.mark.parametrize(
    ("dto", "value", "shown"),
    [
        (DataclassDTO[UserPair], UserPair([USER], USER), {"item": [SHOWN], "second": SHOWN}),
        (AttrsDTO[AttrsUserBox], AttrsUserBox(USER), {"item": SHOWN}),
        (TypedDictDTO[DictUserBox], {"item": USER, "number": 1}, {"item": SHOWN, "number": 1}),
        (DataclassDTO[Named], Named(Admin(USER)), {"item": SHOWN}),
        (DataclassDTO[Fixed], Fixed(USER), {"item": SHOWN}),
        (AnyDataclassDTO[Bounded], Bounded(USER), {"item": SHOWN}),
    ],
    ids=["dataclass", "attrs", "TypedDict", "NewType", "Final", "bound"],
)
def test_a_model_is_found_behind_type_variables_and_other_names(
    dto: type[AbstractDTO[Any]], value: Any, shown: Any
) -> None:
    assert sent(dto.model_type, value, dto) == shown


@pytest.mark.parametrize(
    ("dto", "named"),
    [
        (DataclassDTO[HoldsDeque], "deque"),
        (DataclassDTO[HoldsDefaultDict], "defaultdict"),
        (DataclassDTO[HoldsOrderedDict], "OrderedDict"),
        (DataclassDTO[HoldsRow], "Row"),
        (PydanticDTO[HoldsAccounts], "Accounts"),
        (PydanticDTO[HoldsWriting], "Writing"),
    ],
)
def test_what_holds_models_and_cannot_be_looked_into_is_an_error(
    dto: type[AbstractDTO[Any]], named: str
) -> None:
    message = refused(dto.model_type, dto)
    assert "cannot look into" in message
    assert named in message
    assert "at 'item'" in message


def test_what_cannot_be_looked_into_may_be_excluded() -> None:
    class Without(DataclassDTO[HoldsRow]):
        config = DTOConfig(exclude={"item"})

    assert sent(HoldsRow, HoldsRow(Row(USER)), Without) == {"number": 0}


def test_clients_set_nothing_in_what_cannot_be_looked_into() -> None:
    @post("/", dto=DataclassDTO[HoldsDeque], return_dto=None)
    async def handler(data: HoldsDeque) -> None: ...

    with pytest.raises(ConfigurationError, match="cannot look into"):
        Hesper([handler])


@pytest.mark.parametrize(
    ("annotation", "dto"),
    [
        (Row, DataclassDTO[User]),
        (list[Row], DataclassDTO[User]),
        (tuple[User, deque[User]], DataclassDTO[User]),
        (dict, DataclassDTO[User]),
        (list, DataclassDTO[User]),
        (Unclear, DataclassDTO[User]),
        (Accounts, PydanticDTO[Account]),
        (Writing, PydanticDTO[Account]),
    ],
)
def test_no_model_hides_from_a_dto_of_an_outer_layer(
    annotation: Any, dto: type[AbstractDTO[Any]]
) -> None:
    assert dto.__name__.partition("[")[2][:-1] in refused(annotation, dto)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(UserResponse, UserResponse(USER)), (Wrapping[User], Wrapping(USER))],
)
def test_a_model_is_found_in_a_class_of_responses(annotation: Any, value: Any) -> None:
    assert sent(annotation, value, DataclassDTO[User]) == SHOWN


class Public(TypedDict):
    name: str


class Private(Public):
    password: Annotated[str, dto_field("private")]


def test_keys_that_a_typed_dictionary_does_not_have_are_not_sent() -> None:
    full: Private = {"name": "Ann", "password": "SECRET"}
    assert sent(Public, full, TypedDictDTO[Public]) == SHOWN
    assert sent(list[Public], [full], TypedDictDTO[Public]) == [SHOWN]


@pytest.mark.parametrize("value", [Accounts([Account(name="Ann")]), Writing(name="Ann")])
def test_a_model_that_writes_itself_does_not_take_the_place_of_another(value: Any) -> None:
    @get("/", return_dto=PydanticDTO[Account])
    async def handler() -> Account:
        found: Account = value
        return found

    found = answer(Hesper([handler]), "GET", "/")
    assert found.status == 500
    assert "SECRET" not in found.text
