"""Reversing: a path from a name and values, and the values again from the path."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hesper import Controller, Hesper, Request, Router, get
from hesper._plan.path import TYPES
from hesper.exceptions import ConfigurationError, NoRouteMatchFoundException
from tests.asgi_driver import answer

ZONES = st.one_of(
    st.none(),
    st.just(dt.UTC),
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))),
)
PARTS = st.text(
    st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1
).filter(lambda part: part not in {".", ".."})
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False),
    "uuid": st.uuids(),
    "date": st.dates(),
    "datetime": st.datetimes(timezones=ZONES, allow_imaginary=False),
    "time": st.times(timezones=ZONES),
    "timedelta": st.timedeltas(),
    "str": PARTS,
    "path": st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: Path("/", *parts)),
}
assert VALUES.keys() == TYPES.keys()

seen: list[dict[str, Any]] = []


def app_for(kind: str) -> Hesper:
    @get(f"/before/{{value:{kind}}}", name="value")
    async def handle(request: Request) -> None:
        seen.append(request.path_params)

    return Hesper([handle])


APPS = {kind: app_for(kind) for kind in TYPES}


@given(st.sampled_from(sorted(TYPES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))
def test_a_value_comes_back_from_the_path_it_went_into(case: tuple[str, Any]) -> None:
    kind, value = case
    app = APPS[kind]
    path = app.route_reverse("value", value=value)
    seen.clear()
    assert answer(app, "GET", path).status == 200
    assert seen == [{"value": value}]
    assert type(seen[0]["value"]) is type(value)


@given(st.sampled_from(sorted(set(TYPES) - {"path"})), st.text())
@example("decimal", "00")
def test_text_leads_to_the_handler_or_is_refused(kind: str, text: str) -> None:
    app = APPS[kind]
    try:
        path = app.route_reverse("value", value=text)
    except NoRouteMatchFoundException:
        return
    assert path.isascii()
    assert answer(app, "GET", path).status == 200


class Color(StrEnum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


class Old(str, Enum):  # noqa: UP042 - whose text is another than its value
    RED = "red"


@pytest.mark.parametrize(
    ("kind", "value", "segment"),
    [
        ("int", "5", "5"),
        ("int", Size.LARGE, "3"),
        ("float", 5, "5"),
        ("decimal", 5, "5"),
        ("decimal", Decimal("1.50"), "1.50"),
        ("str", Color.RED, "red"),
        ("str", Old.RED, "red"),
        ("str", "a b", "a%20b"),
        ("str", "ä?#%+", "%C3%A4%3F%23%25%2B"),
        ("uuid", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("date", "2024-02-29", "2024-02-29"),
        ("path", "/a/b c/", "a/b%20c"),
        ("path", PurePosixPath("a"), "a"),
        ("path", PureWindowsPath("a\\b"), "a/b"),
    ],
)
def test_values_are_written_as_the_path_reads_them(kind: str, value: Any, segment: str) -> None:
    assert APPS[kind].route_reverse("value", value=value) == f"/before/{segment}"


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("int", True, "it is of type bool"),
        ("int", 1.0, "it is of type float"),
        ("int", "five", "Expected `int`"),
        ("int", None, "it is of type NoneType"),
        ("float", float("nan"), "finite"),
        ("float", float("inf"), "finite"),
        ("decimal", Decimal("sNaN"), "finite"),
        ("date", dt.datetime(2024, 1, 1), "it is of type datetime"),
        ("datetime", dt.date(2024, 1, 1), "it is of type date"),
        ("uuid", "abc", "Invalid UUID"),
        ("str", 5, "it is of type int"),
        ("str", "", "it is empty"),
        ("str", "a/b", "it has a slash"),
        ("str", "..", "clients remove such segments"),
        ("str", "\ud800", "surrogates not allowed"),
        ("path", "", "it is empty"),
        ("path", "/", "it is empty"),
        ("path", "a//b", "it is empty, or a part of it is"),
        ("path", "a/../b", "clients remove such segments"),
        ("path", 5, "it is of type int"),
    ],
)
def test_a_value_that_the_path_would_not_give_back_is_refused(
    kind: str, value: Any, says: str
) -> None:
    with pytest.raises(
        NoRouteMatchFoundException, match=rf"'value' takes 'value' as {kind}.*{says}"
    ):
        APPS[kind].route_reverse("value", value=value)


@get(["/books", "/books/{number:int}", "/books/{number:int}/{page:int}"], name="books")
async def books() -> None: ...


@pytest.mark.parametrize(
    ("values", "path"),
    [({}, "/books"), ({"number": 1}, "/books/1"), ({"page": 2, "number": 1}, "/books/1/2")],
)
def test_of_several_paths_the_one_with_exactly_these_parameters_is_taken(
    values: dict[str, int], path: str
) -> None:
    assert Hesper([books]).route_reverse("books", **values) == path


def test_parameters_that_no_path_has_are_an_error_that_shows_the_paths() -> None:
    with pytest.raises(NoRouteMatchFoundException) as raised:
        Hesper([books]).route_reverse("books", page=1)
    assert "/books/{number:int}/{page:int}, which does not go with page" in str(raised.value)


def test_no_parameters_are_an_error_that_says_so() -> None:
    with pytest.raises(NoRouteMatchFoundException, match="does not go with no parameters"):
        APPS["int"].route_reverse("value")


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(
        NoRouteMatchFoundException, match="no handler is called 'bok'; did you mean"
    ):
        Hesper([books]).route_reverse("bok")


def test_the_prefixes_of_the_layers_are_in_front() -> None:
    class Books(Controller):
        path = "/books"

        @get("/{page:int}", name="page")
        async def page(self, page: int) -> None: ...

    app = Hesper([Router("/{shop:str}", [Books])], path="/api")
    assert app.route_reverse("page", shop="corner", page=7) == "/api/corner/books/7"


def test_the_root_is_a_slash() -> None:
    @get("/", name="root")
    async def root() -> None: ...

    assert Hesper([root]).route_reverse("root") == "/"


def test_plain_segments_are_encoded_too() -> None:
    @get("/a b/é/c:d", name="n")
    async def handle() -> None: ...

    app = Hesper([handle])
    path = app.route_reverse("n")
    assert path == "/a%20b/%C3%A9/c:d"
    assert answer(app, "GET", path).status == 200


def test_two_handlers_of_one_name_are_a_configuration_error() -> None:
    def named(path: str) -> Callable[..., Any]:
        @get(path, name="same")
        async def handle() -> None: ...

        return handle

    with pytest.raises(
        ConfigurationError, match="two handlers are called 'same': GET /a and GET /b"
    ):
        Hesper([named("/a"), named("/b")])


def test_the_connection_reverses_paths_too() -> None:
    @get("/", name="root")
    async def root(request: Request) -> str:
        return request.app.route_reverse("books", number=3)

    assert answer(Hesper([root, books]), "GET", "/").text == "/books/3"
