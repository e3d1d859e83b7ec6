"""Pages of results, and what fetches them."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from hesper import Hesper, get
from hesper.pagination import (
    AbstractAsyncClassicPaginator,
    AbstractAsyncCursorPaginator,
    AbstractAsyncOffsetPaginator,
    AbstractSyncClassicPaginator,
    AbstractSyncCursorPaginator,
    AbstractSyncOffsetPaginator,
    ClassicPagination,
    CursorPagination,
    OffsetPagination,
)
from tests.asgi_driver import answer

LETTERS = list("abcdefg")


class SyncClassic(AbstractSyncClassicPaginator[str]):
    def get_total(self, page_size: int) -> int:
        return -(-len(LETTERS) // page_size)

    def get_items(self, page_size: int, current_page: int) -> list[str]:
        return LETTERS[(current_page - 1) * page_size : current_page * page_size]


class AsyncClassic(AbstractAsyncClassicPaginator[str]):
    async def get_total(self, page_size: int) -> int:
        return SyncClassic().get_total(page_size)

    async def get_items(self, page_size: int, current_page: int) -> list[str]:
        return SyncClassic().get_items(page_size, current_page)


class SyncOffset(AbstractSyncOffsetPaginator[str]):
    def get_total(self) -> int:
        return len(LETTERS)

    def get_items(self, limit: int, offset: int) -> list[str]:
        return LETTERS[offset : offset + limit]


class AsyncOffset(AbstractAsyncOffsetPaginator[str]):
    async def get_total(self) -> int:
        return len(LETTERS)

    async def get_items(self, limit: int, offset: int) -> list[str]:
        return SyncOffset().get_items(limit, offset)


class SyncCursor(AbstractSyncCursorPaginator[str, str]):
    def get_items(self, cursor: str | None, results_per_page: int) -> tuple[list[str], str | None]:
        first = 0 if cursor is None else LETTERS.index(cursor) + 1
        items = LETTERS[first : first + results_per_page]
        return items, items[-1] if first + results_per_page < len(LETTERS) else None


class AsyncCursor(AbstractAsyncCursorPaginator[str, str]):
    async def get_items(
        self, cursor: str | None, results_per_page: int
    ) -> tuple[list[str], str | None]:
        return SyncCursor().get_items(cursor, results_per_page)


@pytest.mark.anyio
async def test_numbered_pages_are_fetched() -> None:
    expected = ClassicPagination(["g"], page_size=3, current_page=3, total_pages=3)
    assert SyncClassic()(page_size=3, current_page=3) == expected
    assert await AsyncClassic()(page_size=3, current_page=3) == expected


@pytest.mark.anyio
async def test_parts_of_all_items_are_fetched() -> None:
    expected = OffsetPagination(["c", "d"], limit=2, offset=2, total=7)
    assert SyncOffset()(limit=2, offset=2) == expected
    assert await AsyncOffset()(limit=2, offset=2) == expected


@pytest.mark.anyio
async def test_items_behind_a_cursor_are_fetched_to_the_end() -> None:
    found: list[str] = []
    page = SyncCursor()(None, 3)
    while page.cursor is not None:
        found += page.items
        following = SyncCursor()(page.cursor, 3)
        assert await AsyncCursor()(page.cursor, 3) == following
        page = following
    assert [*found, *page.items] == LETTERS


@pytest.mark.parametrize(
    ("annotation", "page", "expected"),
    [
        (
            ClassicPagination[str],
            ClassicPagination(["a"], 1, 2, 3),
            {"items": ["a"], "page_size": 1, "current_page": 2, "total_pages": 3},
        ),
        (
            OffsetPagination[str],
            OffsetPagination(["a"], 1, 2, 3),
            {"items": ["a"], "limit": 1, "offset": 2, "total": 3},
        ),
        (
            CursorPagination[int, str],
            CursorPagination(["a"], 1, 2),
            {"items": ["a"], "results_per_page": 1, "cursor": 2},
        ),
    ],
)
def test_a_page_is_sent(annotation: Any, page: Any, expected: Any) -> None:
    async def one() -> Any:
        return page

    one.__annotations__ = {"return": annotation}
    assert answer(Hesper([get("/")(one)]), "GET", "/").json() == expected


@pytest.mark.parametrize(
    "thing",
    [
        ClassicPagination([], 1, 1, 0),
        OffsetPagination([], 1, 0, 0),
        CursorPagination([], 1, None),
        SyncClassic(),
        AsyncCursor(),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_all_of_it_may_be_weakly_referenced(thing: object) -> None:
    assert weakref.ref(thing)() is thing
