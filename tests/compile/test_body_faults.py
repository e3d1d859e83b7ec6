"""All faults of a request body, in the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, Struct

from hesper import Hesper, post
from hesper.params import MsgPackBody, URLEncodedBody
from hesper.testing import TestClient

Name = Annotated[str, Meta(min_length=1)]
Year = Annotated[int, Meta(ge=0, le=3000)]


class Author(Struct):
    name: Name
    born: Year | None = None


class Book(Struct, rename="camel"):
    title: Name
    first_author: Author


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient[Hesper]]:
    @post("/json")
    async def in_json(data: Book, page: int = 1) -> None: ...

    @post("/msgpack")
    async def in_msgpack(data: MsgPackBody[Book]) -> None: ...

    @post("/form")
    async def in_form(data: URLEncodedBody[Form]) -> None: ...

    with TestClient(Hesper([in_json, in_msgpack, in_form])) as client:
        yield client


class Form(Struct):
    title: Name
    years: list[Year] = []


def sent(
    client: TestClient[Hesper], path: str, media_type: str, body: bytes
) -> set[tuple[str, str]]:
    """Return the source and the key of each fault of the answer."""
    response = client.post(path, content=body, headers={"content-type": media_type})
    assert response.status_code == 400
    return {(fault["source"], fault["key"]) for fault in response.json()["extra"]}


def test_all_faults_of_a_json_body_and_of_the_query_are_in_the_answer(
    client: TestClient[Hesper],
) -> None:
    body = msgspec.json.encode({"title": "", "firstAuthor": {"born": "x"}})
    assert sent(client, "/json?page=x", "application/json", body) == {
        *(("query", "page"), ("body", "title")),
        *(("body", "firstAuthor.name"), ("body", "firstAuthor.born")),
    }


def test_all_faults_of_a_msgpack_body_are_in_the_answer(client: TestClient[Hesper]) -> None:
    body = msgspec.msgpack.encode({"title": 1, "firstAuthor": {}})
    found = sent(client, "/msgpack", "application/x-msgpack", body)
    assert found == {("body", "title"), ("body", "firstAuthor.name")}


def test_all_faults_of_a_form_are_in_the_answer(client: TestClient[Hesper]) -> None:
    body = b"title=&years=1&years=x&years=3001"
    found = sent(client, "/form", "application/x-www-form-urlencoded", body)
    assert found == {("body", "title"), ("body", "years[1]"), ("body", "years[2]")}


def test_a_form_with_too_many_fields_has_that_fault_alone(client: TestClient[Hesper]) -> None:
    body = b"title=&" + b"years=x&" * 5000
    assert sent(client, "/form", "application/x-www-form-urlencoded", body) == {("body", "data")}
