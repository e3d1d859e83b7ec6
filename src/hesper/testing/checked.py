"""An app that is watched over: everything it sends is checked, and every fault is kept.

Servers stop at the first fault, and do not see what an app sends once it has returned.
"""

from __future__ import annotations

from collections.abc import Callable

from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.testing.errors import ASGIProtocolError
from hesper.testing.messages import LifespanMessages, ResponseMessages, WebSocketMessages

__all__ = ("Checked",)


class Checked:
    """An ASGI app that passes everything to another, and keeps its faults; lives with its check.

    Args:
        app: The app that is checked.
    """

    __slots__ = ("__weakref__", "_app", "faults")

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.faults: list[tuple[str, BaseException | None]] = []
        """What was wrong, in order, with the exception that the app raised, if that is it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app."""
        connection = _Connection(scope, receive, send, self._fault)
        try:
            await self._app(scope, connection.receive, connection.send)
        except Exception as error:
            connection.end(error)
            raise
        else:
            connection.end(None)
        finally:
            connection.over = True

    def _fault(self, text: str, error: BaseException | None = None) -> None:
        self.faults.append((text, error))


class _Connection:
    """One call of the app; lives as long as the app holds its receive or send."""

    __slots__ = ("_fault", "_gone", "_label", "_messages", "_receive", "_send", "over")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        fault: Callable[[str, BaseException | None], None],
    ) -> None:
        self._label = _label(scope)
        self._receive = receive
        self._send = send
        self._fault = fault
        self._gone = False
        self.over = False
        """Whether the app has returned."""
        self._messages: ResponseMessages | WebSocketMessages | LifespanMessages
        if scope["type"] == "http":
            self._messages = ResponseMessages("http.", head_only=scope["method"] == "HEAD")
        elif scope["type"] == "websocket":
            self._messages = WebSocketMessages(scope["subprotocols"])
        else:
            self._messages = LifespanMessages()

    def _tell(self, text: str, error: BaseException | None = None) -> None:
        self._fault(f"{self._label}: {text}", error)

    async def receive(self) -> Message:
        """Return the next message for the app."""
        if self.over:
            self._tell("The app called receive() after it had returned.")
        message = await self._receive()
        if isinstance(self._messages, LifespanMessages):
            if message["type"] == "lifespan.shutdown":
                self._messages.begin("shutdown")
            self._messages.asked = True
        elif message["type"] in {"http.disconnect", "websocket.disconnect"}:
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        """Check a message of the app, and pass it on."""
        if self.over:
            text = f"The app sent {message!r:.200} after it had returned."
            self._tell(text)
            raise ASGIProtocolError(text)
        if not self._gone:
            try:
                self._messages.take(message)
            except ASGIProtocolError as violation:
                self._tell(str(violation))
                raise
        try:
            await self._send(message)
        except OSError:  # how servers say that the client has gone (ASGI 2.4, HTTP)
            self._gone = True
            raise

    def end(self, error: Exception | None) -> None:
        """Take note that the app has returned, or raised *error*."""
        messages = self._messages
        if self._gone or isinstance(error, ASGIProtocolError):
            return
        if isinstance(messages, LifespanMessages):
            complete = not messages.asked or messages.answer is not None
            missing = f"answering 'lifespan.{messages.phase}'"
        elif isinstance(messages, WebSocketMessages):
            # An app that returns from an open websocket has it closed by the server.
            complete = messages.answered and (error is None or messages.close is not None)
            missing = "answering the websocket's handshake"
        else:
            complete, missing = messages.complete, "the end of its response"
        if not complete:
            did = "returned" if error is None else f"raised {error!r:.200}"
            self._tell(f"The app {did} before {missing}.", error)


def _label(scope: Scope) -> str:
    if scope["type"] == "http":
        return f"{scope['method']} {scope['path']}"
    return f"websocket {scope['path']}" if scope["type"] == "websocket" else "lifespan"
