"""Answer exceptions: the nearest handler that fits, or the default response.

Handlers are asked layer by layer, the nearest first; within a layer the most specific one wins.
One that raises hands its exception to the next layer out, and so does one whose response cannot be
made.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from hesper._compile.default_response import default_response, is_failure, last_response
from hesper._compile.injected import Caller
from hesper._compile.reply import Background, Replies, Reply, background_of
from hesper._compile.work import Worker
from hesper._resolution import option_of
from hesper._types import Receive, Scope, Send
from hesper.connection.request import Request
from hesper.exceptions import HTTPException
from hesper.layer import Layer
from hesper.response.prepared import Prepared
from hesper.response.response import Response

logger: Final = logging.getLogger("hesper")

ExceptionHandlers: TypeAlias = Mapping[int | type[Exception], Caller]
"""What calls the exception handlers of one layer, by status code or exception class."""


def handler_for(handlers: ExceptionHandlers, error: Exception) -> Caller | None:
    """Return the handler of one layer that fits *error* best, if there is any.

    An HTTP exception's own class comes first, then its status code, then the nearest base class.
    For other exceptions 500 is the last resort, behind all classes.
    """
    kinds = type(error).__mro__
    status = error.status_code if isinstance(error, HTTPException) else None
    for key in (kinds[0], status, *kinds[1:], 500 if status is None else None):
        if key is not None and key in handlers:
            return handlers[key]
    return None


async def observe(error: Exception, scope: Scope) -> None:
    """Show *error* to the app's `after_exception` hooks, which handle nothing."""
    for hook in scope["hesper_app"].exception_observers:
        try:
            result = hook(error, scope)
            if inspect.isawaitable(result):
                await result
        except Exception:
            logger.exception("after_exception raised")


def status_of(error: Exception) -> int:
    """Return the status that *error* stands for."""
    return error.status_code if isinstance(error, HTTPException) else 500


_FINISHED: Final = "hesper_finished"
"""A list in a request's scope, not empty once what follows its response has begun.

Middleware may hand on a copy of the scope, and then both have the same list.
"""


class Finish:
    """Does what is left after a response, once: the `after_response` hooks, then background work.

    The response is sent, so an exception here reaches nobody but the log. Lives as long as its
    route's endpoint.

    Args:
        label: How the log names the route.
        request_class: The class of the request that hooks get.
        after_response: The hooks, in order.
        worker: Does background work.
        background: Work after each response of the route.
        route_handler: The resolved handler; `None` where no route was found.
    """

    __slots__ = (
        "__weakref__",
        "_after_response",
        "_background",
        "_label",
        "_request_class",
        "_route_handler",
        "_worker",
    )

    def __init__(
        self,
        label: str,
        request_class: type[Request],
        after_response: Sequence[Caller],
        worker: Worker,
        background: Background = None,
        route_handler: Layer | None = None,
    ) -> None:
        self._label = label
        self._request_class = request_class
        self._after_response = tuple(after_response)
        self._worker = worker
        self._background = background
        self._route_handler = route_handler

    def expect(self, scope: Scope) -> None:
        """Prepare for a copy of *scope*: what is done for that is done."""
        scope.setdefault(_FINISHED, [])

    @property
    def has_hooks(self) -> bool:
        """Whether any hook is to be called."""
        return bool(self._after_response)

    @property
    def is_always_due(self) -> bool:
        """Whether there is something to do whatever the response was made of."""
        return bool(self._after_response) or self._background is not None

    async def __call__(self, result: object, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the hooks, then the background work of *result*, then the route's.

        Args:
            result: What the response was made of; `None` if nothing was.
            scope: The request's scope.
            receive: Waits for the client's next message.
            send: Sends a message to the client.
        """
        finished: list[bool] = scope.setdefault(_FINISHED, [])
        if finished:
            return
        finished.append(True)
        for hook in self._after_response:
            try:
                request = request_of(self._request_class, self._route_handler, scope, receive, send)
                await hook(scope, receive, send, request)
            except Exception:
                logger.exception("after_response of %s raised", self._label)
        await self._worker(background_of(result), scope, receive, send)
        await self._worker(self._background, scope, receive, send)


class Recovery:
    """Answers the exceptions of one route, or of routing itself; lives as long as its app.

    Args:
        label: How the log names the route.
        exception_handlers: By layer, the nearest first.
        request_class: The class of the request that handlers get.
        replies: Makes replies from what handlers return.
        finish: Called after the response: hooks and background work.
        route_handler: The resolved handler; `None` where no route was found.
        chain: The layers of the route, outermost first, for the debug page.
    """

    __slots__ = (
        "__weakref__",
        "_chain",
        "_exception_handlers",
        "_finish",
        "_label",
        "_replies",
        "_request_class",
        "_route_handler",
    )

    def __init__(
        self,
        label: str,
        exception_handlers: Sequence[ExceptionHandlers],
        request_class: type[Request],
        replies: Replies,
        finish: Finish,
        route_handler: Layer | None = None,
        chain: tuple[Layer, ...] = (),
    ) -> None:
        self._chain = chain
        self._label = label
        self._exception_handlers = tuple(exception_handlers)
        self._request_class = request_class
        self._route_handler = route_handler
        self._replies = replies
        self._finish = finish

    async def __call__(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer *error*, then do what is left after a response; nothing has been sent yet."""
        result = None
        try:
            result = await self.answer(error, scope, receive, send)
        finally:
            await self._finish(result, scope, receive, send)

    async def answer(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> object:
        """Send the response that *error* stands for; nothing has been sent yet.

        Returns:
            What the response was made of.
        """
        reply: Reply | None = None
        try:
            await observe(error, scope)
            for handlers in self._exception_handlers:
                handler = handler_for(handlers, error)
                if handler is None:
                    continue
                try:
                    request = request_of(
                        self._request_class, self._route_handler, scope, receive, send
                    )
                    result = await handler(scope, receive, send, request, error)
                    if result is None:
                        raise TypeError(
                            f"the exception handler {handler!r} returned None; "
                            "return the response to send, or raise"
                        )
                    reply = self._replies.answering(status_of(error)).reply(result)
                    await reply(scope, receive, send)
                except Exception as raised:
                    if reply is not None and reply.started:
                        raise
                    error = raised
                    await observe(error, scope)
                else:
                    return result
            await self._last_resort(error, scope)(scope, receive, send)
        finally:
            # Its traceback may hold this frame: a cycle.
            del error
        return None

    async def respond(
        self, response: Response[Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send *response*, with what the layers add to each, then do what is left after it."""
        try:
            await self._replies.reply(response)(scope, receive, send)
        finally:
            await self._finish(response, scope, receive, send)

    def constant(self, error: HTTPException, scope: Scope) -> Prepared | None:
        """Return the response to every error like *error*, if it is always the same.

        `None` where an exception handler answers, hooks follow, or a part of the response depends
        on the time.
        """
        handled = any(handler_for(handlers, error) for handlers in self._exception_handlers)
        if handled or self._finish.has_hooks:
            return None
        return self._replies.constant(default_response(error, scope))

    def _last_resort(self, error: Exception, scope: Scope) -> Reply:
        if is_failure(error):
            logger.error("%s raised", self._label, exc_info=error)
        try:
            response = last_response(error, scope, self._label, self._chain)
            return self._replies.reply(response)
        except Exception as raised:  # a header or the `extra` of the error cannot be sent
            logger.exception("the response to an error of %s cannot be sent", self._label)
            return default_response(raised, scope).prepare()


def request_of(
    request_class: type[Request],
    route_handler: Layer | None,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> Request:
    """Return the request that exception handlers and `after_response` hooks get."""
    if route_handler is not None:
        scope["route_handler"] = route_handler
        scope["hesper_max_body_size"] = option_of(route_handler, "request_max_body_size")
    return request_class(scope, receive, send)
