from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper.testing.request_body import request_messages

pytestmark = pytest.mark.anyio


async def messages(request: httpx2.Request) -> list[tuple[bytes, bool]]:
    return [(each["body"], each["more_body"]) async for each in request_messages(request)]


def post(
    content: str | bytes | AsyncIterator[bytes] | Iterator[bytes] | None, **headers: str
) -> httpx2.Request:
    return httpx2.Request("POST", "http://host/", content=content, headers=headers)


async def test_no_body_is_one_empty_message() -> None:
    assert await messages(httpx2.Request("GET", "http://host/")) == [(b"", False)]


async def test_a_body_of_known_length_ends_with_its_last_piece() -> None:
    assert await messages(post(b"abc")) == [(b"abc", False)]


async def test_a_long_body_comes_in_pieces() -> None:
    sizes = [(len(body), more) for body, more in await messages(post(b"x" * 150_000))]
    assert sizes == [(65_536, True), (65_536, True), (18_928, False)]


async def test_a_body_of_unknown_length_ends_with_an_empty_message() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        yield b""
        yield b"b"

    assert await messages(post(chunks())) == [(b"a", True), (b"b", True), (b"", False)]


async def test_a_sync_body_is_read_as_well() -> None:
    assert await messages(post(iter([b"a", b"b"]))) == [(b"a", True), (b"b", True), (b"", False)]


async def test_what_comes_after_the_declared_length_is_not_read() -> None:
    request = post(b"abcdef", **{"content-length": "4"})
    assert await messages(request) == [(b"abcd", False)]


async def test_a_body_that_ends_before_the_declared_length_has_no_last_message() -> None:
    request = post(b"abc", **{"content-length": "4"})
    assert await messages(request) == [(b"abc", True)]


@given(st.lists(st.binary(max_size=200_000), max_size=3))
async def test_whatever_the_chunks_the_bytes_are_the_same(chunks: list[bytes]) -> None:
    found = await messages(post(iter(chunks)))
    assert b"".join(body for body, _ in found) == b"".join(chunks)
    assert [more for _, more in found] == [True] * (len(found) - 1) + [False]
    assert all(len(body) <= 65_536 for body, _ in found)
