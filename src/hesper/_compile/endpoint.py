"""Write and build the endpoint of an HTTP route: one straight coroutine function.

The text shows what happens to a request, in the order of events: guards, `before_request`, the
handler's arguments and dependencies, the handler, `after_request`, the dependencies' exits, the
response, `after_response`, background work.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

import hesper._late as late
from hesper._compile.calls import CallWriter, settle
from hesper._compile.decoders import Decoders
from hesper._compile.errors import ExceptionHandlers, Finish, Recovery
from hesper._compile.injected import Caller, Maker
from hesper._compile.reply import (
    Replies,
    background_of,
    defaults_of,
    encoder_of,
    media_type_of,
    precondition_of,
    replies_of,
)
from hesper._compile.values import ValueWriter
from hesper._compile.work import Worker
from hesper._plan.arguments import Source as From
from hesper._plan.graph import Step
from hesper._plan.manner import Manner
from hesper._plan.plan import Plan
from hesper._plan.result import Result
from hesper._plan.suiting import suits
from hesper._source import Source
from hesper._types import ASGIApp
from hesper.datastructures.headers import CONTENT_LENGTHS
from hesper.enums import MediaType
from hesper.handlers.http import HTTPRouteHandler
from hesper.layer import changes_of
from hesper.response.prepared import Prepared
from hesper.response.rendering import not_encodable
from hesper.response.response import BYTES, Response, is_untouched, plain_response
from hesper.serialization import ENCODE_ERRORS

TAKEN: Final = (
    *("endpoint", "scope", "receive", "send", "error"),
    *("Exception", "isinstance", "len", "str", "type"),
)
"""Names that the text of an endpoint uses as they are."""


_CONTENT: Final = frozenset({Result.TEXT, Result.RAW, Result.DATA})
"""Results that are content, and never a response."""


class EndpointWriter:
    """Writes the endpoint of one HTTP route; lives while that is written.

    Args:
        plan: What start-up knows about the route.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._source = Source("async def endpoint(scope, receive, send):", TAKEN)
        replies = replies_of(plan)
        self._replies = replies
        self._to_reply = replies.hooked_reply if plan.after_request else replies.reply
        self._static = _is_static(plan, replies)
        self._has_replies = not self._static or bool(plan.before_request or plan.after_request)
        self._finish = _finish_of(plan, static=not self._has_replies)
        self._has_exits = any(step.has_exit for step in plan.providers.values())
        self._values = ValueWriter(self._source, plan, Decoders(plan))
        self._calls = CallWriter(self._source, plan, self._values, Maker)
        self._source.bind(plan.call.name, plan.call.call)
        self._result = self._source.local("result")
        self._reply = self._source.local("reply")
        self._encoded = self._source.local("encoded")

    def write(self) -> Source:
        """Write the whole text; nothing is compiled yet."""
        source = self._source
        unset = [self._result] if self._finish is not None else []
        unset += [self._reply] if self._has_replies else []
        if unset:
            source.add(f"{' = '.join(unset)} = None")
        with source.block("try:"):
            self._write_calls()
        with source.block("except Exception as error:"):
            self._write_recovery()
        if self._static:
            # PERF: sent without noting when it starts; what raises here is raised to the server.
            with source.block("else:"), ExitStack() as blocks:
                if self._has_replies:
                    blocks.enter_context(source.block(f"if {self._reply} is None:"))
                self._write_static_response()
        if self._finish is not None:
            with source.block("finally:"):
                self._write_finish(self._finish)
        return source

    def _write_finish(self, finish: Finish) -> None:
        source = self._source
        call = f"await {source.bind('finish', finish)}({self._result}, scope, receive, send)"
        if finish.is_always_due or has_after_response(self._plan):
            source.add(call)
            return
        background = source.bind("background_of", background_of)
        with source.block(f"if {background}({self._result}) is not None:"):
            source.add(call)

    def _write_calls(self) -> None:
        with ExitStack() as blocks:
            self._write_guards(blocks)
            if self._plan.before_request:
                self._write_before_request(blocks)
            else:
                self._write_handler(blocks)
        if not self._has_replies:
            return
        due = [f"{self._reply} is not None"] if self._static else []
        due += [f"not {self._reply}.streaming"] if self._has_exits else []
        with ExitStack() as blocks:
            if due:
                blocks.enter_context(self._source.block(f"if {' and '.join(due)}:"))
            self._write_sending()

    def _write_sending(self) -> None:
        source, reply = self._source, self._reply
        call = f"await {reply}(scope, receive, send)"
        if "HEAD" in self._plan.methods:  # which a reply knows how to answer
            source.add(call)
            return
        # PERF: what `Prepared` does, without a coroutine more.
        with source.block(f"if type({reply}) is {source.bind('Prepared', Prepared)}:"):
            source.add(f"{reply}.started = True")
            self._write_messages(f"{reply}.status", f"{reply}.headers", f"{reply}.body")
        with source.block("else:"):
            source.add(call)

    def _write_recovery(self) -> None:
        source = self._source
        if self._has_replies:
            with source.block(f"if {self._reply} is not None and {self._reply}.started:"):
                source.add("raise")
        answer = f"await {source.bind('fail', recovery_of(self._plan).answer)}"
        result = "" if self._finish is None else f"{self._result} = "
        source.add(f"{result}{answer}(error, scope, receive, send)")

    def _write_guards(self, blocks: ExitStack) -> None:
        source = self._source
        for guard in self._plan.guards:
            self._calls.prepare([guard], blocks)
            given = (self._connection_of(guard), source.bind("route_handler", self._plan.handler))
            self._calls.guard(guard, given)

    def _write_before_request(self, blocks: ExitStack) -> None:
        source, result = self._source, self._result
        hooks = self._plan.before_request
        self._calls.prepare(hooks, blocks)
        given = [(self._connection_of(hook),) for hook in hooks]
        for index, hook in enumerate(hooks):
            text = f"{result} = {self._calls.hook(hook, hook.name, given[index])}"
            if index == 0:
                source.add(text)
            else:
                with source.block(f"if {result} is None:"):
                    source.add(text)
        with source.block(f"if {result} is None:"), self._calls.branch(), ExitStack() as inner:
            self._write_handler(inner)
        with source.block("else:"), self._calls.branch(), ExitStack() as inner:
            self._write_reply(inner)

    def _connection_of(self, step: Step) -> str:
        """Return the expression of the connection, if a guard or a hook takes it."""
        takes = any(a.source is From.GIVEN and a.key == 0 for a in step.arguments)
        return self._values.connection() if takes else "None"

    def _write_handler(self, blocks: ExitStack) -> None:
        call = self._plan.call
        self._calls.prepare([call], blocks)
        if (etag := precondition_of(self._plan)) is not None:
            refuse = self._source.bind("refuse_unmatched", late.refuse_unmatched)
            self._source.add(f"{refuse}(scope, {etag!r})")
        text = self._calls.call(call, call.name)
        if call.manner is not Manner.AWAITED:
            text = f"await {self._source.bind('settle', settle)}({text})"
        if not self._static:
            self._source.add(f"{self._result} = {text}")
            self._write_reply(blocks, is_known=self._plan.result in _CONTENT)
        elif self._plan.after_request:
            self._write_hooked_content(text, blocks)
        elif self._plan.result is Result.NOTHING:
            self._source.add(text)
        else:
            self._source.add(f"{self._result} = {text}")
            self._source.add(f"{self._encoded} = {self._encode()}({self._result})")

    def _write_hooked_content(self, call: str, blocks: ExitStack) -> None:
        """Write what shows hooks a response of the handler's content, and encodes that itself.

        A reply is made of the response only if hooks have changed it, or if the content is not
        what the handler says that it returns, and is not to be encoded.
        """
        source, content = self._source, self._source.local("content")
        source.add(f"{content} = {call}")
        self._write_after_request(content, blocks, is_known=True)
        said = f"{self._result}, {content}, {self._media_type()}"
        untouched = f"{source.bind('is_untouched', is_untouched)}({said})"
        if self._plan.result is Result.TEXT:
            fits = f"type({content}) is str"
        else:
            fits = f"not isinstance({content}, {source.bind('BYTES', BYTES)})"
        with source.block(f"if {untouched} and {fits}:"):
            with source.block("try:"):
                source.add(f"{self._encoded} = {self._encode()}({content})")
            with source.block(f"except {source.bind('ENCODE_ERRORS', ENCODE_ERRORS)} as error:"):
                wrong = f"{content}, {str(media_type_of(self._plan))!r}, error"
                raised = f"{source.bind('not_encodable', not_encodable)}({wrong})"
                source.add(f"raise {raised} from error")
        with source.block("else:"):
            self._write_replying()

    def _write_reply(self, blocks: ExitStack, *, is_known: bool = False) -> None:
        """Write what makes a reply of a result, whose type may be known to be no response's."""
        if self._plan.after_request:
            self._write_after_request(self._result, blocks, is_known=is_known)
        self._write_replying()

    def _write_after_request(self, content: str, blocks: ExitStack, *, is_known: bool) -> None:
        source, hooks = self._source, self._plan.after_request
        self._calls.prepare(hooks, blocks)
        source.add(f"{self._result} = {self._response(content, is_known=is_known)}")
        for hook in hooks:
            text = self._calls.hook(hook, hook.name, (self._result,))
            source.add(f"{self._result} = {text}")

    def _write_replying(self) -> None:
        source = self._source
        source.add(f"{self._reply} = {source.bind('to_reply', self._to_reply)}({self._result})")
        if self._has_exits:
            with source.block(f"if {self._reply}.streaming:"):
                source.add(f"await {self._reply}(scope, receive, send)")

    def _response(self, content: str, *, is_known: bool) -> str:
        """Return the expression of the response that hooks are given in place of *content*."""
        bind, replies = self._source.bind, self._replies
        if not is_known or self._plan.outbound is not None:
            return f"{bind('to_response', replies.response)}({content})"
        said = self._media_type()
        if replies.response_class is Response:
            return f"{bind('plain_response', plain_response)}({content}, {said})"
        made = bind("response_class", replies.response_class)
        return f"{made}({content}, media_type={said})"

    def _media_type(self) -> str:
        """Return the expression of the media type of plain results."""
        said = self._replies.media_type
        return "None" if said is None else self._source.bind("media_type", said)

    def _encode(self) -> str:
        """Return the name of what encodes plain results."""
        return self._source.bind("encode", encoder_of(self._plan))

    def _write_static_response(self) -> None:
        source, plan = self._source, self._plan
        defaults = defaults_of(plan)
        if plan.result is Result.NOTHING:
            prepared = Response(None, media_type=media_type_of(plan)).prepare(defaults)
            headers = f"{source.bind('HEADERS', prepared.headers)}.copy()"
            content = repr(prepared.body)
        else:
            head = Response(None).header_lines(defaults, media_type_of(plan))
            size, length = source.local("size"), source.local("length")
            known = source.bind("CONTENT_LENGTHS", CONTENT_LENGTHS)
            source.add(f"{size} = len({self._encoded})")
            # PERF: most bodies are small, and a line at hand is got in a quarter of the time.
            ready, made = f"{known}[{size}]", f"(b'content-length', b'%d' % {size})"
            source.add(f"{length} = {ready} if {size} < {len(CONTENT_LENGTHS)} else {made}")
            headers, content = f"[*{source.bind('HEADERS', head)}, {length}]", self._encoded
        self._write_messages(str(defaults.status_code), headers, content)

    def _write_messages(self, status: str, headers: str, body: str) -> None:
        """Write the two messages of a response, each part given by its expression."""
        start = f"{{'type': 'http.response.start', 'status': {status}, 'headers': {headers}}}"
        self._source.add(f"await send({start})")
        self._source.add(f"await send({{'type': 'http.response.body', 'body': {body}}})")


def recovery_of(plan: Plan) -> Recovery:
    """Return what answers the exceptions of a route."""
    return Recovery(
        plan.label,
        callers_of(plan, "http"),
        plan.option("request_class"),
        Replies(defaults_of(plan), plan.option("response_class")),
        finish_of(plan),
        plan.route_handler,
        plan.layers,
    )


def callers_of(plan: Plan, scope_type: str) -> tuple[ExceptionHandlers, ...]:
    """Return what calls the exception handlers of a route, by layer, the nearest first.

    Args:
        plan: The route.
        scope_type: The type of the connection that they are called for.
    """
    return tuple(
        {key: Caller(plan, step) for key, step in handlers.items() if suits(step.call, scope_type)}
        for handlers in plan.exception_handlers
    )


def finish_of(plan: Plan) -> Finish:
    """Return what does the rest after a route's responses."""
    handler = plan.handler
    return Finish(
        plan.label,
        plan.option("request_class"),
        [Caller(plan, step) for step in plan.after_response],
        Worker(plan),
        handler.background if isinstance(handler, HTTPRouteHandler) else None,
        plan.route_handler,
    )


def has_after_response(plan: Plan) -> bool:
    """Whether a route has `after_response` hooks, or has dropped the application's."""
    return bool(plan.after_response) or "after_response" in changes_of(plan.chain[0])


def _finish_of(plan: Plan, *, static: bool) -> Finish | None:
    """Return what does the rest after a route's responses, if there can be any."""
    background = plan.handler.background if isinstance(plan.handler, HTTPRouteHandler) else None
    if static and not (has_after_response(plan) or background or plan.exception_handlers):
        return None
    return finish_of(plan)


def _is_static(plan: Plan, replies: Replies) -> bool:
    """Whether start-up knows all of a successful response but the body."""
    media_type = plan.handler.media_type if isinstance(plan.handler, HTTPRouteHandler) else None
    encodable = {
        Result.TEXT: media_type is None or media_type.startswith("text/"),
        Result.RAW: True,
        Result.DATA: media_type in {None, MediaType.JSON, MediaType.MESSAGEPACK},
        Result.NOTHING: media_type in {None, MediaType.JSON},
        Result.UNKNOWN: False,
    }[plan.result]
    return (
        encodable
        and (not plan.after_request or _may_be_untouched(plan))
        and "HEAD" not in plan.methods
        and plan.option("response_class") is Response
        and replies.constant_head
        and not replies.has_validator
    )


def _may_be_untouched(plan: Plan) -> bool:
    """Whether the response that hooks are shown can be sent as if there were none."""
    return plan.result in {Result.TEXT, Result.DATA} and plan.outbound is None


def build_endpoint(plan: Plan) -> ASGIApp:
    """Return the endpoint of an HTTP route."""
    endpoint: ASGIApp = EndpointWriter(plan).write().build("endpoint", plan.label)
    return endpoint
