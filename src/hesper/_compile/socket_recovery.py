"""Answer the exceptions of websockets: the nearest handler that fits, or the default end.

* Before the handshake is accepted the client gets an HTTP response where the server can send one
  (ASGI, Websocket Denial Response extension), and a refusal elsewhere.
* After it there is a close code: an HTTP exception's status plus 4000, or 1011.
* An exception handler gets the websocket. What it returns is the response before the handshake, and
  says the code after it; it may also end the websocket itself, or leave that to the default.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final

from hesper._compile.default_response import default_response, is_failure
from hesper._compile.endpoint import callers_of
from hesper._compile.errors import ExceptionHandlers, handler_for, observe, status_of
from hesper._compile.injected import Caller
from hesper._compile.reply import Replies, background_of, layer_defaults
from hesper._compile.work import Worker
from hesper._plan.plan import Plan
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.connection.websocket import WebSocket
from hesper.exceptions import HTTPException, WebSocketDisconnect, WebSocketException
from hesper.response.response import Response
from hesper.status_codes import WS_1011_INTERNAL_ERROR

logger: Final = logging.getLogger("hesper")

_LAST: Final = frozenset({"websocket.close", "websocket.http.response.start"})
"""The messages with which a websocket is ended from here."""


class SocketRecovery:
    """Answers the exceptions of one route's websockets, or of routing's; lives as long as its app.

    Args:
        label: How the log names the route.
        exception_handlers: By layer, the nearest first.
        replies: Makes the responses in the handshake's place.
        websocket_class: The class of the websocket that handlers get.
        worker: Does the background work of what handlers return.
    """

    __slots__ = (
        "__weakref__",
        "_exception_handlers",
        "_label",
        "_replies",
        "_worker",
        "websocket_class",
    )

    websocket_class: type[WebSocket]
    """The class of the websocket that handlers get."""

    def __init__(
        self,
        label: str,
        exception_handlers: Sequence[ExceptionHandlers],
        replies: Replies,
        websocket_class: type[WebSocket],
        worker: Worker,
    ) -> None:
        self._label = label
        self._exception_handlers = tuple(exception_handlers)
        self._replies = replies
        self.websocket_class = websocket_class
        self._worker = worker

    async def __call__(self, error: Exception, socket: WebSocket) -> None:
        """End *socket* as *error* says."""
        try:
            await observe(error, socket.scope)
            if isinstance(error, WebSocketDisconnect):
                # Most often this client's; it is still there if another websocket has ended.
                await finish_socket(socket)
                return
            for handlers in self._exception_handlers:
                handler = _handler_for(handlers, error)
                if handler is None:
                    continue
                try:
                    result = await handler(socket.scope, socket.receive, socket.send, socket, error)
                    await self._answer(result, error, socket)
                    work = background_of(result)
                    await self._worker(work, socket.scope, socket.receive, socket.send)
                except WebSocketDisconnect:
                    await finish_socket(socket)
                    return
                except Exception as raised:
                    error = raised
                    await observe(error, socket.scope)
                else:
                    return
            if is_failure(error) and not isinstance(error, WebSocketException):
                logger.error("%s raised", self._label, exc_info=error)
            await self._end(error, socket)
        finally:
            # Its traceback may hold this frame: a cycle.
            del error

    async def _answer(self, result: Any, error: Exception, socket: WebSocket) -> None:
        """End *socket* with what an exception handler returned, unless that has ended it."""
        if result is None:
            await self._end(error, socket)
        elif socket.connection_state in {"init", "connect"}:
            await socket.send_denial(self._replies.answering(status_of(error)).reply(result))
        elif socket.connection_state == "receive":
            response = self._replies.response(result)
            code, reason = close_code(error)
            status = response.status_code if isinstance(response, Response) else None
            if status is not None and not isinstance(error, WebSocketException):
                code = 4000 + status
            told = isinstance(error, (HTTPException, WebSocketException))
            await socket.close(code, reason if told else "")

    async def _end(self, error: Exception, socket: WebSocket) -> None:
        """End *socket* as *error* says by itself, unless it has ended."""
        if socket.connection_state == "disconnect":
            return
        if socket.connection_state == "receive" or isinstance(error, WebSocketException):
            await socket.close(*close_code(error))
            return
        with suppress(WebSocketDisconnect):
            await socket.send_denial(self._denial(error, socket.scope))

    def _denial(self, error: Exception, scope: Scope) -> ASGIApp:
        try:
            return self._replies.reply(default_response(error, scope))
        except Exception as raised:  # a header or the `extra` of the error cannot be sent
            logger.exception("the response to an error of %s cannot be sent", self._label)
            return default_response(raised, scope).prepare()


def socket_recovery_of(plan: Plan) -> SocketRecovery:
    """Return what answers the exceptions of a route's websockets."""
    return SocketRecovery(
        plan.label,
        callers_of(plan, "websocket"),
        Replies(layer_defaults(plan, 200), plan.option("response_class")),
        plan.option("websocket_class"),
        Worker(plan),
    )


def _handler_for(handlers: ExceptionHandlers, error: Exception) -> Caller | None:
    found = handler_for(handlers, error)
    # A websocket's own exception says how it is to end: it is no failure without a name.
    deliberate = isinstance(error, WebSocketException) and found is handlers.get(500)
    return None if deliberate else found


def close_code(error: Exception) -> tuple[int, str]:
    """Return the close code and the reason that *error* stands for."""
    if isinstance(error, WebSocketException):
        return error.code, error.detail
    if isinstance(error, HTTPException):
        return 4000 + error.status_code, error.detail
    return WS_1011_INTERNAL_ERROR, "Internal Server Error"


async def finish_socket(socket: WebSocket) -> None:
    """Close a websocket that its handler left open."""
    if socket.connection_state != "disconnect":
        await socket.close()


class Overheard:
    """A websocket behind middleware, and how far it has come; lives as long as that.

    Args:
        receive: Waits for the client's next message.
        send: Sends a message to the client.
    """

    __slots__ = ("__weakref__", "_accepted", "_connected", "_ended", "_receive", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._connected = self._accepted = self._ended = False

    async def receive(self) -> Message:
        """Return the client's next message."""
        message = await self._receive()
        self._connected = True
        self._ended = self._ended or message["type"] == "websocket.disconnect"
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message to the client."""
        kind = message["type"]
        if kind != "websocket.send":
            self._accepted = self._accepted or kind == "websocket.accept"
            self._ended = self._ended or kind in _LAST
        return self._send(message)

    async def socket(self, scope: Scope, websocket_class: type[WebSocket]) -> WebSocket:
        """Return a websocket that has come as far as this one, to go on from there."""
        kinds = {True: "websocket.disconnect", False: "websocket.connect"}
        begun = self._connected or self._ended
        past: list[Message] = [{"type": kinds[self._ended]}] if begun else []
        replaying = True

        async def receive() -> Message:
            return past.pop() if past else await self._receive()

        async def send(message: Message) -> None:
            if not replaying:
                await self._send(message)

        socket = websocket_class(scope, receive, send)
        if past:
            await socket.receive()
        if self._accepted and not self._ended:
            await socket.send({"type": "websocket.accept"})
        replaying = False
        return socket
