"""Turn what a handler returns into a reply that is ready to be sent.

A reply is made while the handler's dependencies are open, so that what it encodes may use them. It
is sent after they are closed; a streaming one is sent while they are open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias, cast

import hesper._late as late
from hesper._plan.plan import Plan
from hesper._plan.result import Result
from hesper._resolution import contributions
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.background_tasks import BackgroundTask, BackgroundTasks
from hesper.datastructures.headers import encode_header
from hesper.enums import MediaType
from hesper.handlers.http import HTTPRouteHandler
from hesper.layer import Layer
from hesper.response.defaults import Defaults
from hesper.response.headers import VALIDATORS
from hesper.response.prepared import Prepared
from hesper.response.response import Response
from hesper.serialization import json_encoder, msgpack_encoder

Background: TypeAlias = BackgroundTask | BackgroundTasks | None


class Noting:
    """What sends a response, and whether that has begun; lives until it is sent.

    Args:
        app: What sends the response.
    """

    __slots__ = ("__weakref__", "_app", "started")

    streaming: bool = False
    """Whether it is made while it is sent, so that dependencies stay open."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.started = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Send it; once it has started, no other response can be sent in its place."""

        def noting(message: Message) -> Awaitable[None]:
            self.started = True
            return send(message)

        return self._app(scope, receive, noting)


class StreamingReply(Noting):
    """A stream, or an ASGI app that a handler returned; it lives until it is sent."""

    __slots__ = ()

    streaming: bool = True


Reply: TypeAlias = Prepared | Noting
"""A response that is ready to be sent; its `started` tells whether that has begun."""


class Replies:
    """Makes the replies of one route; lives as long as the route's endpoint.

    Args:
        defaults: What the route says about its responses.
        response_class: The class of the response that a plain result becomes.
        media_type: The media type of plain results; `None` lets them decide.
        outbound: What a DTO makes of results, if anything.
        loose: Whether results may come from elsewhere than the handler.
    """

    __slots__ = (
        "__weakref__",
        "_defaults",
        "_outbound",
        "_transfer",
        "has_validator",
        "media_type",
        "response_class",
    )

    has_validator: bool
    """Whether conditional requests are answered by what the route says, such as its `etag`."""

    media_type: str | None
    """The media type of plain results; `None` lets them decide."""

    response_class: type[Response[Any]]
    """The class of the response that a plain result becomes."""

    def __init__(
        self,
        defaults: Defaults,
        response_class: type[Response[Any]],
        media_type: str | None = None,
        outbound: late.Outbound | None = None,
        *,
        loose: bool = False,
    ) -> None:
        self._outbound = outbound
        self._transfer = None if outbound is None else outbound.transfer
        if loose and outbound is not None and outbound.transfer is not None:
            self._transfer = outbound.loosely
        self._defaults = defaults
        self.response_class = response_class
        said = media_type or defaults.media_type
        # PERF: not a member of `MediaType`, which takes three times as long to look up.
        self.media_type = None if said is None else str.__str__(said)
        lines = (*defaults.headers, *defaults.success_headers)
        self.has_validator = any(name in VALIDATORS for name, _ in lines)

    def response(self, result: Any) -> Response[Any] | ASGIApp:
        """Return the response, or the ASGI app, that a handler's result stands for."""
        if isinstance(result, Response):
            return result if self._outbound is None else self._outbound.in_response(result)
        if callable(result):
            return cast("ASGIApp", result)
        if self._transfer is not None:
            result = self._transfer(result)
        media_type = self.media_type
        if result is None and media_type is None:
            media_type = MediaType.JSON
        return self.response_class(result, media_type=media_type)

    def reply(self, result: Any) -> Reply:
        """Return the reply that a handler's result stands for."""
        is_response = isinstance(result, Response) and self._outbound is None
        response = result if is_response else self.response(result)
        if not isinstance(response, Response):
            return StreamingReply(response)
        prepared = response.prepare(self._defaults)
        is_conditional = self.has_validator or response.has_validator
        if not is_conditional and getattr(prepared, "notes_start", False):
            prepared.started = False  # a class of the user's may keep it for several requests
            return prepared
        sending = late.Conditional(prepared) if is_conditional else prepared
        return StreamingReply(sending) if response.streaming else Noting(sending)

    def answering(self, status_code: int) -> Replies:
        """Return what makes the replies to an exception: with its status, of any media type."""
        defaults = self._defaults.changed(
            status_code=status_code, media_type=None, success_headers=()
        )
        return Replies(defaults, self.response_class)

    @property
    def constant_head(self) -> bool:
        """Whether the header lines that the route adds are always the same."""
        return self._defaults.is_constant

    def constant(self, response: Response[Any]) -> Prepared | None:
        """Return *response*, prepared for any number of requests; `None` if they differ."""
        return response.prepare(self._defaults) if self.constant_head else None

    def hooked_reply(self, result: Any) -> Reply:
        """Return the reply that the result of the last `after_request` hook stands for.

        Raises:
            TypeError: The hook returned nothing, which would be sent in the response's place.
        """
        if result is None:
            raise TypeError("after_request returned None; return the response that is to be sent")
        return self.reply(result)


def background_of(result: object) -> Background:
    """Return the work to do after a handler's response, if its result names any."""
    return result.background if isinstance(result, Response) else None


def encoder_of(plan: Plan) -> Callable[[Any], bytes]:
    """Return what encodes the results of a route."""
    if plan.result is Result.TEXT:
        return str.encode
    if plan.result is Result.RAW:
        return bytes
    defaults = defaults_of(plan)
    packs = media_type_of(plan) == MediaType.MESSAGEPACK
    encode = defaults.encode_msgpack if packs else defaults.encode_json
    transfer = None if plan.outbound is None else plan.outbound.transfer
    return encode if transfer is None else lambda result: encode(transfer(result))


def media_type_of(plan: Plan) -> str | None:
    """Return the media type of a route's plain results, if its handler says."""
    handler = plan.handler
    declared = handler.media_type if isinstance(handler, HTTPRouteHandler) else None
    if declared is not None or plan.result is Result.UNKNOWN:
        return declared
    return MediaType.TEXT if plan.result in {Result.TEXT, Result.RAW} else MediaType.JSON


def defaults_of(plan: Plan) -> Defaults:
    """Return what a route says about its responses."""
    handler = plan.handler
    if not plan.is_route:  # what is answered without a route is nobody's success
        return layer_defaults(plan, 200)
    if isinstance(handler, HTTPRouteHandler):
        defaults = layer_defaults(plan, handler.default_status, handler.media_type)
    else:
        defaults = layer_defaults(plan, 200)
    return defaults.changed(success_headers=tuple(_success_headers(plan)))


def _success_headers(plan: Plan) -> Iterator[tuple[bytes, bytes]]:
    """Yield the lines of the options that are a header, unless a nearer layer sets that header."""
    for option in ("cache_control", "etag"):
        header: late.CacheControlHeader | late.ETag | None = plan.option(option)
        if header is None or header.documentation_only or not header.to_header():
            continue
        said = _depth(plan.chain, option, lambda _: True)
        if said >= _depth(plan.chain, "response_headers", partial(_sets, header.HEADER_NAME)):
            yield encode_header(header.HEADER_NAME, header.to_header())


def _sets(name: str, headers: Mapping[str, late.ResponseHeader]) -> bool:
    return name in headers and not headers[name].documentation_only


def _depth(chain: tuple[Layer, ...], option: str, counts: Callable[[Any], bool]) -> int:
    """Return the place in *chain* of the innermost layer whose value of an option counts, or -1."""
    layers = [layer for layer, change in contributions(chain, option) if counts(change.value)]
    return chain.index(layers[-1]) if layers else -1


def precondition_of(plan: Plan) -> bytes | None:
    """Return the entity tag by which a route's requests are judged before its handler is called."""
    if set(plan.methods) <= {"GET", "HEAD"}:
        return None
    return dict(_success_headers(plan)).get(b"etag")


def layer_defaults(plan: Plan, status_code: int, media_type: str | None = None) -> Defaults:
    """Return what a route's options, a status and a media type say about responses."""
    encoders = plan.option("type_encoders")
    headers = plan.option("response_headers").values()
    return Defaults(
        status_code=status_code,
        media_type=media_type,
        headers=tuple(h.to_encoded() for h in headers if not h.documentation_only),
        cookies=tuple(plan.option("response_cookies").values()),
        encode_json=json_encoder(encoders),
        encode_msgpack=msgpack_encoder(encoders),
        type_encoders=encoders,
    )


def replies_of(plan: Plan) -> Replies:
    """Return what makes the replies of a route."""
    # Text and bytes say themselves what they are; hooks may return something else.
    media_type = media_type_of(plan) if plan.result is Result.DATA else None
    response_class = plan.option("response_class")
    # What answers in the handler's place need not be what the handler returns.
    loose = bool(plan.before_request)
    return Replies(defaults_of(plan), response_class, media_type, plan.outbound, loose=loose)
