"""The library, from its first stock to its guide: one app, asked by test clients."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import httpx2
import pytest

from hesper import Hesper
from hesper.testing import TestClient
from library.app import app
from library.guide import GUIDE

KEY = {"x-librarian-key": "swordfish"}


@contextmanager
def opened(database: Path, library: Hesper = app) -> Iterator[httpx2.Client]:
    """Run *library* over *database*, with a client for it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LIBRARY_DATABASE", str(database))
        environment.setenv("LIBRARIAN_KEY", KEY["x-librarian-key"])
        with TestClient(library) as client:
            yield client


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library") / "library.sqlite3"


@pytest.fixture(scope="module")
def library(database: Path) -> Iterator[httpx2.Client]:
    with opened(database) as client:
        yield client


@pytest.fixture(scope="module")
def member(library: httpx2.Client) -> int:
    number = library.post("/members", json={"name": "Ishmael"}, headers=KEY).json()["id"]
    assert isinstance(number, int)
    return number


def faults(response: httpx2.Response) -> set[str]:
    """Return the keys that a response with validation errors complains about."""
    assert response.status_code == 400
    return {fault["key"] for fault in response.json()["extra"]}


def titles(response: httpx2.Response) -> list[str]:
    assert response.status_code == 200
    return [book["title"] for book in response.json()["items"]]


def test_the_door_says_what_there_is(library: httpx2.Client) -> None:
    response = library.get("/")
    assert response.status_code == 200
    assert response.json() == {"books": "/books", "members": "/members", "loans": "/loans"}


def test_a_new_library_opens_with_its_first_stock(library: httpx2.Client) -> None:
    assert library.get("/books").json()["total"] > 300


def test_one_book_is_found_by_its_mark(library: httpx2.Client) -> None:
    response = library.get("/books/moby-dick-1851")
    assert response.status_code == 200
    assert response.json() == {
        "mark": "moby-dick-1851",
        "title": "Moby-Dick",
        "author": "Herman Melville",
        "year": 1851,
        "lent": False,
    }


def test_pages_follow_one_another(library: httpx2.Client) -> None:
    whole = titles(library.get("/books", params={"author": "dickens", "limit": 6}))
    first = titles(library.get("/books", params={"author": "dickens", "limit": 3}))
    second = titles(library.get("/books", params={"author": "dickens", "limit": 3, "offset": 3}))
    assert len(whole) == 6
    assert first + second == whole


def test_a_page_says_how_many_books_match(library: httpx2.Client) -> None:
    page = library.get("/books", params={"author": "orwell", "limit": 2}).json()
    assert (page["limit"], page["offset"], page["total"]) == (2, 0, 4)
    assert len(page["items"]) == 2


def test_a_search_ignores_case_and_accents(library: httpx2.Client) -> None:
    found = titles(library.get("/books", params={"text": "BRONTE", "limit": 100}))
    assert {"Jane Eyre", "Wuthering Heights", "Agnes Grey"} <= set(found)


def test_a_search_for_text_looks_into_titles(library: httpx2.Client) -> None:
    assert titles(library.get("/books", params={"text": "lighthouse"})) == ["To the Lighthouse"]


def test_a_search_is_not_a_pattern(library: httpx2.Client) -> None:
    assert titles(library.get("/books", params={"text": "%"})) == []


def test_a_search_takes_a_range_of_years(library: httpx2.Client) -> None:
    asked: dict[str, str | int] = {"author": "woolf", "year_from": 1927, "year_to": 1928}
    assert titles(library.get("/books", params=asked)) == ["To the Lighthouse", "Orlando"]


def test_all_faults_of_a_query_are_reported_together(library: httpx2.Client) -> None:
    asked: dict[str, str | int] = {"limit": 0, "offset": -1, "year_from": "long ago"}
    assert faults(library.get("/books", params=asked)) == {"limit", "offset", "year_from"}


def test_an_unknown_book_is_not_found(library: httpx2.Client) -> None:
    response = library.get("/books/the-garden-of-forking-paths-1900")
    assert response.status_code == 404
    assert "the-garden-of-forking-paths-1900" in response.json()["detail"]


def test_an_unknown_path_is_not_found(library: httpx2.Client) -> None:
    assert library.get("/films").status_code == 404


def test_a_created_book_stands_on_its_shelf(library: httpx2.Client) -> None:
    book = {"title": "The Secret Commonwealth", "author": "Philip Pullman", "year": 2019}
    response = library.post("/books", json=book, headers=KEY)
    assert response.status_code == 201
    assert response.json() == {**book, "mark": "the-secret-commonwealth-2019", "lent": False}
    assert library.get("/books/the-secret-commonwealth-2019").json() == response.json()


def test_the_same_book_twice_is_a_conflict(library: httpx2.Client) -> None:
    book = {"title": "Moby-Dick", "author": "Herman Melville", "year": 1851}
    response = library.post("/books", json=book, headers=KEY)
    assert response.status_code == 409
    assert "moby-dick-1851" in response.json()["detail"]


def test_all_faults_of_a_body_are_reported_together(library: httpx2.Client) -> None:
    book = {"title": " ", "author": 7, "year": 40_000}
    assert faults(library.post("/books", json=book, headers=KEY)) == {"title", "author", "year"}


def test_a_body_that_is_not_json_is_a_bad_request(library: httpx2.Client) -> None:
    headers = {**KEY, "content-type": "application/json"}
    assert library.post("/books", content=b'{"title": ', headers=headers).status_code == 400


def test_creating_a_book_takes_a_key(library: httpx2.Client) -> None:
    book = {"title": "Ghost", "author": "Nobody", "year": 2000}
    response = library.post("/books", json=book)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'LibrarianKey realm="library"'
    assert library.get("/books/ghost-2000").status_code == 404


def test_creating_a_book_takes_the_right_key(library: httpx2.Client) -> None:
    book = {"title": "Ghost", "author": "Nobody", "year": 2000}
    response = library.post("/books", json=book, headers={"x-librarian-key": "open-sesame"})
    assert response.status_code == 403
    assert library.get("/books/ghost-2000").status_code == 404


def test_deleting_a_book_takes_a_key(library: httpx2.Client) -> None:
    assert library.delete("/books/ulysses-1922").status_code == 401
    assert library.get("/books/ulysses-1922").status_code == 200


def test_a_deleted_book_is_gone(library: httpx2.Client) -> None:
    response = library.delete("/books/nana-1880", headers=KEY)
    assert (response.status_code, response.content) == (204, b"")
    assert library.get("/books/nana-1880").status_code == 404


def test_enrolling_a_member_takes_a_key(library: httpx2.Client) -> None:
    assert library.post("/members", json={"name": "Nobody"}).status_code == 401


def test_a_new_member_is_found_and_listed(library: httpx2.Client) -> None:
    response = library.post("/members", json={"name": "Dorothea"}, headers=KEY)
    assert response.status_code == 201
    member = response.json()
    assert member["name"] == "Dorothea"
    assert library.get(f"/members/{member['id']}").json() == member
    assert member in library.get("/members").json()


def test_an_unknown_member_is_not_found(library: httpx2.Client) -> None:
    assert library.get("/members/999999").status_code == 404


def test_a_member_number_that_no_database_can_hold_is_a_bad_request(
    library: httpx2.Client,
) -> None:
    assert faults(library.get(f"/members/{2**64}")) == {"number"}


def test_a_lent_book_is_due_in_four_weeks(library: httpx2.Client, member: int) -> None:
    response = library.post("/loans", json={"book": "emma-1815", "member": member})
    assert response.status_code == 201
    loan = response.json()
    assert (loan["book"], loan["member"], loan["returned_on"]) == ("emma-1815", member, None)
    lent_on, due_on = date.fromisoformat(loan["lent_on"]), date.fromisoformat(loan["due_on"])
    assert due_on - lent_on == timedelta(days=28)
    assert library.get("/books/emma-1815").json()["lent"] is True


def test_a_lent_book_cannot_be_lent_again(library: httpx2.Client, member: int) -> None:
    assert library.post("/loans", json={"book": "kim-1901", "member": member}).status_code == 201
    response = library.post("/loans", json={"book": "kim-1901", "member": member})
    assert response.status_code == 409
    assert response.json() == {"status_code": 409, "detail": "'Kim' is lent already"}


def test_a_lent_book_cannot_be_deleted(library: httpx2.Client, member: int) -> None:
    library.post("/loans", json={"book": "she-1887", "member": member})
    assert library.delete("/books/she-1887", headers=KEY).status_code == 409
    assert library.get("/books/she-1887").status_code == 200


def test_a_returned_book_can_be_lent_again(library: httpx2.Client, member: int) -> None:
    loan = library.post("/loans", json={"book": "dune-1965", "member": member}).json()
    response = library.post(f"/loans/{loan['id']}/return")
    assert response.status_code == 200
    assert response.json() == {**loan, "returned_on": loan["lent_on"]}
    assert library.post("/loans", json={"book": "dune-1965", "member": member}).status_code == 201


def test_a_book_comes_back_once(library: httpx2.Client, member: int) -> None:
    loan = library.post("/loans", json={"book": "voss-1957", "member": member}).json()
    assert library.post(f"/loans/{loan['id']}/return").status_code == 200
    assert library.post(f"/loans/{loan['id']}/return").status_code == 409


def test_an_unknown_loan_cannot_be_returned(library: httpx2.Client) -> None:
    assert library.post("/loans/999999/return").status_code == 404


def test_an_unknown_book_cannot_be_lent(library: httpx2.Client, member: int) -> None:
    response = library.post("/loans", json={"book": "hamlet-1999", "member": member})
    assert response.status_code == 404
    assert "hamlet-1999" in response.json()["detail"]


def test_nobody_unknown_borrows(library: httpx2.Client) -> None:
    response = library.post("/loans", json={"book": "hamlet-1603", "member": 999999})
    assert response.status_code == 404
    assert library.get("/books/hamlet-1603").json()["lent"] is False


def test_loans_are_listed_by_member_and_status(library: httpx2.Client) -> None:
    reader = library.post("/members", json={"name": "Lucy"}, headers=KEY).json()["id"]
    kept = library.post("/loans", json={"book": "candide-1759", "member": reader}).json()
    loan = library.post("/loans", json={"book": "utopia-1516", "member": reader}).json()
    returned = library.post(f"/loans/{loan['id']}/return").json()

    def listed(status: str) -> list[object]:
        response = library.get("/loans", params={"member": reader, "status": status})
        assert response.status_code == 200
        return list(response.json())

    assert listed("all") == [kept, returned]
    assert listed("open") == [kept]
    assert listed("returned") == [returned]
    assert listed("overdue") == []


def test_a_loan_is_overdue_the_day_after_it_was_due(
    library: httpx2.Client, member: int, database: Path
) -> None:
    lent_on = date.today() - timedelta(days=28)
    numbers: list[int] = []
    for mark, day in {"solaris-1961": lent_on, "stoner-1965": lent_on - timedelta(1)}.items():
        with opened(database, app.override({"today": day})) as earlier:
            loan = earlier.post("/loans", json={"book": mark, "member": member}).json()
            numbers.append(loan["id"])
    overdue = library.get("/loans", params={"status": "overdue"}).json()
    assert [loan["id"] for loan in overdue] == numbers[1:]


def test_an_unknown_status_is_a_bad_request(library: httpx2.Client) -> None:
    assert faults(library.get("/loans", params={"status": "lost"})) == {"status"}


def lend_at_once(clients: Sequence[httpx2.Client], book: str, member: int) -> Counter[int]:
    """Lend *book* twenty times at once, in turn over *clients*, and count the answers."""

    def lend(turn: int) -> int:
        client = clients[turn % len(clients)]
        return client.post("/loans", json={"book": book, "member": member}).status_code

    with ThreadPoolExecutor(20) as threads:
        return Counter(threads.map(lend, range(20)))


def test_of_many_who_want_a_book_at_once_one_gets_it(library: httpx2.Client, member: int) -> None:
    assert lend_at_once([library], "ulysses-1922", member) == {201: 1, 409: 19}


def test_two_that_run_at_once_share_one_database(
    library: httpx2.Client, member: int, database: Path
) -> None:
    with opened(database) as second:
        answers = lend_at_once([library, second], "nostromo-1904", member)
    assert answers == {201: 1, 409: 19}


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    database = tmp_path / "library.sqlite3"
    with opened(database) as library:
        library.delete("/books/hunger-1890", headers=KEY)
        library.post("/members", json={"name": "Ishmael"}, headers=KEY)
        loan = library.post("/loans", json={"book": "moby-dick-1851", "member": 1}).json()
        total = library.get("/books").json()["total"]
    with opened(database) as library:
        assert library.get("/books").json()["total"] == total
        assert library.get("/books/hunger-1890").status_code == 404
        assert library.get("/members/1").json()["name"] == "Ishmael"
        assert library.get("/loans").json() == [loan]


def curl(library: httpx2.Client, line: str) -> httpx2.Response:
    """Send the request of a `curl` command to *library*, wherever the command would send it."""
    parser = ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--json", dest="body")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    asked = parser.parse_args(shlex.split(line)[1:])
    headers = dict(header.split(": ") for header in asked.headers)
    if asked.body:
        headers["content-type"] = "application/json"
    method = asked.method or ("POST" if asked.body else "GET")
    path = asked.url.removeprefix("localhost:8000")
    return library.request(method, path, content=asked.body, headers=headers)


def test_everything_in_the_guide_works_on_a_new_library(tmp_path: Path) -> None:
    text = GUIDE.replace("open-sesame", KEY["x-librarian-key"])
    lines = [line for line in text.splitlines() if line.strip().startswith("curl")]
    with opened(tmp_path / "library.sqlite3") as library:
        answers = [curl(library, line) for line in lines]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 201, 201, 200, 200]
    assert all(answer.json() for answer in answers)
