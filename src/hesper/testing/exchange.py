"""One HTTP request and its response, between an app and a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx2

from hesper._types import Message, RawHeaders
from hesper.testing.call import AppCall, Buffer
from hesper.testing.errors import ASGIProtocolError
from hesper.testing.messages import ResponseMessages
from hesper.testing.request_body import request_messages
from hesper.testing.server import Server

__all__ = ("Exchange",)


class Exchange:
    """One HTTP request and its response. It lives until the response is closed.

    The response is complete for the client when the app has returned: work that the app does after
    the last byte of the body is done when the body has been read.

    Args:
        server: Whose app is asked.
        request: What it is asked.
        calls: The calls that the client is responsible for.
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_call",
        "_input",
        "_input_failure",
        "_reading",
        "_request_ended",
        "_response",
        "_server",
        "_timeout",
        "_violation",
    )

    def __init__(self, server: Server, request: httpx2.Request, calls: set[AppCall]) -> None:
        self._server = server
        self._call = AppCall(calls, server.spec_version)
        self._input: AsyncGenerator[Message, None] = request_messages(request)
        self._reading = False
        self._request_ended = False
        self._input_failure: Exception | None = None
        self._response = ResponseMessages("http.", head_only=request.method == "HEAD")
        self._violation: ASGIProtocolError | None = None
        self._buffer: Buffer[bytes] = Buffer()
        self._timeout: float | None = request.extensions.get("timeout", {}).get("read")

    async def open(self, request: httpx2.Request) -> tuple[int, RawHeaders]:
        """Send the request and return the status and the headers of the response.

        Raises:
            httpx2.ReadTimeout: The response did not start within the client's read timeout.
            ASGIProtocolError: The app broke the order of messages.
            Exception: Whatever the app raised.
        """
        server = self._server
        self._call.start(server.app, server.http_scope(request), self._receive, self._send)
        await self._until(lambda: self._response.status is not None)
        response = self._response
        if response.status is None:
            await self._conclude()
            return self._server_error()
        return response.status, response.headers

    def _server_error(self) -> tuple[int, RawHeaders]:
        """Answer in the app's place, as servers do for one that fails before it answers."""
        body = b"Internal Server Error"
        self._buffer.put(body, len(body))
        self._response.complete = True
        length = str(len(body)).encode()
        return 500, [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", length)]

    async def next_chunk(self) -> bytes | None:
        """Return the next chunk of the body, or None once it has ended and the app has returned.

        Raises:
            httpx2.ReadTimeout: No chunk came within the client's read timeout.
            httpx2.RemoteProtocolError: The app failed amid the body, and its exceptions are not
                to be raised.
            httpx2.ReadError: The client has left the response.
            ASGIProtocolError: The app broke the order of messages.
            Exception: Whatever the app raised.
        """
        await self._until(lambda: bool(self._buffer) or self._response.complete)
        if self._buffer:
            chunk = self._buffer.take()
            self._call.bell.ring()
            return chunk
        await self._call.wait()
        await self._conclude()
        if not self._response.complete:
            raise httpx2.ReadError("The client has left the response before its end.")
        return None

    async def leave(self, *, for_good: bool = False) -> None:
        """Leave the response; one that is not complete ends for the app with a disconnect.

        Args:
            for_good: Whether nobody will end the app's call later, if it does not notice.

        Raises:
            Exception: Whatever the app raised and nobody has seen yet.
        """
        if self._response.complete:
            await self._call.wait()
        elif for_good:
            await self._call.close()
        else:
            await self._call.leave()
        if self._call.finished:
            await self._conclude()

    async def abandon(self) -> None:
        """End the app's call, whatever it has come to."""
        await self._call.close()
        self._call.take_failure()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for *condition* or for whatever prevents it; a client that gives up is gone."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._call.bell.until(
                    lambda: condition() or self._call.finished or self._input_failure is not None
                )
        except TimeoutError:
            self._call.disconnect()
            raise httpx2.ReadTimeout(f"The app sent nothing for {self._timeout} seconds.") from None
        except asyncio.CancelledError:
            self._call.disconnect()
            raise
        if self._input_failure is not None:
            await self._call.leave()
            await self._conclude()

    async def _conclude(self) -> None:
        """Raise what is left to raise, and leave nothing behind that could form a cycle."""
        if not self._reading:
            await self._input.aclose()
        failure, violation = self._call.take_failure(), self._violation
        input_failure, self._violation, self._input_failure = self._input_failure, None, None
        try:
            if input_failure is not None:
                raise input_failure
            if failure is not None and self._raises(failure):
                raise failure
            if violation is not None:
                raise violation
            if not self._response.complete and not self._call.client_gone:
                self._report_incomplete(failed=failure is not None)
        finally:
            del failure, violation, input_failure

    def _raises(self, failure: BaseException) -> bool:
        """Whether *failure* comes out of the client: one that ends programs always does."""
        return self._server.raise_server_exceptions or not isinstance(failure, Exception)

    def _report_incomplete(self, *, failed: bool) -> None:
        """Say what the client gets from an app that ended amid its response, or before it."""
        started = self._response.status is not None
        if not failed:
            raise ASGIProtocolError(
                f"The app returned before the {'end' if started else 'start'} of its response;"
                " a response is one 'http.response.start', and 'http.response.body' up to one"
                " whose more_body is false."
            )
        if started:
            raise httpx2.RemoteProtocolError("The app failed amid its response.")

    async def _receive(self) -> Message:
        call = self._call
        if not self._request_ended and not call.client_gone:
            message = await self._next_of_request()
            if message is not None:
                self._request_ended = not message["more_body"]
                return message
            self._request_ended = True
            call.disconnect()
        await call.bell.until(lambda: call.client_gone or self._response.complete)
        call.tell()
        await call.after_the_end(sending=False)
        return {"type": "http.disconnect"}

    async def _next_of_request(self) -> Message | None:
        """Return the next message of the request, or None when the client fails to send it."""
        self._reading = True
        try:
            return await anext(self._input)
        except StopAsyncIteration:
            self._input_failure = httpx2.LocalProtocolError(
                "The body of the request is shorter than its content-length says."
            )
        except Exception as failure:
            self._input_failure = failure
        finally:
            self._reading = False
        return None

    async def _send(self, message: Message) -> None:
        call = self._call
        if call.client_gone:
            await call.after_the_end(sending=True)
            return
        try:
            body = self._response.take(message)
        except ASGIProtocolError as violation:
            self._violation = self._violation or violation
            raise
        if body:
            self._buffer.put(body, len(body))
        call.bell.ring()
        # An app that never waits for anything else would keep the client from reading.
        await asyncio.sleep(0)
        await call.bell.until(lambda: not self._buffer.full or call.client_gone)
