"""A response whose body is made while it is sent.

* It ends when the client has gone, which `receive` tells at once (ASGI, HTTP: disconnect) and
  `send` by an `OSError` from the next chunk on (ASGI, HTTP 2.4). Both are listened to: an
  iterator that waits for long sends nothing, and servers before 2.4 say nothing when they send.
  Until it waits for the first time nothing can have been heard, and nothing listens.
* It ends, completely, when its lifespan turns to closing: what waits for the next chunk is
  interrupted, a chunk that is there is sent. One that is to be whole, or begins later, goes on to
  its own end instead. An iterator in a thread cannot be interrupted.
* Its iterator is closed in the task that ran it, however it ends; one in a thread, in a thread.
* An exception of the iterator comes out. The response has started by then, so it stays
  incomplete, and the server closes the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from types import AsyncGeneratorType
from typing import Any, ClassVar, Final, TypeAlias

import hesper._late as late
from hesper._closing import NEVER, Closing, Waiter, closing_of, interruptible, next_of
from hesper._types import RawHeaders, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask, BackgroundTasks
from hesper.concurrency import ended_by, in_thread
from hesper.connection.request import Streamed
from hesper.datastructures.cookies import Cookie
from hesper.datastructures.response_header import ResponseHeader
from hesper.enums import MediaType
from hesper.response.defaults import DEFAULTS, Defaults
from hesper.response.headers import ResponseHeaders
from hesper.response.prepared import Prepared
from hesper.response.response import Response

StreamSource: TypeAlias = (
    AsyncIterable[Any] | Iterable[Any] | Callable[[], AsyncIterable[Any] | Iterable[Any]]
)
"""Where chunks come from: something to iterate over, or what makes it."""

_END: Final = object()

# PERF: not a member of `MediaType`, which takes three times as long to look up.
_TEXT: Final = MediaType.TEXT.value

_DISCARDED: Final = Streamed.DISCARDED  # PERF: as above

_UNREAD: Final = (Streamed.DISCARDED, Streamed.FAILED)
"""What stands for a body of which something may still arrive."""

# Many iterate in a thread; only anyio, which is slow to load, waits for the first that does.
_ = late.counted_call


class Stream(Response[StreamSource]):
    """A response in chunks.

    It lives as long as whoever sends it holds it. A generator can be sent once; a function that
    makes one, any number of times. The handler's dependencies stay open until it ends.

    Args:
        content: Text or bytes to iterate over, or a function that returns such; iterables that
            are not asynchronous run in a worker thread, chunk by chunk.
        status_code: The status; by default that of the route.
        media_type: The media type; by default that of the route, or `text/plain`.
        headers: Header lines.
        cookies: Cookies to set.
        background: Work to do after the response is sent.
        encoding: How text becomes bytes.
        until_closing: Whether it ends when its lifespan turns to closing. A file that would look
            complete says False, and has the drain time to reach its end.

    Raises:
        ValueError: A header or a cookie cannot be sent.
    """

    __slots__ = ("until_closing",)

    streaming: ClassVar[bool] = True

    def __init__(
        self,
        content: StreamSource,
        *,
        status_code: int | None = None,
        media_type: MediaType | str | None = None,
        headers: Mapping[str, str] | Sequence[ResponseHeader] | None = None,
        cookies: Mapping[str, str] | Sequence[Cookie] | None = None,
        background: BackgroundTask | BackgroundTasks | None = None,
        encoding: str = "utf-8",
        until_closing: bool = True,
    ) -> None:
        # PERF: what `Response` makes of them, in half the time, as nothing is called in between.
        self.content = content
        self.status_code = status_code
        self.media_type = media_type
        self._headers = None if headers is None else ResponseHeaders(headers)
        self._cookies = None
        if cookies is not None:
            self._add_cookies(cookies)
        self.background = background
        self.encoding = encoding
        self.type_encoders = None
        self.until_closing = until_closing

    def prepare(self, defaults: Defaults = DEFAULTS) -> PreparedStream:
        """Prepare the header; the iterator is not touched.

        Args:
            defaults: What the route says about its responses.

        Raises:
            ImproperlyConfiguredException: No body may follow the status.
            ValueError: The media type cannot stand in a header.
        """
        says_nothing = (
            type(self) is Stream
            and self.status_code is None
            and self.media_type is None
            and self._headers is None
            and not self._cookies
            and self.encoding == "utf-8"
        )
        # PERF: most streams say nothing but their content, and those of a route have one head.
        if says_nothing and (known := defaults.heads.get(Stream)) is not None:
            return PreparedStream(defaults.status_code, known.copy(), self)
        status = self.status_for(defaults, with_body=True)
        head = self.header_lines(defaults, self.media_type_for(defaults))
        if says_nothing and defaults.is_constant:
            defaults.heads[Stream] = head.copy()
        return PreparedStream(status, head, self)

    def media_type_for(self, defaults: Defaults) -> str:
        """Return the media type to send.

        Args:
            defaults: What the route says about its responses.
        """
        own = None if self._headers is None else self._headers.get("content-type")
        return self.media_type or own or defaults.media_type or _TEXT

    def is_ended_by(self, closing: Closing) -> bool:
        """Tell whether it ends with a turn to closing; asked when it begins.

        Args:
            closing: The turn of the lifespan, to come or past.
        """
        return self.until_closing and not closing.has_come

    def chunk(self, item: Any) -> bytes:
        """Return the bytes to send for what the iterator gave.

        Args:
            item: Text or bytes.

        Raises:
            TypeError: It is neither.
        """
        if isinstance(item, str):
            return item.encode(self.encoding)
        if isinstance(item, (bytes, bytearray, memoryview)):
            return bytes(item)
        raise TypeError(
            f"a stream got a {type(item).__qualname__} to send: only text and bytes can be; "
            "encode it in the iterator"
        )


class PreparedStream(Prepared, Waiter):
    """A stream that is ready to be sent; it lives until it is sent.

    Args:
        status: The status code.
        headers: The complete header lines.
        stream: Makes the chunks, and tells whether a turn to closing ends it.
    """

    __slots__ = ("_cancelling", "_chunks", "_closing", "_earlier", "_stream")

    notes_start: ClassVar[bool] = True
    streaming: bool = True

    def __init__(self, status: int, headers: RawHeaders, stream: Stream) -> None:
        self.started = False
        self.status = status
        self.headers = headers
        self.body = b""
        self._stream = stream
        self._closing = NEVER
        self._chunks: AsyncGeneratorType[Any, None] | None = None
        self._cancelling: Callable[[], int] | None = None
        self._earlier = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, until its iterator ends or the client goes.

        To `HEAD` only the header is sent (RFC 9110 9.3.2), and the iterator closed unused.

        Args:
            scope: The request's scope.
            receive: Waits for the client's next message.
            send: Sends a message to the client.

        Raises:
            BaseException: Whatever the iterator raises.
        """
        if scope.get("method") == "HEAD":
            await super().__call__(scope, receive, send)
            await _close(self._stream.content)
            return
        closing = closing_of(scope)
        if self._stream.is_ended_by(closing):
            self._closing = closing
        scope.setdefault("hesper_body", _DISCARDED)
        source = self._stream.content
        if isinstance(source, AsyncGeneratorType):  # PERF: the usual one, before all that is asked
            chunks = source
        else:
            source = _opened(source)
            chunks = _chunks_of(source)
        self._chunks = chunks
        try:
            await ended_by(self._send_all(chunks, send), self._listen, scope, receive)
        finally:
            self._cancelling = None  # an exception of the task may hold this: a cycle
            if chunks.ag_frame is not None:  # PERF: one that has reached its end is closed
                await chunks.aclose()
            if chunks is not source:
                await _close(source)

    def waits_for(self, closing: Closing) -> bool:
        """Tell whether a turn ends what is waited for: the next chunk, and nothing that is sent."""
        # PERF: the generator is asked then, so that no chunk has to say what is waited for.
        chunks = self._chunks
        return (
            closing is self._closing
            and chunks is not None
            and chunks.ag_running
            and chunks.ag_code is not _from_thread.__code__
        )

    def cancelled_before(self, task: asyncio.Task[Any]) -> int | None:
        """Return how often the task had been cancelled when the chunk before had been sent."""
        return self._earlier

    def _listen(self, scope: Scope, receive: Receive) -> Coroutine[Any, Any, None]:
        """Begin to listen to the client; called in the task, when it waits for the first time."""
        if self._closing is not NEVER and (task := asyncio.current_task()) is not None:
            self._cancelling = task.cancelling
            self._earlier = task.cancelling()
        return _client_gone(scope, receive)

    @interruptible
    async def _send_all(self, chunks: AsyncGeneratorType[Any, None], send: Send) -> None:
        """Send the header, all chunks until the lifespan turns, and the end."""
        # PERF: for a chunk nothing is called but what makes it and `send`. Chunks of bytes are
        # sent as they are, unless the class makes something else of them.
        closing, encode = self._closing, self._stream.chunk
        as_it_is = bytes if type(self._stream).chunk is Stream.chunk else None
        head = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        self.started = True
        try:
            await send(head)
        except OSError:  # ASGI, HTTP 2.4: the client has gone
            return
        try:
            if not closing.has_come:
                async for item in chunks:
                    body = item if type(item) is as_it_is else encode(item)
                    try:
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                    except OSError:  # as above
                        return
                    if closing.has_come:
                        break
                    if self._cancelling is not None:  # PERF: not if it has never waited
                        self._earlier = self._cancelling()
        except BaseException as error:
            if not closing.ends(self, error):
                raise
        finally:
            if closing.has_come:
                closing.release(self)
        try:
            await send({"type": "http.response.body", "body": b""})
        except OSError:  # as above
            return


def _chunks_of(source: Any) -> AsyncGeneratorType[Any, None]:
    """Return a generator of the chunks that an iterator gives."""
    if isinstance(source, AsyncGeneratorType):
        return source
    made: Any = _awaited(source) if hasattr(source, "__anext__") else _from_thread(source)
    chunks: AsyncGeneratorType[Any, None] = made
    return chunks


async def _awaited(iterator: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    while (item := await next_of(iterator, _END)) is not _END:
        yield item


async def _from_thread(iterator: Iterator[Any]) -> AsyncGenerator[Any, None]:
    while (item := await in_thread(next, iterator, _END)) is not _END:
        yield item


def _opened(source: StreamSource) -> AsyncIterator[Any] | Iterator[Any]:
    if isinstance(source, (str, bytes, bytearray, memoryview)):
        return iter((source,))
    made: Any = source
    if not isinstance(made, (AsyncIterable, Iterable)):
        made = made()
    return aiter(made) if isinstance(made, AsyncIterable) else iter(made)


async def _close(chunks: object) -> None:
    """Close a generator, or whatever else can be closed."""
    if (aclose := getattr(chunks, "aclose", None)) is not None:
        await aclose()
    elif (close := getattr(chunks, "close", None)) is not None:
        await in_thread(close)


async def _client_gone(scope: Scope, receive: Receive) -> None:
    """Wait until the client has gone, passing over what is left of its request."""
    if scope["hesper_body"] is Streamed.RUNNING:
        # What the client sends belongs to whoever reads it, and tells the reader of the end.
        from anyio import Event  # here, as it is slow to load and rarely needed

        read = scope["hesper_body_read"] = Event()
        await read.wait()
    arrived = scope["hesper_body"] not in _UNREAD
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if arrived:  # there is nothing more that a server could tell, but it answers at once
            await _for_ever()
        arrived = not message.get("more_body", False)


async def _for_ever() -> None:
    from anyio import sleep_forever  # here, as it is slow to load

    await sleep_forever()
