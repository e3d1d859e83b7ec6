"""A response that is a file of the file system."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from io import FileIO
from typing import Final, Literal
from urllib.parse import quote

import hesper._late as late
from hesper._types import RawHeaders, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask, BackgroundTasks
from hesper.concurrency import in_thread
from hesper.datastructures.cookies import Cookie
from hesper.datastructures.etag import ETag
from hesper.datastructures.response_header import ResponseHeader
from hesper.enums import MediaType
from hesper.exceptions import NotFoundException
from hesper.response.defaults import DEFAULTS, Defaults
from hesper.response.prepared import Prepared
from hesper.response.response import Response

DEFAULT_CHUNK_SIZE: Final = 1024 * 1024
"""The bytes of a file that are read, and sent, at once."""

# RFC 8187 3.2.1: what stands for itself in an encoded parameter, besides letters and digits.
_ATTRIBUTE_CHARACTERS: Final = "!#$&+-.^_`|~"

_NOT_THERE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EISDIR}
)
"""What the system says of paths that lead to no file that can be read."""


# No request may be the first to need what judges by the validators of a file, or reads it.
_ = late.Conditional, late.counted_call, late.import_anyio()


class File(Response[None]):
    """A file, sent from disk chunk by chunk.

    It lives as long as whoever sends it holds it. The file is looked at, opened and read in a
    worker thread, when the response is sent, and it is open no longer than that.

    Args:
        path: The file's path.
        filename: The name under which the client is to keep it; by default the file's own.
        content_disposition_type: "attachment" to be kept, "inline" to be shown.
        media_type: The media type; by default guessed by the file name's suffix.
        chunk_size: The bytes to send at once.
        etag: The entity tag; by default that of the route, or made of size and time of change.
        status_code: The status; by default that of the route.
        headers: Header lines.
        cookies: Cookies to set.
        background: Work to do after the response is sent.

    Raises:
        ValueError: A header or a cookie cannot be sent.
    """

    __slots__ = ("chunk_size", "content_disposition_type", "filename", "path")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        content_disposition_type: Literal["attachment", "inline"] = "attachment",
        media_type: MediaType | str | None = None,
        chunk_size: int = DEFAULT_CHUNK_SIZE,
        etag: ETag | None = None,
        status_code: int | None = None,
        headers: Mapping[str, str] | Sequence[ResponseHeader] | None = None,
        cookies: Mapping[str, str] | Sequence[Cookie] | None = None,
        background: BackgroundTask | BackgroundTasks | None = None,
    ) -> None:
        super().__init__(
            None,
            status_code=status_code,
            media_type=media_type,
            headers=headers,
            cookies=cookies,
            background=background,
            etag=etag,
        )
        self.path = os.fspath(path)
        self.filename = self.path if filename is None else filename
        self.content_disposition_type = content_disposition_type
        self.chunk_size = chunk_size

    @property
    def has_validator(self) -> bool:
        """True: a file tells its versions apart by its size and its time of change."""
        return True

    def prepare(self, defaults: Defaults = DEFAULTS) -> PreparedFile:
        """Make what needs no look at the file.

        Args:
            defaults: What the route says about its responses.

        Raises:
            ImproperlyConfiguredException: No body may follow the status.
            ValueError: The media type cannot stand in a header.
        """
        status = self.status_for(defaults, with_body=True)
        headers = self.header_lines(defaults, self.media_type_for(defaults))
        present = {name for name, _ in headers}
        if b"content-disposition" not in present:
            disposition = content_disposition(self.content_disposition_type, self.filename)
            headers.append((b"content-disposition", disposition))
        return PreparedFile(status, headers, self.path, self.chunk_size)

    def media_type_for(self, defaults: Defaults) -> str:
        """Return the media type to send: said here, in the headers, or guessed.

        Args:
            defaults: Not used: what a route says is about what it makes, not about files.
        """
        said = self.media_type or self.headers.get("content-type")
        if said:
            return said
        import mimetypes  # here, as it is slow to load

        guessed, encoding = mimetypes.guess_type(self.filename)
        # What is compressed is sent as it is on disk, not as what it holds.
        return guessed if guessed and not encoding else "application/octet-stream"


class PreparedFile(Prepared):
    """A file that is to be sent; it lives until it is sent.

    Args:
        status: The status code.
        headers: The header lines, but for what depends on the file.
        path: The file's path.
        chunk_size: The bytes to send at once.
    """

    __slots__ = ("_chunk_size", "_path")

    def __init__(self, status: int, headers: RawHeaders, path: str, chunk_size: int) -> None:
        super().__init__(status, headers)
        self._path = path
        self._chunk_size = chunk_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; of one to `HEAD` the header only (RFC 9110 9.3.2).

        A file that grows meanwhile is sent as long as it was.

        Args:
            scope: The request's scope.
            receive: Not used.
            send: Sends a message to the client.

        Raises:
            NotFoundException: There is no regular file that can be read at the path; nothing has
                been sent.
            RuntimeError: The file has become shorter; what was sent is incomplete.
            OSError: The file cannot be read.
        """
        with ExitStack() as held:  # a thread is waited for, so what it opened is closed as well
            file, found = await in_thread(_opened, self._path, held)
            headers = self._header_lines(found)
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            if scope.get("method") == "HEAD" or not found.st_size:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await self._send_content(file, found.st_size, send)

    def _header_lines(self, found: os.stat_result) -> RawHeaders:
        from email.utils import formatdate  # here, as it is slow to load

        headers = [*self.headers, (b"content-length", b"%d" % found.st_size)]
        present = {name for name, _ in headers}
        if b"etag" not in present:
            etag = ETag(value=f"{found.st_mtime_ns:x}-{found.st_size:x}")
            headers.append((b"etag", etag.to_header().encode("latin-1")))
        if b"last-modified" not in present:
            # RFC 9110 8.8.2.1: never later than the response is made.
            modified = formatdate(min(found.st_mtime, time.time()), usegmt=True)
            headers.append((b"last-modified", modified.encode("ascii")))
        return headers

    async def _send_content(self, file: FileIO, size: int, send: Send) -> None:
        left = size
        while left:
            chunk = await in_thread(file.read, min(left, self._chunk_size))
            if not chunk:
                raise RuntimeError(
                    f"{self._path} has become shorter while it was sent: {left} of "
                    f"{size} bytes are missing"
                )
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})


def content_disposition(kind: str, filename: str) -> bytes:
    """Return the value of the `Content-Disposition` header (RFC 6266).

    Args:
        kind: "attachment" or "inline".
        filename: The file's name; no part of a path, and no control character, is left of it.

    Raises:
        ValueError: The kind is neither.
    """
    if kind not in ("attachment", "inline"):
        raise ValueError(f"{kind!r} is no content disposition: give 'attachment' or 'inline'")
    name = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in name if character.isprintable())
    if not name:
        return kind.encode("ascii")
    quoted = name.encode("ascii", "replace").decode("ascii").replace('"', "?")
    value = f'{kind}; filename="{quoted}"'
    if quoted != name or "%" in name:  # RFC 6266 appendix D: some clients decode a "%" there
        encoded = quote(name, safe=_ATTRIBUTE_CHARACTERS, errors="replace")
        value += f"; filename*=UTF-8''{encoded}"
    return value.encode("ascii")


def _opened(path: str, held: ExitStack) -> tuple[FileIO, os.stat_result]:
    """Open a regular file, which *held* closes, and look at it."""
    try:
        # Before it is opened, as opening a pipe waits for somebody to write to it.
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  (pathlib is slow to load)
            raise NotFoundException
        file = held.enter_context(FileIO(path))
        return file, os.fstat(file.fileno())
    except (OSError, ValueError) as error:
        raise _not_found(error) from None


def _not_found(error: OSError | ValueError) -> Exception:
    """Return what to raise: the client's mistake if it asked for what cannot be there for it."""
    if isinstance(error, OSError) and error.errno not in _NOT_THERE:
        return error
    return NotFoundException()  # a `ValueError` is of a NUL in the path, or half a surrogate pair
