"""Write and build the endpoints of websockets and of ASGI apps that stand among the handlers."""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress
from typing import Final

from hesper._compile.calls import CallWriter
from hesper._compile.decoders import Decoders
from hesper._compile.endpoint import TAKEN, finish_of, has_after_response, recovery_of
from hesper._compile.errors import default_response, is_failure, observe
from hesper._compile.reply import StreamingReply
from hesper._compile.values import ValueWriter
from hesper._plan.arguments import Source as From
from hesper._plan.plan import Plan
from hesper._source import Source
from hesper._types import ASGIApp
from hesper.connection import WebSocket
from hesper.exceptions import HTTPException, WebSocketDisconnect, WebSocketException
from hesper.status_codes import WS_1011_INTERNAL_ERROR

logger: Final = logging.getLogger("hesper")


class SocketRecovery:
    """Answers the exceptions of a websocket route; lives as long as the route's endpoint.

    Before the handshake is accepted the client gets an HTTP response where the server can send one
    (ASGI, Websocket Denial Response extension) and a refusal elsewhere; after it, a close code:
    an HTTP exception's status plus 4000, or 1011.

    Args:
        label: How the log names the route.
    """

    __slots__ = ("__weakref__", "_label")

    def __init__(self, label: str) -> None:
        self._label = label

    async def __call__(self, error: Exception, socket: WebSocket) -> None:
        """End *socket* as *error* says."""
        await observe(error, socket.scope)
        if isinstance(error, WebSocketDisconnect):
            # Most often this client's; it is still there if another websocket has ended.
            await finish_socket(socket)
            return
        if is_failure(error) and not isinstance(error, WebSocketException):
            logger.error("%s raised", self._label, exc_info=error)
        if socket.connection_state == "disconnect":
            return
        if socket.connection_state == "receive" or isinstance(error, WebSocketException):
            await socket.close(*close_code(error))
            return
        with suppress(WebSocketDisconnect):
            await socket.send_denial(self._denial(error))

    def _denial(self, error: Exception) -> ASGIApp:
        try:
            return default_response(error).prepare()
        except Exception as raised:  # a header or the `extra` of the error cannot be sent
            logger.exception("the response to an error of %s cannot be sent", self._label)
            return default_response(raised).prepare()


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


def write_websocket(plan: Plan) -> Source:
    """Write the endpoint of a websocket route; nothing is compiled yet."""
    source = Source("async def endpoint(scope, receive, send):", TAKEN)
    values = ValueWriter(source, plan, Decoders(plan.option("type_decoders")))
    calls = CallWriter(source, plan, values)
    socket = values.connection()
    with source.block("try:"), ExitStack() as blocks:
        _write_guards(source, plan, values, calls, blocks)
        calls.prepare([plan.call], blocks)
        source.add(calls.call(plan.call, plan.call.name))
    with source.block("except Exception as error:"):
        fail = source.bind("fail", SocketRecovery(plan.label))
        source.add(f"await {fail}(error, {socket})")
    with source.block("else:"):
        source.add(f"await {source.bind('finish_socket', finish_socket)}({socket})")
    return source


def write_asgi(plan: Plan) -> Source:
    """Write the endpoint of an ASGI app among the handlers; nothing is compiled yet."""
    source = Source("async def endpoint(scope, receive, send):", (*TAKEN, "reply"))
    values = ValueWriter(source, plan, Decoders(plan.option("type_decoders")))
    calls = CallWriter(source, plan, values)
    source.add("reply = None")
    with source.block("try:"), ExitStack() as blocks:
        _write_guards(source, plan, values, calls, blocks)
        calls.prepare([plan.call], blocks)
        app = source.bind("StreamingReply", StreamingReply)
        source.add(f"reply = {app}({_asgi_app(source, plan, calls)})")
        source.add("await reply(scope, receive, send)")
    with source.block("except Exception as error:"):
        with source.block("if reply is None and scope['type'] == 'websocket':"):
            refuse = source.bind("refuse", SocketRecovery(plan.label))
            socket = source.bind("WebSocket", WebSocket)
            source.add(f"await {refuse}(error, {socket}(scope, receive, send))")
        with source.block("elif scope['type'] != 'http' or reply is not None and reply.started:"):
            source.add("raise")
        with source.block("else:"):
            fail = source.bind("fail", recovery_of(plan).answer)
            source.add(f"await {fail}(error, scope, receive, send)")
    if has_after_response(plan):
        with source.block("finally:"), source.block("if scope['type'] == 'http':"):
            finish = source.bind("finish", finish_of(plan))
            source.add(f"await {finish}(None, scope, receive, send)")
    return source


def _asgi_app(source: Source, plan: Plan, calls: CallWriter) -> str:
    """Return the expression of the handler as an ASGI app, its further arguments filled in."""
    name = source.bind(plan.call.name, plan.call.call)
    if all(argument.source is From.GIVEN for argument in plan.call.arguments):
        return name
    call = calls.call(plan.call, plan.call.name, ("scope", "receive", "send"))
    return f"lambda scope, receive, send: {call.removeprefix('await ')}"


def build_websocket(plan: Plan) -> ASGIApp:
    """Return the endpoint of a websocket route."""
    endpoint: ASGIApp = write_websocket(plan).build("endpoint", plan.label)
    return endpoint


def build_asgi(plan: Plan) -> ASGIApp:
    """Return the endpoint of an ASGI app among the handlers."""
    endpoint: ASGIApp = write_asgi(plan).build("endpoint", plan.label)
    return endpoint


def _write_guards(
    source: Source, plan: Plan, values: ValueWriter, calls: CallWriter, blocks: ExitStack
) -> None:
    for guard in plan.guards:
        calls.prepare([guard], blocks)
        given = (values.connection(), source.bind("route_handler", plan.handler))
        calls.guard(guard, given)
