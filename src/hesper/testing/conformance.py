"""Checks of what holds for a good ASGI app, Hesper's or any other, and for middleware around one.

Each check is a plain function that runs the app on loops of its own, in threads of its own, so it
can be called from any test. What it finds comes out as one `AssertionError`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, cast

import httpx2

from hesper._types import ASGIApp, Message
from hesper.exceptions import WebSocketDisconnect
from hesper.testing.async_client import AsyncTestClient
from hesper.testing.checked import Checked
from hesper.testing.threads import in_thread, in_threads

__all__ = (
    "assert_asgi",
    "assert_reenterable",
    "assert_runs_on_loops",
    "statuses",
    "well_formed",
)

ONE_REQUEST: Final = ("GET /",)
"""What apps are asked unless something else is said."""

CHUNKS: Final = 100
"""How many chunks of a response are read before its client leaves."""

PASSES: Final = 100
"""How many passes of the loop an app has to do something that it should not."""

LINGER: Final = 0.1
"""How many seconds tasks that an app has left have to do something that they should not."""

PATIENCE: Final = 10.0
"""How many seconds an app may take for its next message."""


def assert_asgi(
    app: ASGIApp,
    *,
    requests: Sequence[str] = ONE_REQUEST,
    websockets: Sequence[str] = (),
    timeout: float = PATIENCE,
) -> None:
    """Check that an app speaks ASGI: the order and the shape of its messages, and their end.

    The lifespan is run. Each request is sent twice: once its response is read, and once the client
    leaves it. Each websocket is connected, given a text, and closed. At last the app is called with
    a scope that it cannot know, which it has to refuse (ASGI, Applications).

    Args:
        app: The app, or middleware around one.
        requests: What to ask, such as "GET /books".
        websockets: The paths to connect to.
        timeout: Seconds that the app may take for its next message.

    Raises:
        AssertionError: The app does not; all faults are listed, each with where it happened.
        ValueError: A request is none.
    """
    well_formed(requests)
    checked = Checked(app)
    in_thread(lambda: _exercise(checked, requests, websockets, timeout))
    in_thread(lambda: _refuses_unknown(checked, app, timeout))
    _raise_faults(checked)


def _raise_faults(checked: Checked) -> None:
    if checked.faults:
        texts = list(dict.fromkeys(text for text, _ in checked.faults))
        errors = [error for _, error in checked.faults if error is not None]
        raise AssertionError("\n".join(["The app does not speak ASGI:", *texts])) from (
            errors[0] if errors else None
        )


async def _exercise(
    checked: Checked, requests: Sequence[str], websockets: Sequence[str], timeout: float
) -> None:
    # The faults are kept by what is around the app; what the client says of them comes second.
    client = AsyncTestClient(
        checked, raise_server_exceptions=False, timeout=timeout, spec_version="2.4"
    )
    try:
        async with client:
            for request in requests:
                for chunks in (CHUNKS, 0):
                    await _ask(client, checked, request, chunks)
                    await _ends(client, checked, request, timeout)
            for path in websockets:
                await _talk(client, path, timeout)
                await _ends(client, checked, f"websocket {path}", timeout)
            await _passes()
        await _linger()
    except Exception as error:
        if not checked.faults:
            checked.faults.append((f"lifespan: {error}", error))


async def _ask(
    client: AsyncTestClient[Checked], checked: Checked, request: str, chunks: int
) -> None:
    method, _, path = request.partition(" ")
    try:
        async with client.stream(method, path) as response:
            body = response.aiter_raw()
            for _ in range(chunks):
                if await anext(body, None) is None:
                    break
            await body.aclose()
    except httpx2.TimeoutException as error:
        checked.faults.append((f"{request}: {error}", error))
    except Exception as error:
        if not checked.faults:
            checked.faults.append((f"{request}: {error}", error))


async def _talk(client: AsyncTestClient[Checked], path: str, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout), client.websocket_connect(path) as session:
            await session.send_text("hesper")
            await _passes()
            await session.close()
    except (WebSocketDisconnect, TimeoutError):
        pass  # refused, or ended by the app: all of it is for the app to decide


async def _ends(
    client: AsyncTestClient[Checked], checked: Checked, label: str, timeout: float
) -> None:
    calls = tuple(client._app_transport.calls)
    try:
        async with asyncio.timeout(timeout):
            for call in calls:
                await call.wait()
    except TimeoutError:
        checked.faults.append(
            (f"{label}: The app goes on {timeout} seconds after its client has left.", None)
        )
        for call in calls:
            await call.close()


async def _passes() -> None:
    for _ in range(PASSES):
        await asyncio.sleep(0)


async def _linger() -> None:
    """Wait a little for tasks that the app has left: they may send what is too late."""
    left = asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}
    if left:
        await asyncio.wait(left, timeout=LINGER)


async def _refuses_unknown(checked: Checked, app: ASGIApp, timeout: float) -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("never reached")

    async def send(message: Message) -> None:
        raise ValueError(f"nothing can be sent here, and the app sent {message!r:.200}")

    scope = {"type": "hesper.unknown", "asgi": {"version": "3.0"}}
    try:
        async with asyncio.timeout(min(timeout, 1)):
            await app(scope, receive, send)
    except TimeoutError:
        did = "waits for a message"
    except Exception:
        return
    else:
        did = "returns"
    text = (
        f"unknown scope: The app {did} when it is called with a scope of the type "
        "'hesper.unknown'; it has to raise, so that servers know what it does not support."
    )
    checked.faults.append((text, None))


def assert_reenterable(
    app: ASGIApp, *, requests: Sequence[str] = ONE_REQUEST, times: int = 3
) -> None:
    """Check that an app can be started again, after it has ended and while it runs.

    Its lifespan is run *times* times on one loop, one after another, and then twice at once. The
    requests have to get the same status each time, and no task may be left.

    Args:
        app: The app, or middleware around one.
        requests: What to ask in each lifespan, such as "GET /books".
        times: How many lifespans run one after another.

    Raises:
        AssertionError: It cannot; the message says in which lifespan, the cause why.
        ValueError: A request is none.
    """
    well_formed(requests)
    runs: list[bool] = []

    async def reenter() -> None:
        before = asyncio.all_tasks()
        first: dict[str, int] = {}
        for number in range(1, times + 1):
            with _Blaming(f"lifespan {number} of {times}"):
                async with AsyncTestClient(app, timeout=PATIENCE) as client:
                    _require_the_same(runs, client)
                    first = first or await statuses(client, requests)
                    _compare(first, await statuses(client, requests))
                await _no_more_tasks(before)
        with _Blaming("two lifespans at once"):
            async with AsyncTestClient(app, timeout=PATIENCE) as one:
                _require_the_same(runs, one)
                async with AsyncTestClient(app, timeout=PATIENCE) as two:
                    _require_the_same(runs, two)
                    _compare(first, await statuses(one, requests))
                    _compare(first, await statuses(two, requests))
                _compare(first, await statuses(one, requests))
            await _no_more_tasks(before)

    in_thread(reenter)


def assert_runs_on_loops(
    app: ASGIApp, n: int = 2, *, requests: Sequence[str] = ONE_REQUEST
) -> None:
    """Check that one app serves on several loops at once, and on another one afterwards.

    Args:
        app: The app, or middleware around one.
        n: How many loops, each in a thread of its own.
        requests: What to ask on each, such as "GET /books".

    Raises:
        AssertionError: It does not; the message says on which loop, the cause why.
        ValueError: A request is none.
    """
    well_formed(requests)
    runs: list[bool] = []
    barrier = threading.Barrier(n)

    def together() -> None:
        # All are started before one is asked, and asked before one ends.
        barrier.wait(PATIENCE)

    async def serve(number: int, wait: Callable[[], object]) -> dict[str, int]:
        try:
            with _Blaming(f"loop {number}"):
                async with AsyncTestClient(app, timeout=PATIENCE) as client:
                    wait()
                    _require_the_same(runs, client)
                    found = await statuses(client, requests)
                    wait()
                return found
        except BaseException:
            barrier.abort()
            raise

    results = in_threads([partial(serve, number, together) for number in range(1, n + 1)])
    results.append(in_thread(lambda: serve(n + 1, lambda: None)))
    for number, found in enumerate(results, 1):
        with _Blaming(f"loop {number}"):
            _compare(results[0], found)


def _require_the_same(runs: list[bool], client: AsyncTestClient[ASGIApp]) -> None:
    """Require that the app has answered each start-up, or none."""
    it_runs = client._app_transport.runs_lifespan
    runs.append(it_runs)
    if it_runs != runs[0]:
        raise AssertionError(
            "the app runs a lifespan at one time, and at another it raises or returns without one,"
            " which servers take for an app that has none"
        )


def well_formed(requests: Sequence[str]) -> None:
    """Require that each of *requests* is a method and a path.

    Raises:
        ValueError: One is not.
    """
    if isinstance(requests, str):
        raise ValueError(  # noqa: TRY004 - a string is a sequence of strings
            f"requests are a list, such as [{requests!r}], not one string"
        )
    for request in requests:
        method, _, path = request.partition(" ")
        if method.upper() == "WEBSOCKET":
            raise ValueError(f"{request!r} is no request; `assert_asgi` has websockets=[{path!r}]")
        if not method or not path.startswith(("/", "http://", "https://")):
            raise ValueError(
                f"{request!r} is no request; write a method and a path, such as 'GET /books'"
            )


async def statuses(client: AsyncTestClient[ASGIApp], requests: Sequence[str]) -> dict[str, int]:
    """Send *requests*, and return the status of each response, which is read, or left at last."""
    found: dict[str, int] = {}
    for request in requests:
        method, _, path = request.partition(" ")
        async with client.stream(method, path) as response:
            found[request] = response.status_code
            body = response.aiter_raw()
            for _ in range(CHUNKS):
                if await anext(body, None) is None:
                    break
            await body.aclose()
    return found


def _compare(first: dict[str, int], found: dict[str, int]) -> None:
    for request, status in found.items():
        if status != first[request]:
            raise AssertionError(f"{request} was answered {first[request]} at first, now {status}")


async def _no_more_tasks(before: set[asyncio.Task[Any]]) -> None:
    await _passes()
    left = [task for task in asyncio.all_tasks() - before if not task.done()]
    if left:
        # Some bear their function's name, as those of anyio do, whose coroutine is anyio's own.
        names = ", ".join(sorted(f"{task.get_name()} ({task.get_coro()!r})" for task in left))
        raise AssertionError(f"tasks are left when the lifespan has ended: {names}")


class _Blaming:
    """Says where the app failed, in place of what its block raises."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and isinstance(error, Exception):
            what = f"{self._where}: {type(error).__name__}: {error}"
            raise AssertionError(what) from error
