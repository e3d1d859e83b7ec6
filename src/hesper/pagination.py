"""Pages of results: what is sent of them, and classes that fetch them.

A paginator is an object of the user's that knows how to fetch; calling it fetches a page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = [
    "AbstractAsyncClassicPaginator",
    "AbstractAsyncCursorPaginator",
    "AbstractAsyncOffsetPaginator",
    "AbstractSyncClassicPaginator",
    "AbstractSyncCursorPaginator",
    "AbstractSyncOffsetPaginator",
    "ClassicPagination",
    "CursorPagination",
    "OffsetPagination",
]

T = TypeVar("T")
C = TypeVar("C")


@dataclass(slots=True, weakref_slot=True)
class ClassicPagination(Generic[T]):
    """A page among numbered pages; lives as long as the response needs it."""

    items: Sequence[T]
    """What is on the page."""
    page_size: int
    """How many items a full page has."""
    current_page: int
    """The number of the page; the first is 1."""
    total_pages: int
    """How many pages there are."""


@dataclass(slots=True, weakref_slot=True)
class OffsetPagination(Generic[T]):
    """A part of all items, somewhere in them; lives as long as the response needs it."""

    items: Sequence[T]
    """The items of the part."""
    limit: int
    """How many items it may have."""
    offset: int
    """How many items stand before it."""
    total: int
    """How many items there are in all."""


@dataclass(slots=True, weakref_slot=True)
class CursorPagination(Generic[C, T]):
    """The items behind a cursor; lives as long as the response needs it."""

    items: Sequence[T]
    """The items."""
    results_per_page: int
    """How many items may be sent at once."""
    cursor: C | None
    """What stands for the last of them: what to ask with for the next; `None` at the end."""


class AbstractSyncClassicPaginator(ABC, Generic[T]):
    """Fetches numbered pages; lives as long as whoever made it holds it."""

    @abstractmethod
    def get_total(self, page_size: int) -> int:
        """Return how many pages there are.

        Args:
            page_size: How many items a full page has.
        """

    @abstractmethod
    def get_items(self, page_size: int, current_page: int) -> Sequence[T]:
        """Return the items of a page.

        Args:
            page_size: How many items a full page has.
            current_page: The number of the page.
        """

    def __call__(self, page_size: int, current_page: int) -> ClassicPagination[T]:
        """Return a page.

        Args:
            page_size: How many items a full page has.
            current_page: The number of the page.
        """
        total_pages = self.get_total(page_size=page_size)
        items = self.get_items(page_size=page_size, current_page=current_page)
        return ClassicPagination(items, page_size, current_page, total_pages)


class AbstractAsyncClassicPaginator(ABC, Generic[T]):
    """Fetches numbered pages; lives as long as whoever made it holds it."""

    @abstractmethod
    async def get_total(self, page_size: int) -> int:
        """Return how many pages there are.

        Args:
            page_size: How many items a full page has.
        """

    @abstractmethod
    async def get_items(self, page_size: int, current_page: int) -> Sequence[T]:
        """Return the items of a page.

        Args:
            page_size: How many items a full page has.
            current_page: The number of the page.
        """

    async def __call__(self, page_size: int, current_page: int) -> ClassicPagination[T]:
        """Return a page.

        Args:
            page_size: How many items a full page has.
            current_page: The number of the page.
        """
        total_pages = await self.get_total(page_size=page_size)
        items = await self.get_items(page_size=page_size, current_page=current_page)
        return ClassicPagination(items, page_size, current_page, total_pages)


class AbstractSyncOffsetPaginator(ABC, Generic[T]):
    """Fetches parts of all items; lives as long as whoever made it holds it."""

    @abstractmethod
    def get_total(self) -> int:
        """Return how many items there are in all."""

    @abstractmethod
    def get_items(self, limit: int, offset: int) -> Sequence[T]:
        """Return the items of a part.

        Args:
            limit: How many items it may have.
            offset: How many items stand before it.
        """

    def __call__(self, limit: int, offset: int) -> OffsetPagination[T]:
        """Return a part of all items.

        Args:
            limit: How many items it may have.
            offset: How many items stand before it.
        """
        total = self.get_total()
        return OffsetPagination(self.get_items(limit=limit, offset=offset), limit, offset, total)


class AbstractAsyncOffsetPaginator(ABC, Generic[T]):
    """Fetches parts of all items; lives as long as whoever made it holds it."""

    @abstractmethod
    async def get_total(self) -> int:
        """Return how many items there are in all."""

    @abstractmethod
    async def get_items(self, limit: int, offset: int) -> Sequence[T]:
        """Return the items of a part.

        Args:
            limit: How many items it may have.
            offset: How many items stand before it.
        """

    async def __call__(self, limit: int, offset: int) -> OffsetPagination[T]:
        """Return a part of all items.

        Args:
            limit: How many items it may have.
            offset: How many items stand before it.
        """
        total = await self.get_total()
        items = await self.get_items(limit=limit, offset=offset)
        return OffsetPagination(items, limit, offset, total)


class AbstractSyncCursorPaginator(ABC, Generic[C, T]):
    """Fetches the items behind a cursor; lives as long as whoever made it holds it."""

    @abstractmethod
    def get_items(self, cursor: C | None, results_per_page: int) -> tuple[Sequence[T], C | None]:
        """Return items, and the cursor to ask with for the next; `None` if they are the last.

        Args:
            cursor: What stands for the last item that was sent before; `None` at the beginning.
            results_per_page: How many items may be returned.
        """

    def __call__(self, cursor: C | None, results_per_page: int) -> CursorPagination[C, T]:
        """Return the items behind a cursor.

        Args:
            cursor: What stands for the last item that was sent before; `None` at the beginning.
            results_per_page: How many items may be returned.
        """
        items, following = self.get_items(cursor=cursor, results_per_page=results_per_page)
        return CursorPagination(items, results_per_page, following)


class AbstractAsyncCursorPaginator(ABC, Generic[C, T]):
    """Fetches the items behind a cursor; lives as long as whoever made it holds it."""

    @abstractmethod
    async def get_items(
        self, cursor: C | None, results_per_page: int
    ) -> tuple[Sequence[T], C | None]:
        """Return items, and the cursor to ask with for the next; `None` if they are the last.

        Args:
            cursor: What stands for the last item that was sent before; `None` at the beginning.
            results_per_page: How many items may be returned.
        """

    async def __call__(self, cursor: C | None, results_per_page: int) -> CursorPagination[C, T]:
        """Return the items behind a cursor.

        Args:
            cursor: What stands for the last item that was sent before; `None` at the beginning.
            results_per_page: How many items may be returned.
        """
        items, following = await self.get_items(cursor=cursor, results_per_page=results_per_page)
        return CursorPagination(items, results_per_page, following)
