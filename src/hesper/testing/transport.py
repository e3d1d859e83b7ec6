"""The transport that brings httpx2's async client to an app, on the caller's loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import httpx2

from hesper._types import RawHeaders
from hesper.testing.call import AppCall
from hesper.testing.exchange import Exchange
from hesper.testing.lifespan import LifespanRun
from hesper.testing.server import Server

__all__ = ("AppTransport", "response")


class AppTransport(httpx2.AsyncBaseTransport):
    """The way from an async client to an app. It lives as long as the client.

    Entering it runs the app's start-up; leaving it ends the calls of the app that still run, and
    then runs its shutdown.

    Args:
        server: The app, and what it is told.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.calls: set[AppCall] = set()
        self._lifespan: LifespanRun | None = None

    @property
    def runs_lifespan(self) -> bool:
        """Whether a lifespan of the app runs: not every app knows the protocol."""
        return self._lifespan is not None and self._lifespan.is_known

    async def __aenter__(self) -> Self:
        if self.server.lifespan:
            lifespan = LifespanRun(self.server)
            await lifespan.start()
            self._lifespan = lifespan
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            await self.aclose()
        finally:
            lifespan, self._lifespan = self._lifespan, None
            if lifespan is not None:
                await lifespan.stop()

    def exchange(self, request: httpx2.Request) -> Exchange:
        """Return the exchange for *request*, which has not begun yet.

        Raises:
            httpx2.UnsupportedProtocol: The URL is not one of HTTP.
        """
        if request.url.scheme not in {"http", "https"}:
            raise httpx2.UnsupportedProtocol(
                f"{request.url} is not a URL of HTTP; for a websocket write"
                " `client.websocket_connect(...)`."
            )
        return Exchange(self.server, request, self.calls)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request* and return its response, whose body is still to be read."""
        exchange = self.exchange(request)
        status, headers = await exchange.open(request)
        return response(status, headers, ResponseBody(exchange))

    async def aclose(self) -> None:
        """End the calls of the app that still run.

        Raises:
            Exception: Whatever one of them raised; a group if there are several.
        """
        failures: list[BaseException] = []
        try:
            for call in tuple(self.calls):
                await call.close()
                failure = call.take_failure()
                if failure is not None and self.server.raise_server_exceptions:
                    failures.append(failure)
                del failure
            if len(failures) == 1:
                raise failures[0]
            if failures:
                raise BaseExceptionGroup("Several calls of the app failed.", failures)
        finally:
            failures.clear()
            for call in self.calls:
                call.cancel()


def response(
    status: int, headers: RawHeaders, stream: httpx2.AsyncByteStream | httpx2.SyncByteStream
) -> httpx2.Response:
    """Return the response of an app over a *stream* that its body comes from."""
    return httpx2.Response(
        status, headers=headers, stream=stream, extensions={"http_version": b"HTTP/1.1"}
    )


class ResponseBody(httpx2.AsyncByteStream):
    """The body of a response, chunk by chunk as the app sends it. It lives until it is closed.

    Args:
        exchange: Whose body it is.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._exchange.next_chunk()) is not None:
            yield chunk

    async def aclose(self) -> None:
        """Leave the response, read to its end or not."""
        await self._exchange.leave()
