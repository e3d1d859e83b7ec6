"""What the design says about lifetimes, as a small and slow model, and random apps to compare with.

The model knows nothing of Hesper. It makes each value once for what it belongs to, after those it
depends on, and ends what has an end, last in, first out. What it does is written down: for the
lifespan and its loop, and for each request.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from hesper import Hesper, Lifetime, Provide, get
from hesper._types import ASGIApp, Receive, Scope, Send
from tests.asgi_driver import serve


class Life(enum.IntEnum):
    """How long a value lives; one that is kept is made when somebody asks, and has no end."""

    CALL = 1
    CONNECTION = 2
    KEPT = 3
    LIFESPAN = 4
    LOOP = 5

    @property
    def lifetime(self) -> Lifetime:
        return Lifetime.LIFESPAN if self is Life.KEPT else Lifetime[self.name]

    def may_need(self, other: Life) -> bool:
        return other.lifetime >= self.lifetime


ENDLESS = ("function", "thread", "coroutine function")
ENDING = (
    "generator",
    "generator in a thread",
    "async generator",
    "context manager",
    "async context manager",
)


@dataclass(frozen=True)
class Provider:
    """One provider of a random graph."""

    name: str
    life: Life
    kind: str
    needs: tuple[str, ...]
    fails: bool
    fails_at_exit: bool

    @property
    def ends(self) -> bool:
        return self.kind in ENDING


@dataclass(frozen=True)
class Graph:
    """Providers, each behind those it needs, and a handler."""

    providers: dict[str, Provider]
    needs: tuple[str, ...]
    handler_fails: bool


@dataclass
class Record:
    """What has happened."""

    whole: list[str] = field(default_factory=list)
    """Of the lifespan and its loop."""
    requests: dict[str, list[str]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    start_failed: bool = False
    failed_exits: int = 0
    """How many errors the end of the lifespan raised."""


@st.composite
def graphs(draw: st.DrawFn, *, kept_may_fail: bool = True) -> Graph:
    """Draw a graph in which nothing depends on what lives shorter."""
    rarely = st.sampled_from([True, *[False] * 9])
    providers: dict[str, Provider] = {}
    for index in range(draw(st.integers(1, 6))):
        life = draw(st.sampled_from(Life))
        possible = [name for name, one in providers.items() if life.may_need(one.life)]
        needs = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
        kinds = ENDLESS if life is Life.KEPT else ENDLESS + ENDING * 2
        providers[f"p{index}"] = Provider(
            f"p{index}",
            life,
            draw(st.sampled_from(kinds)),
            tuple(needs),
            draw(rarely) and (kept_may_fail or life is not Life.KEPT),
            draw(rarely),
        )
    needs = draw(st.lists(st.sampled_from(list(providers)), unique=True, min_size=1))
    # Which provider was declared first says nothing about which depends on which.
    declared = draw(st.permutations(list(providers.values())))
    return Graph({one.name: one for one in declared}, tuple(needs), draw(rarely))


# The model.


class FailureError(Exception):
    """What random providers and handlers raise."""


class Model:
    """One run of an app with a graph; lives for that."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.record = Record()
        self.made: set[str] = set()

    def run(self, requests: Iterable[str]) -> Record:
        record = self.record
        opened: dict[Life, list[Provider]] = {Life.LOOP: [], Life.LIFESPAN: [], Life.KEPT: []}
        try:
            for life in (Life.LOOP, Life.LIFESPAN):
                for one in self.at_start(life):
                    self.make(one, record.whole, self.made, opened)
        except FailureError:
            record.start_failed = True
        else:
            for name in requests:
                self.request(name, opened)
        record.failed_exits = self.end(opened[Life.LIFESPAN], record.whole)
        self.end(opened[Life.LOOP], record.whole)
        return record

    def at_start(self, life: Life) -> Iterator[Provider]:
        """Yield what is made at the start: the lifespan's own values, and of the loop's those
        that something needs; each behind those it depends on."""
        providers = self.graph.providers.values()
        own = [one.name for one in providers if one.life is Life.LIFESPAN]
        for one in self.behind([*own, *self.graph.needs]):
            if one.life is life:
                yield one

    def behind(self, names: Iterable[str]) -> Iterator[Provider]:
        for name in names:
            one = self.graph.providers[name]
            yield from self.behind(one.needs)
            yield one

    def make(
        self,
        one: Provider,
        log: list[str],
        made: set[str],
        opened: dict[Life, list[Provider]],
    ) -> None:
        """Make a value and what it needs, unless that is there."""
        if one.name in made or one.name in self.made:
            return
        for name in one.needs:
            self.make(self.graph.providers[name], log, made, opened)
        is_lasting = one.life >= Life.KEPT
        (self.record.whole if is_lasting else log).append(f"+{one.name}")
        if one.fails:
            raise FailureError
        (self.made if is_lasting else made).add(one.name)
        if one.ends:
            opened[one.life].append(one)

    def request(self, name: str, opened: dict[Life, list[Provider]]) -> None:
        log = self.record.requests[name] = []
        own = {**opened, Life.CONNECTION: [], Life.CALL: []}
        made: set[str] = set()
        failed = False
        try:
            # What outlives the call is there before what belongs to it.
            needed = list(self.behind(self.graph.needs))
            for one in sorted(needed, key=lambda one: one.life is Life.CALL):
                self.make(one, log, made, own)
            log.append("handler")
            if self.graph.handler_fails:
                raise FailureError
        except FailureError:
            failed = True
        for one in reversed(own[Life.CALL]):
            log.append(f"-{one.name}, seeing an error" if failed else f"-{one.name}")
            failed = failed or one.fails_at_exit
        self.record.statuses.append(500 if failed else 200)
        self.end(own[Life.CONNECTION], log)

    def end(self, opened: list[Provider], log: list[str]) -> int:
        """End values, the last first, and return how many ends failed."""
        log.extend(f"-{one.name}" for one in reversed(opened))
        return sum(one.fails_at_exit for one in opened)


# The app.

WHERE: ContextVar[str] = ContextVar("where", default="whole")
"""The request that something happens in."""


class Builder:
    """Builds an app of a graph, and runs it; what happens is written down."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.record = Record()

    def note(self, event: str) -> None:
        where = WHERE.get()
        log = self.record.whole if where == "whole" else self.record.requests[where]
        log.append(event)

    def app(self) -> Hesper:
        return Hesper(
            [get("/")(self.handler())],
            dependencies={one.name: self.provide(one) for one in self.graph.providers.values()},
            middleware=[self.naming],
        )

    def naming(self, app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            WHERE.set(scope["query_string"].decode())
            await app(scope, receive, send)

        return serve

    def handler(self) -> Callable[..., Any]:
        async def handler(*values: str) -> str:
            assert values == tuple(f"value of {name}" for name in self.graph.needs)
            await asyncio.sleep(0)
            self.note("handler")
            if self.graph.handler_fails:
                raise FailureError
            return "fine"

        return taking(handler, self.graph.needs)

    def begin(self, one: Provider, values: tuple[str, ...]) -> str:
        assert values == tuple(f"value of {name}" for name in one.needs)
        self.note(f"+{one.name}")
        if one.fails:
            raise FailureError
        return f"value of {one.name}"

    def end(self, one: Provider, seeing: str = "") -> None:
        self.note(f"-{one.name}{seeing}")
        if one.fails_at_exit:
            raise FailureError

    def provide(self, one: Provider) -> Provide:
        def make(*values: str) -> str:
            return self.begin(one, values)

        async def make_async(*values: str) -> str:
            await asyncio.sleep(0)
            return self.begin(one, values)

        def generate(*values: str) -> Iterator[str]:
            value = self.begin(one, values)
            try:
                yield value
            except BaseException:
                self.end(one, ", seeing an error")
                raise
            self.end(one)

        async def generate_async(*values: str) -> AsyncIterator[str]:
            await asyncio.sleep(0)
            value = self.begin(one, values)
            try:
                yield value
            except BaseException:
                await asyncio.sleep(0)
                self.end(one, ", seeing an error")
                raise
            await asyncio.sleep(0)
            self.end(one)

        functions: dict[str, Callable[..., Any]] = {
            "coroutine function": make_async,
            "generator": generate,
            "generator in a thread": generate,
            "context manager": generate,
            "async generator": generate_async,
            "async context manager": generate_async,
        }
        function = taking(functions.get(one.kind, make), one.needs)
        if one.kind == "context manager":
            function = contextmanager(function)
        elif one.kind == "async context manager":
            function = asynccontextmanager(function)
        in_thread = one.kind.endswith("thread")
        if one.life is Life.KEPT:
            return Provide(function, use_cache=True, sync_to_thread=in_thread)
        return Provide(function, lifetime=one.life.lifetime, sync_to_thread=in_thread)

    def run(self, requests: Iterable[str], *, at_once: bool = False) -> Record:
        """Run the app, and return what has happened."""
        app = self.app()

        async def request(name: str) -> int:
            return (await serve(app, "GET", f"/?{name}")).status

        async def run() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            record, lifespan = self.record, app.lifespan()
            try:
                await lifespan.start()
            except BaseException as error:
                record.start_failed = True
                # What made it fail is one of the errors; the others come from exits.
                record.failed_exits = failures(error) - 1
                return
            record.requests = {name: [] for name in requests}
            if at_once:
                record.statuses = await asyncio.gather(*map(request, requests))
            else:
                record.statuses = [await request(name) for name in requests]
            try:
                await lifespan.stop()
            except BaseException as error:
                record.failed_exits = failures(error)

        asyncio.run(run())
        return self.record


def failures(error: BaseException) -> int:
    """Return how many errors there are in a group; there is nothing in it but what was raised."""
    if isinstance(error, BaseExceptionGroup):
        return sum(map(failures, error.exceptions))
    assert isinstance(error, FailureError)
    return 1


def taking(function: Any, names: Iterable[str]) -> Callable[..., Any]:
    """Give *function* parameters of these names."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    function.__annotations__ = {}
    made: Callable[..., Any] = function
    return made
