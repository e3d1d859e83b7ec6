"""Values of a lifespan: begun and ended with it, in the order of their graph."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hesper import Controller, Hesper, Lifespan, Lifetime, Provide, Router, get
from hesper.datastructures import ImmutableState, State
from hesper.exceptions import LifespanNotStarted
from hesper.testing import TestClient
from tests.asgi_driver import answer, serve
from tests.lifetimes.kinds import Log, opens

pytestmark = pytest.mark.anyio

LIFESPAN = Lifetime.LIFESPAN


def depending(log: Log, name: str, *needs: str, lifetime: Lifetime = LIFESPAN) -> Provide:
    """Return a provider that needs others, and writes down what it does."""
    arguments = ", ".join(needs)
    body: dict[str, Any] = {"log": log, "name": name}
    exec(
        f"async def make({arguments}):\n log.append('+' + name)\n yield name\n"
        " log.append('-' + name)",
        body,
    )
    return Provide(body["make"], lifetime=lifetime)


async def test_start_and_stop_are_in_order() -> None:
    log: Log = []

    @asynccontextmanager
    async def manager(client: str) -> AsyncIterator[None]:
        log.append(f"+manager of {client}")
        yield
        log.append(f"-manager of {client}")

    @get("/")
    async def handle(cache: str) -> None: ...

    app = Hesper(
        [handle],
        dependencies={
            "cache": depending(log, "cache", "pool", "client"),
            "pool": depending(log, "pool", "settings"),
            "settings": depending(log, "settings"),
            "client": opens(log, "client", Lifetime.LOOP),
        },
        lifespan=[manager],
        on_startup=[lambda cache: log.append(f"startup with {cache}")],
        on_shutdown=[lambda client: log.append(f"shutdown with {client}")],
    )
    async with app.lifespan():
        log.append("ready")
    assert log == [
        "+client",
        "+manager of client",
        "+settings",
        "+pool",
        "+cache",
        "startup with cache",
        "ready",
        "-cache",
        "-pool",
        "-settings",
        "-manager of client",
        "shutdown with client",
    ]


async def test_the_apps_own_are_made_though_no_route_needs_them() -> None:
    log: Log = []
    async with Hesper(dependencies={"pool": depending(log, "pool")}).lifespan():
        assert log == ["+pool"]
    assert log == ["+pool", "-pool"]


def settings(name: str) -> Provide:
    async def make() -> str:
        return name

    return Provide(make, lifetime=LIFESPAN)


async def test_a_value_depends_on_what_the_inner_layer_provides() -> None:
    log: Log = []

    async def pool(settings: str) -> AsyncIterator[str]:
        log.append(f"+{settings}")
        yield f"pool of {settings}"
        log.append(f"-{settings}")

    @get("/")
    async def handle(pool: str) -> str:
        return pool

    class Books(Controller):
        path = "/controller"
        dependencies = {"settings": settings("controller")}

        @get("/")
        async def handle(self, pool: str) -> str:
            return pool

        @get("/own", dependencies={"settings": settings("handler")})
        async def own(self, pool: str) -> str:
            return pool

    app = Hesper(
        [
            Router("/one", [handle], dependencies={"settings": settings("one")}),
            Router("/other", [handle], dependencies={"settings": settings("other")}),
            Router("/plain", [handle]),
            Router("/unrelated", [handle], dependencies={"page": settings("x")}),
            Books,
        ],
        dependencies={"settings": settings("app"), "pool": Provide(pool, lifetime=LIFESPAN)},
    )
    expected = {
        "/one": "one",
        "/other": "other",
        "/plain": "app",
        "/unrelated": "app",
        "/controller": "controller",
        "/controller/own": "handler",
    }
    with TestClient(app) as client:
        for path, name in expected.items():
            assert client.get(path).text == f"pool of {name}"
    names = ["app", "one", "other", "controller", "handler"]
    assert sorted(log[:5]) == sorted(f"+{name}" for name in names)
    assert log[5:] == [event.replace("+", "-") for event in reversed(log[:5])]


async def test_a_layer_may_provide_the_same_again_and_shares_it() -> None:
    log: Log = []
    provide = depending(log, "pool")

    @get("/")
    async def handle(pool: str) -> None: ...

    routers = [Router(f"/{n}", [handle], dependencies={"pool": provide}) for n in range(3)]
    async with Hesper(routers).lifespan():
        assert log == ["+pool"]


async def test_it_takes_app_state_and_lifespan() -> None:
    given: list[object] = []

    async def pool(app: Hesper, state: ImmutableState, lifespan: Lifespan) -> None:
        given.extend([app, type(state), state["size"], lifespan])

    app = Hesper(dependencies={"pool": Provide(pool, lifetime=LIFESPAN)}, state={"size": 5})
    async with app.lifespan() as lifespan:
        assert given == [app, ImmutableState, 5, lifespan]


async def test_it_sees_the_state_that_managers_have_set() -> None:
    @asynccontextmanager
    async def manager(state: State) -> AsyncIterator[None]:
        state.size = 5
        yield

    def pool(state: State) -> list[int]:
        return [state.size]

    app = Hesper(dependencies={"pool": Provide(pool, lifetime=LIFESPAN)}, lifespan=[manager])
    async with app.lifespan() as lifespan:
        assert await lifespan.resolve("pool") == [5]


async def test_a_value_that_fails_unwinds_what_was_opened() -> None:
    log: Log = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        log.append("+manager")
        yield
        log.append("-manager")

    async def broken(one: str) -> None:
        raise OSError("nobody answers")

    app = Hesper(
        dependencies={
            "one": depending(log, "one"),
            "broken": Provide(broken, lifetime=LIFESPAN),
            "never": depending(log, "never", "broken"),
        },
        lifespan=[manager],
        on_startup=[lambda: log.append("startup")],
        on_shutdown=[lambda: log.append("shutdown")],
    )
    with pytest.raises(OSError, match="nobody answers") as caught:
        await app.lifespan().start()
    assert caught.value.__notes__ == ["raised when the dependency 'broken' was made"]
    assert log == ["+manager", "+one", "-one", "-manager"]


async def test_a_start_up_hook_that_fails_unwinds_values_and_runs_the_shutdown_hooks() -> None:
    log: Log = []

    def fail(pool: str) -> None:
        raise OSError

    app = Hesper(
        dependencies={"pool": depending(log, "pool")},
        on_startup=[fail],
        on_shutdown=[lambda: log.append("shutdown")],
    )
    with pytest.raises(OSError):
        await app.lifespan().start()
    assert log == ["+pool", "-pool", "shutdown"]


async def test_all_ends_run_and_those_that_fail_are_noted_and_grouped() -> None:
    log: Log = []

    def failing(name: str) -> Provide:
        async def make(middle: str) -> AsyncIterator[str]:
            yield name
            raise OSError(name)

        return Provide(make, lifetime=LIFESPAN)

    app = Hesper(
        dependencies={
            "one": failing("one"),
            "middle": depending(log, "middle"),
            "other": failing("other"),
        }
    )
    lifespan = app.lifespan()
    await lifespan.start()
    with pytest.raises(ExceptionGroup) as caught:
        await lifespan.stop()
    assert [str(error) for error in caught.value.exceptions] == ["other", "one"]
    for error in caught.value.exceptions:
        assert f"raised when the dependency {str(error)!r} was exited" in error.__notes__
    assert log == ["+middle", "-middle"]


class CrashError(Exception):
    pass


async def test_a_value_that_dies_turns_the_lifespan_to_closing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: Log = []
    crash = asyncio.Event()

    async def worker(pool: str) -> AsyncIterator[str]:
        async def work() -> None:
            await crash.wait()
            raise CrashError

        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            yield "worker"

    dependencies = {"pool": depending(log, "pool"), "worker": Provide(worker, lifetime=LIFESPAN)}
    lifespan = Hesper(dependencies=dependencies).lifespan()
    await lifespan.start()
    crash.set()
    with caplog.at_level(logging.ERROR, "hesper"):
        await lifespan.closing
    with pytest.raises(ExceptionGroup) as caught:
        await lifespan.stop()
    assert caught.group_contains(CrashError)
    assert not caught.group_contains(asyncio.CancelledError)
    assert "raised by the dependency 'worker' while the lifespan ran" in caught.value.__notes__
    assert "the dependency 'worker' died" in caplog.text
    assert log == ["+pool", "-pool"]


async def test_a_value_that_dies_while_starting_fails_the_start() -> None:
    async def worker() -> AsyncIterator[str]:
        async def work() -> None:
            raise CrashError

        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            yield "worker"

    async def wait_for_ever(worker: str) -> None:
        await asyncio.Event().wait()

    app = Hesper(
        dependencies={"worker": Provide(worker, lifetime=LIFESPAN)}, on_startup=wait_for_ever
    )
    with pytest.raises(ExceptionGroup) as caught:
        await app.lifespan().start()
    assert caught.group_contains(CrashError)


async def test_a_start_that_is_cancelled_ends_what_was_opened() -> None:
    log: Log = []
    reached = asyncio.Event()

    async def slow(pool: str) -> AsyncIterator[str]:
        log.append("slow begins")
        try:
            reached.set()
            await asyncio.Event().wait()
        finally:
            log.append("slow ends")
        yield "never"

    dependencies = {"pool": depending(log, "pool"), "slow": Provide(slow, lifetime=LIFESPAN)}
    start = asyncio.create_task(Hesper(dependencies=dependencies).lifespan().start())
    await reached.wait()
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert log == ["+pool", "slow begins", "slow ends", "-pool"]


@get("/")
async def show(pool: object) -> int:
    return id(pool)


async def a_pool() -> object:
    return object()


def test_without_a_lifespan_a_request_says_what_was_not_started() -> None:
    app = Hesper([show], dependencies={"pool": Provide(a_pool, lifetime=LIFESPAN)})
    with pytest.raises(LifespanNotStarted, match="the dependency 'pool'"):
        answer(app, "GET", "/")


def test_without_a_lifespan_an_inner_layers_provider_counts_too() -> None:
    inner = Router("/", [show], dependencies={"pool": Provide(a_pool, lifetime=LIFESPAN)})
    with pytest.raises(LifespanNotStarted, match="the dependency 'pool'"):
        answer(Hesper([inner]), "GET", "/")


def test_without_a_lifespan_a_kept_value_works() -> None:
    app = Hesper([show], dependencies={"pool": Provide(a_pool, use_cache=True)})
    assert answer(app, "GET", "/").status == 200


def test_a_kept_value_lives_as_long_as_the_lifespan() -> None:
    app = Hesper([show], dependencies={"pool": Provide(a_pool, use_cache=True)})
    seen: list[int] = []
    keep: list[object] = []

    async def run() -> None:
        async with app.lifespan() as lifespan:
            keep.append(await lifespan.resolve("pool"))
            seen.extend([(await serve(app, "GET", "/")).json() for _ in range(2)])

    for _ in range(2):
        asyncio.run(run())
    assert seen == [id(keep[0]), id(keep[0]), id(keep[1]), id(keep[1])]


def test_a_hook_may_take_a_kept_value() -> None:
    taken: list[object] = []

    def start(pool: object) -> None:
        taken.append(pool)

    app = Hesper(dependencies={"pool": Provide(a_pool, use_cache=True)}, on_startup=start)
    with TestClient(app):
        assert len(taken) == 1


async def test_many_who_ask_at_once_get_one_kept_value() -> None:
    made: list[object] = []

    async def slow() -> object:
        made.append(object())
        await asyncio.sleep(0)
        return made[-1]

    app = Hesper([show], dependencies={"pool": Provide(slow, use_cache=True)})
    async with app.lifespan():
        answers = await asyncio.gather(*(serve(app, "GET", "/") for _ in range(20)))
    assert {found.json() for found in answers} == {id(made[0])}
    assert len(made) == 1


async def test_a_failure_reaches_all_who_wait_and_is_forgotten() -> None:
    made: list[int] = []

    async def flaky() -> object:
        made.append(1)
        await asyncio.sleep(0)
        if len(made) == 1:
            raise OSError("not yet")
        return object()

    app = Hesper([show], dependencies={"pool": Provide(flaky, use_cache=True)})
    async with app.lifespan():
        answers = await asyncio.gather(*(serve(app, "GET", "/") for _ in range(3)))
        assert [found.status for found in answers] == [500, 500, 500]
        assert (await serve(app, "GET", "/")).status == 200
    assert len(made) == 2


async def test_one_who_waits_and_is_cancelled_cancels_nothing() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return "made"

    app = Hesper(dependencies={"pool": Provide(slow, use_cache=True)})
    async with app.lifespan() as lifespan:
        first, second = (asyncio.create_task(lifespan.resolve("pool")) for _ in range(2))
        await begun.wait()
        first.cancel()
        await asyncio.wait([first])
        go_on.set()
        assert await second == "made"


async def test_what_is_asked_for_while_the_lifespan_ends_is_told_so() -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        begun.set()
        await asyncio.Event().wait()

    app = Hesper(dependencies={"pool": Provide(slow, use_cache=True)})
    async with app.lifespan() as lifespan:
        asking = asyncio.create_task(lifespan.resolve("pool"))
        await begun.wait()
    with pytest.raises(RuntimeError, match="the lifespan is over"):
        await asking


async def test_values_that_wait_for_each_other_are_told_so() -> None:
    async def one(lifespan: Lifespan) -> object:
        return await lifespan.resolve("other")

    async def other(lifespan: Lifespan) -> object:
        return await lifespan.resolve("one")

    dependencies = {"one": Provide(one, use_cache=True), "other": Provide(other, use_cache=True)}
    async with Hesper(dependencies=dependencies).lifespan() as lifespan:
        with pytest.raises(RuntimeError, match="waits for itself"):
            await lifespan.resolve("one")


def test_two_lifespans_at_once_share_nothing() -> None:
    both = threading.Barrier(2, timeout=10)
    app = Hesper([show], dependencies={"pool": Provide(a_pool, lifetime=LIFESPAN)})
    seen: list[int] = []
    keep: list[object] = []

    async def run() -> None:
        async with app.lifespan() as lifespan:
            keep.append(await lifespan.resolve("pool"))
            await asyncio.to_thread(both.wait)
            seen.append((await serve(app, "GET", "/")).json())
            await asyncio.to_thread(both.wait)

    threads = [threading.Thread(target=asyncio.run, args=(run(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {id(one) for one in keep}
    assert len(set(seen)) == 2


async def test_two_lifespans_on_one_loop_share_nothing() -> None:
    app = Hesper(dependencies={"pool": Provide(a_pool, lifetime=LIFESPAN)})
    async with app.lifespan() as one, app.lifespan() as other:
        assert await one.resolve("pool") is not await other.resolve("pool")


@pytest.mark.parametrize("lifetime", [Lifetime.CALL, Lifetime.CONNECTION])
async def test_a_lifespan_resolves_nothing_shorter(lifetime: Lifetime) -> None:
    async with Hesper(
        dependencies={"pool": Provide(a_pool, lifetime=lifetime)}
    ).lifespan() as lifespan:
        with pytest.raises(LookupError, match=r"give its provider lifetime=Lifetime\.LIFESPAN"):
            await lifespan.resolve("pool")


async def test_a_lifespan_names_the_nearest_when_it_knows_no_such_dependency() -> None:
    async with Hesper(
        dependencies={"pool": Provide(a_pool, lifetime=LIFESPAN)}
    ).lifespan() as lifespan:
        with pytest.raises(LookupError, match="'pol'; did you mean 'pool'"):
            await lifespan.resolve("pol")


async def test_a_lifespan_that_does_not_run_resolves_nothing() -> None:
    lifespan = Hesper(dependencies={"pool": Provide(a_pool, lifetime=LIFESPAN)}).lifespan()
    with pytest.raises(RuntimeError, match="this one is new"):
        await lifespan.resolve("pool")
    await lifespan.start()
    await lifespan.stop()
    with pytest.raises(RuntimeError, match="this one is closed"):
        await lifespan.resolve("pool")
