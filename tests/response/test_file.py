"""A file as a response."""

from __future__ import annotations

import errno
import gc
import os
import re
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from io import FileIO
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hesper._types import Message
from hesper.datastructures import ETag
from hesper.enums import MediaType
from hesper.exceptions import ImproperlyConfiguredException, NotFoundException
from hesper.response import File
from hesper.response.defaults import Defaults
from hesper.response.file import content_disposition
from tests.peers import Peer, request_scope

pytestmark = pytest.mark.anyio

TEXT = b"Emma Woodhouse, handsome, clever, and rich"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "emma.txt"
    path.write_bytes(TEXT)
    return path


def failing_with(number: int) -> Callable[..., NoReturn]:
    def fail(*_args: object, **_options: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


class Changing(Peer):
    """A client that changes a file's length as soon as it has got the header."""

    def __init__(self, path: Path, length: int) -> None:
        super().__init__()
        self._path = path
        self._length = length

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            os.truncate(self._path, self._length)
        await super().send(message)


async def sent(file: File, method: str = "GET") -> Peer:
    peer = Peer()
    await file(request_scope(method), peer.receive, peer.send)
    return peer


async def test_a_file_is_sent_whole(book: Path) -> None:
    peer = await sent(File(book))
    assert peer.body == TEXT
    headers = dict(peer.headers)
    assert headers[b"content-length"] == b"42"
    assert headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert headers[b"content-disposition"] == b'attachment; filename="emma.txt"'


async def test_a_file_is_sent_in_chunks(book: Path) -> None:
    peer = await sent(File(str(book), chunk_size=20))
    assert [len(piece) for piece in peer.chunks] == [20, 20, 2]
    assert [message["more_body"] for message in peer.heard[1:]] == [True, True, False]


async def test_an_empty_file_is_sent(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    peer = await sent(File(tmp_path / "empty"))
    assert peer.body == b""
    assert dict(peer.headers)[b"content-length"] == b"0"


async def test_to_head_only_the_header_is_sent(book: Path) -> None:
    peer = await sent(File(book), "HEAD")
    assert dict(peer.headers)[b"content-length"] == b"42"
    assert peer.body == b""


def test_it_does_not_need_the_dependencies_while_it_is_sent(book: Path) -> None:
    assert not File(book).prepare().streaming


@pytest.mark.parametrize(
    "name", ["missing", ".", "emma.txt/x", "a\0b", "\ud800", "x" * 5000, "x" * 300]
)
async def test_what_is_no_file_is_not_found(book: Path, name: str) -> None:
    with pytest.raises(NotFoundException):
        await sent(File(f"{book.parent}/{name}"))


async def test_a_pipe_is_not_found(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotFoundException):
        await sent(File(tmp_path / "pipe"))


async def test_a_link_to_itself_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(NotFoundException):
        await sent(File(tmp_path / "loop"))


@pytest.mark.parametrize("function", ["os.stat", "hesper.response.file.FileIO"])
async def test_a_file_that_must_not_be_read_is_not_found(
    book: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    # Simulated, as nothing is forbidden to a superuser.
    monkeypatch.setattr(function, failing_with(errno.EACCES))
    file = File(book)
    with pytest.raises(NotFoundException):
        await sent(file)


async def test_a_failing_disk_is_no_missing_file(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hesper.response.file.FileIO", failing_with(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        await sent(File(book))


async def test_the_file_is_opened_in_a_worker_thread(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def noting(path: str) -> FileIO:
        threads.append(threading.get_ident())
        return FileIO(path)

    monkeypatch.setattr("hesper.response.file.FileIO", noting)
    await sent(File(book))
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_a_file_that_has_gone_meanwhile_is_not_found(book: Path) -> None:
    prepared = File(book).prepare()
    os.unlink(book)  # noqa: PTH108  (at once, as it happens to a server)
    peer = Peer()
    with pytest.raises(NotFoundException):
        await prepared(request_scope(), peer.receive, peer.send)
    assert peer.heard == []


async def test_a_file_that_grows_meanwhile_is_sent_as_long_as_it_was(book: Path) -> None:
    peer = Changing(book, 142)
    await File(book)(request_scope(), peer.receive, peer.send)
    assert len(peer.body) == 42


async def test_a_file_that_shrinks_meanwhile_is_an_error(book: Path) -> None:
    peer = Changing(book, 4)
    with pytest.raises(RuntimeError, match="38 of 42 bytes are missing"):
        await File(book)(request_scope(), peer.receive, peer.send)
    assert peer.heard[-1]["more_body"] is True


async def test_the_file_is_closed_when_the_client_goes(book: Path) -> None:
    class Gone(Peer):
        async def send(self, message: object) -> None:
            raise OSError("the client has gone")

    # A file that is left open warns when it is collected, and warnings are errors.
    with pytest.raises(OSError, match="gone"):
        await File(book)(request_scope(), Peer().receive, Gone().send)
    gc.collect()


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.html", b"text/html; charset=utf-8"),
        ("a.png", b"image/png"),
        ("a.tar.gz", b"application/octet-stream"),
        ("a.unknown-suffix", b"application/octet-stream"),
        ("a", b"application/octet-stream"),
    ],
)
def test_the_media_type_is_guessed_by_the_name(
    tmp_path: Path, name: str, media_type: bytes
) -> None:
    (tmp_path / name).touch()
    prepared = File(tmp_path / name).prepare(Defaults(media_type=MediaType.JSON))
    assert dict(prepared.headers)[b"content-type"] == media_type


def test_the_media_type_can_be_said(book: Path) -> None:
    assert dict(File(book, media_type="a/b").prepare().headers)[b"content-type"] == b"a/b"
    own = File(book, headers={"content-type": "c/d"})
    assert dict(own.prepare().headers)[b"content-type"] == b"c/d"


def test_a_status_without_a_body_is_an_error(book: Path) -> None:
    with pytest.raises(ImproperlyConfiguredException, match="status 204"):
        File(book, status_code=204).prepare()


async def test_the_etag_changes_with_the_file(book: Path) -> None:
    async def etag() -> bytes:
        return dict((await sent(File(book))).headers)[b"etag"]

    first = await etag()
    assert await etag() == first
    os.utime(book, ns=(0, 5))
    assert await etag() != first


async def test_headers_of_its_own_are_kept(book: Path) -> None:
    own = {"etag": '"own"', "content-disposition": "inline"}
    headers = dict((await sent(File(book, headers=own))).headers)
    assert headers[b"etag"] == b'"own"'
    assert headers[b"content-disposition"] == b"inline"


async def test_the_etag_can_be_said(book: Path) -> None:
    peer = await sent(File(book, etag=ETag(value="own")))
    assert dict(peer.headers)[b"etag"] == b'"own"'


async def test_its_time_of_change_is_told(book: Path) -> None:
    os.utime(book, (784111777.5, 784111777.5))
    headers = dict((await sent(File(book))).headers)
    assert headers[b"last-modified"] == b"Sun, 06 Nov 1994 08:49:37 GMT"


async def test_a_time_of_change_to_come_is_not_told(book: Path) -> None:
    os.utime(book, (1e10, 1e10))
    headers = dict((await sent(File(book))).headers)
    assert parsedate_to_datetime(headers[b"last-modified"].decode()).timestamp() <= time.time()


async def test_its_time_of_change_can_be_said(book: Path) -> None:
    own = "Sun, 06 Nov 1994 08:49:37 GMT"
    headers = dict((await sent(File(book, headers={"last-modified": own}))).headers)
    assert headers[b"last-modified"].decode() == own


def open_files() -> list[Path]:
    return list(Path("/proc/self/fd").iterdir())


async def test_a_file_that_the_client_has_is_closed_unread(book: Path) -> None:
    gc.collect()
    before = len(open_files())
    await File(book)(request_scope(headers=[(b"if-none-match", b"*")]), never, ignore)
    assert len(open_files()) == before


async def never() -> Message:
    raise AssertionError("nothing is read")


async def ignore(message: Message) -> None:
    assert message.get("status") in {None, 304}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("attachment", "a b.txt", b'attachment; filename="a b.txt"'),
        ("inline", "a.txt", b'inline; filename="a.txt"'),
        ("attachment", "", b"attachment"),
        ("attachment", "/etc/passwd", b'attachment; filename="passwd"'),
        ("attachment", "..\\a.txt", b'attachment; filename="a.txt"'),
        ("attachment", "ä.txt", b"attachment; filename=\"?.txt\"; filename*=UTF-8''%C3%A4.txt"),
        ("attachment", 'a".txt', b"attachment; filename=\"a?.txt\"; filename*=UTF-8''a%22.txt"),
        ("attachment", "a%2f", b"attachment; filename=\"a%2f\"; filename*=UTF-8''a%252f"),
        ("attachment", "a\r\nb: c", b'attachment; filename="ab: c"'),
    ],
)
def test_the_file_name_is_written_by_rfc_6266(kind: str, name: str, value: bytes) -> None:
    assert content_disposition(kind, name) == value


def test_another_disposition_is_an_error() -> None:
    with pytest.raises(ValueError, match="'attachment' or 'inline'"):
        content_disposition("form-data", "a")


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_file_name_ends_the_line_or_the_parameter(name: str) -> None:
    value = content_disposition("attachment", name).decode("ascii")
    assert value.isprintable()
    assert re.fullmatch(
        r'attachment(; filename="[^"\\]*"(; filename\*=UTF-8\'\'[\w!#$&+.^`|~%-]+)?)?',
        value,
        re.ASCII,
    )


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1))
def test_a_client_reads_the_name_that_was_meant(name: str) -> None:
    meant = "".join(c for c in re.split(r"[/\\]", name)[-1] if c.isprintable())
    value = content_disposition("attachment", name).decode("ascii")
    _, _, extended = value.partition("; filename*=UTF-8''")
    plain = value.removeprefix("attachment").removeprefix('; filename="').removesuffix('"')
    assert (unquote(extended) if extended else plain) == meant
