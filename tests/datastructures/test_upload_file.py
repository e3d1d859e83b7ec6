"""Uploaded files."""

from __future__ import annotations

import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile

import pytest

from hesper.datastructures import UploadFile

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def upload(
    data: bytes | None = None, max_spool_size: int = 1024
) -> AsyncIterator[UploadFile]:
    file = UploadFile("text/plain", "a.txt", data, {"x": "1"}, max_spool_size)
    try:
        yield file
    finally:
        await file.close()


async def test_an_upload_says_what_the_client_said() -> None:
    async with upload() as file:
        assert (file.content_type, file.filename, file.headers) == (
            "text/plain",
            "a.txt",
            {"x": "1"},
        )


async def test_reading_starts_at_the_beginning() -> None:
    async with upload(b"hello") as file:
        assert [await file.read(), await file.read()] == [b"hello", b""]


async def test_reading_can_stop_at_a_size() -> None:
    async with upload(b"hello") as file:
        assert [await file.read(2), await file.read(2), await file.read(2)] == [b"he", b"ll", b"o"]


async def test_what_is_written_is_read_after_seeking() -> None:
    async with upload() as file:
        assert await file.write(b"hello") == 5
        await file.seek(1)
        assert await file.read() == b"ello"


async def test_a_small_file_stays_in_memory() -> None:
    async with upload(b"a" * 1024) as file:
        assert not file.rolled_to_disk


async def test_a_file_that_grows_moves_to_disk() -> None:
    async with upload(b"a" * 1000) as file:
        await file.seek(1000)
        await file.write(b"b" * 25)
        assert file.rolled_to_disk
        await file.seek(999)
        assert await file.read() == b"a" + b"b" * 25


async def test_a_file_that_is_large_from_the_start_is_on_disk() -> None:
    async with upload(b"a" * 1025) as file:
        assert file.rolled_to_disk
        assert len(await file.read()) == 1025


async def test_a_file_without_a_limit_stays_in_memory() -> None:
    async with upload(max_spool_size=0) as file:
        await file.write(b"a" * 100_000)
        assert not file.rolled_to_disk


class Watched(SpooledTemporaryFile[bytes]):
    """A file that notes in which threads it is read."""

    def __init__(self, max_size: int) -> None:
        super().__init__(max_size=max_size)
        self.threads: list[threading.Thread] = []

    def read(self, *args: int) -> bytes:
        self.threads.append(threading.current_thread())
        return super().read(*args)


@pytest.mark.parametrize(("size", "elsewhere"), [(10, False), (11, True)])
async def test_only_what_is_on_disk_is_read_in_a_thread(size: int, elsewhere: bool) -> None:
    async with upload() as file:
        file.file.close()
        file.file = watched = Watched(max_size=10)
        await file.write(b"a" * size)
        await file.seek(0)
        assert len(await file.read()) == size
        assert [thread is not threading.current_thread() for thread in watched.threads] == [
            elsewhere
        ]


@pytest.mark.parametrize("size", [10, 2000])
async def test_a_file_is_closed_once_and_for_all(size: int) -> None:
    async with upload(b"a" * size) as file:
        await file.close()
        await file.close()
        assert file.file.closed
        with pytest.raises(ValueError, match="closed file"):
            await file.read()


async def test_the_representation_shows_name_and_type() -> None:
    async with upload(b"geheim") as file:
        assert repr(file) == "<UploadFile 'a.txt' of 'text/plain'>"


async def test_the_headers_are_a_copy() -> None:
    headers = {"x": "1"}
    file = UploadFile("text/plain", "a.txt", headers=headers)
    await file.close()
    headers.clear()
    assert file.headers == {"x": "1"}


async def test_a_file_can_be_weakly_referenced() -> None:
    async with upload() as file:
        assert weakref.ref(file)() is file
