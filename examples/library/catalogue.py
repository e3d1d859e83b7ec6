"""How the library writes its books down: shelf marks, search words and the first stock.

A shelf mark is what a book is called in a path: its title and its year, as in `moby-dick-1851`.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

STOCK = Path(__file__).with_name("books.csv")


class Stocked(Struct, frozen=True):
    """One line of the first stock."""

    mark: str
    title: str
    author: str
    year: int


def folded(text: str) -> str:
    """Return *text* without case and accents, so that `bronte` finds `Brontë`."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def shelf_mark(title: str, year: int) -> str:
    """Return the mark under which a book stands, for example `moby-dick-1851`."""
    words = re.findall(r"\w+", folded(title).replace("'", ""))
    return "-".join([*words, str(year)])


def first_stock() -> Iterator[Stocked]:
    """Yield the books with which a new library opens, oldest first."""
    with STOCK.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            title, author, year = line["title"], line["author"], int(line["year"])
            yield Stocked(shelf_mark(title, year), title, author, year)
