"""The examples with a real client: aiohttp's `ClientSession` belongs to the loop it is made on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from aiohttp import ClientSession, web

from hesper import loop_local


@asynccontextmanager
async def echo_server() -> AsyncIterator[str]:
    """Serve, on a free port, the user agent that a client says."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["User-Agent"])

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield str(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def session_as(agent: str) -> AsyncIterator[ClientSession]:
    async with ClientSession(headers={"User-Agent": agent}) as session:
        yield session


session_for = loop_local.sticky_singleton_acm(session_as)


async def by_arguments() -> list[ClientSession]:
    sessions: list[ClientSession] = []
    port = await loop_local.enter(echo_server())
    for agent in ("one", "two", "one"):
        async with session_for(agent) as session:
            async with session.get(f"http://127.0.0.1:{port}/") as response:
                assert await response.text() == agent
            sessions.append(session)
    assert sessions[0] is sessions[2]
    assert sessions[0] is not sessions[1]
    assert not any(session.closed for session in sessions)
    return sessions


def test_one_session_for_each_combination_of_arguments() -> None:
    for run in (asyncio.run, uvloop.run):
        sessions = run(by_arguments())
        assert all(session.closed for session in sessions)


async def by_entering() -> ClientSession:
    port = await loop_local.enter(echo_server())
    first = await loop_local.enter_once(loop_local.singleton(ClientSession)())
    second = await loop_local.enter_once(loop_local.singleton(ClientSession)())
    assert first is second
    async with first.get(f"http://127.0.0.1:{port}/") as response:
        assert response.status == 200
    return first


def test_one_session_for_each_loop() -> None:
    sessions = [asyncio.run(by_entering()), asyncio.run(by_entering())]
    assert sessions[0] is not sessions[1]
    assert all(session.closed for session in sessions)
