"""Decoders: made once for all routes of an app, and never one for another."""

from __future__ import annotations

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


def test_what_has_no_hash_is_made_each_time() -> None:
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
