"""Files that clients upload, kept in memory while small and on disk when they grow.

What is in memory is read at once; what is on disk is read in a worker thread, so that the loop
never waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, TypeVar

__all__ = ("UploadFile",)

_T = TypeVar("_T")


class UploadFile:
    """A file that came with a request.

    It lives as long as the request, whose end closes it; what is on disk is gone with that.

    Args:
        content_type: The media type that the client gave.
        filename: The name that the client gave; never a path to rely on.
        file_data: The first bytes; reading starts at their beginning.
        headers: The headers of the file's part (RFC 7578 4.8).
        max_spool_size: The bytes above which the file moves to disk; 0 for never.
    """

    __slots__ = ("__weakref__", "_max_spool_size", "content_type", "file", "filename", "headers")

    content_type: str
    """The media type that the client gave."""
    filename: str
    """The name that the client gave."""
    headers: dict[str, str]
    """The headers of the file's part."""
    file: IO[bytes]
    """The file itself, for code that runs in a thread or expects little."""

    def __init__(
        self,
        content_type: str,
        filename: str,
        file_data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_spool_size: int = 1024 * 1024,
    ) -> None:
        # Here, because the module is slow to import and few applications take files.
        from tempfile import SpooledTemporaryFile

        self.content_type = content_type
        self.filename = filename
        self.headers = dict(headers or {})
        self._max_spool_size = max_spool_size
        self.file = SpooledTemporaryFile(max_size=max_spool_size)  # noqa: SIM115 (close() does)
        if file_data:
            self.file.write(file_data)
            self.file.seek(0)

    def __repr__(self) -> str:
        return f"<UploadFile {self.filename!r} of {self.content_type!r}>"

    @property
    def rolled_to_disk(self) -> bool:
        """Whether the file has grown out of memory."""
        return bool(getattr(self.file, "_rolled", False))

    async def read(self, size: int = -1) -> bytes:
        """Return the next bytes, none at the end.

        Args:
            size: How many bytes at most; negative for all that are left.
        """
        return await self._call(self.file.read, size)

    async def write(self, data: bytes) -> int:
        """Write bytes and return how many.

        Args:
            data: The bytes.
        """
        grows = 0 < self._max_spool_size < self.file.tell() + len(data)
        return await self._call(self.file.write, data, in_thread=grows)

    async def seek(self, offset: int) -> None:
        """Go on reading and writing elsewhere.

        Args:
            offset: How many bytes from the beginning.
        """
        await self._call(self.file.seek, offset)

    async def close(self) -> None:
        """Close the file, and delete what is on disk; again and again if you like."""
        # On the loop, since clean-up never waits for a free thread.
        self.file.close()

    async def _call(
        self, function: Callable[..., _T], argument: object, in_thread: bool = False
    ) -> _T:
        if not (in_thread or self.rolled_to_disk):
            return function(argument)
        # Here, because the module is slow to import and most files stay in memory.
        from anyio import to_thread

        return await to_thread.run_sync(function, argument)
