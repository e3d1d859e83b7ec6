"""What a return annotation says about the response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, NewType, NoReturn, TypeVar

import msgspec
import pytest

from hesper import Response
from hesper._plan.result import Result, result_of
from hesper._signature import MISSING
from hesper._types import ASGIApp
from hesper.response import Redirect, Stream

Name = NewType("Name", str)
T = TypeVar("T")


class Color(StrEnum):
    RED = "red"


class Structure(msgspec.Struct):
    a: int


@dataclass
class Data:
    a: int


class App:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    ("annotation", "result"),
    [
        (None, Result.NOTHING),
        (type(None), Result.NOTHING),
        (str, Result.TEXT),
        (Name, Result.TEXT),
        (Color, Result.TEXT),
        (Annotated[str, 1], Result.TEXT),
        (bytes, Result.RAW),
        (bytearray, Result.RAW),
        (memoryview, Result.RAW),
        (int, Result.DATA),
        (Structure, Result.DATA),
        (Data, Result.DATA),
        (dict[str, int], Result.DATA),
        (list[Structure], Result.DATA),
        (Literal["a"], Result.DATA),
        (Structure | None, Result.DATA),
        (int | str, Result.DATA),
        (Structure | bytes, Result.UNKNOWN),
        (Structure | Response[Any], Result.UNKNOWN),
        (MISSING, Result.UNKNOWN),
        (Any, Result.UNKNOWN),
        (object, Result.UNKNOWN),
        (T, Result.UNKNOWN),
        ("Unresolved", Result.UNKNOWN),
        (Response[str], Result.UNKNOWN),
        (Redirect, Result.UNKNOWN),
        (Stream, Result.UNKNOWN),
        (App, Result.UNKNOWN),
        (ASGIApp, Result.UNKNOWN),
        (Callable[..., Any], Result.UNKNOWN),
        (NoReturn, Result.DATA),
        (AsyncIterator[int], Result.DATA),
    ],
)
def test_an_annotation_says_what_is_returned(annotation: Any, result: Result) -> None:
    assert result_of(annotation) is result
