"""Serves a plan without compiling it: the slow and simple reading of what an endpoint has to do.

Everything is looked up when it is needed; values are kept in dictionaries, and what is entered is
kept in a list. Shared with the compiled endpoint are the parts that are tested on their own: the
plan, the decoders of `hesper.serialization`, and the classes of responses.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast
from urllib.parse import parse_qsl

from hesper._compile.calls import guard_returned
from hesper._plan.arguments import Argument, Source
from hesper._plan.graph import Step
from hesper._plan.manner import Manner
from hesper._plan.plan import Plan
from hesper._signature import MISSING
from hesper._types import LIFESPAN_KEY, ASGIApp, Message, Receive, Scope, Send
from hesper.connection import Request
from hesper.connection.request import read_body
from hesper.datastructures import Headers, ImmutableMultiDict, parse_cookie_header
from hesper.enums import MediaType
from hesper.exceptions import (
    HTTPException,
    UnsupportedMediaTypeException,
    ValidationException,
)
from hesper.handlers import HTTPRouteHandler
from hesper.response import Response
from hesper.response.defaults import Defaults
from hesper.serialization import (
    DECODE_ERRORS,
    converter,
    fault_finder,
    fault_of,
    json_decoder,
    json_encoder,
)

CHECKED = {
    Source.PATH_PARAMETER: "path",
    Source.QUERY_PARAMETER: "query",
    Source.HEADER_PARAMETER: "header",
    Source.COOKIE_PARAMETER: "cookie",
    Source.DATA: "body",
}


class Interpreter:
    """Serves one request to the route of a plan; lives for that request.

    Args:
        plan: The route.
        scope: The request's scope, with `path_params` and `state`.
        receive: Waits for the client's next message.
        send: Sends a message to the client.
    """

    def __init__(self, plan: Plan, scope: Scope, receive: Receive, send: Send) -> None:
        self.plan = plan
        self.scope = scope
        self.receive = receive
        self._send = send
        self.started = False
        self.values: list[tuple[Argument, Any]] = []
        self.made: dict[Any, Any] = {}
        self.open: list[tuple[str, Any]] = []
        self.request = Request(scope, receive, self.send)

    async def send(self, message: Message) -> None:
        self.started = True
        await self._send(message)

    async def serve(self) -> None:
        result: Any = None
        try:
            try:
                result = await self._run()
            except Exception as error:
                if self.started:
                    raise
                result = await self._recover(error)
        finally:
            await self._finish(result)

    async def _run(self) -> Any:
        """Do all that an endpoint does while nothing goes wrong, and what is due if it does."""
        result: Any = None
        reply: ASGIApp | None = None
        streaming = False
        error: BaseException | None = None
        try:
            result = await self._call_all()
            response = self._response(result)
            streaming = not isinstance(response, Response) or response.streaming
            ready: ASGIApp = response
            if isinstance(response, Response):
                ready = response.prepare(self._defaults())
            reply = ready
            if streaming:
                await ready(self.scope, self.receive, self.send)
        except BaseException as raised:
            error = raised
        error = await self._close(error)
        if error is not None:
            raise error
        if reply is not None and not streaming:
            await reply(self.scope, self.receive, self.send)
        return result

    async def _call_all(self) -> Any:
        for guard in self.plan.guards:
            verdict = await self._hook(guard, self.request, self.plan.handler)
            if verdict is not None:
                raise guard_returned(guard.call, verdict)
        result: Any = None
        await self._prepare(*self.plan.before_request)
        for hook in self.plan.before_request:
            if result is None:
                result = await self._hook(hook, self.request)
        if result is None:
            await self._prepare(self.plan.call)
            result = await self._call(self.plan.call)
        if self.plan.after_request:
            await self._prepare(*self.plan.after_request)
            result = self._response(result)
            for hook in self.plan.after_request:
                result = await self._hook(hook, result)
            if result is None:
                raise TypeError(
                    "after_request returned None; return the response that is to be sent"
                )
        return result

    # Calls

    async def _hook(self, step: Step, *given: Any) -> Any:
        await self._prepare(step)
        return await self._call(step, *given)

    async def _call(self, step: Step, *given: Any) -> Any:
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for argument in step.arguments:
            value = self._value(argument, given)
            if argument.keyword_only:
                named[argument.name] = value
            else:
                positional.append(value)
        result = step.call(*positional, **named)
        return await result if inspect.isawaitable(result) else result

    def _value(self, argument: Argument, given: tuple[Any, ...]) -> Any:
        if argument.source is Source.GIVEN:
            return given[argument.key]
        if argument.source is Source.DEPENDENCY:
            return argument.default if argument.key is None else self.made[argument.key]
        return next(value for known, value in self.values if alike(known, argument))

    async def _prepare(self, *steps: Step) -> None:
        """Take the values that *steps* and their providers want, then enter the providers."""
        providers: dict[Any, Step] = {}
        for step in steps:
            self._collect(step, providers)
        await self._read([*providers.values(), *steps])
        for key, provider in providers.items():
            await self._enter(key, provider)

    def _collect(self, step: Step, found: dict[Any, Step]) -> None:
        for key in step.needs:
            if key not in self.made and key not in found:
                self._collect(self.plan.providers[key], found)
                found[key] = self.plan.providers[key]

    async def _enter(self, key: Any, step: Step) -> None:
        made = await self._call(step)
        if step.manner in {Manner.ASYNC_GENERATOR, Manner.GENERATOR, Manner.DIRECT_GENERATOR}:
            value = await anext(made) if inspect.isasyncgen(made) else next(made)
            self.open.append((step.name, made))
        elif step.manner is Manner.ASYNC_CONTEXT:
            value = await made.__aenter__()
            self.open.append((step.name, made))
        elif step.manner in {Manner.CONTEXT, Manner.DIRECT_CONTEXT}:
            value = made.__enter__()
            self.open.append((step.name, made))
        else:
            value = made
        self.made[key] = value

    async def _close(self, error: BaseException | None) -> BaseException | None:
        """Exit everything, the last first, and return what is to be raised."""
        while self.open:
            name, entered = self.open.pop()
            try:
                await leave(entered, error)
            except BaseException as raised:
                if raised is error:
                    continue
                translates = isinstance(raised, HTTPException) or raised.__cause__ is error
                if error is None or translates:
                    error = raised
                else:
                    error = BaseExceptionGroup(f"{name} failed after an error", [error, raised])
        return error

    # Values

    async def _read(self, steps: list[Step]) -> None:
        wanted = [
            argument
            for step in steps
            for argument in step.arguments
            if argument.source not in {Source.DEPENDENCY, Source.GIVEN}
        ]
        checked: list[Argument] = []
        for argument in wanted:
            known = [*checked, *(argument for argument, _ in self.values)]
            if any(alike(argument, other) for other in known):
                continue
            if argument.source in CHECKED:
                checked.append(argument)
            else:
                self.values.append((argument, await self._reserved(argument)))
        for argument in checked:
            if argument.source is Source.DATA:
                self._check_media_type()
                await self._body()
        faults: list[dict[str, str]] = []
        for argument in checked:
            await self._decode(argument, faults)
        if faults:
            detail = f"Validation failed for {self.scope['method']} {self.scope['path']}"
            raise ValidationException(detail, extra=faults)

    async def _decode(self, argument: Argument, faults: list[dict[str, str]]) -> None:
        source = CHECKED[argument.source]
        raw = await self._raw(argument)
        if raw is MISSING:
            if argument.default is MISSING:
                message = f"Missing required {source} parameter {argument.key!r}"
                faults.append({"message": message, "key": argument.key, "source": source})
            self.values.append((argument, argument.default))
            return
        in_body = argument.source is Source.DATA
        decode = (json_decoder if in_body else converter)(argument.annotation, ())
        try:
            self.values.append((argument, decode(raw)))
        except DECODE_ERRORS as error:
            find = fault_finder(argument.annotation, (), form="json")
            for fault in find(raw, error) if in_body else fault_of(error):
                key = (fault.path if in_body else "") or argument.key
                faults.append({"message": fault.message, "key": key, "source": source})

    async def _raw(self, argument: Argument) -> Any:
        found: list[Any]
        match argument.source:
            case Source.PATH_PARAMETER:
                return self.scope["path_params"][argument.key]
            case Source.QUERY_PARAMETER:
                pairs = parse_qsl(self.scope["query_string"].decode(), keep_blank_values=True)
                found = [value for name, value in pairs if name == argument.key]
                found = found if argument.takes_several else found[-1:]
            case Source.HEADER_PARAMETER:
                lines = self.scope["headers"]
                found = [
                    value.decode("latin-1") for name, value in lines if name == key_of(argument)
                ]
                found = found if argument.takes_several else found[:1]
            case Source.COOKIE_PARAMETER:
                cookies = self._cookies()
                found = [cookies[argument.key]] if argument.key in cookies else []
            case _:
                return await self._body()
        if not found:
            return MISSING
        return found if argument.takes_several else found[0]

    async def _reserved(self, argument: Argument) -> Any:
        match argument.source:
            case Source.REQUEST:
                return self.request
            case Source.STATE:
                return self.scope["state"][LIFESPAN_KEY].state
            case Source.HEADERS:
                return Headers(self.scope["headers"])
            case Source.COOKIES:
                return self._cookies()
            case Source.QUERY:
                pairs = parse_qsl(self.scope["query_string"].decode(), keep_blank_values=True)
                return ImmutableMultiDict(pairs)
            case Source.SCOPE:
                return self.scope
            case Source.APP:
                return self.scope["hesper_app"]
            case _:
                return await self._body()

    async def _body(self) -> bytes:
        limit = self.plan.option("request_max_body_size")
        return await read_body(self.scope, self.receive, limit)

    def _cookies(self) -> dict[str, str]:
        lines = [value for name, value in self.scope["headers"] if name == b"cookie"]
        return parse_cookie_header("; ".join(line.decode("latin-1") for line in lines))

    def _check_media_type(self) -> None:
        declared = [value for name, value in self.scope["headers"] if name == b"content-type"]
        if not declared:
            raise UnsupportedMediaTypeException(
                "the body's content-type is missing; send application/json"
            )
        if declared[-1].partition(b";")[0].strip().lower() != b"application/json":
            shown = repr(declared[-1].decode())
            raise UnsupportedMediaTypeException(f"the body is {shown}, not application/json")

    # Responses

    def _defaults(self) -> Defaults:
        handler = cast("HTTPRouteHandler", self.plan.handler)
        headers = self.plan.option("response_headers").values()
        return Defaults(
            status_code=handler.default_status,
            media_type=handler.media_type,
            headers=tuple(header.to_encoded() for header in headers),
            cookies=tuple(self.plan.option("response_cookies").values()),
            encode_json=json_encoder(),
        )

    def _response(self, result: Any) -> Any:
        if isinstance(result, Response) or callable(result):
            return result
        if result is None:
            return Response(None, media_type=MediaType.JSON)
        return Response(result)

    async def _recover(self, error: Exception) -> Any:
        for handlers in self.plan.exception_handlers:
            handler = self._handler(handlers, error)
            if handler is None:
                continue
            try:
                result = await self._hook(handler, self.request, error)
                if result is None:
                    raise TypeError("the exception handler returned None")
                response = self._response(result).prepare(self._defaults())
                await response(self.scope, self.receive, self.send)
            except Exception as raised:
                error = raised
            else:
                return result
        if isinstance(error, HTTPException):
            content: dict[str, Any] = {"status_code": error.status_code, "detail": error.detail}
            if error.extra is not None:
                content["extra"] = error.extra
        else:
            content = {"status_code": 500, "detail": "Internal Server Error"}
        response = Response(
            content, status_code=content["status_code"], media_type="application/json"
        )
        await response.prepare(self._defaults())(self.scope, self.receive, self.send)
        return None

    def _handler(self, handlers: Any, error: Exception) -> Any:
        if type(error) in handlers:
            return handlers[type(error)]
        status = error.status_code if isinstance(error, HTTPException) else None
        if status in handlers:
            return handlers[status]
        for kind in type(error).__mro__:
            if kind in handlers:
                return handlers[kind]
        return handlers.get(500) if status is None else None

    async def _finish(self, result: Any) -> None:
        for hook in self.plan.after_response:
            try:
                await self._hook(hook, self.request)
            except Exception:
                continue
        route = cast("HTTPRouteHandler", self.plan.handler).background
        own = result.background if isinstance(result, Response) else None
        for work in (own, route):
            if work is not None:
                await work()


def key_of(argument: Argument) -> bytes:
    """Return the name of a header as it arrives."""
    name: str = argument.key
    return name.encode()


def alike(one: Argument, other: Argument) -> bool:
    """Whether one value fills both arguments."""
    return (
        one.source is other.source
        and one.key == other.key
        and one.annotation == other.annotation
        and one.default == other.default
    )


async def leave(entered: Any, error: BaseException | None) -> None:
    """Exit a provider; what it does with *error* makes no difference unless it raises another."""
    kind = None if error is None else type(error)
    if inspect.isasyncgen(entered):
        await _leave_async(cast("AsyncGenerator[object, None]", entered), error)
    elif inspect.isgenerator(entered):
        _leave_sync(cast("Generator[object, None, None]", entered), error)
    elif hasattr(entered, "__aexit__"):
        await entered.__aexit__(kind, error, None)
    else:
        entered.__exit__(kind, error, None)


async def _leave_async(entered: AsyncGenerator[Any, None], error: BaseException | None) -> None:
    try:
        await (anext(entered) if error is None else entered.athrow(error))
    except StopAsyncIteration:
        return


def _leave_sync(entered: Generator[Any, None, None], error: BaseException | None) -> None:
    try:
        if error is None:
            next(entered)
        else:
            entered.throw(error)
    except StopIteration:
        return
