"""Write and build the endpoints of websockets and of ASGI apps that stand among the handlers."""

from __future__ import annotations

from contextlib import ExitStack

from hesper._compile.calls import CallWriter
from hesper._compile.decoders import Decoders
from hesper._compile.endpoint import TAKEN, finish_of, has_after_response, recovery_of
from hesper._compile.injected import Maker
from hesper._compile.reply import StreamingReply
from hesper._compile.socket_recovery import socket_recovery_of
from hesper._compile.values import ValueWriter
from hesper._plan.arguments import Source as From
from hesper._plan.plan import Plan
from hesper._source import Source
from hesper._types import ASGIApp


def write_websocket(plan: Plan) -> Source:
    """Write the endpoint of a websocket route; nothing is compiled yet."""
    source = Source("async def endpoint(scope, receive, send):", TAKEN)
    values = ValueWriter(source, plan, Decoders(plan))
    calls = CallWriter(source, plan, values, Maker)
    socket = values.connection()
    with source.block("try:"), ExitStack() as blocks:
        _write_guards(source, plan, values, calls, blocks)
        calls.prepare([plan.call], blocks)
        source.add(calls.call(plan.call, plan.call.name))
    with source.block("except Exception as error:"):
        fail = source.bind("fail", socket_recovery_of(plan))
        source.add(f"await {fail}(error, {socket})")
    with source.block("else:"), source.block(f"if {socket}.connection_state != 'disconnect':"):
        source.add(f"await {socket}.close()")
    return source


def write_asgi(plan: Plan) -> Source:
    """Write the endpoint of an ASGI app among the handlers; nothing is compiled yet."""
    source = Source("async def endpoint(scope, receive, send):", (*TAKEN, "reply"))
    values = ValueWriter(source, plan, Decoders(plan))
    calls = CallWriter(source, plan, values, Maker)
    source.add("reply = None")
    with source.block("try:"), ExitStack() as blocks:
        _write_guards(source, plan, values, calls, blocks)
        calls.prepare([plan.call], blocks)
        app = source.bind("StreamingReply", StreamingReply)
        source.add(f"reply = {app}({_asgi_app(source, plan, calls)})")
        source.add("await reply(scope, receive, send)")
    with source.block("except Exception as error:"):
        with source.block("if reply is None and scope['type'] == 'websocket':"):
            refuse = source.bind("refuse", socket_recovery_of(plan))
            socket = source.bind("WebSocket", plan.option("websocket_class"))
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
