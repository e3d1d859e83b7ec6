"""uvicorn, run in a thread that somebody waits for."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import Context

import uvicorn

from hesper._types import LIFESPAN_KEY, ASGIApp, Message, Receive, Scope, Send
from hesper.lifespan.lifespan import Lifespan
from hesper.testing.openings import CALLED_FROM, WITHIN, Opening


class UvicornServer(uvicorn.Server):
    """A server that tells when it has started, or failed to; lives as long as it runs.

    Args:
        app: What it serves.
        drain_timeout: Seconds that requests are given to end when it is stopped.
    """

    def __init__(self, app: ASGIApp, drain_timeout: int) -> None:
        watched = _Watched(app)
        super().__init__(
            uvicorn.Config(watched, log_config=None, timeout_graceful_shutdown=drain_timeout)
        )
        self._watched = watched
        self._settled = threading.Event()
        self._error: Exception | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        try:
            await super().startup(sockets)
        finally:
            self._settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Turn the lifespan to closing, as no signal does in a thread, and stop."""
        lifespan = self.lifespan.state.get(LIFESPAN_KEY)
        if isinstance(lifespan, Lifespan):
            lifespan.begin_closing(self.config.timeout_graceful_shutdown)
        await super().shutdown(sockets)

    def start(self, listening: socket.socket, opening: Opening | None = None) -> threading.Thread:
        """Serve on *listening* in a new thread, and return it once the server has started.

        Args:
            listening: The socket, which the thread closes.
            opening: What is noted of the server, if somebody watches.

        Raises:
            RuntimeError: It could not start.
        """
        context = Context()
        if opening is not None:
            context.run(WITHIN.set, opening)
            context.run(CALLED_FROM.set, opening.frames)
        thread = threading.Thread(
            target=context.run, args=(self._run, listening), name="hesper: LiveServer", daemon=True
        )
        thread.start()
        try:
            self._settled.wait()
        except BaseException:
            self.should_exit = True
            raise
        if not self.started:
            thread.join()
            error, self._error = self._error, None
            said = self._watched.failure or error or "the log says why"
            raise RuntimeError(f"the server could not start: {said}") from error
        return thread

    def _run(self, listening: socket.socket) -> None:
        try:
            with listening, suppress(SystemExit):  # uvicorn's way to say that start-up failed
                self.run(sockets=[listening])
        except Exception as error:
            if self.started:
                raise
            self._error = error
        finally:
            self._settled.set()


class _Watched:
    """An app whose failure to start is kept, to be told; lives as long as its server."""

    __slots__ = ("__weakref__", "_app", "failure")

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.failure: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._listening(send))
        else:
            await self._app(scope, receive, send)

    def _listening(self, send: Send) -> Send:
        async def listening(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                self.failure = message.get("message") or "the app says so"
            await send(message)

        return listening
