"""Decoders: made once for all routes of an app, and never one for another."""

from __future__ import annotations

import enum
import gc
import weakref
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from hesper import Hesper, get, post
from hesper._plan.annotations import UnclearArgument
from hesper._plan.decoding import Decoding
from hesper.di import Provide
from hesper.exceptions import ImproperlyConfiguredException
from hesper.params import Body
from hesper.serialization import converter, json_decoder
from hesper.testing import TestClient


class Book(msgspec.Struct):
    title: str


class Opaque:
    """A class that nothing knows how to decode."""


def counting() -> tuple[list[Any], Callable[[Any, Any], Callable[[Any], Any]]]:
    """Return what has been made so far, and a maker of decoders that takes it down."""
    made: list[Any] = []

    def make(annotation: Any, _type_decoders: Any) -> Callable[[Any], Any]:
        made.append(annotation)
        return lambda value: (annotation, value)

    return made, make


@pytest.mark.parametrize(
    "annotation", [int, Book, list[Book], int | None, Annotated[int, msgspec.Meta(ge=1)]], ids=str
)
def test_a_decoder_is_made_once(annotation: Any) -> None:
    made, make = counting()
    decoding = Decoding()
    assert decoding.of(make, annotation, ()) is decoding.of(make, annotation, ())
    assert made == [annotation]


def test_two_makers_make_two_decoders() -> None:
    decoding = Decoding()
    assert decoding.of(converter, int, ())("5") == 5
    assert decoding.of(json_decoder, int, ())(b"5") == 5


def test_unions_of_another_order_are_two() -> None:
    made, make = counting()
    decoding = Decoding()
    decoding.of(make, int | str, ())
    decoding.of(make, str | int, ())
    assert len(made) == 2


def test_decoders_of_the_users_own_are_told_apart() -> None:
    made, make = counting()
    decoding = Decoding()
    own = ((lambda type_: type_ is Opaque, lambda _type, _value: Opaque()),)
    decoding.of(make, Opaque, ())
    decoding.of(make, Opaque, own)
    assert len(made) == 2


def test_annotations_whose_metadata_only_look_alike_are_two() -> None:
    made, make = counting()
    decoding = Decoding()
    for _ in range(2):
        decoding.of(make, Annotated[int, {"a": 1}], ())
    assert len(made) == 2


def test_what_cannot_be_decoded_is_refused_each_time() -> None:
    decoding = Decoding()
    for _ in range(2):
        with pytest.raises(ImproperlyConfiguredException):
            decoding.of(json_decoder, list[Opaque], ())
        with pytest.raises(UnclearArgument, match=r"^'data' of f: "):
            decoding.check_body(list[Opaque], Body(), (), "'data' of f")


def test_alike_routes_share_a_decoder_which_requests_use() -> None:
    asked: list[Any] = []

    def predicate(type_: Any) -> bool:
        asked.append(type_)
        return type_ is Opaque

    def handler(number: int) -> Any:
        @post(f"/{number}")
        async def handle(data: Opaque) -> str:
            return type(data).__name__

        return handle

    decoders = [(predicate, lambda _type, _value: Opaque())]
    app = Hesper([handler(number) for number in range(3)], type_decoders=decoders)
    built = len(asked)
    with TestClient(app) as client:
        for number in range(3):
            assert client.post(f"/{number}", json={}).text == "Opaque"
    assert len(asked) == built


def test_an_override_uses_the_decoders_of_its_original() -> None:
    @get("/{number:int}")
    async def handle(number: Annotated[int, msgspec.Meta(ge=5)], session: int) -> int:
        return number + session

    app = Hesper([handle], dependencies={"session": Provide(lambda: 1, sync_to_thread=False)})
    with TestClient(app.override({"session": 2})) as client:
        assert client.get("/6").json() == 8
        assert client.get("/4").status_code == 400


def test_parametrised_types_are_alike_when_they_name_the_same_in_the_same_order() -> None:
    made, make = counting()
    decoding = Decoding()
    for _ in range(2):
        decoding.of(make, dict[str, list[Book] | int], ())
        decoding.of(make, dict[str, int | list[Book]], ())
    assert len(made) == 2


class Equal(type):
    """Makes classes that say that they are equal."""

    def __eq__(cls, other: object) -> bool:
        return isinstance(other, Equal)

    def __hash__(cls) -> int:
        return 1


class One(metaclass=Equal):
    pass


class Other(metaclass=Equal):
    pass


@pytest.mark.parametrize(
    ("one", "other"),
    [(One, Other), (list[One], list[Other]), (One | None, Other | None)],
    ids=["classes", "lists", "unions"],
)
def test_classes_that_are_equal_are_two(one: Any, other: Any) -> None:
    made, make = counting()
    decoding = Decoding()
    decoding.of(make, one, ())
    decoding.of(make, other, ())
    assert len(made) == 2


class Prefixing:
    """A decoder that says that it is equal to all others of its class."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prefixing)

    def __hash__(self) -> int:
        return 1

    def __call__(self, _type: type, value: str) -> Text:
        return Text(self.prefix + value)


class Text:
    def __init__(self, value: str) -> None:
        self.value = value


def test_decoders_that_are_equal_are_two() -> None:
    def is_text(type_: type) -> bool:
        return type_ is Text

    @get("/one", type_decoders=[(is_text, Prefixing("one "))])
    async def one(text: Text) -> str:
        return text.value

    @get("/other", type_decoders=[(is_text, Prefixing("other "))])
    async def other(text: Text) -> str:
        return text.value

    with TestClient(Hesper([one, other])) as client:
        assert client.get("/one?text=1").text == "one 1"
        assert client.get("/other?text=1").text == "other 1"


def test_what_is_known_by_its_identity_lives_as_long() -> None:
    _, make = counting()
    decoding = Decoding()
    decoder = Prefixing("")
    known = weakref.ref(decoder)
    decoding.of(make, Text, ((callable, decoder),))
    del decoder
    gc.collect()
    assert known() is not None


def test_an_override_leaves_nothing_in_its_original() -> None:
    def one() -> object:
        return object()

    @get("/")
    async def handle(service: object) -> None: ...

    app = Hesper([handle], dependencies={"service": Provide(one, sync_to_thread=False)})

    def override() -> weakref.ref[type]:
        class Colour(enum.Enum):
            RED = "red"

        def other(colour: Colour | None = None) -> object:
            return object()

        other.__annotations__["colour"] = Colour | None
        app.override({"service": Provide(other, sync_to_thread=False)})
        return weakref.ref(Colour)

    left = override()
    gc.collect()
    assert left() is None
