"""The lifespan protocol, from the server's side (ASGI lifespan specification 2.0).

An app that raises or returns before it has taken `lifespan.startup` does not know the protocol: it
is served without, as the specification asks. Whatever goes wrong after that is an error.
"""

from __future__ import annotations

from collections import deque

from hesper._types import Message
from hesper.testing.call import AppCall
from hesper.testing.errors import ASGIProtocolError, LifespanError
from hesper.testing.messages import LifespanMessages
from hesper.testing.server import Server

__all__ = ("LifespanRun",)


class LifespanRun:
    """One lifespan of an app, in one task from start-up to shutdown. It lives as long as that.

    Args:
        server: Whose app is started.
    """

    __slots__ = (
        "__weakref__",
        "_answers",
        "_call",
        "_messages",
        "_server",
        "_violation",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._call = AppCall(set(), server.spec_version)
        self._messages: deque[str] = deque()
        self._answers = LifespanMessages()
        self._violation: ASGIProtocolError | None = None

    async def start(self) -> None:
        """Run the app's start-up.

        Raises:
            LifespanError: The app answered `lifespan.startup.failed`.
            ASGIProtocolError: The app ended without an answer, or sent a message out of order.
            Exception: Whatever the app raised instead of answering.
        """
        server = self._server
        self._call.start(server.app, server.lifespan_scope(), self._receive, self._send)
        try:
            await self._ask("startup")
            if self._call.finished and not self._answers.asked:
                self._call.take_failure()
                return
            await self._conclude()
        except BaseException:
            await self._end()
            raise

    @property
    def is_known(self) -> bool:
        """Whether the app, once it was started, has turned out to know the protocol."""
        return self._answers.asked

    async def stop(self) -> None:
        """Run the app's shutdown and wait for the end of its task.

        Raises:
            LifespanError: The app answered `lifespan.shutdown.failed`.
            ASGIProtocolError: The app ended without an answer, or sent a message out of order.
            Exception: Whatever the app raised, during shutdown or at any time before.
        """
        try:
            if not self._call.finished:
                await self._ask("shutdown")
            await self._conclude()
            await self._call.close()
            self._call.raise_failure()
        finally:
            await self._end()

    async def _end(self) -> None:
        self._violation = None
        if not self._call.finished:
            self._call.cancel()
            await self._call.wait()

    async def _ask(self, phase: str) -> None:
        answers = self._answers
        answers.begin(phase)
        self._messages.append(f"lifespan.{phase}")
        self._call.bell.ring()
        await self._call.bell.until(
            lambda: self._call.finished or answers.answer is not None or self._violation is not None
        )

    async def _conclude(self) -> None:
        violation, self._violation = self._violation, None
        if violation is not None:
            try:
                raise violation
            finally:
                del violation
        answers = self._answers
        if answers.answer is None:
            self._call.raise_failure()
            if answers.asked:
                raise ASGIProtocolError(
                    f"The app returned from its lifespan without an answer to"
                    f" 'lifespan.{answers.phase}'; send 'lifespan.{answers.phase}.complete'."
                )
        elif answers.answer["type"].endswith("failed"):
            await self._call.close()
            detail = answers.answer.get("message") or f"The app's {answers.phase} failed."
            raise LifespanError(detail) from self._call.take_failure()

    async def _receive(self) -> Message:
        await self._call.bell.until(lambda: bool(self._messages))
        self._answers.asked = True
        return {"type": self._messages.popleft()}

    async def _send(self, message: Message) -> None:
        try:
            self._answers.take(message)
        except ASGIProtocolError as violation:
            self._violation = violation
            raise
        finally:
            self._call.bell.ring()
