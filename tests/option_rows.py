"""One row for each layered option: how a layer says it, and how a client sees what is in force.

What a layer says carries its mark, one letter for each layer. What is seen is the marks in force:
a list, in the order in which they take effect, or a mapping of keys to marks where keys are merged;
the key "shared" is set by every layer, and the key of a mark by its layer alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlencode

from hesper import Controller, Hesper, Provide, Request, Response, Router, WebSocket, get, post
from hesper import websocket as websocket_route
from hesper._types import ASGIApp, Message, Receive, Scope, Send
from hesper.datastructures import CacheControlHeader, Cookie, ETag
from hesper.dto import DataclassDTO, DTOConfig
from hesper.exceptions import ConfigurationError
from hesper.params import Dependency, Parameter
from tests.asgi_driver import Answer, answer
from tests.compile.driver import http_scope

LAYERS: Final = {
    "application": "a",
    "router": "b",
    "base controller": "c",
    "controller": "d",
    "handler": "e",
}
"""The mark of each layer, the outermost first."""

Seen: TypeAlias = list[str] | dict[str, str]
Log: TypeAlias = list[str]


class Stack:
    """Builds apps with one layer of each kind, of which some say something of one option.

    Args:
        option: The option's name.
        said: What the layers say of it.
    """

    def __init__(self, option: str, said: Mapping[str, Any]) -> None:
        self._option = option
        self._said = said

    def _of(self, layer: str) -> dict[str, Any]:
        return {self._option: self._said[layer]} if layer in self._said else {}

    def app(self, function: Callable[..., Any], decorator: Any = get, **own: Any) -> Hesper:
        """Return an app with one route, "/", whose handler has the options *own* as well."""
        handler = decorator("/", **self._of("handler"), **own)(function)
        base = type("Base", (Controller,), self._of("base controller"))
        inside = {"handle": staticmethod(handler), **self._of("controller")}
        router = Router("/", [type("Books", (base,), inside)], **self._of("router"))
        return Hesper([router], **self._of("application"))


@dataclass(frozen=True)
class Row:
    """How one option is said, and how it is seen."""

    rule: str
    """As in the table of the documentation: replace, extend, prepend or overlay."""
    write: Callable[[str, Log], Any]
    """Returns what the layer of a mark says; what it says may note its mark in the log."""
    see: Callable[[Stack, Log], Seen]
    """Returns what is in force, as requests show it."""
    joins: str = ""
    """How `Extend` joins where the rule is replace: outer first, inner first, or not at all."""
    empty: Any = None
    """What `Replace` takes to leave nothing."""
    none: Seen | None = None
    """What is in force under `None`, where that is not the default."""
    shows: Callable[[Seen], object] = lambda seen: seen
    """What can be seen of marks in force, where several look alike."""


async def plain() -> str:
    return "plain"


def asked(stack: Stack, log: Log) -> Seen:
    """Ask once, and return what has been noted."""
    answer(stack.app(_fresh(plain)), "GET", "/")
    return log


def _fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of its own to decorate, for a declaration stays on its function."""

    async def handler() -> Any:
        return await function()

    return handler


def hook(mark: str, log: Log) -> Any:
    def note(request: Any) -> None:
        log.append(mark)

    return note


def response_hook(mark: str, log: Log) -> Any:
    def note(response: Any) -> Any:
        log.append(mark)
        return response

    return note


def guard(mark: str, log: Log) -> Any:
    def note(connection: Any, handler: Any) -> None:
        log.append(mark)

    return [note]


def middleware(mark: str, log: Log) -> Any:
    def around(app: ASGIApp) -> ASGIApp:
        async def note(scope: Scope, receive: Receive, send: Send) -> None:
            log.append(mark)
            await app(scope, receive, send)

        return note

    return [around]


def keyed(make: Callable[[str], Any]) -> Callable[[str, Log], Any]:
    """Return what writes a mapping with the shared key and the layer's own."""
    return lambda mark, _log: {"shared": make(mark), mark: make(mark)}


KEYS: Final = ("shared", *LAYERS.values())
OrNone: TypeAlias = Annotated[str | None, Dependency(default=None)]


def see_dependencies(stack: Stack, _log: Log) -> Seen:
    async def handler(
        shared: OrNone, a: OrNone, b: OrNone, c: OrNone, d: OrNone, e: OrNone
    ) -> dict[str, str | None]:
        return {"shared": shared, "a": a, "b": b, "c": c, "d": d, "e": e}

    return _without_none(answer(stack.app(handler), "GET", "/").json())


def _without_none(values: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value is not None}


ERRORS: Final = {key: type(f"{key.title()}Error", (Exception,), {}) for key in KEYS}


def exception_handlers(mark: str, _log: Log) -> Any:
    def recover(request: Any, error: Any) -> Response[str]:
        return Response(mark, status_code=418)

    return {ERRORS["shared"]: recover, ERRORS[mark]: recover}


def see_exception_handlers(stack: Stack, _log: Log) -> Seen:
    async def handler(key: str) -> None:
        raise ERRORS[key]

    app = stack.app(handler)
    return {key: sent.text for key, sent in _each(app).items() if sent.status == 418}


def _each(app: Hesper) -> dict[str, Answer]:
    """Return the answer to each key."""
    return {key: answer(app, "GET", f"/?key={key}") for key in KEYS}


def see_opt(stack: Stack, _log: Log) -> Seen:
    async def handler(request: Request) -> dict[str, str]:
        return dict(request.route_handler.opt)

    seen: dict[str, str] = answer(stack.app(handler), "GET", "/").json()
    return seen


def parameters(mark: str, _log: Log) -> Any:
    return {"shared": Parameter(query=f"shared-{mark}"), mark: Parameter(query=f"own-{mark}")}


def see_parameters(stack: Stack, _log: Log) -> Seen:
    async def handler(
        shared: str | None = None,
        a: str | None = None,
        b: str | None = None,
        c: str | None = None,
        d: str | None = None,
        e: str | None = None,
    ) -> dict[str, str | None]:
        return {"shared": shared, "a": a, "b": b, "c": c, "d": d, "e": e}

    sent = {f"{kind}-{mark}": mark for mark in LAYERS.values() for kind in ("shared", "own")}
    return _without_none(answer(stack.app(handler), "GET", f"/?{urlencode(sent)}").json())


def see_headers(stack: Stack, _log: Log) -> Seen:
    sent = answer(stack.app(_fresh(plain)), "GET", "/")
    return _without_none({key: sent.header(f"x-{key}") for key in KEYS})


def response_cookies(mark: str, _log: Log) -> Any:
    return [Cookie(key="shared", value=mark), Cookie(key=mark, value=mark)]


def see_cookies(stack: Stack, _log: Log) -> Seen:
    lines = answer(stack.app(_fresh(plain)), "GET", "/").all("set-cookie")
    pairs = [line.partition(";")[0].partition("=") for line in lines]
    assert len({key for key, _, _ in pairs}) == len(pairs), "a cookie was sent twice"
    return {key: value for key, _, value in pairs}


class Thing:
    """What can be neither encoded nor decoded without help."""

    def __init__(self, mark: str = "") -> None:
        self.mark = mark


THINGS: Final = {key: type(f"{key.title()}Thing", (Thing,), {}) for key in KEYS}


def type_encoders(mark: str, _log: Log) -> Any:
    def encode(value: Any) -> str:
        return mark

    return {THINGS["shared"]: encode, THINGS[mark]: encode}


def see_encoders(stack: Stack, _log: Log) -> Seen:
    async def handler(key: str) -> Any:
        return [THINGS[key]()]

    app = stack.app(handler)
    return {key: sent.json()[0] for key, sent in _each(app).items() if sent.status == 200}


def type_decoders(mark: str, _log: Log) -> Any:
    accepted = (THINGS["shared"], THINGS[mark])
    return [(lambda kind: kind in accepted, lambda kind, _value: kind(mark))]


def see_decoders(stack: Stack, _log: Log) -> Seen:
    seen: dict[str, str] = {}
    for key in KEYS:

        async def handler(thing: Any) -> str:
            mark: str = thing.mark
            return mark

        handler.__annotations__["thing"] = THINGS[key]
        try:
            app = stack.app(handler)
        except ConfigurationError:  # nothing decodes it
            continue
        seen[key] = answer(app, "GET", "/?thing=x").text
    return seen


def subclass_of(kind: type) -> Callable[[str, Log], Any]:
    return lambda mark, _log: type(mark, (kind,), {"__slots__": ()})


def _mark(kind: type) -> list[str]:
    return [kind.__name__] if kind.__name__ in KEYS else []


def see_request_class(stack: Stack, log: Log) -> Seen:
    async def handler(request: Request) -> None:
        log.extend(_mark(type(request)))

    answer(stack.app(handler), "GET", "/")
    return log


def see_response_class(stack: Stack, log: Log) -> Seen:
    def look(response: Response[Any]) -> Response[Any]:
        log.extend(_mark(type(response)))
        return response

    answer(stack.app(_fresh(plain), after_request=look), "GET", "/")
    return log


def see_websocket_class(stack: Stack, log: Log) -> Seen:
    async def handler(socket: WebSocket) -> None:
        log.extend(_mark(type(socket)))
        await socket.accept()

    asyncio.run(connect(stack.app(handler, websocket_route)))
    return log


async def connect(app: ASGIApp) -> None:
    """Open a websocket, which the app is to close."""
    scope: Scope = {
        "type": "websocket",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "subprotocols": [],
    }

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        assert message["type"] in {"websocket.accept", "websocket.close"}

    await app(scope, receive, send)


SIZES: Final = {mark: 10 * number for number, mark in enumerate(LAYERS.values(), start=1)}
NO_LIMIT: Final = "no limit"


def see_body_size(stack: Stack, _log: Log) -> Seen:
    async def handler(body: bytes) -> None:
        pass

    app = stack.app(handler, post)
    fits = [mark for mark, size in SIZES.items() if _accepts(app, b"x" * size)]
    fits_more = _accepts(app, b"x" * 51)
    if not fits_more:
        return fits[-1:]
    return [NO_LIMIT] if _accepts(app, b"x", says=20_000_000) else []


def _accepts(app: Hesper, body: bytes, says: int | None = None) -> bool:
    length = str(says or len(body))
    sent = answer(app, "POST", "/", body=body, headers=[("content-length", length)])
    return sent.status != 413


def header_of(name: str, marks: Mapping[str, str]) -> Callable[[Stack, Log], Seen]:
    """Return what sees a header, by the values that the layers give it."""

    def see(stack: Stack, _log: Log) -> Seen:
        value = answer(stack.app(_fresh(plain)), "GET", "/").header(name)
        return [] if value is None else [marks[value]]

    return see


CANCELLING: Final = ("a", "c", "e")
"""The layers that say `when_disconnected="cancel"`; the others say "finish"."""


def see_when_disconnected(stack: Stack, log: Log) -> Seen:
    async def handler() -> None:
        try:
            for _ in range(100):  # far more turns of the loop than noticing takes
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            log.append("cancel")
            raise
        log.append("finish")

    asyncio.run(leave(stack.app(handler)))
    return log


async def leave(app: ASGIApp) -> None:
    """Ask, and go at once."""
    incoming: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    await app(http_scope("GET", "/"), receive, send)


@dataclass
class Book:
    """What DTOs rename the field of."""

    title: str


def renaming(mark: str, _log: Log) -> Any:
    config = DTOConfig(rename_fields={"title": f"title_{mark}"})
    return type("RenamingDTO", (DataclassDTO[Book],), {"config": config})


def see_dto(stack: Stack, _log: Log) -> Seen:
    async def handler(data: Book) -> str:
        return data.title

    app = stack.app(handler, post)
    json = [("content-type", "application/json")]
    for key in KEYS:
        body = f'{{"title_{key}": "x"}}'.encode()
        if answer(app, "POST", "/", headers=json, body=body).status == 201:
            return [key]
    assert answer(app, "POST", "/", headers=json, body=b'{"title": "x"}').status == 201
    return []


def see_return_dto(stack: Stack, _log: Log) -> Seen:
    async def handler() -> Book:
        return Book("x")

    (name,) = answer(stack.app(handler), "GET", "/").json()
    return [name.removeprefix("title_")] if name != "title" else []


def see_in_schema(stack: Stack, _log: Log) -> Seen:
    (route,) = stack.app(_fresh(plain)).iter_routes()
    return [str(route.options["include_in_schema"])]


def see_tags(stack: Stack, _log: Log) -> Seen:
    (route,) = stack.app(_fresh(plain)).iter_routes()
    return list(route.options["tags"])


def see_security(stack: Stack, _log: Log) -> Seen:
    (route,) = stack.app(_fresh(plain)).iter_routes()
    return [scheme for requirement in route.options["security"] for scheme in requirement]


SHOWN: Final = ("b", "d")
"""The layers that say their route appears in the schema; the others say that it does not."""

ROWS: Final[dict[str, Row]] = {
    "before_request": Row("replace", hook, asked, joins="outer first"),
    "after_request": Row("replace", response_hook, asked, joins="inner first"),
    "after_response": Row("replace", hook, asked, joins="inner first"),
    "guards": Row("extend", guard, asked, empty=[]),
    "middleware": Row("extend", middleware, asked, empty=[]),
    "dependencies": Row(
        "overlay",
        keyed(lambda mark: Provide(lambda: mark, sync_to_thread=False)),
        see_dependencies,
        empty={},
    ),
    "exception_handlers": Row("overlay", exception_handlers, see_exception_handlers, empty={}),
    "opt": Row("overlay", keyed(str), see_opt, empty={}),
    "parameters": Row("overlay", parameters, see_parameters, empty={}),
    "response_headers": Row(
        "overlay", lambda mark, _log: {"x-shared": mark, f"x-{mark}": mark}, see_headers, empty=[]
    ),
    "response_cookies": Row("overlay", response_cookies, see_cookies, empty=[]),
    "type_encoders": Row("overlay", type_encoders, see_encoders, empty={}),
    "type_decoders": Row("prepend", type_decoders, see_decoders, empty=[]),
    "request_class": Row("replace", subclass_of(Request), see_request_class),
    "response_class": Row("replace", subclass_of(Response), see_response_class),
    "websocket_class": Row("replace", subclass_of(WebSocket), see_websocket_class),
    "request_max_body_size": Row(
        "replace", lambda mark, _log: SIZES[mark], see_body_size, none=[NO_LIMIT]
    ),
    "cache_control": Row(
        "replace",
        lambda mark, _log: CacheControlHeader(max_age=SIZES[mark]),
        header_of("cache-control", {f"max-age={size}": mark for mark, size in SIZES.items()}),
    ),
    "etag": Row(
        "replace",
        lambda mark, _log: ETag(value=mark),
        header_of("etag", {f'"{mark}"': mark for mark in SIZES}),
    ),
    "when_disconnected": Row(
        "replace",
        lambda mark, _log: "cancel" if mark in CANCELLING else "finish",
        see_when_disconnected,
        shows=lambda seen: ["cancel" if {*seen} & {*CANCELLING} else "finish"],
    ),
    "dto": Row("replace", renaming, see_dto),
    "return_dto": Row("replace", renaming, see_return_dto),
    "include_in_schema": Row(
        "replace",
        lambda mark, _log: mark in SHOWN,
        see_in_schema,
        shows=lambda seen: [str(not seen or bool({*seen} & {*SHOWN}))],
    ),
    "tags": Row("extend", lambda mark, _log: [mark], see_tags, empty=[]),
    "security": Row("extend", lambda mark, _log: [{mark: []}], see_security, empty=[]),
}
"""Every option."""
