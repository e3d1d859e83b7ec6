"""One websocket between an app and a client, message by message."""

from __future__ import annotations

import asyncio
from collections import deque

import httpx2

from hesper._types import Message
from hesper.exceptions import WebSocketDisconnect
from hesper.status_codes import (
    WS_1000_NORMAL_CLOSURE,
    WS_1006_ABNORMAL_CLOSURE,
    WS_1011_INTERNAL_ERROR,
)
from hesper.testing.call import AppCall, Buffer
from hesper.testing.errors import ASGIProtocolError, WebSocketDeniedError
from hesper.testing.messages import WebSocketMessages, WebSocketPhase
from hesper.testing.server import Server

__all__ = ("Conversation",)


class Conversation:
    """One websocket. It lives from the handshake until the app has returned.

    Args:
        server: Whose app is connected.
        calls: The calls that the client is responsible for.
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_call",
        "_close",
        "_server",
        "_to_app",
        "_violation",
        "messages",
    )

    def __init__(self, server: Server, calls: set[AppCall]) -> None:
        self.messages = WebSocketMessages(())
        """What the app has sent."""
        self._server = server
        self._call = AppCall(calls, server.spec_version)
        self._to_app: deque[Message] = deque([{"type": "websocket.connect"}])
        self._buffer: Buffer[Message] = Buffer()
        self._close: tuple[int, str] | None = None
        self._violation: ASGIProtocolError | None = None

    async def open(self, request: httpx2.Request, subprotocols: list[str]) -> None:
        """Send the handshake and wait for the app's answer.

        Raises:
            WebSocketDeniedError: The app refused with a response, or failed and its exceptions are
                not to be raised.
            WebSocketDisconnect: The app refused by closing.
            ASGIProtocolError: The app broke the order of messages.
            Exception: Whatever the app raised.
        """
        call = self._call
        self.messages = WebSocketMessages(subprotocols)
        scope = self._server.websocket_scope(request, subprotocols)
        call.start(self._server.app, scope, self._receive, self._send)
        try:
            await call.bell.until(lambda: call.finished or self.messages.answered)
        except asyncio.CancelledError:
            call.disconnect()
            raise
        if self.messages.phase is not WebSocketPhase.OPEN:
            await call.leave()
            self._raise_refusal()

    def _raise_refusal(self) -> None:
        failed = self._raise_failure()
        denial, body = self.messages.denial, bytes(self.messages.body)
        if denial.status is not None and denial.complete:
            raise WebSocketDeniedError(
                httpx2.Response(denial.status, headers=denial.headers, content=body)
            )
        if failed:
            raise WebSocketDeniedError(httpx2.Response(500, text="Internal Server Error"))
        if self._close is None:
            raise ASGIProtocolError(
                "The app returned without an answer to the websocket's handshake; send"
                " 'websocket.accept', or 'websocket.close' to refuse."
            )
        code, reason = self._close
        raise WebSocketDisconnect(reason, code=code)

    def put(self, message: Message) -> None:
        """Send *message*, a `websocket.receive`, to the app.

        Raises:
            WebSocketDisconnect: The websocket is closed.
            ASGIProtocolError: The app broke the order of messages.
            Exception: Whatever the app raised.
        """
        if self._over:
            self._raise_end()
        self._to_app.append(message)
        self._call.bell.ring()

    async def take(self) -> Message:
        """Return the next message of the app, a `websocket.send`.

        Raises:
            WebSocketDisconnect: The websocket is closed.
            ASGIProtocolError: The app broke the order of messages.
            Exception: Whatever the app raised.
        """
        await self._call.bell.until(lambda: bool(self._buffer) or self._over)
        if not self._buffer:
            self._raise_end()
        message = self._buffer.take()
        self._call.bell.ring()
        return message

    @property
    def _over(self) -> bool:
        return self._close is not None or self._call.finished or self._violation is not None

    def _raise_end(self) -> None:
        failed = self._raise_failure()
        if failed:
            self._close = WS_1011_INTERNAL_ERROR, "The app failed."
        # An app that just returns has its websocket closed by the server, as one that ended well.
        code, reason = self._close or (WS_1000_NORMAL_CLOSURE, "")
        raise WebSocketDisconnect(reason, code=code)

    def close(self, code: int, reason: str) -> None:
        """Close the websocket from the client's side, unless it is closed."""
        if self._close is None:
            self._close = code, reason
        self._call.disconnect()

    async def leave(self, *, for_good: bool = False) -> None:
        """Close the websocket and wait for the app's end, if the app notices.

        Args:
            for_good: Whether nobody will end the app's call later, if it does not notice.

        Raises:
            ASGIProtocolError: The app broke the order of messages.
            Exception: Whatever the app raised and nobody has seen yet.
        """
        self.close(WS_1000_NORMAL_CLOSURE, "")
        await (self._call.close() if for_good else self._call.leave())
        self._raise_failure()

    async def abandon(self) -> None:
        """End the app's call, whatever it has come to."""
        await self._call.close()
        self._call.take_failure()

    def _raise_failure(self) -> bool:
        """Raise what the app raised, or say whether it has failed when that is not to be raised."""
        failure, violation = self._call.take_failure(), self._violation
        self._violation = None
        raises = self._server.raise_server_exceptions or not isinstance(failure, Exception)
        try:
            if failure is not None and raises:
                raise failure
            if violation is not None:
                raise violation
            return failure is not None
        finally:
            del failure, violation

    async def _receive(self) -> Message:
        call = self._call
        await call.bell.until(lambda: bool(self._to_app) or self._ended_for_app)
        if self._to_app:
            return self._to_app.popleft()
        call.tell()
        await call.after_the_end(sending=False)
        code, reason = self._close or (WS_1006_ABNORMAL_CLOSURE, "")
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    @property
    def _ended_for_app(self) -> bool:
        return self._call.client_gone or self._close is not None or self.messages.denial.complete

    async def _send(self, message: Message) -> None:
        call = self._call
        if call.client_gone and self.messages.phase is not WebSocketPhase.CLOSED:
            await call.after_the_end(sending=True)
            return
        try:
            size = self.messages.take(message)
        except ASGIProtocolError as violation:
            self._violation = self._violation or violation
            call.bell.ring()
            raise
        if size is not None:
            self._buffer.put(message, size)
        self._close = self._close or self.messages.close
        call.bell.ring()
        # An app that never waits for anything else would keep the client from reading.
        await asyncio.sleep(0)
        await call.bell.until(lambda: not self._buffer.full or call.client_gone)
