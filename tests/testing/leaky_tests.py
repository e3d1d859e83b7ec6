"""Tests that leave something open, and tests that do not: run by `test_plugin_leaks.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from hesper import Hesper, WebSocket, get, loop_local, websocket
from hesper.response import Stream
from hesper.testing import AsyncTestClient, LiveServer, TestClient, create_test_client

HELD: list[Any] = []


@pytest.fixture(scope="module", autouse=True)
def _let_the_process_end() -> Iterator[None]:
    yield
    for held in HELD:
        if isinstance(held, TestClient | LiveServer):
            held.__exit__(None, None, None)
        elif isinstance(held, httpx2.Response) and isinstance(held.stream, httpx2.SyncByteStream):
            held.close()
        elif isinstance(held, asyncio.AbstractEventLoop):
            for task in asyncio.all_tasks(held):
                task.cancel()
            held.run_until_complete(asyncio.sleep(0))
            held.run_until_complete(held.shutdown_asyncgens())
            held.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@get("/")
async def index() -> str:
    return "here"


@get("/endless")
async def endless() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await asyncio.sleep(0)

    return Stream(chunks())


@get("/starts-a-task")
async def starts_a_task() -> None:
    HELD.append(asyncio.create_task(asyncio.sleep(1000)))


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


app = Hesper([index, endless, starts_a_task, echo])


@asynccontextmanager
async def resource() -> AsyncIterator[None]:
    yield


@pytest.mark.anyio
async def test_lifespan() -> None:
    HELD.append(app.lifespan())
    await HELD[-1].start()


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore")  # one that is dropped says so, too
async def test_dropped_lifespan() -> None:
    await app.lifespan().start()


@pytest.mark.anyio
async def test_task() -> None:
    async def ticking() -> None:
        await asyncio.sleep(1000)

    HELD.append(asyncio.create_task(ticking()))


@pytest.mark.anyio
async def test_task_of_a_task_group() -> None:
    async def ringing() -> None:
        await asyncio.sleep(1000)

    group = anyio.create_task_group()
    await group.__aenter__()
    group.start_soon(ringing)
    HELD.append(group)


@pytest.mark.anyio
async def test_response() -> None:
    client = AsyncTestClient(app)
    request = client.build_request("GET", "/endless")
    HELD.append(await client.send(request, stream=True))


def test_response_of_a_sync_client() -> None:
    client = TestClient(app)
    request = client.build_request("GET", "/endless")
    HELD.append(client.send(request, stream=True))


@pytest.mark.anyio
async def test_websocket() -> None:
    session = AsyncTestClient(app).websocket_connect("/echo")
    await session.connect()
    HELD.append(session)


@pytest.mark.anyio
async def test_client() -> None:
    HELD.append(AsyncTestClient(app))
    await HELD[-1].__aenter__()


def test_sync_client() -> None:
    HELD.append(TestClient(app))
    HELD[-1].__enter__()


def test_server() -> None:
    HELD.append(LiveServer(app))
    HELD[-1].__enter__()


def test_task_of_a_handler() -> None:
    with create_test_client(starts_a_task) as client:
        client.get("/starts-a-task")


def test_task_of_a_handler_on_uvloop() -> None:
    with create_test_client(starts_a_task, backend_options={"use_uvloop": True}) as client:
        client.get("/starts-a-task")


def test_loop_local_resource() -> None:
    async def enter() -> None:
        await loop_local.enter(resource())
        loop_local.atexit(print)

    HELD.append(asyncio.new_event_loop())
    HELD[-1].run_until_complete(enter())


def test_task_of_a_loop_that_is_never_closed() -> None:
    async def start() -> None:
        HELD.append(asyncio.create_task(asyncio.sleep(1000)))

    HELD.append(asyncio.new_event_loop())
    HELD[-1].run_until_complete(start())


@pytest.fixture
def client() -> TestClient[Hesper]:
    client = TestClient(app)
    HELD.append(client)
    return client.__enter__()


def test_client_of_a_fixture(client: TestClient[Hesper]) -> None:
    assert client.get("/").text == "here"


@pytest.fixture(scope="module")
def shared() -> Iterator[TestClient[Hesper]]:
    with LiveServer(app), TestClient(app) as client:
        yield client


def test_fine_with_a_client_of_the_module(shared: TestClient[Hesper]) -> None:
    assert shared.get("/").text == "here"
    with shared.stream("GET", "/endless"):
        pass


def test_fine_with_a_client() -> None:
    with TestClient(app) as client:
        assert client.get("/").text == "here"
        with client.stream("GET", "/endless") as response:
            assert next(response.iter_text()) == "tick"
        with client.websocket_connect("/echo") as session:
            session.send_text("hello")
            assert session.receive_text() == "hello"
    TestClient(app).get("/")
    with LiveServer(app):
        pass


@pytest.mark.anyio
async def test_fine_with_tasks() -> None:
    async def tick() -> None:
        await asyncio.sleep(0)

    HELD.append(asyncio.create_task(tick()))
    cancelled = asyncio.create_task(asyncio.sleep(1000))
    cancelled.cancel()
    async with asyncio.TaskGroup() as group:
        group.create_task(tick())


@pytest.mark.anyio
async def test_fine_with_a_lifespan() -> None:
    async with app.lifespan() as lifespan:
        _ = lifespan.tasks.start(asyncio.sleep, 1000)
        assert (await lifespan.client().get("/")).text == "here"


@pytest.mark.anyio
async def test_fine_with_a_lifespan_that_cannot_start() -> None:
    def fail() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError):
        async with Hesper(on_startup=[fail]).lifespan():
            pass


def test_fine_with_a_loop_local_resource() -> None:
    async def enter() -> None:
        await loop_local.enter(resource())
        loop_local.atexit(print)

    asyncio.run(enter())


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_fine_on_trio(anyio_backend: str) -> None:
    await loop_local.enter(resource())


@pytest.mark.hesper_no_leaks(False)
def test_fine_because_it_is_not_checked() -> None:
    HELD.append(TestClient(app))
    HELD[-1].__enter__()
