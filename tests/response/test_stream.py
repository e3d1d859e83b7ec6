"""A response whose body is made while it is sent."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from hesper.background_tasks import BackgroundTask
from hesper.connection import Request
from hesper.datastructures import Cookie, ResponseHeader
from hesper.enums import MediaType
from hesper.exceptions import ImproperlyConfiguredException
from hesper.response import Response, Stream
from hesper.response.defaults import Defaults
from tests.peers import DeafServer, Peer, chunk, request_scope

pytestmark = pytest.mark.anyio


class Pages:
    """Pages of a book, which note how reading them ends, and where."""

    def __init__(self, *pages: str | bytes, then: Callable[[], Any] | None = None) -> None:
        self.pages = pages
        self.then = then
        self.notes: list[str] = []
        self.read = anyio.Event()
        self.task: object = None
        self.closed_by: object = None

    async def asynchronous(self) -> AsyncIterator[str | bytes]:
        self.task = asyncio.current_task()
        try:
            for page in self.pages:
                yield page
            self.read.set()
            if self.then:
                await self.then()
        finally:
            await asyncio.sleep(0)
            self.closed_by = asyncio.current_task()
            self.notes.append("closed")

    def synchronous(self) -> Iterator[str | bytes]:
        try:
            for page in self.pages:
                self.notes.append("loop" if is_loop_thread() else "thread")
                yield page
        finally:
            self.notes.append("closed")


def is_loop_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


async def sent(stream: Response[Any], peer: Peer, method: str = "GET") -> Peer:
    await stream(request_scope(method), peer.receive, peer.send)
    return peer


SOURCES: dict[str, Callable[[], Any]] = {
    "list": lambda: ["a", b"b"],
    "iterator": lambda: iter(["a", b"b"]),
    "generator": lambda: Pages("a", b"b").synchronous(),
    "function": lambda: Pages("a", b"b").synchronous,
    "async generator": lambda: Pages("a", b"b").asynchronous(),
    "async function": lambda: Pages("a", b"b").asynchronous,
    "function of a list": lambda: lambda: ["a", b"b"],
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
async def test_chunks_are_sent_one_by_one(make: Callable[[], Any]) -> None:
    peer = await sent(Stream(make()), Peer())
    assert peer.chunks == [b"a", b"b", b""]
    assert [message.get("more_body", False) for message in peer.heard[1:]] == [True, True, False]


@pytest.mark.parametrize("content", ["abc", b"abc"])
async def test_text_and_bytes_are_one_chunk(content: Any) -> None:
    assert (await sent(Stream(content), Peer())).chunks == [b"abc", b""]


async def test_an_iterator_needs_no_more_than_next() -> None:
    class Countdown:
        def __init__(self) -> None:
            self.left = 2

        def __aiter__(self) -> Any:
            return NextOnly(self)

    class NextOnly:
        def __init__(self, countdown: Countdown) -> None:
            self.countdown = countdown

        async def __anext__(self) -> str:
            if not self.countdown.left:
                raise StopAsyncIteration
            self.countdown.left -= 1
            return str(self.countdown.left)

    assert (await sent(Stream(Countdown()), Peer())).body == b"10"


async def test_the_header_has_no_length() -> None:
    peer = await sent(Stream(["a"]), Peer())
    assert peer.headers == [(b"content-type", b"text/plain; charset=utf-8")]


async def test_the_media_type_is_its_own_or_the_routes() -> None:
    route = Defaults(media_type=MediaType.JSON)
    assert Stream(["a"]).prepare(route).headers == [(b"content-type", b"application/json")]
    own = Stream(["a"], media_type="video/mp4")
    assert own.prepare(route).headers == [(b"content-type", b"video/mp4")]


ROUTES = [
    Defaults(),
    Defaults(status_code=201, media_type="text/csv"),
    Defaults(headers=((b"a", b"1"), (b"b", b"2")), success_headers=((b"b", b"3"),)),
    Defaults(cookies=(Cookie(key="a", value="1"), Cookie(key="b", value="2"))),
]
"""What routes may say about the head of a stream that says nothing."""


@pytest.mark.parametrize("route", ROUTES)
def test_a_stream_that_says_nothing_has_the_head_of_all_others(route: Defaults) -> None:
    class Own(Stream):
        """Of whose heads none is known beforehand."""

    general = Own(["a"]).prepare(route.changed())
    for _ in range(3):
        plain = Stream(["a"]).prepare(route)
        assert (plain.status, plain.headers) == (general.status, general.headers)


def test_what_one_stream_says_is_not_said_by_the_next() -> None:
    route = Defaults()
    Stream(["a"]).prepare(route).headers.append((b"x-seen", b"1"))
    Stream(["a"]).prepare(route).headers.append((b"x-seen", b"2"))
    said = [
        Stream(["a"], media_type="text/csv"),
        Stream(["a"], headers={"content-type": "text/csv"}),
        Stream(["a"], cookies={"a": "1"}),
        Stream(["a"], encoding="latin-1"),
        Stream(["a"], status_code=202),
    ]
    nothing = Stream(["a"]).prepare(route)
    assert nothing.headers == [(b"content-type", b"text/plain; charset=utf-8")]
    for stream in said:
        own = stream.prepare(route)
        assert (own.status, own.headers) != (nothing.status, nothing.headers)
        assert (own.status, own.headers) == (stream.prepare().status, stream.prepare().headers)


def test_a_cookie_that_expires_is_made_anew_for_each_stream() -> None:
    route = Defaults(cookies=(Cookie(key="a", value="1", expires=60),))
    Stream(["a"]).prepare(route)
    assert not route.heads


def test_what_is_said_of_it_is_kept_as_a_response_keeps_it() -> None:
    work = BackgroundTask(print)
    several: tuple[dict[str, Any], ...] = (
        {},
        {"status_code": 201, "media_type": "text/csv", "background": work, "encoding": "latin-1"},
        {"headers": {"A": "1"}, "cookies": {"a": "1"}},
        {"headers": [ResponseHeader(name="A", value="1")], "cookies": [Cookie(key="a")]},
    )
    for said in several:
        made: Response[Any] = Response("a", **said)
        stream = Stream("a", **said)
        for name in set(Response.__slots__) - {"__weakref__"}:
            assert getattr(stream, name) == getattr(made, name)


def test_cookies_are_sent_besides_those_that_its_class_says() -> None:
    own: Any = type("Own", (Stream,), {"cookies": [Cookie(key="a", value="1")]})
    lines = own([], cookies={"b": "2"}).prepare().headers
    sent = [value.partition(b";")[0] for name, value in lines if name == b"set-cookie"]
    assert sent == [b"a=1", b"b=2"]


async def test_text_is_encoded_as_asked_for() -> None:
    assert (await sent(Stream(["ä"], encoding="latin-1"), Peer())).body == b"\xe4"


async def test_a_class_may_make_something_else_of_bytes() -> None:
    class Lines(Stream):
        def chunk(self, item: Any) -> bytes:
            return super().chunk(item) + b"\n"

    assert (await sent(Lines([b"a", bytearray(b"b"), "c"]), Peer())).chunks[:-1] == [
        b"a\n",
        b"b\n",
        b"c\n",
    ]


def test_it_keeps_the_dependencies_open() -> None:
    assert Stream.streaming
    assert Stream([]).prepare().streaming
    assert not Response("a").prepare().streaming


def test_preparing_does_not_touch_the_iterator() -> None:
    pages = iter(["a"])
    Stream(pages).prepare()
    assert next(pages) == "a"


def test_a_status_without_a_body_is_an_error() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="status 204"):
        Stream(["a"], status_code=204).prepare()
    route = Defaults(status_code=204)
    for _ in range(2):
        with pytest.raises(ImproperlyConfiguredException, match="status 204"):
            Stream(["a"]).prepare(route)


async def test_a_function_makes_a_new_iterator_each_time() -> None:
    stream = Stream(lambda: ["a"])
    assert (await sent(stream, Peer())).body == b"a"
    assert (await sent(stream, Peer())).body == b"a"


async def test_an_iterator_that_is_not_asynchronous_runs_in_threads() -> None:
    pages = Pages("a", "b")
    await sent(Stream(pages.synchronous()), Peer())
    assert pages.notes == ["thread", "thread", "closed"]


async def test_what_is_neither_text_nor_bytes_is_an_error_that_says_so() -> None:
    with pytest.raises(TypeError, match="dict"):
        await sent(Stream([{"a": 1}]), Peer())


async def test_an_exception_of_the_iterator_comes_out_and_the_response_stays_incomplete() -> None:
    async def fail() -> None:
        raise LookupError

    pages = Pages("a", then=fail)
    peer = Peer()
    with pytest.raises(LookupError):
        await sent(Stream(pages.asynchronous()), peer)
    assert pages.notes == ["closed"]
    assert peer.heard[-1]["more_body"] is True


async def test_an_os_error_of_the_iterator_is_not_taken_for_the_clients_end() -> None:
    async def fail() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await sent(Stream(Pages("a", then=fail).asynchronous()), Peer())


async def test_it_ends_when_the_client_goes_while_the_iterator_waits() -> None:
    pages = Pages("a", then=anyio.sleep_forever)
    peer = Peer(chunk(b""))
    async with anyio.create_task_group() as group:
        group.start_soon(sent, Stream(pages.asynchronous()), peer)
        await pages.read.wait()
        peer.left.set()
    assert pages.notes == ["closed"]
    assert peer.chunks == [b"a"]


@pytest.mark.parametrize("hears", [0, 1, 2, 3])
async def test_it_ends_when_the_server_says_that_the_client_has_gone(hears: int) -> None:
    pages = Pages("a", "b")
    await sent(Stream(pages.asynchronous()), DeafServer(hears))
    assert pages.notes == (["closed"] if hears else [])


async def test_the_iterator_is_closed_in_the_task_that_ran_it() -> None:
    pages = Pages("a", then=anyio.sleep_forever)
    peer = Peer()
    async with anyio.create_task_group() as group:
        group.start_soon(sent, Stream(pages.asynchronous()), peer)
        await pages.read.wait()
        peer.left.set()
    assert pages.task is not None
    assert pages.closed_by is pages.task


async def test_the_iterator_is_closed_when_the_task_is_cancelled() -> None:
    pages = Pages("a", then=anyio.sleep_forever)
    peer = Peer()
    task = asyncio.create_task(sent(Stream(pages.asynchronous()), peer))
    await pages.read.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pages.notes == ["closed"]


async def test_a_generator_in_a_thread_is_closed_when_the_client_goes() -> None:
    waiting, go_on = threading.Event(), threading.Event()
    notes: list[str] = []

    def pages() -> Iterator[str]:
        try:
            waiting.set()
            go_on.wait()
            yield "a"
        finally:
            notes.append("loop" if is_loop_thread() else "thread")

    peer = Peer()
    async with anyio.create_task_group() as group:
        group.start_soon(sent, Stream(pages()), peer)
        while not waiting.is_set():
            await anyio.lowlevel.checkpoint()
        peer.left.set()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        go_on.set()
    assert notes == ["thread"]


async def test_to_head_only_the_header_is_sent_and_the_iterator_closed_unused() -> None:
    pages = Pages("a")
    generator = pages.asynchronous()
    peer = await sent(Stream(generator), Peer(), "HEAD")
    assert peer.body == b""
    assert len(peer.heard) == 2
    assert [page async for page in generator] == []
    assert pages.notes == []


async def test_to_head_the_function_is_not_called() -> None:
    calls: list[int] = []

    def pages() -> list[str]:
        calls.append(1)
        return []

    await sent(Stream(pages), Peer(), "HEAD")
    assert calls == []


async def test_the_client_is_listened_to_from_the_first_wait_on() -> None:
    class Quick(Peer):
        async def send(self, message: Any) -> None:
            self.heard.append(message)

    async def waiting() -> AsyncIterator[str]:
        yield "a"
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        yield "b"

    peer = Quick()

    async def pages() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    assert (await sent(Stream(pages()), peer)).receives == 0
    assert (await sent(Stream(waiting()), peer)).receives == 1


async def test_background_work_is_done_after_the_stream() -> None:
    peer = Peer()
    sent_before: list[int] = []
    work = BackgroundTask(lambda: sent_before.append(len(peer.heard)))
    await sent(Stream(["a"], background=work), peer)
    assert sent_before == [3]


async def test_a_server_that_repeats_the_request_is_no_client_that_goes() -> None:
    class Parrot(Peer):
        async def receive(self) -> Any:
            return chunk(b"")

    assert (await sent(Stream(Pages("a", "b").asynchronous()), Parrot())).body == b"ab"


async def test_what_is_left_of_the_request_is_passed_over() -> None:
    peer = Peer(chunk(b"x", more=True), chunk(b"y"))
    request = Request(request_scope("POST"), peer.receive, peer.send)
    pages = Pages("a", then=anyio.sleep_forever)
    async with anyio.create_task_group() as group:
        group.start_soon(Stream(pages.asynchronous()), request.scope, peer.receive, peer.send)
        await pages.read.wait()
        with pytest.raises(RuntimeError, match=r"dropped, unread.*before returning the response"):
            await request.body()
        peer.left.set()
    assert pages.notes == ["closed"]


async def test_a_request_that_is_streamed_can_be_answered_as_it_comes() -> None:
    peer = Peer(chunk(b"a", more=True), chunk(b"b"))
    request = Request(request_scope("POST"), peer.receive, peer.send)
    incoming = request.stream()

    async def shouted() -> AsyncIterator[bytes]:
        async for piece in incoming:
            yield piece.upper()

    await Stream(shouted())(request.scope, peer.receive, peer.send)
    assert peer.chunks == [b"A", b"B", b""]


async def test_a_stream_that_has_read_its_request_to_the_end_sees_the_clients_end() -> None:
    peer = Peer(chunk(b"a", more=True), chunk(b"b"))
    request = Request(request_scope("POST"), peer.receive, peer.send)
    incoming = request.stream()
    read, notes = anyio.Event(), []

    async def shouted() -> AsyncIterator[bytes]:
        try:
            async for piece in incoming:
                yield piece.upper()
            read.set()
            await anyio.sleep_forever()
        finally:
            notes.append("closed")

    async with anyio.create_task_group() as group:
        group.start_soon(Stream(shouted()), request.scope, peer.receive, peer.send)
        await read.wait()
        peer.left.set()
    assert peer.chunks == [b"A", b"B"]
    assert notes == ["closed"]


async def test_after_the_request_was_streamed_the_clients_end_is_seen() -> None:
    peer = Peer(chunk(b"a"))
    request = Request(request_scope("POST"), peer.receive, peer.send)
    assert [piece async for piece in request.stream()] == [b"a"]
    pages = Pages("a", then=anyio.sleep_forever)
    async with anyio.create_task_group() as group:
        group.start_soon(Stream(pages.asynchronous()), request.scope, peer.receive, peer.send)
        await pages.read.wait()
        peer.left.set()
    assert pages.notes == ["closed"]


async def test_no_task_is_left_behind() -> None:
    before = asyncio.all_tasks()
    await sent(Stream(Pages("a").asynchronous()), Peer())
    assert asyncio.all_tasks() == before


async def test_a_stream_that_was_sent_leaves_no_garbage() -> None:
    async def one(end: str) -> list[weakref.ref[Any]]:
        pages = Pages("a", then=None if end == "its own" else anyio.sleep_forever)
        peer = Peer(chunk(b""))
        stream = Stream(pages.asynchronous())
        task = asyncio.create_task(sent(stream, peer))
        await pages.read.wait()
        if end == "the client's":
            peer.left.set()
        elif end == "from outside":
            task.cancel()
        await asyncio.wait([task])
        pages.task = pages.closed_by = None  # its own way to the task that holds the error
        return [weakref.ref(pages), weakref.ref(stream), weakref.ref(peer), weakref.ref(task)]

    gc.collect()
    gc.disable()
    try:
        for end in ("its own", "the client's", "from outside"):
            references = await one(end)
            await anyio.lowlevel.checkpoint()
            assert [reference() for reference in references] == [None] * 4, end
    finally:
        gc.enable()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio_it_ends_when_the_client_goes(anyio_backend: str) -> None:
    notes: list[str] = []
    read = anyio.Event()

    async def pages() -> AsyncIterator[str]:
        try:
            yield "a"
            read.set()
            await anyio.sleep_forever()
        finally:
            notes.append("closed")

    peer = Peer()
    async with anyio.create_task_group() as group:
        group.start_soon(sent, Stream(pages()), peer)
        await read.wait()
        peer.left.set()
    assert notes == ["closed"]
    assert peer.chunks == [b"a"]
