"""The lifespan of a mounted ASGI app, driven in a task of its own: `MountedRun`.

An app that raises or returns before it takes `lifespan.startup` does not know the protocol, and is
served without (ASGI, Lifespan Protocol 2.0). What it raises after that is a failure. One that has
started and returns without waiting for `lifespan.shutdown` has nothing to stop.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from hesper._types import ASGIApp, Message
from hesper.exceptions import HesperException
from hesper.lifespan.host import outlast, raise_together

LAST_WORDS: Final = 0.1
"""Seconds that an app which has answered is given to return, before it is cancelled."""


class MountedAppFailed(HesperException):
    """A mounted app could not be started or stopped; the message says which and why."""


class MountedRun:
    """One lifespan of a mounted app; lives from `start` to `stop`.

    Args:
        path: Where the app is mounted, for messages.
        app: The mounted app.
        required: Whether an app that does not know the protocol is an error.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_app",
        "_asked",
        "_required",
        "_taken",
        "_task",
        "path",
        "state",
    )

    def __init__(self, path: str, app: ASGIApp, *, required: bool) -> None:
        self.path = path
        self.state: dict[str, Any] = {}
        """What the app sets while it starts: its own namespace."""
        self._app = app
        self._required = required
        self._asked: asyncio.Queue[Message] = asyncio.Queue()
        self._answer: asyncio.Future[Message] | None = None
        self._taken = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the app.

        Raises:
            MountedAppFailed: It failed, or it does not know the protocol and must.
        """
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        self._task = asyncio.get_running_loop().create_task(
            self._call(scope), name=f"hesper: lifespan of {self.path}"
        )
        answer = await self._ask("startup")
        if answer is None:
            await self._without_answer("startup")
        elif answer["type"] == "lifespan.startup.failed":
            await self._failed("startup", answer)

    async def stop(self) -> None:
        """Stop the app, if it is running.

        Raises:
            MountedAppFailed: It failed.
        """
        if self._task is None:
            return
        self._taken = False
        answer = await self._ask("shutdown")
        if answer is None:
            await self._without_answer("shutdown")
        elif answer["type"] == "lifespan.shutdown.failed":
            await self._failed("shutdown", answer)
        error = await self._end()
        if error is not None:
            raise MountedAppFailed(
                f"the app mounted at {self.path} raised after it had answered (shutdown)"
            ) from error

    async def _call(self, scope: dict[str, Any]) -> None:
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        message = await self._asked.get()
        self._taken = True
        return message

    async def _send(self, message: Message) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    async def _ask(self, phase: str) -> Message | None:
        """Return the app's answer; `None` if it ended without one."""
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._asked.put_nowait({"type": f"lifespan.{phase}"})
        either: set[asyncio.Future[Any]] = {answer}
        if self._task is not None:
            either.add(self._task)
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as cancelled:
            failed: list[BaseException] = [cancelled]
            last = None
            try:
                last = await self._end(patience=0)
            except BaseException as again:
                failed.append(again)
            if answer.done() and answer.result()["type"] == f"lifespan.{phase}.failed":
                failed.append(self._failure(phase, answer.result(), last))
            elif last is not None:
                failed.append(last)
            raise_together(failed, f"cancelled, and the app mounted at {self.path} failed")
        return answer.result() if answer.done() else None

    async def _failed(self, phase: str, answer: Message) -> None:
        failed = [self._failure(phase, answer, None)]
        try:
            failed[0].__cause__ = await self._end()
        except BaseException as error:
            failed.insert(0, error)
        raise_together(failed, f"cancelled after the app mounted at {self.path} had failed")

    def _failure(self, phase: str, answer: Message, cause: BaseException | None) -> BaseException:
        message = str(answer.get("message", "")).strip()
        failure = MountedAppFailed(
            f"the {phase} of the app mounted at {self.path} failed"
            + (f": {message}" if message else "")
        )
        failure.__cause__ = cause
        return failure

    async def _without_answer(self, phase: str) -> None:
        error = await self._end()
        started = phase == "shutdown"
        if not self._taken and (error is None if started else not self._required):
            return
        knows = started or self._taken
        what = "ended without an answer" if knows else "does not know the lifespan protocol"
        raise MountedAppFailed(f"the app mounted at {self.path} {what} ({phase})") from error

    async def _end(self, patience: float = LAST_WORDS) -> BaseException | None:
        """Wait for the app's task and return what it raised; it is cancelled if it goes on.

        Args:
            patience: Seconds that the app is given to return by itself.
        """
        task, self._task = self._task, None
        if task is None:
            return None
        cancelled: BaseException | None = None
        try:
            await asyncio.wait({task}, timeout=patience)
        except asyncio.CancelledError as interruption:
            cancelled = interruption
        task.cancel()
        cancelled = await outlast(task, cancelled) or cancelled
        error = None if task.cancelled() else task.exception()
        try:
            if cancelled is not None:
                failed = [cancelled, *([] if error is None else [error])]
                raise_together(failed, f"cancelled, and the app mounted at {self.path} failed")
            return error
        finally:
            del cancelled, error
