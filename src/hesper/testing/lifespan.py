"""The lifespan protocol, from the server's side (ASGI lifespan specification 2.0).

An app that raises or returns before it has taken `lifespan.startup` does not know the protocol: it
is served without, as the specification asks. Whatever goes wrong after that is an error.
"""

from __future__ import annotations

from collections import deque

from hesper._types import Message
from hesper.testing.call import AppCall
from hesper.testing.errors import ASGIProtocolError, LifespanError
from hesper.testing.messages import message_type
from hesper.testing.server import Server

__all__ = ("LifespanRun",)

_ANSWERS = frozenset({"complete", "failed"})


class LifespanRun:
    """One lifespan of an app, in one task from start-up to shutdown. It lives as long as that.

    Args:
        server: Whose app is started.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_call",
        "_messages",
        "_phase",
        "_server",
        "_taken",
        "_violation",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._call = AppCall(set(), server.spec_version)
        self._messages: deque[str] = deque()
        self._phase = "startup"
        self._taken = False
        self._answer: Message | None = None
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
            if self._call.finished and not self._taken:
                self._call.take_failure()
                return
            await self._conclude()
        except BaseException:
            await self._end()
            raise

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
        self._phase = phase
        self._taken = False
        self._answer = None
        self._messages.append(f"lifespan.{phase}")
        self._call.bell.ring()
        await self._call.bell.until(
            lambda: self._call.finished or self._answer is not None or self._violation is not None
        )

    async def _conclude(self) -> None:
        violation, self._violation = self._violation, None
        if violation is not None:
            try:
                raise violation
            finally:
                del violation
        if self._answer is None:
            self._call.raise_failure()
            if self._taken:
                raise ASGIProtocolError(
                    f"The app returned from its lifespan without an answer to"
                    f" 'lifespan.{self._phase}'; send 'lifespan.{self._phase}.complete'."
                )
        elif self._answer["type"].endswith("failed"):
            await self._call.close()
            detail = self._answer.get("message") or f"The app's {self._phase} failed."
            raise LifespanError(detail) from self._call.take_failure()

    async def _receive(self) -> Message:
        await self._call.bell.until(lambda: bool(self._messages))
        self._taken = True
        return {"type": self._messages.popleft()}

    async def _send(self, message: Message) -> None:
        kind = message_type(message)
        _, _, answer = kind.rpartition(".")
        in_order = self._taken and self._answer is None and answer in _ANSWERS
        if not in_order or kind != f"lifespan.{self._phase}.{answer}":
            self._violation = ASGIProtocolError(
                f"The app sent {kind!r} during its {self._phase}; each of 'lifespan.startup' and"
                " 'lifespan.shutdown' is answered once, with '.complete' or '.failed' added."
            )
            self._call.bell.ring()
            raise self._violation
        self._answer = message
        self._call.bell.ring()
