"""Random routes, whose functions record what happens, and random requests to them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from hypothesis import strategies as st

from hesper import Hesper, Provide, Request, Response, post
from hesper.background_tasks import BackgroundTask
from hesper.datastructures import Headers, ImmutableMultiDict, ResponseHeader, State
from hesper.exceptions import HTTPException, NotFoundException
from hesper.params import FromCookie, FromHeader, QueryParameter
from hesper.response import Stream

Events = list[tuple[Any, ...]]


class Book(msgspec.Struct):
    title: str
    pages: int = 0


class Refusal(HTTPException):
    status_code = 418


class TroubleError(Exception):
    pass


MISSING = inspect.Parameter.empty

ARGUMENTS: dict[str, tuple[Any, Any]] = {
    "item": (int, MISSING),
    "number": (int, MISSING),
    "page": (int, 1),
    "flag": (bool, False),
    "names": (list[str], MISSING),
    "tags": (set[int], frozenset()),
    "maybe": (int | None, None),
    "limited": (Annotated[int, QueryParameter(name="n", ge=1, le=5)], 3),
    "text": (str, "none"),
    "token": (FromHeader[str], MISSING),
    "x_count": (FromHeader[int], 7),
    "theme": (FromCookie[str], "light"),
    "data": (Book, MISSING),
    "body": (bytes, MISSING),
    "request": (Request, MISSING),
    "state": (State, MISSING),
    "headers": (Headers, MISSING),
    "cookies": (dict[str, str], MISSING),
    "query": (ImmutableMultiDict[str], MISSING),
    "scope": (dict[str, Any], MISSING),
    "app": (Hesper, MISSING),
}
"""What a function may take: the annotation and the default by name."""

KINDS = ("value", "thread", "async", "generator", "thread generator", "async generator")
WITHOUT_EXIT = ("value", "thread", "async")
CONTEXTS = ("context", "thread context", "async context")
FAILURES: dict[str, Callable[[], Exception]] = {
    "trouble": lambda: TroubleError("secret"),
    "refusal": lambda: Refusal("no"),
    "missing": lambda: NotFoundException("not here"),
    "value": lambda: ValueError("odd"),
}


def failure(kind: str) -> Exception:
    return FAILURES[kind]()


@dataclass(frozen=True)
class Call:
    """What one function of a route takes and does."""

    name: str
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    fails: str | None = None
    kind: str = "async"
    at_exit: str = "pass"
    """What a provider does with an exception at its `yield`."""
    exit_fails: str | None = None
    returns: str = "nothing"
    keyword_only: bool = False


@dataclass(frozen=True)
class Route:
    """A whole route, to be built with functions that record in a list."""

    handler: Call
    providers: tuple[Call, ...] = ()
    guards: tuple[Call, ...] = ()
    before_request: tuple[Call, ...] = ()
    after_request: tuple[Call, ...] = ()
    after_response: tuple[Call, ...] = ()
    background: bool = False
    recoveries: tuple[dict[str, str], ...] = ({}, {})
    """By layer, the application first: what becomes of which kind of exception."""


@dataclass(frozen=True)
class Asked:
    """A request."""

    query: str
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[bytes, ...] = (b"",)


names = st.lists(st.sampled_from(sorted(ARGUMENTS)), max_size=2, unique=True).map(tuple)
# Rare, as a route has many functions, and one that fails keeps others from being called.
failures = st.sampled_from([*[None] * 40, *FAILURES])
exit_failures = st.sampled_from([*[None] * 12, *FAILURES])


@st.composite
def calls(draw: st.DrawFn, /, name: str, above: Sequence[str], **given: Any) -> Call:
    """Return a function that may need the dependencies *above*."""
    needs = st.lists(st.sampled_from(above), max_size=3, unique=True) if above else st.just([])
    return Call(
        name,
        takes=draw(names),
        needs=tuple(draw(needs)),
        fails=draw(failures),
        keyword_only=draw(st.booleans()),
        **{key: draw(strategy) for key, strategy in given.items()},
    )


@st.composite
def routes(draw: st.DrawFn, *, many_exits: bool = False) -> Route:
    """Return a route with a random graph of dependencies and random failures.

    Args:
        draw: Draws from a strategy.
        many_exits: Whether it has more exits than stand in nested blocks.
    """
    providers: list[Call] = []
    kinds = [kind for kind in (*KINDS, *CONTEXTS) if not many_exits or kind not in WITHOUT_EXIT]
    for index in range(draw(st.integers(9, 11) if many_exits else st.integers(0, 6))):
        known = [provider.name for provider in providers]
        provider = calls(
            f"part{index}",
            known,
            kind=st.sampled_from(kinds),
            at_exit=st.sampled_from(["pass", "pass", "swallow", "translate"]),
            exit_fails=exit_failures,
        )
        providers.append(draw(provider))
    known = [provider.name for provider in providers]
    nothing_or_more = st.sampled_from(["nothing", "nothing", "text", "response"])
    seldom_more = st.sampled_from([*["nothing"] * 20, "text"])
    results = st.sampled_from(["nothing", "text", "data", "response", "stream", "broken stream"])
    hook_kinds = st.sampled_from(["value", "async"])
    replaced = st.sampled_from(["same", "same", "response", "nothing"])
    recovery = st.dictionaries(
        st.sampled_from(["trouble", "refusal", "418", "http", "500"]),
        st.sampled_from(["answer", "raise", "unsendable"]),
        max_size=3,
    )

    def some(name: str, number: int, above: list[str], **given: Any) -> tuple[Call, ...]:
        several = range(draw(st.integers(0, number)))
        return tuple(draw(calls(f"{name}{index}", above, **given)) for index in several)

    after_response = some("after_response", 1, [], kind=hook_kinds)
    handler = draw(calls("handler", known, kind=hook_kinds, returns=results))
    if many_exits:
        handler = replace(handler, needs=tuple(known))
    return Route(
        handler,
        tuple(providers),
        some("guard", 2, known, kind=hook_kinds, returns=seldom_more),
        some("before_request", 2, known, kind=hook_kinds, returns=nothing_or_more),
        some("after_request", 2, known, kind=hook_kinds, returns=replaced),
        tuple(Call(call.name, fails=call.fails, kind=call.kind) for call in after_response),
        draw(st.booleans()),
        (draw(recovery), draw(recovery)),
    )


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Return a request with some of what routes ask for, mostly right."""
    wrong = draw(st.sampled_from([[], [], [], ["x", "", "9" * 30]]))
    numbers = st.sampled_from(["1", "2", "3", "4", "5", *wrong])
    texts = st.text(max_size=5)
    pairs: list[tuple[str, str]] = []
    for name in ("number", "page", "tags", "maybe", "n"):
        pairs += [(name, value) for value in draw(st.lists(numbers, max_size=2))]
    often = st.sampled_from([1, 1, 1, 1, 1, 1, 0])
    for name in ("number", "names", "text"):
        pairs += [(name, draw(numbers if name == "number" else texts))] * draw(often)
    pairs += [("flag", draw(st.sampled_from(["true", "0", *wrong])))] * draw(st.integers(0, 1))
    headers = {
        "token": draw(st.sampled_from(["abc", "", "\xe9"])),
        "x-count": draw(numbers),
        "cookie": draw(st.sampled_from(["theme=dark", "theme", "a=b; theme=\xff"])),
        "content-type": draw(
            st.sampled_from(
                [*["application/json", "application/json; charset=x"] * 4, "text/plain"]
            )
        ),
    }
    kept = {name: value for name, value in headers.items() if draw(often)}
    bodies = [b'{"title":"A"}', b'{"title":"A","pages":2}', b'{"title":"\xc3\xa9", "x":[]}'] * 3
    body = draw(st.sampled_from([*bodies, b'{"pages":"x"}', b"", b"[", b"x" * 60]))
    cut = draw(st.integers(0, len(body)))
    chunks = (body[:cut], body[cut:]) if draw(st.booleans()) else (body,)
    return Asked(urlencode(pairs), tuple(kept.items()), chunks)


# Building


def shown(value: object) -> object:
    """Return what is recorded of an argument."""
    if isinstance(value, (Request, State, Hesper)):
        return type(value).__name__
    if isinstance(value, Response):
        return ("response", value.content if isinstance(value.content, str) else None)
    if isinstance(value, (Headers, ImmutableMultiDict)):
        return sorted(value.items())
    if isinstance(value, dict):
        return value["path"] if "path" in value else sorted(value.items())
    return repr(value)


def described(error: BaseException | None) -> object:
    """Return what is recorded of an exception."""
    if isinstance(error, BaseExceptionGroup):
        return [described(member) for member in error.exceptions]
    return None if error is None else f"{type(error).__name__}: {error}"


@dataclass
class Builder:
    """Builds an app from a route; what its functions do is appended to `events`."""

    route: Route
    events: Events = field(default_factory=list)

    def app(self) -> Hesper:
        route = self.route
        handler = self.function(route.handler, self.handler)
        declared = post(
            "/things/{item:int}",
            sync_to_thread=False,
            guards=[self.function(call, self.handler, given=2) for call in route.guards],
            dependencies={call.name: self.provide(call) for call in route.providers},
            before_request=[self.function(call, self.handler, 1) for call in route.before_request],
            after_request=[self.function(call, self.after, 1) for call in route.after_request],
            after_response=[self.function(call, self.plain, 1) for call in route.after_response],
            background=BackgroundTask(self.work, "route") if route.background else None,
            exception_handlers=self.recoveries("route", route.recoveries[1]),
            response_headers=[ResponseHeader(name="x-route", value="yes")],
            request_max_body_size=50,
        )(handler)
        return Hesper([declared], exception_handlers=self.recoveries("app", route.recoveries[0]))

    async def work(self, name: str) -> None:
        self.events.append(("background", name))

    def record(self, name: str, given: Sequence[object]) -> None:
        self.events.append((name, *map(shown, given)))

    def recoveries(self, layer: str, kinds: dict[str, str]) -> dict[Any, Any]:
        keys: dict[str, Any] = {
            "trouble": TroubleError,
            "refusal": Refusal,
            "418": 418,
            "http": HTTPException,
            "500": 500,
        }

        def recovery(kind: str, does: str) -> Callable[..., Any]:
            async def handle(request: Request, error: Exception) -> Any:
                self.events.append(("recover", layer, kind, described(error)))
                if does == "raise":
                    raise TroubleError("in a handler") from error
                if does == "unsendable":
                    return Response(object())
                background = BackgroundTask(self.work, "recovery")
                return Response(f"{layer} {kind}", status_code=409, background=background)

            return handle

        return {keys[kind]: recovery(kind, does) for kind, does in kinds.items()}

    # What functions do

    def plain(self, call: Call, given: Sequence[object]) -> Any:
        self.record(call.name, given)
        if call.fails is not None:
            raise failure(call.fails)

    def handler(self, call: Call, given: Sequence[object]) -> Any:
        self.plain(call, given)
        match call.returns:
            case "text":
                return f"text of {call.name}"
            case "data":
                return {"made": [1, None, "é"]}
            case "response":
                background = BackgroundTask(self.work, "result")
                return Response("own", headers={"x-own": "1"}, background=background)
            case "stream" | "broken stream":
                return Stream(self.chunks(broken=call.returns == "broken stream"))
            case _:
                return None

    async def chunks(self, *, broken: bool) -> AsyncIterator[str]:
        self.events.append(("stream begins",))
        yield "one"
        if broken:
            raise TroubleError("amid the stream")
        yield "two"
        self.events.append(("stream ends",))

    def after(self, call: Call, given: Sequence[object]) -> Any:
        self.plain(call, given)
        return {"same": given[0], "nothing": None}.get(call.returns, Response("replaced"))

    # Functions with a signature

    def function(
        self, call: Call, does: Callable[[Call, Sequence[object]], Any], given: int = 0
    ) -> Callable[..., Any]:
        """Return a function that does something, in the manner of a call."""

        def direct(*values: object, **named: object) -> Any:
            return does(call, [*values, *named.values()])

        async def awaited(*values: object, **named: object) -> Any:
            return does(call, [*values, *named.values()])

        return self.signed(direct if call.kind == "value" else awaited, call, given)

    def provide(self, call: Call) -> Provide:
        """Return a provider, in the manner of a call."""

        def make(*values: object, **named: object) -> Any:
            self.plain(call, [*values, *named.values()])
            return f"made by {call.name}"

        async def make_async(*values: object, **named: object) -> Any:
            return make(*values, **named)

        def generate(*values: object, **named: object) -> Any:
            value = make(*values, **named)
            try:
                yield value
            except BaseException as error:
                self.leave(call, error)
                if call.at_exit != "swallow":
                    raise
            else:
                self.leave(call, None)

        async def generate_async(*values: object, **named: object) -> Any:
            value = make(*values, **named)
            try:
                yield value
            except BaseException as error:
                self.leave(call, error)
                if call.at_exit != "swallow":
                    raise
            else:
                self.leave(call, None)

        kind = call.kind.removeprefix("thread ")
        functions: dict[str, Callable[..., Any]] = {
            "async": make_async,
            "generator": generate,
            "context": generate,
            "async generator": generate_async,
            "async context": generate_async,
        }
        function = self.signed(functions.get(kind, make), call, 0)
        if kind == "context":
            function = contextmanager(function)
        elif kind == "async context":
            function = asynccontextmanager(function)
        return Provide(function, sync_to_thread=call.kind.startswith("thread"))

    def leave(self, call: Call, error: BaseException | None) -> None:
        self.events.append(("exit", call.name, described(error)))
        if call.exit_fails is not None:
            raise failure(call.exit_fails)
        if error is not None and call.at_exit == "translate":
            raise TroubleError("translated") from error

    def signed(self, function: Any, call: Call, given: int) -> Callable[..., Any]:
        """Give *function* the signature that a call says."""
        parameters = [
            inspect.Parameter(f"given{index}", inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for index in range(given)
        ]
        kind = (
            inspect.Parameter.KEYWORD_ONLY
            if call.keyword_only
            else inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        taken = {name: ARGUMENTS[name] for name in call.takes}
        taken |= dict.fromkeys(call.needs, (str, MISSING))
        for name, (annotation, default) in sorted(
            taken.items(), key=lambda pair: pair[1][1] is not MISSING
        ):
            parameters.append(inspect.Parameter(name, kind, annotation=annotation, default=default))
        function.__signature__ = inspect.Signature(parameters)
        function.__annotations__ = {name: annotation for name, (annotation, _) in taken.items()}
        function.__name__ = function.__qualname__ = call.name
        made: Callable[..., Any] = function
        return made
